#!/bin/sh
# Gives the browser tests a Chromium: the one that is there, else Debian's where we may install it.
# Whether its absence is a failure is decided by tests/browser/conftest.py: in CI it is, elsewhere it is a skip.
set -eu

for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null 2>&1; then
        exit 0
    fi
done

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "browser tests will be skipped: no Chromium here, and only root on Debian can let us install it" >&2
    exit 0
fi

export DEBIAN_FRONTEND=noninteractive
if ! { apt-get -qq update && apt-get -qq install -y --no-install-recommends chromium fonts-dejavu-core; } >/dev/null 2>&1
then
    echo "browser tests will be skipped: apt-get could not install chromium" >&2
fi
