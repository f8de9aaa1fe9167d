#!/usr/bin/env bash
# Runs the SQL tests with other versions of SQLite than the system's.
#
#   sqlites.sh [SQLITE...]     a libsqlite3.so.0, or an amalgamation's sqlite3.c beside its headers
#
# Without one it takes the amalgamations that npm's better-sqlite3 carries: SQLite 3.34, the oldest
# that the library loads in, 3.37, the last without sqlite3_vtab_in, and the newest.
#
# Each test runs with hannoy.so as it is.  With an amalgamation it runs a second time in a program
# that has SQLite and libhannoy.a linked in, compiled with these headers.
set -uo pipefail
cd "$(dirname "$0")/.."
root=$PWD
built=$root/build/sqlites
packages=(better-sqlite3@7.1.2 better-sqlite3@7.5.0 better-sqlite3@latest)
compiler=${CC:-gcc}
# What the tests and the documentation use of SQLite, and Debian enables.
features=(-DSQLITE_ENABLE_COLUMN_METADATA -DSQLITE_ENABLE_DBSTAT_VTAB -DSQLITE_ENABLE_DESERIALIZE
    -DSQLITE_ENABLE_FTS5 -DSQLITE_ENABLE_JSON1 -DSQLITE_ENABLE_MATH_FUNCTIONS
    -DSQLITE_ENABLE_RTREE -DSQLITE_ENABLE_UNLOCK_NOTIFY)
passed=0 failed=0

# fetch PACKAGE: prints the path of its sqlite3.c, downloaded once.
fetch() {
    local folder=$built/npm/$1
    if [ ! -f "$folder/source/sqlite3.c" ]; then
        rm -rf "$folder" && mkdir -p "$folder/source" || return 1
        (cd "$folder" && npm pack --silent "$1" && tar -xzf ./*.tgz) >/dev/null || return 1
        find "$folder/package/deps" -name 'sqlite3.tar.gz' -exec tar -xzf {} -C "$folder/source" \;
        find "$folder/package/deps" -name 'sqlite3*.[ch]' -exec cp {} "$folder/source" \;
    fi
    [ -f "$folder/source/sqlite3.c" ] && echo "$folder/source/sqlite3.c"
}

version_of() { # SQLITE.C
    sed -nE 's/^#define SQLITE_VERSION +"([0-9.]+)".*/\1/p' "$1" | head -n 1
}

# add_up NAME LOG: shows what failed, and adds the counts of its last line.
add_up() {
    local counts p f
    grep -vE '^[0-9]+ passed, [0-9]+ failed$' "$2"
    counts=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$2" | tail -n 1)
    read -r p f < <(tr -dc '0-9 \n' <<<"${counts:-0 passed, 1 failed}")
    passed=$((passed + p)) failed=$((failed + f))
    echo "SQLite $1: ${counts:-the runner ended without a count}"
}

# run_tests NAME PROGRAM ARGUMENT...
run_tests() {
    local name=$1 log=$built/$1.log
    shift
    timeout -k 10 900 "$@" sql_tests README.md docs/*.md >"$log" 2>&1
    add_up "$name" "$log"
}

# run_library NAME FOLDER: with the libsqlite3.so.0 in it.
run_library() {
    LD_LIBRARY_PATH=$2 run_tests "$1" build/release/harness/run --ext ./hannoy.so
}

# run_example NAME FOLDER: the program of docs/linking.md, with the sqlite3.o in the folder.
run_example() {
    local log=$built/$1.log
    rm -rf "$2/example" && mkdir "$2/example"
    awk '/^```c$/ { on = 1; next } /^```/ { on = 0 } on' docs/linking.md >"$2/example/main.c"
    if $compiler -Iext "$2/example/main.c" build/amalgamation/libhannoy.a "$2/sqlite3.o" \
        -o "$2/example/main" -llmdb -lroaring -lxxhash -lpthread -lm -ldl >"$log" 2>&1 &&
        (cd "$2/example" && ./main && ./main && [ -s app.db ]) >>"$log" 2>&1; then
        echo '1 passed, 0 failed' >>"$log"
    else
        echo '0 passed, 1 failed' >>"$log"
    fi
    add_up "$1" "$log"
}

run_amalgamation() { # SQLITE.C
    local version folder source
    source=$(dirname "$1")
    version=$(version_of "$1")
    folder=$built/$version
    mkdir -p "$folder"
    echo "SQLite $version: compiling $1"
    $compiler -O2 -fPIC "${features[@]}" -c "$1" -o "$folder/sqlite3.o" &&
        $compiler -shared "$folder/sqlite3.o" -Wl,-soname,libsqlite3.so.0 \
            -o "$folder/libsqlite3.so.0" -lm -lpthread -ldl &&
        make CC="$compiler" CPPFLAGS="-isystem $source" SQLITE_LIB="$folder/sqlite3.o -ldl" \
            build/amalgamation/harness/run_linked >"$folder/make.log" 2>&1 || {
        cat "$folder/make.log"
        failed=$((failed + 1))
        return
    }
    run_library "$version" "$folder"
    run_tests "$version-linked" build/amalgamation/harness/run_linked
    run_example "$version-example" "$folder"
}

mkdir -p "$built"
given=("$@")
if [ $# = 0 ]; then
    for package in "${packages[@]}"; do
        given+=("$(fetch "$package")") || {
            echo "sqlites: $package cannot be had here: name an amalgamation's sqlite3.c" >&2
            exit 1
        }
    done
fi
for sqlite in "${given[@]}"; do
    case $sqlite in
        *.c) run_amalgamation "$sqlite" ;;
        *) run_library "$(basename "$sqlite")" "$(cd "$(dirname "$sqlite")" && pwd)" ;;
    esac
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
