/* The choice of a kernel table for this processor. */
#include "simd/kernel.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "hannoy.h"

_Atomic(const hny__kernels *) hny__kernels_chosen;

static bool always(void) {
    return true;
}

#if defined(__x86_64__)
/*
** clang 14's __builtin_cpu_supports does not know f16c.  Like AVX it needs ymm registers that the
** operating system saves, which the builtin checks for avx2.
*/
static bool has_f16c(void) {
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

/* The instruction sets that kernel_avx2.c is compiled for. */
static bool runs_avx2(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("popcnt") && has_f16c();
}

/* Those of kernel_avx512.c. */
static bool runs_avx512(void) {
    return runs_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

/* Those of kernel_avx512_vnni.c. */
static bool runs_avx512_vnni(void) {
    return runs_avx512() && __builtin_cpu_supports("avx512vnni") &&
           __builtin_cpu_supports("avx512vpopcntdq");
}
#elif defined(__aarch64__)
static bool runs_neon_dot(void) {
    return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
}
#endif

/* Best first. */
static const struct candidate {
    const hny__kernels *table;
    bool (*runs)(void);
} candidates[] = {
#if defined(__x86_64__)
    {&hny__kernels_avx512_vnni, runs_avx512_vnni},
    {&hny__kernels_avx512, runs_avx512},
    {&hny__kernels_avx2, runs_avx2},
#elif defined(__aarch64__)
    {&hny__kernels_neon_dot, runs_neon_dot},
    {&hny__kernels_neon, always}, /* part of every aarch64 processor */
#endif
    {&hny__kernels_scalar, always},
};

#define CANDIDATES (sizeof candidates / sizeof *candidates)

const hny__kernels *hny__kernels_at(size_t place) {
    for (size_t i = 0; i < CANDIDATES; i++) {
        if (candidates[i].runs() && place-- == 0) {
            return candidates[i].table;
        }
    }
    return NULL;
}

const hny__kernels *hny__kernels_named(const char *name) {
    const hny__kernels *table;
    for (size_t i = 0; (table = hny__kernels_at(i)) && strcmp(table->name, name) != 0;) {
        i++;
    }
    return table;
}

/* NULL if the variable is not set, or empty. */
static const char *requested_kernels(void) {
    const char *const name = getenv("HANNOY_KERNELS");
    return name && *name ? name : NULL;
}

const hny__kernels *hny__kernels_choose(void) {
    const char *const name = requested_kernels();
    const hny__kernels *table = name ? hny__kernels_named(name) : NULL;
    if (!table) {
        table = hny__kernels_at(0);
    }

    const hny__kernels *before = NULL;
    return atomic_compare_exchange_strong(&hny__kernels_chosen, &before, table) ? table : before;
}

const char *hny_kernels_name(void) {
    return hny__kernels_get()->name;
}

#define FAULT_BYTES 200

int hny_kernels_check(char **fault) {
    const char *const name = requested_kernels();
    const hny__kernels *table;
    *fault = NULL;
    if (!name || hny__kernels_named(name)) {
        return HNY_OK;
    }
    *fault = malloc(FAULT_BYTES);
    if (!*fault) {
        return HNY_NOMEM;
    }
    int used =
        snprintf(*fault, FAULT_BYTES, "HANNOY_KERNELS is '%.40s', but this processor has", name);
    for (size_t i = 0; (table = hny__kernels_at(i)); i++) {
        used += snprintf(*fault + used, FAULT_BYTES - (size_t)used, "%s%s", i ? ", " : " ",
                         table->name);
    }
    return HNY_OK;
}
