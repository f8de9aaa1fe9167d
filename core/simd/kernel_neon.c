/* NEON, which every aarch64 processor has. */
#if defined(__aarch64__)

#include <arm_neon.h>

#define INLINE static inline __attribute__((always_inline))

/* A product is at most 2^14, so it fits 16 bits. */
INLINE uint32x4_t add_product_i8(uint32x4_t sums, uint8x16_t a, uint8x16_t b) {
    const int8x16_t x = vreinterpretq_s8_u8(a), y = vreinterpretq_s8_u8(b);
    int32x4_t wide = vreinterpretq_s32_u32(sums);
    wide = vpadalq_s16(wide, vmull_s8(vget_low_s8(x), vget_low_s8(y)));
    return vreinterpretq_u32_s32(vpadalq_s16(wide, vmull_high_s8(x, y)));
}

INLINE uint32x4_t add_bytes(uint32x4_t sums, uint8x16_t bytes) {
    return vpadalq_u16(sums, vpaddlq_u8(bytes));
}

INLINE uint32x4_t add_squares(uint32x4_t sums, uint8x16_t bytes) {
    sums = vpadalq_u16(sums, vmull_u8(vget_low_u8(bytes), vget_low_u8(bytes)));
    return vpadalq_u16(sums, vmull_high_u8(bytes, bytes));
}

#include "simd/kernel_neon.h"

const hny__kernels hny__kernels_neon = {.name = "neon", .lanes = 16, HNY__KERNEL_FUNCTIONS};

#endif
