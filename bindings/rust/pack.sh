#!/usr/bin/env bash
# Makes the crate, as FOLDER/sqlite-hannoy-VERSION.crate.
#
#   pack.sh VERSION SOURCES FOLDER
#
# FOLDER/sqlite-hannoy is what is packed: the files here with the C sources in c/, by vendor.sh.
set -euo pipefail
cd "$(dirname "$0")"
version=$1 sources=$2 folder=$3
crate=$folder/sqlite-hannoy
rm -rf "$folder"
mkdir -p "$crate"
cp -r Cargo.toml build.rs src tests README.md ../../LICENSE "$crate"
sed -i "s/^version = .*/version = \"$version\"/" "$crate/Cargo.toml"
../vendor.sh "$sources" "$crate/c"
if ! command -v cargo >/dev/null; then
    echo "crate: there is no cargo, which packs $crate"
    exit
fi
cd "$crate"
CARGO_TARGET_DIR=$folder/target cargo package -q --no-verify --allow-dirty
mv "$folder/target/package/sqlite-hannoy-$version.crate" "$folder"
rm -r "$folder/target"
