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

# configure DIR [meson setup options…]: a build folder, made or brought up to date.
configure() {
    local dir=$1
    shift
    if [ -f "$dir/build.ninja" ]; then
        meson configure "$dir" -Ddata="$EDN_DATA" "$@" >/dev/null
    else
        meson setup "$dir" -Ddata="$EDN_DATA" "$@" >/dev/null || meson setup --wipe "$dir" -Ddata="$EDN_DATA" "$@"
    fi
}
