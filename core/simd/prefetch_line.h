/*
** hny__prefetch_line: asks for the cache line of an address.  Where __builtin_prefetch is all that a function
** does, gcc 12 takes the function for one without effects and drops its calls: no walk had a single
** prefetch in it, and took three times as long.  What is said in the machine's own words stays.
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

/* All lines of so many bytes. */
static inline __attribute__((always_inline)) void hny__prefetch_lines(const void *address,
                                                                      uint32_t bytes) {
    const uint8_t *const first = address;
    for (uint32_t at = 0; at < bytes; at += HNY__LINE) {
        hny__prefetch_line(first + at);
    }
    hny__prefetch_line(first + bytes - 1);
}

#endif
