# What the scripts share; sourced, from any folder. Sets `root` and goes there.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

if [ -t 2 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
else
    bold='' dim='' red='' green='' plain=''
fi

step() { printf '%s== %s%s\n' "$bold" "$*" "$plain" >&2; }
fail() {
    printf '%s%s: %s%s\n' "$red" "${0##*/}" "$*" "$plain" >&2
    exit 1
}

# Corpora, traces and vectors: EDN_DATA, else the folder `shared` beside the clone when there is one. CI always has it:
# there a missing folder makes the tests fail rather than skip.
if [ -z "${EDN_DATA:-}" ] && { [ -d "$root/../shared/vectors" ] || [ "${CI:-}" = true ]; }; then
    EDN_DATA=$(cd "$root/.." && pwd)/shared
fi
export EDN_DATA=${EDN_DATA:-}

# configure DIR [--cross-file FILE] [meson setup options…]: a build folder, made or brought up to date.
configure() {
    local dir=$1 machine=()
    shift
    if [ "${1:-}" = --cross-file ]; then
        machine=("$1" "$2")
        shift 2
    fi
    if [ -f "$dir/build.ninja" ]; then
        meson configure "$dir" -Ddata="$EDN_DATA" "$@" >/dev/null
    else
        rm -rf "$dir"
        meson setup "$dir" "${machine[@]}" -Ddata="$EDN_DATA" "$@" >/dev/null || {
            tail -n 20 "$dir/meson-logs/meson-log.txt" >&2
            fail "$dir could not be set up"
        }
    fi
}

# compile DIR: says nothing but what failed.
compile() {
    ninja -C "$1" >"$1/ninja.txt" 2>&1 || {
        sed -n '/^FAILED/,$p' "$1/ninja.txt" | head -n 80 >&2
        fail "$1 did not build"
    }
}

# ---- counting what tests said: tally_begin, then any of the others, then tally_end -----------------------------------

# A script that another one started adds to the other's counts.
tally_begin() {
    tally_outer=${EDN_TALLY:-}
    [ -z "$tally_outer" ] || return 0
    mkdir -p build-tally
    EDN_TALLY=$root/build-tally/$$
    export EDN_TALLY
    : >"$EDN_TALLY"
    trap tally_exit EXIT
}

tally_end() {
    tally_ended=true
    [ -n "$tally_outer" ] || scripts/tally "$EDN_TALLY" --close
}

# A script that ends before its end (something did not build) still says so in the last line.
tally_exit() {
    [ -n "${tally_ended:-}" ] || {
        scripts/tally "$EDN_TALLY" --one "${0##*/}: ended early" failed
        scripts/tally "$EDN_TALLY" --close || true
    }
    rm -f "$EDN_TALLY"
}

# one LABEL COMMAND…: a check that passes or fails as a whole.
one() {
    local label=$1 verdict=ok
    shift
    step "$label"
    "$@" || verdict=failed
    scripts/tally "$EDN_TALLY" --one "$label" $verdict
}

# meson_test LABEL DIR [arguments of meson test…]
meson_test() {
    local label=$1 dir=$2 log
    shift 2
    step "tests: $label"
    rm -f "$dir"/meson-logs/testlog*.json
    meson test -C "$dir" --no-rebuild --num-processes "$(nproc)" "$@" >"$dir/meson-logs/last.txt" 2>&1 || true
    log=$(find "$dir/meson-logs" -name 'testlog*.json' | head -n 1)
    if [ -z "$log" ]; then
        tail -n 20 "$dir/meson-logs/last.txt"
        scripts/tally "$EDN_TALLY" --one "$label: meson test" failed
    else
        scripts/tally "$EDN_TALLY" --log "$log" "$label" || true
    fi
}
