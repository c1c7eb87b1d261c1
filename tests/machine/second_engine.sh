#!/usr/bin/env bash
# Unpacks Docker Engine 28 from distribution packages into a folder, for the tests that compare with a newer
# Engine than the machine's, and a buildx for Compose. Cached; safe to run again. Starts nothing.
set -euo pipefail
cache=${XDG_CACHE_HOME:-$HOME/.cache}/bluegreen
say() { printf 'setup: %s\n' "$*" >&2; }

[ -e "$cache/engine28/.complete" ] && [ -x "$cache/engine28/usr/libexec/docker/cli-plugins/docker-buildx" ] && exit 0
[ "$(id -u)" = 0 ] || { say "FAILED: the tests of a second Engine need root"; exit 1; }
command -v mmdebstrap >/dev/null ||
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mmdebstrap debian-archive-keyring >/dev/null
mirror=$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null || true; } |
    grep -oE 'https?://[^ ]*/debian/?( |$)' | head -n 1 | tr -d ' ' || true)
say "unpacking a second Docker Engine from the packages of Debian forky (once; cached)"
mkdir -p "$cache"
rm -rf "$cache/engine28"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
mmdebstrap --quiet --variant=minbase --include=docker.io,docker-buildx,iptables,ca-certificates,procps \
    --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Retries "3"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    forky "$cache/engine28" ${mirror:+"$mirror"} >"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    say "FAILED: mmdebstrap forky for the second Engine"
    exit 1
}
touch "$cache/engine28/.complete"
