#!/usr/bin/env bash
# Tests the library for Windows under Debian's wine, which it installs.
#
#   test_windows.sh PROGRAMS LIBRARY
#
# PROGRAMS has check.exe, for threads and files, and run.exe, for the SQL tests.  The last line is
# the sum.
set -uo pipefail
cd "$(dirname "$0")/.."
programs=$1 library=$2
. bindings/checks.sh
.ci/deps wine64 || exit 1
export WINEPREFIX=$PWD/build/dist/wine WINEDEBUG=-all
wine=(timeout -k 10 3600 /usr/lib/wine/wine64)
# shellcheck disable=SC2034 # of checks.sh
subject=windows-x86_64 log=build/dist/windows.log

# What these files are about, Windows has not, for the reason beside each.
not_for_windows() {
    sed 's/ .*//' <<'EOF'
sql_tests/attach/several_tables.test the size of a sidecar is that of LMDB's map
sql_tests/build/check.test a sidecar is changed while it is open
sql_tests/build/heal.test a sidecar is removed while it is open
sql_tests/build/lost.test a sidecar is removed while it is open
sql_tests/dialect.test modes and limits of files
sql_tests/functions/tables.test paths have slashes
sql_tests/sidecar/another_database.test a sidecar is replaced while it is open
sql_tests/sidecar/compact.test a sidecar is replaced while it is open
sql_tests/sidecar/disk_full.test limits of files
sql_tests/sidecar/empty.test a sidecar is truncated while it is open
sql_tests/sidecar/folder.test a sidecar is removed while it is open
sql_tests/sidecar/garbage.test a sidecar is replaced while it is open
sql_tests/sidecar/missing.test a sidecar is removed while it is open
sql_tests/sidecar/newer_version.test a sidecar is replaced while it is open
sql_tests/sidecar/not_writable.test modes of files
sql_tests/sidecar/other_folder.test paths have slashes
sql_tests/sidecar/place.test links, pipes, sockets and modes
sql_tests/sidecar/truncated.test a sidecar is truncated while it is open
EOF
}

expect exported 'sqlite3_extension_init sqlite3_hannoy_init' \
    "$(objdump -p "$library" | awk '/^\t\[ *[0-9]+\] .*sqlite3/ { print $NF }' | sort | xargs)"
expect 'libraries beside the C runtime' 'ADVAPI32.dll KERNEL32.dll' \
    "$(objdump -p "$library" | sed -n 's/.*DLL Name: //p' | grep -v '^api-ms-win-crt-' | sort |
        xargs)"

# Its first run makes the folder that stands for a disk.
[ -d "$WINEPREFIX" ] || "${wine[@]}" wineboot -i >/dev/null 2>&1

"${wine[@]}" "$programs/check.exe" "$library" 2>&1 | tr -d '\r' >"$log"
report 'threads and files' "${PIPESTATUS[0]}" "$log"

# The recall of each kind of code takes long, and is the same on every platform.
mapfile -t files < <({ find sql_tests -name '*.test'; ls README.md docs/*.md; } |
    grep -v recall/codes | grep -vxFf <(not_for_windows) | sort)
"${wine[@]}" "$programs/run.exe" --ext "$library" --timeout 1800 "${files[@]}" 2>&1 |
    tr -d '\r' >"$log"
report SQL "${PIPESTATUS[0]}" "$log"

echo "$(not_for_windows | wc -l) files are not for Windows"
print_sum
