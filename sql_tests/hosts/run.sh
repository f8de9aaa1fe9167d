#!/usr/bin/env bash
# Runs a real program in each host that loads the extension, and programs written for sqlite-vec.
#
#   run.sh [HOST...]        all of them without a name; --list names them
#
# HANNOY may be the path of another build of the extension than the one of make.
#
# What they need is installed into build/hosts by each language's own package client.  A host that
# cannot be had here is skipped by name, with the reason.  Each program checks the rows that it gets
# and ends with "1 passed, 0 failed"; the last line here is the sum.
#
# A program written for sqlite-vec is unchanged but for two things: `USING vec0` in it becomes
# `USING hannoy`, and the package sqlite_vec or sqlite-vec that it loads the extension by is the one
# in sqlite_vec/shim.
set -uo pipefail
cd "$(dirname "$0")"
here=$PWD
root=$(cd ../.. && pwd)
built=$root/build/hosts
extension=${HANNOY:-$root/hannoy.so}
venv=$built/python
packages=$built/node/node_modules
export HANNOY=$extension

case $(uname -m) in
    aarch64) node_arch=arm64 bun_arch=aarch64 ;;
    *) node_arch=x64 bun_arch=x64 ;;
esac
node24=$packages/node-linux-$node_arch/bin/node
bun=$packages/@oven/bun-linux-$bun_arch/bin/bun
deno=$packages/@deno/linux-$node_arch-glibc/deno

# What a host needs, the program, and its arguments.  EXTENSION and FOLDER stand for what they say.
hosts() {
    cat <<EOF
shell           shell      $here/shell/shell.sh EXTENSION FOLDER
python-sqlite3  python     python $here/python/sqlite3_module.py EXTENSION FOLDER
apsw            python     python $here/python/apsw_module.py EXTENSION FOLDER
aiosqlite       python     python $here/python/aiosqlite_module.py EXTENSION FOLDER
sqlalchemy      python     python $here/python/sqlalchemy_orm.py EXTENSION FOLDER
django          python     python $here/python/django_content.py EXTENSION FOLDER
datasette       python     $here/python/datasette_get.sh EXTENSION FOLDER
better-sqlite3  addon      node $built/node/better_sqlite3.mjs EXTENSION FOLDER
drizzle         addon      node $built/node/drizzle.mjs EXTENSION FOLDER
node-sqlite     node       $node24 $built/node/node_sqlite.mjs EXTENSION FOLDER
bun             node       $bun $built/node/bun_sqlite.mjs EXTENSION FOLDER
deno            node       $deno run -A $built/node/node_sqlite.mjs EXTENSION FOLDER
go              go         $built/go/notes EXTENSION FOLDER
rust            rust       $built/rust/target/debug/notes EXTENSION FOLDER
java            java       java -cp $built/java/* $here/java/Notes.java EXTENSION FOLDER
langchain       vec_python renamed python $here/sqlite_vec/langchain_sqlitevec.py FOLDER
vec-client      vec_python renamed python $here/sqlite_vec/client.py FOLDER
txtai           vec_python renamed python $here/sqlite_vec/txtai_embeddings.py FOLDER
markdown-memory vec_python renamed python $here/sqlite_vec/markdown_memory.py FOLDER
hydrogen        vec_python renamed python $here/sqlite_vec/hydrogen.py FOLDER
context8        vec_python renamed python $here/sqlite_vec/context8_backend.py FOLDER
deepagents      vec_node   $node24 $built/vec_node/deepagents.mjs FOLDER
page-c          c          $here/pages/run.sh c $built EXTENSION FOLDER
page-python     python     $here/pages/run.sh python $built EXTENSION FOLDER
page-js         node       $here/pages/run.sh js $built EXTENSION FOLDER
page-go         go         $here/pages/run.sh go $built EXTENSION FOLDER
page-rust       rust       $here/pages/run.sh rust $built EXTENSION FOLDER
page-java       java       $here/pages/run.sh java $built EXTENSION FOLDER
page-ruby       ruby       $here/pages/run.sh ruby $built EXTENSION FOLDER
EOF
}

# ---------------------------------------------------------------------------------- installing --

# digest SOURCE...: of all files there; build/hosts/NAME/made keeps that of what NAME was made of.
digest() {
    find "$@" -type f -print0 | sort -z | xargs -0 cat | sha256sum
}

# needs TOOL...: the reason, if one is missing.
needs() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || { echo "there is no $tool"; return 1; }
    done
}

pip_install() { "$venv/bin/pip" install -q --disable-pip-version-check "$@"; }
npm_install() { npm install --no-audit --no-fund --no-package-lock "$@"; }

make_shell() { :; }

make_python() {
    local python=${PYTHON:-/usr/bin/python3}
    "$python" -c 'import sqlite3; sqlite3.connect(":memory:").enable_load_extension(True)' &&
        rm -rf "$venv" && "$python" -m venv "$venv" &&
        pip_install -r python/requirements.txt &&
        pip_install --no-deps -r python/requirements-alone.txt
}

# npm's package node would fetch the one of this platform by a script; this asks for it directly.
make_node() {
    npm_install --prefix "$built/node" --ignore-scripts "node-linux-$node_arch@24.21.0"
}

make_addon() { # compiled for the node that runs it
    npm rebuild --prefix "$built/node" better-sqlite3 &&
        (cd "$built/node" && node --input-type=commonjs \
            -e 'new (require("better-sqlite3"))(":memory:")')
}

make_go() {
    mkdir -p "$built/go" && cp go/* "$built/go" && (cd "$built/go" && go build -mod=mod -o notes .)
}

make_rust() {
    mkdir -p "$built/rust" && cp -r rust/* "$built/rust" &&
        CARGO_TARGET_DIR=$built/rust/target cargo build -q --manifest-path "$built/rust/Cargo.toml"
}

make_java() {
    local artifact
    for artifact in org.xerial:sqlite-jdbc:3.53.4.0 org.slf4j:slf4j-{api,nop}:1.7.36; do
        mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
            -Dartifact=$artifact -DoutputDirectory="$built/java" || return 1
    done
}

rename() { # FOLDER: the module's name in the programs there
    grep -rlZ --include='*.py' --include='*.js' 'USING vec0' "$1" |
        xargs -0 sed -i 's/USING vec0/USING hannoy/'
}

make_vec_python() {
    local package
    rm -rf "$built/vec_python" && mkdir -p "$built/vec_python" || return 1
    for package in context8 hai langchain_community memory_vec sqlite_vec_client txtai; do
        cp -r "$venv"/lib/python3*/site-packages/$package "$built/vec_python" || return 1
    done
    rename "$built/vec_python" && cp sqlite_vec/shim/python/* "$built/vec_python"
}

# Without what it depends on, as above.
make_vec_node() {
    local modules=$built/vec_node/node_modules
    rm -rf "$built/vec_node" && mkdir -p "$modules/@deepagents/retrieval" &&
        npm pack -s --pack-destination "$built/vec_node" @deepagents/retrieval@0.29.1 >/dev/null &&
        tar xzf "$built"/vec_node/*.tgz -C "$modules/@deepagents/retrieval" --strip-components 1 &&
        cp -r "$packages"/{dedent,lodash-es} sqlite_vec/shim/node/sqlite-vec "$modules" &&
        cp sqlite_vec/deepagents.mjs "$built/vec_node" && rename "$modules"
}

# prepare NEED: installs it unless it is there; prints the reason where it cannot be had.
prepare() {
    local need=$1 tools sources reason made
    case $need in
        shell) tools=sqlite3 sources='' ;;
        c) tools=cc sources='' ;;
        ruby)
            tools=ruby sources=''
            ruby -e 'require "sqlite3"' 2>/dev/null || { echo 'there is no gem sqlite3'; return 1; }
            ;;
        python) tools=${PYTHON:-/usr/bin/python3} sources=$(echo python/*.txt) ;;
        node)
            tools='node npm' sources=node/package.json
            mkdir -p "$built/node" && cp node/* "$built/node" # modules are found from there
            ;;
        addon) prepare node || return 1; tools='make c++' sources=node/package.json ;;
        go) tools='go cc' sources=go ;;
        rust) tools=cargo sources=rust ;;
        java) tools='javac mvn' sources=java ;;
        vec_python)
            prepare python || return 1
            tools=sed sources="sqlite_vec/shim/python $built/python/made"
            ;;
        vec_node)
            prepare node || return 1
            tools='npm tar'
            sources="sqlite_vec/shim/node sqlite_vec/deepagents.mjs $built/node/made"
            ;;
    esac
    # shellcheck disable=SC2086
    reason=$(needs $tools) || { echo "$reason"; return 1; }
    [ -n "$sources" ] || return 0
    # shellcheck disable=SC2086
    made=$(digest $sources)
    [ "$(cat "$built/$need/made" 2>/dev/null)" != "$made" ] || return 0
    echo "hosts: installing for $need" >&2
    if ! "make_$need" >"$built/install-$need.log" 2>&1; then
        echo "it cannot be installed here: $(tail -n 1 "$built/install-$need.log")"
        return 1
    fi
    mkdir -p "$built/$need" && echo "$made" >"$built/$need/made"
}

# ------------------------------------------------------------------------------------- running --

renamed() { PYTHONPATH=$built/vec_python "$@"; }
export -f renamed
export built
export PATH=$venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONWARNINGS=ignore NO_COLOR=1
export DENO_DIR=$built/deno_cache DENO_NO_UPDATE_CHECK=1

passed=0 failed=0 skipped=0
declare -A missing # the reason, by need

run_host() { # NAME NEED PROGRAM ARGUMENT...
    local name=$1 need=$2 reason='' folder log=$built/$1.log
    shift 2
    if [ -n "${missing[$need]-}" ] || ! reason=$(prepare "$need"); then
        reason=${missing[$need]:=$reason}
        echo "$name: skipped: $reason"
        skipped=$((skipped + 1))
        return
    fi
    folder=$(mktemp -d "$built/run.XXXXXX")
    set -- "${@/EXTENSION/$extension}"
    set -- "${@/FOLDER/$folder}"
    # shellcheck disable=SC2016
    timeout -k 10 300 bash -c 'cd "$0" && "$@"' "$folder" "$@" >"$log" 2>&1 </dev/null
    local code=$?
    if [ $code = 0 ] && [ "$(tail -n 1 "$log")" = '1 passed, 0 failed' ]; then
        echo "$name: passed"
        passed=$((passed + 1))
        rm -rf "$folder"
    else
        echo "$name: failed with code $code (124: not done in 300 s), build/hosts/$name.log:"
        tail -n 15 "$log" | sed 's/^/    /'
        failed=$((failed + 1))
    fi
}

[ "${1-}" = --list ] && { hosts | awk '{ print $1 }'; exit; }
[ -e "$extension" ] || { echo "hosts: there is no $extension; make builds it" >&2; exit 1; }
mkdir -p "$built"
rm -rf "$built"/run.??????
for name in "$@"; do
    hosts | awk -v name="$name" '$1 == name { n++ } END { exit !n }' ||
        { echo "hosts: there is no host '$name'; --list names them" >&2; exit 1; }
done
while read -r -a line <&3; do
    [ $# = 0 ] || [[ " $* " == *" ${line[0]} "* ]] || continue
    run_host "${line[@]}"
done 3< <(hosts)

summary="$passed passed, $failed failed"
[ $skipped = 0 ] || summary+=", $skipped skipped"
echo "$summary"
[ $failed = 0 ] && [ $passed -gt 0 ]
