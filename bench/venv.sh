#!/usr/bin/env bash
# Makes bench/.venv with what requirements.txt names, each package by itself, so that a peer that
# cannot be installed here is set aside and the rest is measured.  PYTHON: the interpreter, whose
# sqlite3 module must be able to load extensions.
set -euo pipefail
cd "$(dirname "$0")"
python=${PYTHON:-/usr/bin/python3}

"$python" -c 'import sqlite3; sqlite3.connect(":memory:").enable_load_extension(True)' || {
    echo "bench: the sqlite3 module of $python cannot load extensions; set PYTHON" >&2
    exit 1
}
[ -e .venv/done ] && [ .venv/done -nt requirements.txt ] && exit 0

"$python" -m venv .venv
while read -r package; do
    case $package in '' | '#'*) continue ;; esac
    echo "bench: installing $package"
    .venv/bin/pip install -q --disable-pip-version-check "$package" || {
        case $package in numpy* | matplotlib*) exit 1 ;; esac
        echo "bench: $package does not install here and is left out" >&2
    }
done <requirements.txt
touch .venv/done
