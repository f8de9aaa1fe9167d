#!/usr/bin/env bash
# Runs bench/imports.py in a new environment with the wheel of this machine.  bench.sh ARGUMENT...
set -euo pipefail
cd "$(dirname "$0")/../.."
environment=build/dist/environments/bench
rm -rf $environment
"${PYTHON:-/usr/bin/python3}" -m venv $environment
wheel=$(echo build/dist/wheels/sqlite_hannoy-*manylinux*_"$(uname -m)".whl)
$environment/bin/pip -q --disable-pip-version-check install --only-binary :all: "$wheel[cli]"
$environment/bin/python bench/imports.py "$@"
