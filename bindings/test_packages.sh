#!/usr/bin/env bash
# Runs the test of each package, and adds up what they report in the last line.
#
#   test_packages.sh [FOLDER...]        all folders here that have a test.sh, without a name
#
# A test that stops before its own last line has failed at least once.
set -uo pipefail
cd "$(dirname "$0")"
[ $# != 0 ] || set -- $(ls ./*/test.sh | cut -d / -f 2)
mkdir -p ../build/dist
. ./checks.sh
for folder in "$@"; do
    log=../build/dist/test-$folder.log
    timeout -k 10 3600 "$folder/test.sh" 2>&1 | tee "$log"
    add_counts "${PIPESTATUS[0]}" "$log"
    read -r _ _ _ _ s _ <<<"$counts"
    skipped=$((skipped + ${s:-0}))
done
print_sum
