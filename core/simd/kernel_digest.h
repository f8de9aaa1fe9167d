/* XXH3 as each instruction set does it fastest, all to the same result: included by a table's file. */
#define XXH_INLINE_ALL
#include <xxhash.h>

static uint64_t digest(const void *bytes, size_t size, uint64_t seed) {
    return XXH3_64bits_withSeed(bytes, size, seed);
}
