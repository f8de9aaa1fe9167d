#!/usr/bin/env bash
# Runs test steps, as many side by side as there are cores (or JOBS), and adds up what they report.
#
#   all.sh test|rest|asan|tsan|aarch64|STEP...
#   all.sh --files [-long|-short]     lists the files of such a step
#
# test and rest are make test and make test-all.  STEP: the name of a step of run_step below, with
# VARIANT: before it for another build than release, and with -short after it for less of what a
# long one does (sql-long is the rest), or -foreground: rows are linked by the COMMIT.  A step is a
# line of the report, with its output if it failed; build/log/ has what each printed.
#
# Each step's programs end with a line "N passed, N failed", or are cmocka's with "[  PASSED  ] N".
# One that ends otherwise than with code 0 has failed at least once, whatever it printed.  What
# must not hang runs under a time limit.  The last line is the sum.
set -uo pipefail
cd "$(dirname "$0")/.."

# The longest first: most steps keep one core busy, and none is to wait for the other at the end.
aarch64_steps=(aarch64:sql aarch64:unit aarch64:kernels)
tsan_steps=(tsan:unit tsan:sql tsan:interrupts tsan:processes tsan:sql-foreground
    tsan:processes-foreground tsan:linking)
asan_steps=(asan:sql-long asan:fault asan:mutants asan:states asan:unit asan:property asan:processes
    asan:interrupts asan:crash asan:linking)
clang_steps=(fuzzers clang:sql clang:unit)
command -v "${CLANG:-clang}" >/dev/null || clang_steps=()
# In a control group of so many MiB, where one can be made.
memory_steps=(sql-memory property-memory)
in_memory=(sql_tests/in_memory.sh 64)
# In minutes, also on a slow machine: a step that would take long is short here, and long below.
test_steps=(sql asan:sql-short asan:unit-short unit fault-short states asan:fault-short
    property-short asan:property-short mutants-short differential-short lint crash-short layers
    asan:schemas-short asan:replay property-short-foreground crash-short-foreground)
# What is left out above, or short.
rest_steps=("${aarch64_steps[@]}" "${tsan_steps[@]}" "${asan_steps[@]}" kernels
    "${clang_steps[@]}" mutants fault property differential asan:differential schemas asan:schemas
    sql-foreground property-foreground crash-foreground processes-foreground states-foreground
    differential-foreground asan:property-foreground asan:fuzz-mutants asan:fuzz-schemas
    asan:fuzz-differential processes interrupts linking fault-foreground crash)

export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1:allocator_may_return_null=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1}
STEP_SECONDS=2400                # most steps take a minute or two
FUZZ_SECONDS=${FUZZ_SECONDS:-60} # of each fuzzer
FUZZ_SEED=${FUZZ_SEED:-3001}     # make fuzz takes another one each time
documents=(README.md docs/*.md)

# count FILE: "passed failed" as the output in FILE reports them, over all programs of a step.
count() {
    awk '
        /^([a-z_-]+: )?[0-9]+ passed, [0-9]+ failed/ {
            sub(/^[a-z_-]+: /, ""); p += $1; f += $3
        }
        /^\[  PASSED  \] [0-9]+ test/ { p += $4 }
        /^\[  FAILED  \] [0-9]+ test/ { f += $4 }
        END { print p + 0, f + 0 }' "$1"
}

wrapper=() # of the programs of a step

emulated() { # VARIANT
    [ "$1" = aarch64 ] && [ "$(uname -m)" != aarch64 ]
}

# bounded VARIANT SECONDS PROGRAM ARGUMENT...: ends the program and says so when it takes longer.
# One for another processor is emulated.
bounded() {
    local variant=$1 seconds=$2 emulator=() code=0
    shift 2
    if emulated "$variant"; then emulator=(qemu-aarch64-static -L build/sysroot); fi
    timeout -k 10 "$seconds" "${wrapper[@]}" "${emulator[@]}" "$@" || code=$?
    [ $code -lt 124 ] ||
        echo "$1: ended with $code (124: not done in $seconds s; 128 + N: signal N)"
    return $code
}

run_units() { # VARIANT [FILE]: all, or all but that one
    local source program printed code=0
    for source in {core,ext}/test/test_*.c; do
        [ "${source##*/}" != "${2:-}" ] || continue
        program=build/$1/${source%.c}
        printed=build/log/$1-${program##*/} # a pipe would wait for what the program left running
        bounded "$1" 300 "$program" >"$printed" 2>&1 || { echo "$program failed"; code=1; }
        grep -vE '^\[ (RUN     |      OK) \]|^\[==========\]' "$printed"
    done
    return $code
}

# Each fuzzer, from the corpus that it found before.  They are clang's: without it there are none.
run_fuzzers() {
    local source fuzzer corpus
    for source in {core,ext}/fuzz/fuzz_*.c; do
        [ -f "$source" ] || continue
        fuzzer=build/fuzzer/${source%.c}
        corpus=build/corpus/${fuzzer##*/}
        mkdir -p "$corpus"
        bounded fuzzer $((FUZZ_SECONDS + 60)) "$fuzzer" -max_total_time="$FUZZ_SECONDS" \
            -seed="$FUZZ_SEED" -artifact_prefix=build/corpus/ -verbosity=0 -print_final_stats=1 \
            "$corpus" || return 1
        echo '1 passed, 0 failed'
    done
}

# program VARIANT NAME SECONDS ARGUMENT...
program() {
    local variant=$1 name=$2 seconds=$3
    shift 3
    bounded "$variant" "$seconds" "build/$variant/harness/$name" \
        --ext "build/$variant/hannoy.so" "$@"
}

# Unit tests and the shorter SQL tests with each instruction set of this machine forced in turn.
# Emulated, that would take ten minutes, and the unit tests of the kernels compare all of them with
# each other in any case.  There only the SQL that depends on them runs, and once more on a
# processor that lacks the best set.
run_kernels() { # VARIANT
    local variant=$1 files names name code=0
    names=$(kernels "$variant") || return 1
    mapfile -t files < <(sql_files -short)
    if emulated "$variant"; then files=(sql_tests/query/metric_* sql_tests/{insert,update}); fi
    for name in $names; do
        echo "kernels $name:"
        local -x HANNOY_KERNELS=$name
        emulated "$variant" || run_units "$variant" || code=1
        program "$variant" run 900 "${files[@]}" || code=1
    done
    unset HANNOY_KERNELS
    if emulated "$variant"; then
        local -x QEMU_CPU=cortex-a53
        names=$(kernels "$variant")
        echo "kernels of a Cortex-A53: $names"
        [ "$names" = 'neon scalar' ] || code=1
        program "$variant" run 900 "${files[@]}" || code=1
    fi
    return $code
}

kernels() { # VARIANT: the names of those that can run, best first
    bounded "$1" 60 "build/$1/core/test/test_kernel" list | xargs
}

# Every file; with -long those that need many rows, and with -short the others, which run the same
# code with few.
sql_files() { # [-long|-short]
    local without=()
    local long=(sql_tests/recall/*.test sql_tests/build/recall.test
        sql_tests/filter/{compare,conditions}.test sql_tests/sidecar/lost_and_large.test
        sql_tests/query/dimensions.test)
    case ${1:-} in
    -long)
        printf '%s\n' "${long[@]}"
        return
        ;;
    -short) without=("${long[@]}") ;;
    esac
    if [ "${HANNOY_BACKGROUND:-}" = 0 ]; then
        mapfile -t -O ${#without[@]} without < <(grep -rl --include='*.test' background=1 sql_tests)
    fi
    printf '%s\n' "${documents[@]}"
    find sql_tests -name '*.test' | sort | grep -vxF "$(printf '%s\n' "${without[@]}")"
}

# Files that were written for something else are input like any other to a fuzzer.
replay_files() { # VARIANT
    local source
    for source in {core,ext}/fuzz/fuzz_*.c; do
        [ -f "$source" ] || continue
        find sql_tests docs -type f -print0 | sort -z |
            xargs -0 timeout -k 10 240 "build/$1/${source%.c}" || return 1
    done
}

# A long run of random steps has other seeds than a short one.
run_step() { # VARIANT NAME
    local files folders
    case $2 in
    *-foreground)
        local -x HANNOY_BACKGROUND=0
        set -- "$1" "${2%-foreground}"
        ;;
    esac
    case $1:$2 in
    *:unit) run_units "$1" ;;
    *:unit-short) run_units "$1" test_graph.c ;;
    *:kernels) run_kernels "$1" ;;
    *:layers) sql_tests/check_layers.sh "build/$1" ;;
    *:lint) sql_tests/check_style.sh ;;
    tsan:sql)
        folders='build|txn|attach'
        [ "${HANNOY_BACKGROUND:-}" != 0 ] || folders=txn # which runs the threads of builds
        mapfile -t files < <(sql_files | grep -E "^sql_tests/($folders)/")
        program "$1" run 900 "${files[@]}"
        ;;
    *:sql | *:sql-long | *:sql-short)
        # Emulated, all would take half an hour; unit tests compare the kernels byte for byte.
        if emulated "$1"; then set -- "$1" sql-short; fi
        mapfile -t files < <(sql_files "${2#sql}")
        program "$1" run 1800 "${files[@]}"
        ;;
    release:property-short) program "$1" property 300 --steps 40000 --jobs 1 ;;
    *:property-short) program "$1" property 300 --steps 5000 --jobs 1 ;;
    release:property) program "$1" property 900 --seed 1001 --steps 200000 --jobs 2 ;;
    *:property) program "$1" property 900 --seed 1001 --steps 20000 --jobs 2 ;;
    release:differential-short) program "$1" differential 300 --steps 20000 --jobs 1 ;;
    release:differential) program "$1" differential 900 --seed 1001 --steps 300000 --jobs 2 ;;
    *:differential) program "$1" differential 900 --seed 101001 --steps 20000 --jobs 2 ;;
    *:schemas-short) program "$1" schemas 300 --steps 200 --jobs 1 ;;
    release:schemas) program "$1" schemas 900 --seed 1001 --steps 10000 --jobs 2 ;;
    *:schemas) program "$1" schemas 900 --seed 20001 --steps 1500 --jobs 2 ;;
    *:crash-short) program "$1" crash 300 --steps 50 --jobs 1 ;;
    release:crash) program "$1" crash 900 --seed 1001 --steps 300 --jobs 2 ;;
    *:crash) program "$1" crash 900 --seed 1001 --steps 60 --jobs 2 ;;
    # All places would take an hour: --every 1 alone tries them.
    release:fault) program "$1" fault 900 --places 400 ;;
    release:fault-short) program "$1" fault 300 --places 100 --jobs 1 ;;
    *:fault-short) program "$1" fault 300 --places 10 --only memory --jobs 1 ;;
    *:mutants-short) program "$1" mutants 300 --steps 200 --jobs 1 ;;
    release:mutants) program "$1" mutants 900 --seed 1001 --steps 4000 --jobs 2 ;;
    *:mutants) program "$1" mutants 900 --seed 2001 --steps 400 --jobs 2 ;;
    *:fuzzers) run_fuzzers ;;
    *:replay) replay_files "$1" ;;
    *:fuzz-*)
        program "$1" "${2#fuzz-}" $((FUZZ_SECONDS + 120)) --jobs 2 --seed "$FUZZ_SEED" \
            --steps 1000000000 --seconds "$FUZZ_SECONDS"
        ;;
    *:sql-memory)
        wrapper=("${in_memory[@]}")
        mapfile -t files < <(sql_files -short)
        program "$1" run 900 "${files[@]}"
        ;;
    *:property-memory)
        wrapper=("${in_memory[@]}")
        program "$1" property 900 --seed 301001 --steps 40000 --jobs 1
        ;;
    *:*) program "$1" "$2" 900 ;;
    esac
}

variant_of() { # [VARIANT:]NAME
    case $1 in *:*) echo "${1%%:*}" ;; *) echo release ;; esac
}

log_of() { # [VARIANT:]NAME
    echo "build/log/$(variant_of "$1")-${1#*:}"
}

if [ "${1:-}" = --files ]; then
    sql_files "${2:-}"
    exit
fi
if [ "${1:-}" = --inside ]; then
    TIMEFORMAT='%U %S seconds of a processor'
    time run_step "$(variant_of "$2")" "${2#*:}"
    exit
fi

declare -A running=() # process -> step
declare -A began=()   # step -> seconds
passed=0 failed=0
failures=() # a line for each step that failed

begin() { # STEP
    local command=(timeout -k 10 "$STEP_SECONDS" sql_tests/all.sh --inside "$1")
    # TSan's memory layout does not hold where addresses are much randomised.
    if [ "$(variant_of "$1")" = tsan ] && setarch -R true 2>/dev/null; then
        command=(setarch -R "${command[@]}")
    fi
    began[$1]=$SECONDS
    "${command[@]}" >"$(log_of "$1")" 2>&1 &
    running[$!]=$1
}

# finish: waits for a step to end and reports it; the output of one that failed is shown.
finish() {
    local pid step code=0 p f busy line
    wait -n -p pid "${!running[@]}" || code=$?
    step=${running[$pid]}
    unset "running[$pid]"
    read -r p f < <(count "$(log_of "$step")")
    if [ "$f" = 0 ] && { [ "$code" != 0 ] || [ "$p" = 0 ]; }; then f=1; fi
    passed=$((passed + p)) failed=$((failed + f))
    busy=$(awk '/^[0-9.]+ [0-9.]+ seconds of a processor$/ { s = $1 + $2 } END { print s + 0 }' \
        "$(log_of "$step")")
    line=$(printf '%-24s %6d passed %4d failed %5d s, %5.0f s of a processor' "$step" \
        "$p" "$f" $((SECONDS - began[$step])) "$busy")
    if [ "$f" != 0 ]; then
        echo "== $step"
        cat "$(log_of "$step")"
        [ $code -lt 124 ] || echo "$step: ended with $code (124: took too long)"
        failures+=("$line")
    fi
    echo "$line"
}

steps=()
for name in "$@"; do
    case $name in
    test) steps+=("${test_steps[@]}") ;;
    rest)
        steps+=("${rest_steps[@]}")
        if reason=$("${in_memory[@]}" true 2>&1); then
            steps+=("${memory_steps[@]}")
        else
            echo "skipped: ${memory_steps[*]}: $reason"
        fi
        ;;
    asan) steps+=(asan:sql-short "${asan_steps[@]}") ;;
    tsan) steps+=("${tsan_steps[@]}") ;;
    aarch64) steps+=("${aarch64_steps[@]}") ;;
    *) steps+=("$name") ;;
    esac
done

trap '[ ${#running[@]} = 0 ] || kill "${!running[@]}"' EXIT
mkdir -p build/log
for name in "${steps[@]}"; do
    [ ${#running[@]} -lt "${JOBS:-$(nproc)}" ] || finish
    begin "$name"
done
while [ ${#running[@]} -gt 0 ]; do finish; done

echo
[ ${#failures[@]} = 0 ] || printf '%s\n' "${failures[@]}" ''
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
