#!/usr/bin/env bash
# Puts in place what the tests run against: Debian's redis-server (7.0), postgresql, chromium and nginx, and Redis 6.0.16,
# the oldest release that is supported, unpacked from Debian 11 into .servers/redis-6.0 without installing it.
# Does nothing for what is there already. What cannot be had is named, with a way out.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    printf '\n%s\n' "$@" >&2
    exit 1
}

# Redis 7.0, PostgreSQL, a browser and nginx

missing=()
command -v redis-server >/dev/null || missing+=(redis-server)
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || command -v postgres >/dev/null || missing+=(postgresql)
command -v chromium >/dev/null || missing+=(chromium)
[[ -x /usr/sbin/nginx ]] || command -v nginx >/dev/null || missing+=(nginx-light)

if ((${#missing[@]})); then
    if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
        fail "The tests need programs that are not installed: ${missing[*]}." \
            "Install them with your package manager, or run this as root on Debian."
    fi
    echo "Installing ${missing[*]} ..."
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq </dev/null
    apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null >/dev/null
fi

# Redis 6.0

target=.servers/redis-6.0
packages=(redis-server redis-tools libjemalloc2 liblua5.1-0 liblzf1 libhiredis0.14 libssl1.1 lua-bitop lua-cjson)

starts() { # Whether the redis-server below this directory runs
    local libraries
    libraries=$(find "$1" -type d -name '*-linux-*' 2>/dev/null | paste -sd:)
    LD_LIBRARY_PATH=$libraries "$1/usr/bin/redis-server" --version 2>/dev/null | grep -q 'v=6\.0\.'
}

unpack_from() { # Download the packages of Debian 11 from this archive and unpack them
    local uri=$1 work=$2 keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    rm -rf "$work"
    mkdir -p "$work"/{lists/partial,cache/archives/partial,debs,root,none}
    : >"$work/status"
    printf 'Types: deb\nURIs: %s\nSuites: bullseye\nComponents: main\n' "$uri" >"$work/bullseye.sources"
    if [[ -r $keyring ]]; then echo "Signed-By: $keyring" >>"$work/bullseye.sources"; fi
    cat >"$work/apt.conf" <<EOF
Dir::Etc::sourcelist "$work/bullseye.sources";
Dir::Etc::sourceparts "$work/none";
Dir::Etc::preferencesparts "$work/none";
Dir::State::lists "$work/lists";
Dir::State::status "$work/status";
Dir::Cache "$work/cache";
APT::Sandbox::User "";
Acquire::Check-Valid-Until "false";
Acquire::Languages "none";
Acquire::Retries "3";
EOF
    (
        export APT_CONFIG=$work/apt.conf
        apt-get update -qq && cd "$work/debs" && apt-get download -qq "${packages[@]}"
    ) </dev/null >"$work/log" 2>&1 || return 1
    local package
    for package in "$work"/debs/*.deb; do dpkg -x "$package" "$work/root" || return 1; done
    starts "$work/root"
}

if [[ -n ${REDIS6_SERVER:-} ]]; then
    [[ -x $REDIS6_SERVER ]] || fail "REDIS6_SERVER does not name a program: $REDIS6_SERVER"
elif ! starts "$target"; then
    help="Name a redis-server of version 6.0 in the variable REDIS6_SERVER."
    if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
        fail "The tests need Redis 6.0, which is unpacked from Debian's archive, and there is no apt-get here." "$help"
    fi
    echo "Unpacking Redis 6.0 into $target ..."
    work=$PWD/.servers/work
    trap 'rm -rf "$work"' EXIT
    # The archives that this machine already uses, as apt itself reads them from whatever file they stand in.
    mapfile -t archives < <(apt-get update --print-uris 2>/dev/null | sed -n "s#^'\(.*\)/dists/.*#\1#p" | sort -u)
    for archive in "${archives[@]}"; do
        if unpack_from "$archive" "$work"; then
            rm -rf "$target"
            mv "$work/root" "$target"
            break
        fi
    done
    starts "$target" || fail "None of this machine's package archives has Redis 6.0 (Debian 11)." "$help"
fi
