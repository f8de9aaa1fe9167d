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
subject=go log=$built/go.log
. ../checks.sh
need go cc objdump

own_tests() {
    local output p f
    output=$(cd "$folder/sqlite-hannoy" && go vet . && go test -v . 2>&1)
    echo "$output" | grep -v '^distances '
    p=$(grep -c '^--- PASS' <<<"$output")
    f=$(grep -c '^--- FAIL' <<<"$output")
    passed=$((passed + p)) failed=$((failed + f))
    [ "$p" -gt 0 ] && [ "$f" = 0 ] && tail -n 1 <<<"$output" | grep '^ok' >/dev/null
}

ten_lines() (
    mkdir -p "$folder/program" && cd "$folder/program" || return 1
    program_of go "$here/README.md" >main.go
    go mod init program && go mod edit -require sqlite-hannoy@v0.0.0 \
        -replace sqlite-hannoy=../sqlite-hannoy && go mod tidy &&
        go build -o program . && output=$(./program) || return 1
    echo "$output"
    grep -q '^1 0\.00' <<<"$output"
)

# Where cgo finds the C sources in a copy of the folder with Go's own choice of files.
vendored() (
    cd "$folder/program" && go mod vendor && rm -f app.db* &&
        go build -mod=vendor -o vendored . && ./vendored | grep '^1 0\.00' >/dev/null
)

# cgo leaves the dialect of C to the compiler and to CGO_CFLAGS, and no dialect may change the code:
# gcc without -std=c11 would round differently for each instruction set.
dialects() (
    cd "$folder/sqlite-hannoy" || return 1
    local dialect file
    for file in core_simd_kernel_*.c core_sidecar_view.c; do
        for dialect in c11 gnu11 gnu17; do
            cc -O2 -std=$dialect -D_GNU_SOURCE -DNDEBUG -w -c "$file" -o "../$dialect.o" &&
                objdump -d "../$dialect.o" | tail -n +4 >"../$dialect" || return 1
        done
        cmp ../c11 ../gnu11 && cmp ../c11 ../gnu17 || return 1
    done
    [ -s ../c11 ]
)

export GOFLAGS=-buildvcs=false
rm -rf "$folder" "$log"
mkdir -p "$folder"
check 'unpacking' tar xzf "$built"/go/sqlite-hannoy-*.tgz -C "$folder"
check 'its own tests' own_tests
check 'any dialect of C, the same code' dialects
check "the README's program" ten_lines
check 'the program with go mod vendor' vendored
print_sum
