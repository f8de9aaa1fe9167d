#!/usr/bin/env bash
# Tests the libraries in build/dist, each on its platform.
#
#   test_dist.sh PLATFORM...
#
# The programs for musl and for 64-bit ARM run in a folder with Debian's packages of that libc and
# processor, the latter under qemu.  Of macOS's libraries the symbols are checked; they cannot be
# run here.  test_windows.sh tests that of Windows.  The last line is the sum.
set -uo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C
. bindings/checks.sh

# on PLATFORM PROGRAM ARGUMENT...
on() {
    local platform=$1 machine root limit=(timeout -k 10 3600) emulator
    shift
    machine=${platform#linux-} root=build/dist/roots/$platform
    machine=${machine%-*}
    if [ "$machine" != "$(uname -m)" ]; then
        emulator=("qemu-$machine-static" -L "$root")
        case $platform in
            *-musl) emulator+=(-E "LD_PRELOAD=$PWD/build/$platform/musl_under_qemu.so") ;;
        esac
        "${limit[@]}" "${emulator[@]}" "$@"
    elif [ "${platform##*-}" = musl ]; then
        "${limit[@]}" "$root/lib/ld-musl-$machine.so.1" "$@"
    else
        "${limit[@]}" "$@"
    fi
}

# What a program of the platform needs to run here.
prepare() { # PLATFORM
    local architecture=amd64 package=libc6 root=build/dist/roots/$1
    case $1 in *-aarch64-*) architecture=arm64 ;; esac
    case $1 in *-musl) package=musl ;; esac
    case $1 in *"-$(uname -m)-"*) ;; *) .ci/deps qemu-user-static || return 1 ;; esac
    [ "$1" != "linux-$(uname -m)-glibc" ] || return 0
    [ -f "$root/made" ] || { .ci/sysroot "$architecture" "$root" "$package" && : >"$root/made"; }
}

# The file: what it exports, what it asks of the system, and what it says of this machine.
check_file() { # PLATFORM
    local file=build/dist/$1/hannoy.so libraries='libc.so' newest=''
    case $1 in
        *-glibc) libraries='libc.so.6 libm.so.6 libpthread.so.0' newest=GLIBC_2.17 ;;
    esac
    expect "$1: exported" 'sqlite3_extension_init sqlite3_hannoy_init' \
        "$(nm -D --defined-only "$file" | awk '{ print $NF }' | sort | xargs)"
    expect "$1: libraries" "$libraries" \
        "$(readelf -d "$file" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
            grep -v '^ld-linux' | sort | xargs)"
    expect "$1: RPATH" '' "$(readelf -d "$file" | grep -E 'RPATH|RUNPATH')"
    expect "$1: newest glibc" "$newest" \
        "$(readelf -V "$file" | grep -oE 'GLIBC_[0-9.]+' | sort -V | tail -n 1)"
    expect "$1: stack that runs code" '' "$(readelf -lW "$file" | grep GNU_STACK | grep RWE)"
    expect "$1: symbols left" 0 "$(readelf -SW "$file" | grep -cE '\.(symtab|debug_info) ')"
    expect "$1: debug file" "$(build_id "$file") 1" \
        "$(build_id "$file.debug") $(readelf -SW "$file.debug" | grep -c '\.debug_info ')"
    expect "$1: paths of this machine" 0 "$(cat "$file" "$file.debug" | grep -cF "$PWD")"
}

# The link has found each function that it asks for in zig's lists of those of macOS.
check_macos() { # PLATFORM
    local file=build/dist/$1/hannoy.dylib
    .ci/deps llvm || return 1
    expect "$1: exported" '_sqlite3_extension_init _sqlite3_hannoy_init' \
        "$(llvm-nm -gU "$file" | awk '{ print $NF }' | grep -vxE '___dso_handle|__mh_dylib_header' |
            sort | xargs)"
    expect "$1: libraries" /usr/lib/libSystem.B.dylib \
        "$(llvm-objdump --macho --dylibs-used "$file" | awk 'NR > 2 { print $1 }' | xargs)"
    expect "$1: oldest system" 11.0 \
        "$(llvm-objdump --macho --private-headers "$file" | awk '$1 == "minos" { print $2 }')"
    expect "$1: the link takes any symbol" '' \
        "$(llvm-objdump --macho --bind "$file" | grep -iE 'flat-namespace|dynamic-lookup')"
    echo "$1: linked, not run"
}

build_id() { # FILE
    readelf -n "$1" | sed -n 's/.*Build ID: //p'
}

# kernels PLATFORM: the best kernels, as the library says
kernels() {
    cat >build/dist/kernels.test <<'EOF'
statement ok
CREATE VIRTUAL TABLE v USING hannoy(dim=4, metric=l2);

query T
SELECT value FROM hannoy_info('v') WHERE key = 'kernels'
----
?
EOF
    on "$1" "build/$1/harness/run" --ext "build/dist/$1/hannoy.so" build/dist/kernels.test 2>&1 |
        sed -n 's/.*got "\(.*\)"$/\1/p'
}

# What Linux says of this processor, best first.  kernel.c asks the processor itself.
kernels_of_this_machine() {
    local flags
    flags=" $(grep -m 1 -E '^(flags|Features)' /proc/cpuinfo) "
    has() { for flag in "$@"; do [[ $flags == *" $flag "* ]] || return 1; done; }
    if has avx2 fma popcnt f16c; then
        if has avx512f avx512bw avx512vl avx512dq; then
            if has avx512_vnni avx512_vpopcntdq; then echo avx512-vnni; fi
            echo avx512
        fi
        echo avx2
    fi
    if [ "$(uname -m)" = aarch64 ]; then
        if has asimddp; then echo neon-dot; fi
        echo neon
    fi
    echo scalar
}

check_kernels() { # PLATFORM
    local name names=
    case $1 in
        *"-$(uname -m)-"*) names=$(kernels_of_this_machine) ;;
        *-aarch64-*) names='neon-dot neon scalar' ;; # qemu's processor
        *) names=scalar ;;
    esac
    # shellcheck disable=SC2086
    set -- "$1" $names
    expect "$1: kernels" "$2" "$(kernels "$1")"
    for name in "${@:2}"; do
        expect "$1: kernels $name forced" "$name" "$(HANNOY_KERNELS=$name kernels "$1")"
    done
    case $1 in
        *-aarch64-*)
            [ "$(uname -m)" = aarch64 ] ||
                expect "$1: kernels of a Cortex-A53" neon "$(QEMU_CPU=cortex-a53 kernels "$1")"
            ;;
    esac
}

# The recall of each kind of code takes long, and is the same on every platform.  Emulated, so do
# all files that need many rows.
check_sql() { # PLATFORM
    local log=build/dist/sql-$1.log files without=(echo sql_tests/recall/codes.test) seconds=300
    case $1 in
        *"-$(uname -m)-"*) ;;
        *) without=(sql_tests/all.sh --files -long) seconds=1800 ;; # of a file
    esac
    mapfile -t files < <(find sql_tests -name '*.test' | grep -vxFf <("${without[@]}") | sort)
    on "$1" "build/$1/harness/run" --ext "build/dist/$1/hannoy.so" build/dist/kernels.test 2>&1 |
        sed -n 's/.*got "\(.*\)"$/\1/p'
}

# What Linux says of this processor, best first.  kernel.c asks the processor itself.
kernels_of_this_machine() {
    local flags
    flags=" $(grep -m 1 -E '^(flags|Features)' /proc/cpuinfo) "
    has() { for flag in "$@"; do [[ $flags == *" $flag "* ]] || return 1; done; }
    if has avx2 fma popcnt f16c; then
        if has avx512f avx512bw avx512vl avx512dq; then
            if has avx512_vnni avx512_vpopcntdq; then echo avx512-vnni; fi
            echo avx512
        fi
        echo avx2
    fi
    if [ "$(uname -m)" = aarch64 ]; then
        if has asimddp; then echo neon-dot; fi
        echo neon
    fi
    echo scalar
}

check_kernels() { # PLATFORM
    local name names=
    case $1 in
        *"-$(uname -m)-"*) names=$(kernels_of_this_machine) ;;
        *-aarch64-*) names='neon-dot neon scalar' ;; # qemu's processor
        *) names=scalar ;;
    esac
    # shellcheck disable=SC2086
    set -- "$1" $names
    expect "$1: kernels" "$2" "$(kernels "$1")"
    for name in "${@:2}"; do
        expect "$1: kernels $name forced" "$name" "$(HANNOY_KERNELS=$name kernels "$1")"
    done
    case $1 in
        *-aarch64-*)
            [ "$(uname -m)" = aarch64 ] ||
                expect "$1: kernels of a Cortex-A53" neon "$(QEMU_CPU=cortex-a53 kernels "$1")"
            ;;
    esac
}

# The recall of each kind of code takes long, and is the same on every platform.  Emulated, so do
# the files that sql_tests/all.sh leaves out there: they need many rows.
check_sql() { # PLATFORM
    local log=build/dist/sql-$1.log files without=recall/codes seconds=300 # of a file
    case $1 in
        *"-$(uname -m)-"*) ;;
        *)
            without='^sql_tests/(recall/|build/recall|filter/co|sidecar/lost_and|query/dim)'
            seconds=1800
            ;;
    esac
    mapfile -t files < <(find sql_tests -name '*.test' | grep -vE "$without" | sort)
    on "$1" "build/$1/harness/run" --ext "build/dist/$1/hannoy.so" \
        --timeout $seconds "${files[@]}" README.md docs/*.md >"$log" 2>&1
    report "$1: SQL" $? "$log"
}

# The same sources in another folder give the same bytes.
check_again() { # PLATFORM...
    local again=$PWD/build/dist/again platform
    rm -rf "$again"
    mkdir -p "$again/build/dist"
    cp -r Makefile core ext bindings "$again"
    mkdir "$again/sql_tests"
    cp -al build/dist/sources "$again/build/dist"
    rm -rf "$again/build/dist/sources/cache"
    make -s -C "$again" dist DIST_ONLY="$*" >"$again/log" 2>&1 ||
        tail -n 20 "$again/log"
    for platform in "$@"; do
        expect "$platform: built again, the bytes" \
            "$(cd build/dist/"$platform" && sha256sum hannoy.*)" \
            "$(cd "$again/build/dist/$platform" && sha256sum hannoy.*)"
    done
}

for platform in "$@"; do
    case $platform in
        macos-*) check_macos "$platform" || failed=$((failed + 1)); continue ;;
        windows-*) continue ;;
    esac
    prepare "$platform" || { echo "$platform: cannot run here"; failed=$((failed + 1)); continue; }
    check_file "$platform"
    check_kernels "$platform"
    check_sql "$platform"
done
check_again "$@"

print_sum
