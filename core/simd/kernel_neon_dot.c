/* NEON with the dot product of ARMv8.2: Neoverse, Graviton 2, Apple M1, Cortex-A76 and later. */
#if defined(__aarch64__)

#include <arm_neon.h>

#define INLINE static inline __attribute__((always_inline))

INLINE uint32x4_t add_product_i8(uint32x4_t sums, uint8x16_t a, uint8x16_t b) {
    return vreinterpretq_u32_s32(
        vdotq_s32(vreinterpretq_s32_u32(sums), vreinterpretq_s8_u8(a), vreinterpretq_s8_u8(b)));
}

INLINE uint32x4_t add_bytes(uint32x4_t sums, uint8x16_t bytes) {
    return vdotq_u32(sums, bytes, vdupq_n_u8(1));
}

INLINE uint32x4_t add_squares(uint32x4_t sums, uint8x16_t bytes) {
    return vdotq_u32(sums, bytes, bytes);
}

#include "simd/kernel_neon.h"

const hny__kernels hny__kernels_neon_dot = {.name = "neon-dot", .lanes = 16, HNY__KERNEL_FUNCTIONS};

#endif
