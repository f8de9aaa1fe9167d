#!/usr/bin/env bash
# Checks what is to be released: one version everywhere, and each package from its artefact.
#
#   release_check.sh VERSION PLATFORM...
#
# build/dist has the packages.  The place where they are installed has no compiler and no other
# environment than PATH and HOME.  The last line is the sum.
set -uo pipefail
cd "$(dirname "$0")/.."
version=$1
shift
built=$PWD/build/dist
subject=release
. bindings/checks.sh

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
mkdir "$place"/{bin,home,python,node}
for tool in env sh sed dirname uname python3 node npm; do
    program=$(PATH=/usr/bin:/bin:$PATH command -v $tool) && ln -s "$program" "$place/bin/$tool"
done
clean() { env -i PATH="$place/bin" HOME="$place/home" "$@"; }

expect 'the form of VERSION' 1 "$(grep -cE '^[0-9]+\.[0-9]+\.[0-9]+$' <<<"$version")"
expect 'the first heading of CHANGELOG.md' "## $version" "$(grep -m 1 '^## ' CHANGELOG.md)"
expect 'other versions of the packages in the documentation' '' \
    "$(grep -ohE 'sqlite[-_]hannoy[-a-z0-9]*-[0-9]+\.[0-9]+\.[0-9]+' README.md docs/*.md \
        bindings/*/README.md | grep -vF -- "-$version" | xargs)"
expect 'a wheel for each platform' "$#" \
    "$(find "$built/wheels" -name "sqlite_hannoy-$version-py3-none-*.whl" | wc -l)"
expect 'wheels of other versions' '' \
    "$(find "$built/wheels" -name '*.whl' ! -name "*-$version-*" | xargs)"
expect 'an npm package for each platform, and one for all' $(($# + 1)) \
    "$(find "$built/npm" -name "sqlite-hannoy*-$version.tgz" | wc -l)"
expect 'the Rust crate' 1 "$(find "$built/crate" -name "sqlite-hannoy-$version.crate" | wc -l)"
expect 'a compiler in the clean place' '' "$(clean sh -c 'command -v cc gcc clang make')"

# Python: pip alone, without an index, then the ten lines of its README.
python=$place/python/environment
clean python3 -m venv "$python" &&
    clean "$python/bin/pip" -q --disable-pip-version-check install --no-index \
        --find-links "$built/wheels" sqlite-hannoy
program_of python bindings/python/README.md >"$place/python/lines.py"
expect 'the ten lines of Python' '[(1, 0.00' "$(cd "$place/python" &&
    clean "$python/bin/python" lines.py 2>&1 | cut -c 1-9)"
expect 'the version that the wheel has inside' "$version" "$(clean "$python/bin/python" -c '
import sqlite3, sqlite_hannoy
db = sqlite3.connect(":memory:")
sqlite_hannoy.load(db)
print(db.execute("SELECT hannoy_version()").fetchone()[0])' 2>&1)"

# Node: npm alone, from the files, then the ten lines of its README by a Node that has node:sqlite.
if [ -x "$place/bin/node" ] && [ -x "$place/bin/npm" ]; then
    case $(uname -m) in aarch64) cpu=arm64 ;; *) cpu=x64 ;; esac
    (cd "$place/node" && clean npm install --silent --offline --no-audit --no-fund \
        "$built/npm/sqlite-hannoy-$version.tgz" "$built/npm/sqlite-hannoy-linux-$cpu-$version.tgz")
    program_of js bindings/node/README.md >"$place/node/lines.mjs"
    node=$place/bin/node
    # The tests of the packages and of the hosts install one.
    for other in "$built"/{npm-hosts,../hosts/node}/node_modules/node-linux-*/bin/node; do
        "$node" -e 'require("node:sqlite")' 2>/dev/null || node=$other
    done
    if "$node" -e 'require("node:sqlite")' 2>/dev/null; then
        expect 'the ten lines of JavaScript' 1 "$(cd "$place/node" &&
            clean "$node" lines.mjs 2>/dev/null | grep -c 'rowid: 1,')"
    else
        echo 'release: the ten lines of JavaScript: no Node here has node:sqlite'
    fi
else
    echo 'release: npm: there is no node and npm'
fi

# The SQL of the README on the library that is released.
library=$built/linux-$(uname -m)-glibc/hannoy.so
build/release/harness/run --ext "$library" README.md docs/*.md >"$place/sql.log" 2>&1
report SQL $? "$place/sql.log"

print_sum
