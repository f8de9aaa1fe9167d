#!/usr/bin/env bash
# Makes the Go module: the folder FOLDER/sqlite-hannoy, and FOLDER/sqlite-hannoy-VERSION.tgz of it.
#
#   pack.sh VERSION SOURCES FOLDER
set -euo pipefail
cd "$(dirname "$0")"
version=$1 sources=$2 folder=$3
module=$folder/sqlite-hannoy
rm -rf "$folder"
mkdir -p "$module"
cp go.mod go.sum ./*.go entry.[ch] README.md ../../LICENSE "$module"
../vendor.sh "$sources" "$folder/c"
"$sources/python/bin/python" flatten.py "$folder/c" "$version" "$module"
mv "$folder/c/licences" "$module"
rm -r "$folder/c"
tar czf "$folder/sqlite-hannoy-$version.tgz" -C "$folder" --sort=name --owner=0 --group=0 \
    --numeric-owner --mtime=@1577836800 sqlite-hannoy
