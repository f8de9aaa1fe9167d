#!/usr/bin/env bash
# Installs the npm packages into a clean folder, and uses them there in each host.
#
#   test.sh
#
# npm chooses the package of this platform, as it does for a user; the overrides are where it finds
# them.  Hosts are installed by npm too; one that cannot be had is skipped by name, with the reason.
# The last line is the sum.
set -uo pipefail
cd "$(dirname "$0")"
here=$PWD
built=$(cd ../.. && pwd)/build/dist
hosts=$built/npm-hosts project=$built/npm-hosts/project
subject=npm
. ../checks.sh
need node npm

case $(uname -m) in
    aarch64) cpu=arm64 bun=$hosts/node_modules/@oven/bun-linux-aarch64/bin/bun ;;
    *) cpu=x64 bun=$hosts/node_modules/@oven/bun-linux-x64/bin/bun ;;
esac
node24=$hosts/node_modules/node-linux-$cpu/bin/node
deno=$hosts/node_modules/@deno/linux-$cpu-glibc/deno
export DENO_DIR=$built/npm-hosts/deno_cache DENO_NO_UPDATE_CHECK=1 NO_COLOR=1

npm_install() { npm install --no-audit --no-fund --no-package-lock "$@"; }

# npm's package node would fetch the one of this platform by a script; this asks for it directly.
install_hosts() {
    local made
    made=$(cat tests/package.json)
    [ "$(cat "$hosts/made" 2>/dev/null)" != "$made" ] || return 0
    rm -rf "$hosts" && mkdir -p "$hosts" && cp tests/package.json "$hosts" &&
        npm_install --prefix "$hosts" --ignore-scripts "node-linux-$cpu@24.21.0" || return 1
    npm rebuild --prefix "$hosts" better-sqlite3 || echo 'better-sqlite3 is not built'
    echo "$made" >"$hosts/made"
}

# A project beside the hosts' modules, with the packages alone.
install_project() {
    rm -rf "$project" && mkdir -p "$project" &&
        cp tests/run.mjs tests/types.?ts "$project" || return 1
    node - "$built"/npm/*.tgz >"$project/package.json" <<'END' || return 1
const overrides = {}, dependencies = {};
for (const file of process.argv.slice(2)) {
  const name = file.replace(/.*\//, '').replace(/-\d+\.\d+\.\d+.*/, '');
  (name === 'sqlite-hannoy' ? dependencies : overrides)[name] = `file:${file}`;
}
console.log(JSON.stringify({ private: true, type: 'module', dependencies, overrides }));
END
    npm_install --prefix "$project"
}

# The JavaScript of the README, opened as its table says.
ten_lines() { # MODULE
    local import open
    import=$(sed -n "s/^| $1 | \`\(.*;\) new.*/\1/p" "$here/README.md")
    open=$(sed -n "s/^| $1 | .*; \(new .*\)\` |/\1/p" "$here/README.md")
    program_of js "$here/README.md" |
        sed -e "${import:+s|^import .*sqlite.;|$import|}" \
            -e "${open:+s|new DatabaseSync.*);|$open;|}"
}

host() { # NAME MODULE COMMAND...
    local name=$1 module=$2 log=$built/npm-$1.log reason=''
    shift 2
    case $name in
        better-sqlite3) reason=$("$@" -e 'new (require("better-sqlite3"))(":memory:")' 2>&1) ;;
        *) reason=$("$1" --version 2>&1) ;;
    esac || {
        echo "npm $name: skipped: $(echo "$reason" | grep -m 1 . || echo "there is no $1")"
        skipped=$((skipped + 1))
        return
    }
    ten_lines "$module" >"ten_lines-$name.mjs"
    rm -f app.db*
    if timeout -k 10 120 "$@" "ten_lines-$name.mjs" >"$log" 2>&1 && grep -q 'rowid: 1,' "$log" &&
        grep -q "'$module'" "ten_lines-$name.mjs"; then
        timeout -k 10 300 "$@" run.mjs "$module" >>"$log" 2>&1
    fi
    report "$name" $? "$log"
}

if ! install_hosts >"$built/npm-hosts.log" 2>&1; then
    tail -n 5 "$built/npm-hosts.log"
    skip 'the hosts cannot be installed here'
fi
if ! install_project >"$built/npm-install.log" 2>&1; then
    tail -n 20 "$built/npm-install.log"
    echo '0 passed, 1 failed'
    exit 1
fi
cd "$project" || exit 1
host better-sqlite3 better-sqlite3 node
host node node:sqlite "$node24"
host bun bun:sqlite "$bun"
host deno node:sqlite "$deno" run --no-prompt --allow-read --allow-write --allow-ffi
if "$hosts/node_modules/.bin/tsc" --noEmit --strict --module nodenext --target es2022 \
    --types node,bun-types types.mts types.cts >"$built/npm-types.log" 2>&1; then
    echo '1 passed, 0 failed' >>"$built/npm-types.log"
fi
report types 0 "$built/npm-types.log"

print_sum
