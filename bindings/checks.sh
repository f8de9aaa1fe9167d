# shellcheck shell=bash
# What the tests here share.  One that sources this sets `subject`, with which its lines begin, and
# `log`, which the output of what it checks is added to; it ends with print_sum.
passed=0 failed=0 skipped=0

# expect TITLE EXPECTED FOUND
expect() {
    if [ "$3" = "$2" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf '%s%s: expected "%s", found "%s"\n' "${subject:+$subject: }" "$1" "$2" "$3"
    fi
}

# check TITLE COMMAND...
check() {
    local title=$1
    shift
    if "$@" >>"$log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "$subject: $title failed:"
        tail -n 30 "$log"
    fi
}

# add_counts CODE LOG: those of the last sum in LOG, of a test that ended with CODE.  Without a sum,
# or with a code that the sum does not explain, it has failed once.  It leaves the sum in `counts`,
# and is false where something failed.
add_counts() {
    local p f
    counts=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$2" | tail -n 1)
    read -r p _ f _ <<<"${counts:=0 passed, 1 failed}"
    if [ "$f" = 0 ] && [ "$1" != 0 ]; then
        f=1 counts="$p passed, 1 failed"
    fi
    passed=$((passed + p)) failed=$((failed + f))
    [ "$f" = 0 ]
}

# report TITLE CODE LOG: adds the counts and shows them, with the end of LOG where something failed.
report() {
    local code=0
    add_counts "$2" "$3" || code=1
    echo "${subject:+$subject }$1: $counts"
    [ $code = 0 ] || tail -n 40 "$3"
}

# skip REASON: ends a test that cannot run here.
skip() {
    echo "$subject: skipped: $1"
    echo '0 passed, 0 failed, 1 skipped'
    exit
}

# need TOOL...
need() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || skip "there is no $tool"
    done
}

# program_of LANGUAGE PAGE: what the page has in that language.
program_of() {
    awk -v open="\`\`\`$1" '$1 == open { on = 1; next } /^```/ { on = 0 } on' "$2"
}

# The last line; false where something failed, or nothing ran.
print_sum() {
    local sum="$passed passed, $failed failed"
    [ "$skipped" = 0 ] || sum+=", $skipped skipped"
    echo "$sum"
    [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}
