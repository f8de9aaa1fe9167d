/*
** What most kernel files have in common: this text is included by each and compiled there for its
** instruction set.
**
**   digest               XXH3, in the variant that is fastest for the instruction set
**   dots_i8, dots_i8_i4  one vector with many, one after the other; omitted if the file defines
**                        KERNEL_HAS_DOTS, because it has faster ones
*/
#define XXH_INLINE_ALL
#include <xxhash.h>

static uint64_t digest(const void *bytes, size_t size, uint64_t seed) {
    return XXH3_64bits_withSeed(bytes, size, seed);
}

#ifndef KERNEL_HAS_DOTS
static void dots_i8(const int8_t *a, const uint8_t *const *b, size_t count, size_t n,
                    int32_t *dots) {
    for (size_t i = 0; i < count; i++) {
        dots[i] = dot_i8(a, (const int8_t *)b[i], n);
    }
}

static void dots_i8_i4(const int8_t *a, const uint8_t *const *b, size_t count, size_t n,
                       int32_t *dots) {
    for (size_t i = 0; i < count; i++) {
        dots[i] = dot_i8_i4(a, b[i], n);
    }
}
#endif
