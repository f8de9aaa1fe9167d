#!/usr/bin/env bash
# Checks the rules between the layers and their folders, in the sources and in what was compiled.
#
#   check_layers.sh [BUILD]      BUILD: a folder with core/, ext/ and hannoy.so (build/release)
#
# A file includes and calls only what its own folder has or a folder to the left of it:
#
#   core: base < simd < vector < sidecar < graph < read < build        hannoy.h: for all
#   ext:  values < schema < shadow < query < change < functions        sqlite_api.h: for all
#
# ext/table.h and ext/connection.h stand between change/ and functions/: functions take the name of
# a
# table.
#
# core/ knows nothing of SQLite, ext/ nothing of LMDB and of core only hannoy.h; LMDB ends at
# core/sidecar/.  Neither layer prints nor ends the process.  A name tells its layer and says one
# thing: file names are unique over the repository, static functions within a layer.  The
# entry point leaves the library, and nothing in it asks the linker for SQLite.
set -uo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C
build=${1:-build/release}
core_order='base simd vector sidecar graph read build'
ext_order='values schema shadow query change functions'
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

# ------------------------------------------------------------------------------------- sources --

sources() { # [FOLDER...]: C files of the repository, without what the benchmark installs
    [ $# -gt 0 ] || set -- core ext sql_tests/harness bench
    find "$@" -name '.?*' -prune -o -name '*.[ch]' -print | sort
}

of_library() { # drops the paths of tests and fuzzers, which include and define what they need
    grep -vE '/(test|fuzz)/'
}

built_here() { # drops the bodies for Windows, which are compiled for it alone
    grep -v '_windows\.c$'
}

includes() { # FOLDER: as file:line:#include …
    sources "$1" | xargs grep -HnE '^[[:space:]]*#[[:space:]]*include'
}

# LAYER ORDER: includes of a folder to the right, of an unknown one, or of what the top alone may.
includes_against_order() {
    includes "$1" | of_library | grep '"' | awk -F : -v layer="$1" -v order="$2" '
        BEGIN {
            split(order, folders, " ")
            for (i in folders) rank[folders[i]] = i
        }
        {
            from = to = ""
            if (split($1, at, "/") > 2) from = at[2]
            split($3, quoted, "\"")
            header = quoted[2]
            if (split(header, named, "/") > 1) to = named[1]
            if (from != "" && !(from in rank)) {
                reason = "is in a folder without a place in the order"
            } else if (to != "" && !(to in rank)) {
                reason = "names a folder without a place in the order"
            } else if ($1 == "core/hannoy.h") {
                reason = "the interface of core/ stands alone"
            } else if (header == "hannoy.h" || (layer == "ext" && header == "sqlite_api.h")) {
                next
            } else if (to != "" && from != "") {
                if (rank[to] <= rank[from]) next
                reason = from "/ is to the left of " to "/"
            } else if (from == "" && layer == "ext") {
                next
            } else if (from == "functions" && (header == "connection.h" || header == "table.h")) {
                next
            } else {
                reason = "not for files of this folder"
            }
            printf "%s:%s: \"%s\": %s\n", $1, $2, header, reason
        }'
}

# --------------------------------------------------------------------------------- what is built --

objects() { # FOLDER: of a layer or one of its folders, those of the sources that are there today
    sources "$1" | of_library | sed -n "s|^\(.*\)\.c\$|$build/\1.o|p" | while read -r object; do
        [ ! -e "$object" ] || echo "$object"
    done
}

dependencies() { # FOLDER: the lists of what each object was compiled from
    objects "$1" | sed 's/o$/d/' | xargs grep -H .
}

undefined() { # FOLDER: symbols that its objects take from elsewhere
    objects "$1" | xargs nm -A --undefined-only
}

defined() { # FOLDER: symbols that its objects offer to other files
    objects "$1" | xargs nm -A --defined-only --extern-only
}

# LAYER ORDER: uses of a symbol that a folder to the right, or the top, defines.
calls_against_order() {
    { defined "$1"; echo; undefined "$1"; } | awk -v layer="$build/$1/" -v order="$2" '
        function folder_of(file,    parts) {
            return split(substr(file, length(layer) + 1), parts, "/") > 1 ? parts[1] : ""
        }
        BEGIN {
            n = split(order, folders, " ")
            for (i in folders) rank[folders[i]] = i
            rank[""] = n + 1
        }
        NF == 0 { using = 1; next }
        { file = $1; sub(/:.*/, "", file) }
        !using { home[$NF] = folder_of(file); next }
        !($NF in home) || rank[home[$NF]] <= rank[folder_of(file)] { next }
        layer ~ /ext\/$/ && home[$NF] == "" && folder_of(file) == "functions" { next }
        $NF == "sqlite3_api" { next }
        { printf "%s: %s of %s\n", file, $NF, home[$NF] == "" ? "the top" : home[$NF] "/" }'
}

# LAYER: static functions and their files, as the debug information has them: also those that were
# inlined everywhere or came out of a macro, and without those of a header.
static_functions() {
    objects "$1" | grep -v '/core/simd/kernel_' |
        xargs objdump --dwarf=info --dwarf=rawline --dwarf-depth=2 | sed "s|$build/||" | awk '
        function finish_function() {
            if (name != "" && !external) file_of[name] = file
            name = ""
            external = 0
        }
        function finish_object(    base, i) {
            finish_function()
            base = object
            sub(/.*\//, "", base)
            for (i in file_of) if (listed[file_of[i]] == base) print i, object
            split("", file_of)
            split("", listed)
        }
        /file format/ {
            finish_object()
            object = $1
            sub(/\.o:$/, ".c", object)
        }
        /^ <[0-9a-f]+></ { finish_function(); here = /DW_TAG_subprogram/ }
        here && /DW_AT_name/ { name = $NF }
        here && /DW_AT_decl_file/ { file = $NF }
        here && /DW_AT_(external|declaration)/ { external = 1 }
        /File Name Table/ { finish_function(); here = 0 }
        /^  [0-9]+\t[0-9]+[ \t]/ { sub(/.*\//, "", $NF); listed[$1] = $NF }
        END { finish_object() }' | sort -u
}

for layer in core ext; do
    wanted=$(sources "$layer" | of_library | built_here | grep -c '\.c$')
    [ "$(objects "$layer" | wc -l)" = "$wanted" ] || {
        echo "layers: not every file of $layer/ was compiled in $build; run make first"
        echo '0 passed, 1 failed'
        exit 1
    }
done

# ------------------------------------------------------------------------------------ the order --

for layer in core ext; do
    order=${layer}_order
    expect_none "$layer/ includes against the order (${!order// / < })" < <(
        includes_against_order "$layer" "${!order}")
    expect_none "$layer/ calls against the order (${!order// / < })" < <(
        calls_against_order "$layer" "${!order}")
done

# ----------------------------------------------------------------------------- the systems --

# setjmp.h is C, and lmdb_guard.h says which of its functions; clocks and mutexes are winpthreads'.
expect_none 'a header of one system beside the files that are named for it' < <(
    { includes core; includes ext; } | of_library |
        grep -E '<(windows|io|unistd|fcntl|sched|signal|poll|linux/.*|asm/.*|sys/.*)\.h>' |
        grep -vE '_(posix|windows)\.[ch]:')
expect_none 'a question which system it is beside the files of core/base/' < <(
    sources core ext | of_library | xargs grep -nE '^ *# *(el)?if.*(_WIN32|__APPLE__|__linux__)' |
        grep -vE '^core/base/[a-z_]*_(posix|windows)\.c:|^core/base/os_[a-z]*\.h:')

# --------------------------------------------------------------------------- SQLite, LMDB, core --

expect_none 'core/ includes something of SQLite or of ext/' < <(
    includes core | grep -E '"(\.\./)?ext/|sqlite3(ext)?\.h')
expect_none 'ext/ includes something of LMDB or CRoaring' < <(
    includes ext | grep -E '[<"](lmdb\.h|roaring/)')
expect_none 'SQLite is included beside ext/sqlite_api.h' < <(
    includes ext | of_library | grep -E '[<"]sqlite3(ext)?\.h' |
        grep -vE '^ext/sqlite(_api|3_hannoy)\.h:'
    includes ext | grep -E '/(test|fuzz)/' | grep -E '[<"]sqlite3ext\.h')
expect_none 'LMDB is included beside core/sidecar/' < <(
    includes core | grep -E '[<"]lmdb\.h' | grep -v '^core/sidecar/'
    includes sql_tests/harness | grep -E '[<"]lmdb\.h')
# Without a system header in what the compiler wrote down, ours that include LMDB stand for it.
expect_none 'LMDB is included beside core/sidecar/, by way of a header' < <(
    sources core | grep '\.h$' | xargs grep -lE '^[[:space:]]*#[[:space:]]*include *[<"]lmdb\.h' |
        while read -r header; do
            dependencies core | grep -v "^$build/core/sidecar/" |
                grep -E "^[^:]*\.d:.* $header( |\$)" |
                sed "s|\.d:.*|.o: $header|"
        done | sort -u)
# Both layers may have a header of one name; what the compiler wrote down tells which one it read.
expect_none 'ext/ includes a header of core/ beside hannoy.h' < <(
    dependencies ext | grep -oE '^[^:]*\.d:|(^| )core/[a-z0-9_/]+\.h' |
        awk '/\.d:$/ { file = $0; next } !/core\/hannoy\.h$/ { print file $0 }' | sort -u)

expect_none 'core/ uses a symbol of SQLite or of ext/' < <(
    undefined core | grep -E ' (sqlite3_|hx_)')
expect_none 'ext/ uses a symbol of LMDB, CRoaring or inside core/' < <(
    undefined ext | grep -E ' (mdb_|roaring_|hny__)')
expect_none 'core/ uses a symbol of LMDB beside core/sidecar/' < <(
    undefined core | grep ' mdb_' | grep -v "^$build/core/sidecar/")

for layer in core ext; do
    expect_none "$layer/ prints" < <(undefined "$layer" |
        grep -wE '_*(f|v|vf|d|vd)?printf(_chk)?|f?put(s|c|char)|perror|std(out|err)|syslog')
    expect_none "$layer/ ends the process" < <(undefined "$layer" |
        grep -wE 'abort|_?_?exit|quick_exit|__assert_fail')
done

# --------------------------------------------------------------------------------------- names --

expect_none 'a symbol of core/ that is not named hny_…' < <(
    defined core | grep -vE ' hny_[a-z0-9_]+$')
expect_none 'a symbol of ext/ that is not named hx_…' < <(
    defined ext | grep -vE ' (hx_[a-z0-9_]+|sqlite3_api|sqlite3_(hannoy|extension)_init)$')
expect_none 'a file name that two folders have' < <(
    sources | sed -E 's|^(.*)/([^/]+)\.[ch]$|\2 \1|' | sort -u |
        awk '{ count[$1]++; in_folders[$1] = in_folders[$1] " " $2 "/" }
             END { for (name in count) if (count[name] > 1) print name ":" in_folders[name] }' |
        sort)
for layer in core ext; do
    functions=$(static_functions "$layer")
    expect_none "$layer/ has static functions of one name in two files" < <(
        [ -n "$functions" ] || echo "no debug information in $build; compile with -g"
        awk '{ count[$1]++; files[$1] = files[$1] " " $2 }
             END { for (name in count) if (count[name] > 1) print name ":" files[name] }' \
            <<<"$functions" | sort)
done
expect_none 'a .c file that does not open with a comment on what it is' < <(
    sources | grep '\.c$' | while read -r file; do
        head -n 1 "$file" | grep -qE '^/[*/]' || echo "$file: $(head -n 1 "$file")"
    done)

# ------------------------------------------------------------------------------------- hannoy.so --

expect_same 'the exported symbols' 'sqlite3_extension_init sqlite3_hannoy_init' < <(
    nm -D --defined-only "$build/hannoy.so" | awk '{ print $NF }' | sort | xargs)
expect_none 'hannoy.so asks the linker for a symbol of SQLite' < <(
    nm -D --undefined-only "$build/hannoy.so" | grep ' sqlite3_')
expect_none 'hannoy.so is linked with libsqlite3' < <(
    objdump -p "$build/hannoy.so" | grep 'NEEDED.*sqlite')

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
