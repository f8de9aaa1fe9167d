#!/usr/bin/env bash
# Checks how the sources are laid out: length of lines, blanks at their ends, braces, .clang-format.
set -uo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8
columns=100
# Each version of clang-format has its own idea of some lines; this one is Debian 12's.
formatter_version=14
passed=0 failed=0

mapfile -t sources < <(find core ext sql_tests/harness bench -name '.?*' -prune -o \
    -name '*.[ch]' -print | sort)
mapfile -t scripts < <(find Makefile .ci sql_tests bench bindings docs examples \
    -name '.?*' -prune -o \( -name '*.sh' -o -name '*.py' -o -path '.ci/*' -type f -o \
    -name Makefile \) -print | sort)

# expect_none TITLE: passes where standard input is empty, else shows it.
expect_none() {
    local found
    found=$(cat)
    if [ -z "$found" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'style: %s (%d):\n' "$1" "$(wc -l <<<"$found")"
        sed 's/^/    /' <<<"$found"
    fi
}

# Statements of `if`, `else`, `for`, `while` and `do` that stand without braces, as FILE:LINE.
bodies_without_braces() {
    awk '
        # The line without its comments, and with 0 for each string and character.
        function code_of(line,    code, found) {
            code = ""
            while (line != "") {
                if (in_comment) {
                    found = index(line, "*/")
                    if (!found) return code
                    line = substr(line, found + 2)
                    in_comment = 0
                } else if (match(line, /"([^"\\]|\\.)*"|\047([^\047\\]|\\.)*\047|\/\*|\/\//)) {
                    found = substr(line, RSTART, RLENGTH)
                    code = code substr(line, 1, RSTART - 1)
                    if (found == "//") return code
                    line = substr(line, RSTART + RLENGTH)
                    if (found == "/*") in_comment = 1
                    else code = code "0"
                } else {
                    return code line
                }
            }
            return code
        }
        # keyword: of the statement whose condition or body is to come.
        function take(token) {
            if (wants_body) {
                wants_body = 0
                if (keyword == "else" && token == "if") {
                    # Its condition follows.
                } else if (token != "{" && !(keyword == "while" && token == ";")) {
                    print FILENAME ":" keyword_line ": " keyword
                }
            } else if (depth > 0 || (wants_condition && token == "(")) {
                wants_condition = 0
                depth += (token == "(") - (token == ")")
                if (depth == 0) wants_body = 1
                return
            }
            if (token ~ /^(if|for|while|else|do)$/) {
                keyword = token
                keyword_line = FNR
                wants_condition = token ~ /^(if|for|while)$/
                wants_body = !wants_condition
            }
        }
        FNR == 1 { in_macro = in_comment = wants_body = wants_condition = depth = 0 }
        # Macros are left out: EACH(x) ends with a statement that is still to come.
        /^[ \t]*#/ || in_macro { in_macro = /\\$/; next }
        {
            code = code_of($0)
            while (match(code, /[A-Za-z_][A-Za-z_0-9]*|[^ \t\\]/)) {
                take(substr(code, RSTART, RLENGTH))
                code = substr(code, RSTART + RLENGTH)
            }
        }' "$@"
}

expect_none "lines of more than $columns columns" < <(
    for file in "${sources[@]}" "${scripts[@]}"; do
        expand "$file" | grep -nE ".{$((columns + 1))}" | sed -E "s|^([0-9]+):.*|$file:\1|"
    done)
expect_none 'blanks at the end of lines' < <(
    grep -nE '[[:blank:]]+$' "${sources[@]}" "${scripts[@]}" | cut -d : -f 1,2)
expect_none 'statements without braces' < <(bodies_without_braces "${sources[@]}")

formatter=
for name in clang-format-$formatter_version clang-format; do
    "$name" --version 2>/dev/null | grep -qE "version $formatter_version\." || continue
    formatter=$name
    break
done
if [ -n "$formatter" ]; then
    expect_none 'a layout that .clang-format does not give; see make format' < <(
        "$formatter" --dry-run -Werror "${sources[@]}" 2>&1 |
            sed -nE 's/^([^ ]+:[0-9]+):[0-9]+: error.*/\1/p')
else
    echo "style: clang-format $formatter_version is not installed, so the layout is not checked"
fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
