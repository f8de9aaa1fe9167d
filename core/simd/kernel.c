/* The choice of a kernel table for this processor. */
#include "simd/kernel.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include "base/processors.h"
#endif

#include "hannoy.h"

_Atomic(const hny__kernels *) hny__kernels_chosen;

static bool always(void) {
    return true;
}

#if defined(__x86_64__)
/*
** Asked of the processor, not of __builtin_cpu_supports: the builtin reads a table that the
** compiler's runtime library fills in.  zig's does not, and with it every answer was no; clang
** 14's does not know f16c.
*/
static bool has_leaf(unsigned leaf, unsigned ebx, unsigned ecx) {
    unsigned a, b, c, d;
    return __get_cpuid_count(leaf, 0, &a, &b, &c, &d) && (b & ebx) == ebx && (c & ecx) == ecx;
}

/* Whether the operating system saves these registers, given as bits of XCR0. */
static bool saves_registers(unsigned states) {
    unsigned low, high;
    if (!has_leaf(1, 0, bit_OSXSAVE)) {
        return false; /* xgetbv would be an illegal instruction */
    }
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & states) == states;
}

#define XMM_AND_YMM   0x06u
#define MASKS_AND_ZMM 0xe0u

/* The instruction sets that kernel_avx2.c is compiled for. */
static bool runs_avx2(void) {
    return saves_registers(XMM_AND_YMM) && has_leaf(7, bit_AVX2, 0) &&
           has_leaf(1, 0, bit_AVX | bit_FMA | bit_POPCNT | bit_F16C);
}

/* Those of kernel_avx512.c. */
static bool runs_avx512(void) {
    return runs_avx2() && saves_registers(MASKS_AND_ZMM) &&
           has_leaf(7, bit_AVX512F | bit_AVX512BW | bit_AVX512VL | bit_AVX512DQ, 0);
}

/* Those of kernel_avx512_vnni.c. */
static bool runs_avx512_vnni(void) {
    return runs_avx512() && has_leaf(7, 0, bit_AVX512VNNI | bit_AVX512VPOPCNTDQ);
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
    {&hny__kernels_neon_dot, hny__processor_has_dots},
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
