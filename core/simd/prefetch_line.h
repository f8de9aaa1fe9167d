/*
** Prefetching of cache lines.  If __builtin_prefetch is all that a function does, gcc 12 considers
** the function free of effects and drops calls of it: searches had no prefetch at all and took
** three times as long.  Inline asm is not removed.
*/
#ifndef HNY_PREFETCH_LINE_H
#define HNY_PREFETCH_LINE_H

#include <stdint.h>

#define HNY__LINE 64

static inline __attribute__((always_inline)) void hny__prefetch_line(const void *address) {
#if defined(__x86_64__)
    __asm__ volatile("prefetcht0 %0" : : "m"(*(const char *)address));
#elif defined(__aarch64__)
    __asm__ volatile("prfm pldl1keep, %0" : : "Q"(*(const char *)address));
#else
    __builtin_prefetch(address);
    __asm__ volatile("");
#endif
}

/* All lines of `bytes` bytes; bytes > 0. */
static inline __attribute__((always_inline)) void hny__prefetch_lines(const void *address,
                                                                      uint32_t bytes) {
    const uint8_t *const first = address;
    for (uint32_t offset = 0; offset < bytes; offset += HNY__LINE) {
        hny__prefetch_line(first + offset);
    }
    hny__prefetch_line(first + bytes - 1);
}

#endif
