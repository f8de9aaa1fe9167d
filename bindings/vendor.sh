#!/usr/bin/env bash
# Copies the C sources of a package that compiles into a folder.
#
#   vendor.sh SOURCES FOLDER
#
# SOURCES is what sources.sh has made.
#
# FOLDER/core, FOLDER/ext     as they are here, without tests, fuzzers and what is for Windows
# FOLDER/libraries            LMDB, CRoaring, xxHash and the headers of SQLite
# FOLDER/libraries/names.h    to be included before all else: gives each function of the libraries a
#                             name of hannoy's own, since the program may have another LMDB or
#                             CRoaring linked in
# FOLDER/licences             those of the libraries
#
# LMDB is the one of the other packages, for two reasons.  The lock file of LMDB's master branch is
# not that of 0.9, so a process with the one cannot open a sidecar that a process with the other has
# open.  And it has to keep its asserts, which core/sidecar/lmdb_guard.c makes errors of.
set -euo pipefail
sources=$1 folder=$2
here=$(cd "$(dirname "$0")" && pwd)

rm -rf "$folder"
mkdir -p "$folder/libraries"
(cd "$here/.." && find core ext \( -name test -o -name fuzz -o -name '*_windows.*' \) -prune -o \
    -name '*.[ch]' -print0 |
    tar cf - --null -T -) | tar xf - -C "$folder"
cp -r "$sources"/include/. "$folder/libraries"
rm "$folder/libraries/roaring.h"
cp "$sources"/lib/{mdb,midl,xxhash}.c "$folder/libraries"
cp "$sources/lib/roaring.c" "$folder/libraries/roaring"
cp -r "$sources/licences" "$folder"

# The functions that either processor's object has.
objects=$(mktemp -d)
trap 'rm -rf "$objects"' EXIT
for target in x86_64-linux-gnu aarch64-linux-gnu; do
    for name in mdb midl roaring/roaring xxhash; do
        "$sources/bin/zig" cc -target $target -w -O1 -fno-sanitize=undefined \
            -I "$folder/libraries" -DCROARING_COMPILER_SUPPORTS_AVX512=0 \
            -c "$folder/libraries/$name.c" -o "$objects/${name##*/}-$target.o"
    done
done
{
    echo '/* Names of the functions in mdb.c, midl.c, roaring.c and xxhash.c; see vendor.sh. */'
    echo '#ifndef HANNOY_NAMES_H'
    echo '#define HANNOY_NAMES_H'
    echo '/* clang 18 and later refuse to inline the functions for AVX-512. */'
    echo '#define CROARING_COMPILER_SUPPORTS_AVX512 0'
    nm -g --defined-only "$objects"/*.o | awk 'NF == 3 { print "#define " $3 " hannoy_" $3 }' |
        LC_ALL=C sort -u
    echo '#endif'
} >"$folder/libraries/names.h"
grep -q '^#define mdb_env_open ' "$folder/libraries/names.h"
