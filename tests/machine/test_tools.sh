#!/usr/bin/env bash
# What only the tests need: an image registry of their own, a certificate for it, a browser, and a second, newer
# Docker Engine to compare with. Safe to run again; starts nothing. With `pebble`: only what the demo needs for HTTPS, if it can be had.
set -euo pipefail
say() { printf 'setup: %s\n' "$*" >&2; }

if [ "${1:-}" = pebble ]; then
    command -v pebble >/dev/null && command -v openssl >/dev/null && exit 0
    [ "$(id -u)" = 0 ] || { say "without pebble and openssl the demo shows no HTTPS: sudo apt-get install pebble openssl"; exit 0; }
    say "installing distribution packages: pebble openssl (a CA for the demo)"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends pebble openssl >/dev/null 2>&1 ||
        say "pebble could not be installed: the demo shows no HTTPS"
    exit 0
fi

missing=()
for tool in docker-registry:docker-registry openssl:openssl ip:iproute2 nsenter:util-linux faketime:faketime pebble:pebble; do
    command -v "${tool%%:*}" >/dev/null || missing+=("${tool##*:}")
done
if [ "${#missing[@]}" -gt 0 ]; then
    [ "$(id -u)" = 0 ] || { say "FAILED: the tests need packages: sudo apt-get install ${missing[*]}"; exit 1; }
    say "installing distribution packages: ${missing[*]} (for the tests)"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null 2>&1 || {
        apt-get update -qq >&2
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    }
fi
if ! command -v chromium chromium-browser google-chrome >/dev/null; then
    say "installing distribution packages: chromium (for tests/e2e/test_report.py)"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null 2>&1 ||
        say "chromium could not be installed: what looks at pages fails without it"
fi
exec "$(dirname "$0")/second_engine.sh"
