# A second apt, beside the system's, for sources and for other machines' libraries; sourced after lib.sh. It changes
# nothing on this machine but the folder it is given, and uses whatever Debian archive the system's apt is set up for.

# apt_aside DIR ARCH: prepares DIR/apt; afterwards `aside apt-get …` and `aside apt-cache …` work on it.
apt_aside() {
    local dir=$1 arch=$2 archives
    aside_conf=$root/$dir/apt/apt.conf
    mkdir -p "$dir"/apt/{lists/partial,cache/archives/partial,parts}
    archives=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        awk '$1 == "Debian" { print ($3 ~ /-/), $2, $3, $4 }' | sort -u | cut -d' ' -f2-)
    [ -n "$archives" ] || fail "apt knows no Debian archive: run apt-get update (as root) first"
    local signed='' keys=/usr/share/keyrings/debian-archive-keyring.gpg
    [ -f $keys ] && signed=" signed-by=$keys"
    while read -r uri suite component; do
        echo "deb [arch=$arch$signed] $uri $suite $component"
        echo "deb-src [arch=$arch$signed] $uri $suite $component"
    done <<<"$archives" >"$dir/apt/sources.list"
    : >"$dir/apt/status"
    cat >"$aside_conf" <<END
Dir::State::Lists "$root/$dir/apt/lists";
Dir::State::Status "$root/$dir/apt/status";
Dir::Cache "$root/$dir/apt/cache";
Dir::Etc::SourceList "$root/$dir/apt/sources.list";
Dir::Etc::SourceParts "$root/$dir/apt/parts";
APT::Architecture "$arch";
APT::Architectures { "$arch"; };
APT::Install-Recommends "false";
APT::Sandbox::User "$(id -un)";
Debug::NoLocking "true";
END
    aside apt-get update -q >"$dir/apt/update.txt" 2>&1 || {
        cat "$dir/apt/update.txt" >&2
        fail "the package lists for $arch could not be had"
    }
}

aside() { APT_CONFIG=$aside_conf "$@"; }
