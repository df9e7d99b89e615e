#!/bin/sh
# A Chromium for the browser tests: the machine's own, else Debian's package.
set -eu
for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then exit 0; fi
done
sudo=""
[ "$(id -u)" = 0 ] || sudo="sudo"
$sudo apt-get update --quiet --quiet
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --quiet chromium
