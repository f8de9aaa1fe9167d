#!/usr/bin/env bash
# Brings the compiler and the libraries of the packages into a folder, by pip and npm.
#
#   sources.sh FOLDER
#
# FOLDER/bin/zig      the compiler
# FOLDER/include      the headers of LMDB, CRoaring, xxHash and SQLite
# FOLDER/lib          mdb.c, midl.c, roaring.c, xxhash.c; and sqlite3.c, for the tests alone
# FOLDER/licences     those of the libraries, which a package repeats
# FOLDER/made         a digest of the files that say all this; while it is theirs, nothing is done
#
# Each download has its version and hash in tools.txt, sources.txt or below.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$1

# An npm package that has SQLite's amalgamation.
sqlite_package=better-sqlite3@12.11.1
sqlite_sha256=ebf0ed75a7a59dbcb3b24bbd014ef49d9f15bc328e4adcbf516f2a8fadfa2835

wanted=$(cat "$here"/sources.{sh,txt} "$here/tools.txt" | sha256sum)
[ "$(cat "$folder/made" 2>/dev/null)" != "$wanted" ] || exit 0

for tool in npm tar "${PYTHON:=python3}"; do
    command -v "$tool" >/dev/null ||
        { echo "sources: there is no $tool, which the packages' sources come by" >&2; exit 1; }
done

rm -rf "$folder"
mkdir -p "$folder"/{bin,include/roaring,lib,licences,download}
echo "sources: installing the compiler and the libraries into $folder"
"$PYTHON" -m venv "$folder/python"
pip=("$folder/python/bin/python" -m pip --disable-pip-version-check -q)
"${pip[@]}" install --require-hashes -r "$here/tools.txt"
cat >"$folder/bin/zig" <<'EOF'
#!/bin/sh
# Its caches are beside it, so that nothing is left elsewhere.
top=$(cd "$(dirname "$0")/.." && pwd)
export ZIG_GLOBAL_CACHE_DIR="$top/cache" ZIG_LOCAL_CACHE_DIR="$top/cache"
exec "$top"/python/lib/python3*/site-packages/ziglang/zig "$@"
EOF
chmod +x "$folder/bin/zig"

"${pip[@]}" download --require-hashes --no-deps --no-binary :all: -d "$folder/download" \
    -r "$here/sources.txt"
(cd "$folder/download" && npm pack -s "$sqlite_package" >/dev/null)
echo "$sqlite_sha256 $(echo "$folder"/download/better-sqlite3-*.tgz)" | sha256sum -c --quiet

for archive in "$folder"/download/*; do tar xzf "$archive" -C "$folder/download"; done
cd "$folder/download"
cp lmdb-*/lib/{mdb,midl}.c pyroaring-*/pyroaring/roaring.c xxhash-*/deps/xxhash/xxhash.c \
    package/deps/sqlite3/sqlite3.c ../lib
cp lmdb-*/lib/{lmdb,midl}.h xxhash-*/deps/xxhash/xxhash.h package/deps/sqlite3/sqlite3*.h ../include
cp pyroaring-*/pyroaring/roaring.h ../include/roaring
ln -s roaring/roaring.h ../include/roaring.h
cp lmdb-*/LICENSE ../licences/LMDB
cp xxhash-*/deps/xxhash/LICENSE ../licences/xxHash
sed -n '/^ \* MIT License/,/\*\//p' pyroaring-*/pyroaring/roaring.c |
    sed -E 's/^ \*\/? ?//' >../licences/CRoaring
cd ..
rm -rf download
echo "$wanted" >made
