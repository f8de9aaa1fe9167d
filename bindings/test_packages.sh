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
passed=0 failed=0 skipped=0
for folder in "$@"; do
    log=../build/dist/test-$folder.log
    timeout -k 10 3600 "$folder/test.sh" 2>&1 | tee "$log"
    code=${PIPESTATUS[0]} p=0 f=0 s=0
    read -r p _ f _ s _ < <(tail -n 1 "$log" | grep -E '^[0-9]+ passed, [0-9]+ failed')
    if [ "${f:-0}" = 0 ] && [ "$code" != 0 ]; then f=1; fi
    passed=$((passed + ${p:-0})) failed=$((failed + ${f:-0})) skipped=$((skipped + ${s:-0}))
done
summary="$passed passed, $failed failed"
[ $skipped = 0 ] || summary+=", $skipped skipped"
echo "$summary"
[ $failed = 0 ] && [ $passed -gt 0 ]
