#!/usr/bin/env bash
# Runs test steps, as many side by side as there are cores (or JOBS), and adds up what they report.
#
#   all.sh all|asan|tsan|aarch64|STEP...
#
# STEP: a name below, or asan:NAME, tsan:NAME, aarch64:NAME for that variant.  What a step printed is
# shown when it ends; build/log/ has it before.
#
# Each step's programs end with a line "N passed, N failed", or are cmocka's with "[  PASSED  ] N".
# One that ends otherwise than with code 0 has failed at least once, whatever it printed.  What
# must not hang runs under a time limit.  The last line is the sum.
set -uo pipefail
cd "$(dirname "$0")/.."

# The longest first: most steps keep one core busy, and none is to wait for the other at the end.
aarch64_steps=(aarch64:sql aarch64:unit aarch64:kernels)
tsan_steps=(tsan:unit tsan:sql tsan:interrupts tsan:processes)
asan_steps=(asan:sql asan:fault asan:states asan:unit asan:property asan:processes asan:interrupts
    asan:crash)
all_steps=("${aarch64_steps[@]}" "${tsan_steps[@]}" "${asan_steps[@]}"
    kernels fault property sql processes unit interrupts states crash layers)

export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1:allocator_may_return_null=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1}
FUZZ_SECONDS=${FUZZ_SECONDS:-600} # of each fuzzer

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

emulated() { # VARIANT
    [ "$1" = aarch64 ] && [ "$(uname -m)" != aarch64 ]
}

# bounded VARIANT SECONDS PROGRAM ARGUMENT...: ends the program and says so when it takes longer.
# One for another processor is emulated.
bounded() {
    local variant=$1 seconds=$2 emulator=() code=0
    shift 2
    if emulated "$variant"; then emulator=(qemu-aarch64-static -L build/sysroot); fi
    timeout -k 10 "$seconds" "${emulator[@]}" "$@" || code=$?
    [ $code -lt 124 ] || echo "$1: ended with $code (124: not done in $seconds s; 128 + N: signal N)"
    return $code
}

run_units() { # VARIANT
    local program code=0
    for program in build/"$1"/{core,ext}/test/test_*; do
        [ -x "$program" ] && [ -f "$program" ] || continue
        bounded "$1" 300 "$program" 2>&1 | grep -vE '^\[ (RUN     |      OK) \]|^\[==========\]'
        [ "${PIPESTATUS[0]}" = 0 ] || { echo "$program failed"; code=1; }
    done
    return $code
}

# Each fuzzer that was built, from the corpus that it found before.
run_fuzzers() {
    local fuzzer corpus
    for fuzzer in build/fuzzer/*/fuzz/fuzz_*; do
        [ -x "$fuzzer" ] && [ -f "$fuzzer" ] || continue
        corpus=build/corpus/${fuzzer##*/}
        mkdir -p "$corpus"
        bounded fuzzer $((FUZZ_SECONDS + 60)) "$fuzzer" -max_total_time="$FUZZ_SECONDS" \
            -artifact_prefix=build/corpus/ -verbosity=0 -print_final_stats=1 "$corpus" || return 1
        echo '1 passed, 0 failed'
    done
}

fuzz_property() {
    program asan property $((FUZZ_SECONDS + 60)) --jobs 2 --seed "$RANDOM$RANDOM" \
        --steps 1000000000 --seconds "$FUZZ_SECONDS"
}

# program VARIANT NAME SECONDS ARGUMENT...
program() {
    local variant=$1 name=$2 seconds=$3
    shift 3
    bounded "$variant" "$seconds" "build/$variant/harness/$name" \
        --ext "build/$variant/hannoy.so" "$@"
}

# Unit and SQL tests with each instruction set of this machine forced in turn.  Emulated, that would
# take ten minutes: the unit tests of the kernels hold all of them against each other in any case, so
# there it is the SQL that depends on them, and once more on a processor that lacks the best set.
run_kernels() { # VARIANT
    local variant=$1 files=(sql_tests README.md examples/cookbook.md) names name code=0
    names=$(kernels "$variant") || return 1
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

# Emulated, the recall of each kind of code would take as long as half of the others together, and it
# is the same on every processor: codes are equal byte for byte, as the unit tests see to.
sql_files() { # VARIANT
    printf '%s\n' README.md examples/cookbook.md
    if emulated "$1"; then
        find sql_tests -name '*.test' ! -path sql_tests/recall/codes.test | sort
    else
        echo sql_tests
    fi
}

run_step() { # VARIANT NAME
    local files
    case $1:$2 in
    *:unit) run_units "$1" ;;
    *:kernels) run_kernels "$1" ;;
    *:layers) sql_tests/check_layers.sh "build/$1" ;;
    tsan:sql) program "$1" run 900 sql_tests/{build,txn,attach} ;;
    *:sql)
        mapfile -t files < <(sql_files "$1")
        program "$1" run 900 "${files[@]}"
        ;;
    release:property) program "$1" property 900 --steps 200000 --jobs 2 ;;
    *:property) program "$1" property 900 --steps 20000 --jobs 2 ;;
    *:fuzz) run_fuzzers && fuzz_property ;;
    release:crash) program "$1" crash 900 --steps 300 --jobs 2 ;;
    *:crash) program "$1" crash 900 --steps 60 --jobs 2 ;;
    *:*) program "$1" "$2" 900 ;;
    esac
}

variant_of() { # [VARIANT:]NAME
    case $1 in *:*) echo "${1%%:*}" ;; *) echo release ;; esac
}

log_of() { # [VARIANT:]NAME
    echo "build/log/$(variant_of "$1")-${1#*:}"
}

if [ "${1:-}" = --inside ]; then
    run_step "$(variant_of "$2")" "${2#*:}"
    exit
fi

declare -A running=() # process -> step
declare -A began=()   # step -> seconds
passed=0 failed=0
summary=()

begin() { # STEP
    local command=(sql_tests/all.sh --inside "$1")
    # TSan's memory layout does not hold where addresses are much randomised.
    if [ "$(variant_of "$1")" = tsan ] && setarch -R true 2>/dev/null; then
        command=(setarch -R "${command[@]}")
    fi
    began[$1]=$SECONDS
    "${command[@]}" >"$(log_of "$1")" 2>&1 &
    running[$!]=$1
}

# finish: waits for a step to end.
finish() {
    local pid step code=0 p f
    wait -n -p pid "${!running[@]}" || code=$?
    step=${running[$pid]}
    unset "running[$pid]"
    echo "== $step"
    cat "$(log_of "$step")"
    read -r p f < <(count "$(log_of "$step")")
    if [ "$f" = 0 ] && { [ "$code" != 0 ] || [ "$p" = 0 ]; }; then f=1; fi
    passed=$((passed + p)) failed=$((failed + f))
    summary+=("$(printf '%-16s %6d passed %4d failed %5d s' "$step" "$p" "$f" \
        $((SECONDS - began[$step])))")
}

steps=()
for name in "$@"; do
    case $name in
    all) steps+=("${all_steps[@]}") ;;
    asan) steps+=("${asan_steps[@]}") ;;
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
printf '%s\n' "${summary[@]}"
echo
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
