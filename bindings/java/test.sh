#!/usr/bin/env bash
# Runs the Java programs of sql_tests/hosts and of docs/loading.md with the library of `make dist`.
#
#   test.sh
#
# The last line is the sum.  That Java is not there is no failure.
set -uo pipefail
cd "$(dirname "$0")/../.."
log=build/dist/java.log
libc=glibc
if ldd --version 2>&1 | grep musl >/dev/null; then libc=musl; fi

export HANNOY=$PWD/build/dist/linux-$(uname -m)-$libc/hannoy.so
sql_tests/hosts/run.sh java page-java | tee "$log"
tail -n 1 "$log" | grep -E '^[0-9]+ passed, 0 failed' >/dev/null
