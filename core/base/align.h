/* Rounding of sizes. */
#ifndef HNY_ALIGN_H
#define HNY_ALIGN_H

#include <stdint.h>

/* The next multiple of 4: float32 numbers and link words are aligned to their size. */
static inline uint32_t hny__align4(uint32_t bytes) {
    return (bytes + 3) & ~3u;
}

#endif
