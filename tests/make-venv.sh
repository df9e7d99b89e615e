#!/bin/sh
# A virtual environment: make-venv.sh PYTHON FOLDER. Debian keeps the module that makes one in a package of its own.
set -eu
[ -x "$2/bin/python" ] && exit 0
if ! "$1" -m venv "$2" 2>/dev/null; then
    rm -rf "$2"
    sudo=""
    [ "$(id -u)" = 0 ] || sudo="sudo"
    $sudo apt-get update --quiet --quiet
    $sudo apt-get install --yes --quiet --quiet python3-venv
    "$1" -m venv "$2"
fi
"$2/bin/python" -m pip --disable-pip-version-check install --quiet --upgrade pip
