#!/usr/bin/env bash
# Runs demo.sql with the sqlite3 shell on a new database in build/demo/.
set -euo pipefail
cd "$(dirname "$0")/.."
rm -rf build/demo
mkdir -p build/demo
sqlite3 -batch -bail build/demo/demo.db <examples/demo.sql
