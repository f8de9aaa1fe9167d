#!/usr/bin/env bash
# Unpacks the crate into a clean folder, runs its tests there, and the program of its README with
# rusqlite.
#
#   test.sh
#
# The last line is the sum.
set -uo pipefail
cd "$(dirname "$0")"
here=$PWD
built=$(cd ../.. && pwd)/build/dist
folder=$built/crate-test
subject=crate log=$built/crate.log
. ../checks.sh
need cargo cc nm

own_tests() {
    local output p f
    output=$(cd "$folder"/sqlite-hannoy-* && cargo test 2>&1)
    echo "$output"
    read -r p f < <(awk '/^test result:/ { p += $4; f += $6 } END { print p + 0, f + 0 }' \
        <<<"$output")
    passed=$((passed + p)) failed=$((failed + f))
    [ "$p" -gt 0 ] && [ "$f" = 0 ]
}

ten_lines() (
    mkdir -p "$folder/program/src" && cd "$folder/program" || return 1
    program_of rust "$here/README.md" >src/main.rs
    cat >Cargo.toml <<END
[package]
name = "program"
version = "0.1.0"
edition = "2021"

[dependencies]
sqlite-hannoy = { path = "$(echo "$folder"/sqlite-hannoy-*)" }
rusqlite = { version = "0.37", features = ["bundled"] }
END
    output=$(cargo run -q) || return 1
    echo "$output"
    grep -q '^1 0\.00' <<<"$output"
)

# Another LMDB or CRoaring of the program has other names; and this LMDB has its asserts, without
# which a damaged sidecar is not noticed.
symbols() {
    local archive
    archive=$(ls -t "$CARGO_TARGET_DIR"/debug/build/sqlite-hannoy-*/out/libhannoy.a | head -n 1)
    nm "$archive" | grep ' t mdb_assert_fail' &&
        nm -g --defined-only "$archive" | awk 'NF == 3 { print $3 }' >"$folder/symbols" &&
        grep -q '^hannoy_roaring_bitmap_create' "$folder/symbols" &&
        ! grep -vE '^(hannoy_|hny_|hx_|sqlite3_hannoy_init$)' "$folder/symbols"
}

export CARGO_TARGET_DIR=$built/crate-target
rm -rf "$folder" "$log"
mkdir -p "$folder"
check 'unpacking' tar xzf "$built"/crate/sqlite-hannoy-*.crate -C "$folder"
check 'its own tests' own_tests
check "the README's program" ten_lines
check 'names of functions' symbols
print_sum
