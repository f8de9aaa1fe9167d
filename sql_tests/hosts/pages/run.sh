#!/usr/bin/env bash
# Runs the program that docs/loading.md has in a language.  run.sh LANGUAGE BUILT EXTENSION FOLDER
#
# BUILT has what the hosts of that language need, as hosts/run.sh installed it.
set -euo pipefail
language=$1 built=$2 extension=$3 folder=$4
page=$(cd "$(dirname "$0")/../../.." && pwd)/docs/loading.md
cd "$folder"
cp "$extension" hannoy.so

case $language in
    js) file=main.mjs ;;
    ruby) file=main.rb ;;
    python) file=main.py ;;
    java) file=Main.java ;;
    rust) mkdir src && file=src/main.rs ;;
    *) file=main.$language ;;
esac
awk -v open="\`\`\`$language" '$0 == open { on = 1; next } /^```/ { on = 0 } on' "$page" >$file
[ -s $file ] || { echo "docs/loading.md has no program in $language" >&2; exit 1; }

case $language in
    c) cc -Wall -Wextra -Werror $file -o main -lsqlite3 && out=$(./main) ;;
    go) cp "$built"/go/go.* . && out=$(go run -mod=mod .) ;;
    java) out=$(java -cp "$built/java/*" $file) ;;
    js) out=$("$built"/node/node_modules/node-linux-*/bin/node $file) ;;
    python | ruby) out=$($language $file) ;;
    rust) cp "$built"/rust/Cargo.* . &&
        out=$(CARGO_TARGET_DIR=$built/rust/target cargo run -q) ;;
esac
[ "$out" = '1 0.0061' ] || { echo "printed: $out"; exit 1; }
echo '1 passed, 0 failed'
