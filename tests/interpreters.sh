#!/bin/sh
# The other Python versions from 3.11 on that this machine has, e.g. "3.12 3.13"; `--path 3.12` tells where one is.
# Looks on the PATH and where pyenv and uv keep theirs.

find_python() {
    for candidate in "python$1" "$HOME"/.pyenv/versions/"$1".*/bin/"python$1" \
        "$HOME"/.local/share/uv/python/cpython-"$1".*/bin/"python$1"; do
        if "$candidate" -c "import sys, venv; assert '%d.%d' % sys.version_info[:2] == '$1'" 2>/dev/null; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

if [ "$1" = --path ]; then
    find_python "$2"
    exit
fi
own=$("$1" -c "import sys; print('%d.%d' % sys.version_info[:2])" 2>/dev/null)
for minor in 11 12 13 14; do
    if [ "3.$minor" != "$own" ] && find_python "3.$minor" >/dev/null; then printf '3.%s ' "$minor"; fi
done
