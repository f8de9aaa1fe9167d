#!/usr/bin/env bash
# Installs the wheel of this machine into a new environment of each Python here, and tests it there.
#
#   test.sh [PYTHON...]
#
# A Python without a wheel of what the tests need beside the package runs those that need nothing.
# The last line is the sum.
set -uo pipefail
cd "$(dirname "$0")"
here=$PWD
built=$(cd ../.. && pwd)/build/dist
environments=$built/environments
libc=manylinux
if ldd --version 2>&1 | grep -q musl; then libc=musllinux; fi
wheel=$(echo "$built"/wheels/sqlite_hannoy-*"$libc"*_"$(uname -m)".whl)
loads='import sqlite3; sqlite3.Connection.enable_load_extension'
subject=python
. ../checks.sh

# The Python of the README, where it can run.
ten_lines() { # ENVIRONMENT
    local folder program=$1/ten_lines.py
    folder=$(mktemp -d)
    program_of python README.md >"$program"
    if "$1/bin/python" -c "$loads" 2>&1; then
        (cd "$folder" && "$1/bin/python" -I "$program" | tee /dev/stderr | grep -q '^\[(1, 0.00')
    fi
    local code=$?
    rm -rf "$folder"
    return $code
}

pythons=("$@")
if [ $# = 0 ]; then
    mapfile -t pythons < <(ls -d /usr/bin/python3 \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin/python3 2>/dev/null)
fi

for python in "${pythons[@]}"; do
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 8))' || continue
    name=$("$python" -c 'import platform; print(platform.python_version())')
    environment=$environments/$name log=$built/python-$name.log
    rm -rf "$environment"
    "$python" -m venv "$environment"
    pip=("$environment/bin/pip" --disable-pip-version-check -q install --only-binary :all:)
    "${pip[@]}" --no-index "$wheel" || { failed=$((failed + 1)); continue; }
    packages=(numpy apsw aiosqlite 'sqlalchemy[asyncio]' sqlite-vec)
    if "$python" -c "$loads" 2>/dev/null; then
        packages+=("$wheel[cli,langchain,llama-index,django]" "-r$here/tests/frameworks.txt")
    else
        packages+=("$wheel[cli]" pysqlite3-binary "$wheel[langchain]")
    fi
    for package in "${packages[@]}"; do
        "${pip[@]}" "$package" >/dev/null 2>&1 || echo "python $name: without ${package##*/}"
    done
    if ten_lines "$environment" >"$log" 2>&1; then
        (cd "$environment" && bin/python -I "$here/tests/run.py") >>"$log" 2>&1
    fi
    report "$name" $? "$log"
done

print_sum
