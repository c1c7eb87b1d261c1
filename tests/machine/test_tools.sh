#!/usr/bin/env bash
# What only the tests need: an image registry of their own, on loopback. Safe to run again.
set -euo pipefail
command -v docker-registry >/dev/null && exit 0
[ "$(id -u)" = 0 ] || { echo "setup: FAILED: the tests need the package docker-registry: sudo apt-get install docker-registry" >&2; exit 1; }
echo "setup: installing distribution packages: docker-registry (for the tests)" >&2
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends docker-registry >/dev/null 2>&1 ||
    { apt-get update -qq >&2; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends docker-registry >/dev/null; }
