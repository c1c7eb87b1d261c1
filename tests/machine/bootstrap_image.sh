#!/usr/bin/env bash
# Makes one base image, bluegreen-base/NAME, from distribution packages, where no image registry can be
# reached. The unpacked packages are cached as CACHE/PACKAGES.tar; the image is imported from there.
# With CACHE "packages" it only says which: an image of others is made again.
set -euo pipefail
name=$1 cache=$2
say() { printf 'setup: %s\n' "$*" >&2; }

case $name in
    # The suite is the oldest one that has what the example needs: Python 3.13; nginx >= 1.27.4; Valkey.
    python) suite=trixie packages=python3,python3-pip,python-is-python3,ca-certificates ;;
    nginx) suite=forky packages=nginx,libnginx-mod-stream ;;
    valkey) suite=trixie packages=valkey-server ;;
    postgres) suite=trixie packages=postgresql-17 ;;
    *) say "FAILED: no recipe for $name" && exit 2 ;;
esac
if [ "$cache" = packages ]; then
    echo "$suite/$packages"
    exit 0
fi
# docker import sets what a Dockerfile would.
case $name in
    # A machine behind a company proxy has a certificate of its own; pip in a container needs it as well.
    python) changes=(--change 'ENV PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore PIP_CERT=/etc/ssl/certs/ca-certificates.crt SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt' --change 'CMD ["python3"]') ;;
    nginx) changes=(--change 'CMD ["nginx", "-g", "daemon off;"]') ;;
    postgres) changes=(--change 'ENV PATH=/usr/lib/postgresql/17/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin PGDATA=/var/lib/postgresql/data' --change 'VOLUME /var/lib/postgresql/data' --change 'CMD ["postgres-from-package"]') ;;
    valkey) changes=(--change 'WORKDIR /data' --change 'CMD ["valkey-server", "--protected-mode", "no"]') ;;
esac

mkdir -p "$cache"
tar=$cache/$name-$(printf '%s' "$suite/$packages" | cksum | cut -d' ' -f1).tar
if [ ! -s "$tar" ]; then
    [ "$(id -u)" = 0 ] || { say "FAILED: bootstrapping bluegreen-base/$name needs root" && exit 1; }
    command -v mmdebstrap >/dev/null ||
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mmdebstrap debian-archive-keyring >/dev/null
    # The mirror that this machine itself uses.
    mirror=$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null || true; } |
        grep -oE 'https?://[^ ]*/debian/?( |$)' | head -n 1 | tr -d ' ' || true)
    say "bootstrapping bluegreen-base/$name from the packages of Debian $suite (once; cached)"
    started=$SECONDS
    log=$(mktemp)
    trap 'rm -f "$log" "$tar.part"' EXIT
    hooks=()
    if [ "$name" = python ]; then
        hooks=(--customize-hook='cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/ca-certificates.crt"')
    fi
    if [ "$name" = postgres ]; then
        hooks=(--customize-hook="install -m 755 $(dirname "$0")/postgres-from-package \"\$1/usr/local/bin/\""
            --customize-hook='rm -rf "$1/var/lib/postgresql/17" "$1/var/lib/apt/lists"')
    fi
    # forky's Release file may count as expired between two of its updates.
    mmdebstrap --quiet --variant=minbase --format=tar --include="$packages" \
        --aptopt='Acquire::Check-Valid-Until "false"' \
        --aptopt='Acquire::Retries "3"' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        "${hooks[@]}" "$suite" "$tar.part" ${mirror:+"$mirror"} >"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        say "FAILED: mmdebstrap $suite for bluegreen-base/$name"
        exit 1
    }
    mv "$tar.part" "$tar"
    say "bluegreen-base/$name: packed in $((SECONDS - started)) s"
fi
docker import "${changes[@]}" --change "LABEL bluegreen.packages=$suite/$packages" "$tar" "bluegreen-base/$name:latest" >/dev/null
say "image bluegreen-base/$name: imported"
