#!/usr/bin/env bash
# Holds the rules between the layers, in the sources and in what was compiled from them.
#
#   check_layers.sh [BUILD]      BUILD: the folder with core/*.o, ext/*.o and hannoy.so (build/release)
#
# core/ knows nothing of SQLite, ext/ nothing of LMDB and of core only core/hannoy.h; neither prints
# nor ends the process; names tell the layer; one symbol leaves the library, and nothing in it asks
# the linker for SQLite.
set -uo pipefail
cd "$(dirname "$0")/.."
build=${1:-build/release}
passed=0 failed=0

# expect_none TITLE: passes where standard input is empty, else shows it.
expect_none() {
    local found
    found=$(cat)
    if [ -z "$found" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'layers: %s:\n' "$1"
        sed 's/^/    /' <<<"$found"
    fi
}

# expect_same TITLE EXPECTED: passes where standard input is that text.
expect_same() {
    local found
    found=$(cat)
    if [ "$found" = "$2" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'layers: %s: expected "%s", found "%s"\n' "$1" "$2" "$found"
    fi
}

includes() { # of a layer's files and its tests, as file:line:#include …
    find "$1" -name '*.[ch]' -exec grep -HnE '^[[:space:]]*#[[:space:]]*include' {} +
}

objects() { # of a layer, without those of its tests
    find "$build/$1" -name '*.o' ! -path '*/test/*' ! -path '*/fuzz/*'
}

undefined() { # symbols that the object files of a layer take from elsewhere
    objects "$1" | xargs nm -A --undefined-only
}

defined() { # symbols that the object files of a layer offer to other files
    objects "$1" | xargs nm -A --defined-only --extern-only
}

for layer in core ext; do
    [ -n "$(objects "$layer")" ] || {
        echo "layers: no objects in $build/$layer; run make first"
        echo '0 passed, 1 failed'
        exit 1
    }
done

expect_none 'core/ includes something of SQLite or of ext/' < <(
    includes core | grep -E '"(\.\./)?ext/|sqlite3(ext)?\.h')
expect_none 'ext/ includes something of LMDB or CRoaring' < <(
    includes ext | grep -E '[<"](lmdb\.h|roaring/)')
# Both folders may have a header of one name; what the compiler wrote down tells which one it read.
expect_none 'ext/ includes a header of core/ beside hannoy.h' < <(
    find "$build/ext" -name '*.d' -exec grep -HoE '(^| )core/[a-z0-9_/]+\.h' {} + |
        grep -v 'core/hannoy\.h$')

expect_none 'core/ uses a symbol of SQLite or of ext/' < <(
    undefined core | grep -E ' (sqlite3_|hx_)')
expect_none 'ext/ uses a symbol of LMDB, CRoaring or inside core/' < <(
    undefined ext | grep -E ' (mdb_|roaring_|hny__)')

for layer in core ext; do
    expect_none "$layer/ prints" < <(undefined "$layer" |
        grep -wE '_*(f|v|vf|d|vd)?printf(_chk)?|f?put(s|c|char)|perror|std(out|err)|syslog')
    expect_none "$layer/ ends the process" < <(undefined "$layer" |
        grep -wE 'abort|_?_?exit|quick_exit|__assert_fail')
done

expect_none 'a symbol of core/ that is not named hny_…' < <(
    defined core | grep -vE ' hny_[a-z0-9_]+$')
expect_none 'a symbol of ext/ that is not named hx_…' < <(
    defined ext | grep -vE ' (hx_[a-z0-9_]+|sqlite3_api|sqlite3_hannoy_init)$')

expect_same 'the exported symbols' sqlite3_hannoy_init < <(
    nm -D --defined-only "$build/hannoy.so" | awk '{ print $NF }')
expect_none 'hannoy.so asks the linker for a symbol of SQLite' < <(
    nm -D --undefined-only "$build/hannoy.so" | grep ' sqlite3_')
expect_none 'hannoy.so is linked with libsqlite3' < <(
    LC_ALL=C objdump -p "$build/hannoy.so" | grep 'NEEDED.*sqlite')

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
