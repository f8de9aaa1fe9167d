#!/usr/bin/env bash
# Unpacks the Go module into a clean folder, runs its tests there, and the program of its README;
# that one again with the module in its folder vendor.
#
#   test.sh
#
# The last line is the sum.
set -uo pipefail
cd "$(dirname "$0")"
here=$PWD
built=$(cd ../.. && pwd)/build/dist
folder=$built/go-test
log=$built/go.log
passed=0 failed=0

for tool in go cc; do
    command -v $tool >/dev/null && continue
    echo "go: skipped: there is no $tool"
    echo '0 passed, 0 failed, 1 skipped'
    exit
done

own_tests() {
    local output p f
    output=$(cd "$folder/sqlite-hannoy" && go vet . && go test -v . 2>&1)
    echo "$output" | grep -v '^distances '
    p=$(grep -c '^--- PASS' <<<"$output")
    f=$(grep -c '^--- FAIL' <<<"$output")
    passed=$((passed + p)) failed=$((failed + f))
    [ "$p" -gt 0 ] && [ "$f" = 0 ] && tail -n 1 <<<"$output" | grep '^ok' >/dev/null
}

ten_lines() {
    mkdir -p "$folder/program" && cd "$folder/program" || return 1
    awk '/^```go/ { on = 1; next } /^```/ { on = 0 } on' "$here/README.md" >main.go
    go mod init program && go mod edit -require sqlite-hannoy@v0.0.0 \
        -replace sqlite-hannoy=../sqlite-hannoy && go mod tidy &&
        go build -o program . && ./program | tee /dev/stderr | grep '^1 0\.00' >/dev/null
}

# Where cgo finds the C sources in a copy of the folder with Go's own choice of files.
vendored() {
    cd "$folder/program" && go mod vendor && rm -f app.db* &&
        go build -mod=vendor -o vendored . && ./vendored | grep '^1 0\.00' >/dev/null
}

# check NAME COMMAND...
check() {
    local name=$1
    shift
    if ("$@") >"$log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "go: $name failed:"
        tail -n 30 "$log"
    fi
}

export GOFLAGS=-buildvcs=false
rm -rf "$folder"
mkdir -p "$folder"
check 'unpacking' tar xzf "$built"/go/sqlite-hannoy-*.tgz -C "$folder"
if ! own_tests >"$log" 2>&1; then
    failed=$((failed + 1))
    echo 'go: its own tests failed:'
    tail -n 30 "$log"
fi
check "the README's program" ten_lines
check 'the program with go mod vendor' vendored
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
