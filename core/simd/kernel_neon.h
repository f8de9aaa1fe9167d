/*
** What the NEON kernel files have in common: this text is included by each and compiled there for
** its instruction set.  Half-precision arithmetic is not used.
**
** The including file defines INLINE, includes <arm_neon.h>, and defines three functions that add
** 16 pairs of bytes, or 16 bytes, to four sums; zeros add nothing:
**
**     uint32x4_t add_product_i8(uint32x4_t sums, uint8x16_t a, uint8x16_t b);
**     uint32x4_t add_bytes(uint32x4_t sums, uint8x16_t bytes);
**     uint32x4_t add_squares(uint32x4_t sums, uint8x16_t bytes);
*/
#include "simd/kernel.h"

#include <string.h>

/* Four halves as floats. */
INLINE float32x4_t load_f16(const uint8_t *from) {
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(from)));
}

static inline float64x2_t widen_f32(const uint8_t *from) {
    return vcvt_f64_f32(vreinterpret_f32_u8(vld1_u8(from)));
}

static inline float64x2_t widen_f16(const uint8_t *from) {
    uint32_t pair;
    memcpy(&pair, from, sizeof pair);
    const float32x4_t wide = vcvt_f32_f16(vreinterpret_f16_u32(vdup_n_u32(pair)));
    return vcvt_f64_f32(vget_low_f32(wide));
}

#define EXACT_WIDTH 2
#include "simd/exact_sums.h"

static inline int32x4_t widen_i8(const int8_t *from) {
    uint32_t four;
    memcpy(&four, from, sizeof four);
    return vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u32(vdup_n_u32(four)))));
}

static inline void narrow_i8(int8_t *to, int32x4_t x) {
    const int16x4_t words = vmovn_s32(x);
    const uint32_t four =
        vget_lane_u32(vreinterpret_u32_s8(vmovn_s16(vcombine_s16(words, words))), 0);
    memcpy(to, &four, sizeof four);
}

#define CODES_WIDTH 4
#define CODES_INTS  int32x4_t
#include "simd/kernel_codes.h"

/* ------------------------------------------------------------------------------------ floats -- */

/* Four numbers as floats. */
typedef float32x4_t loader(const uint8_t *from);
/* sum + f(a, b) */
typedef float32x4_t adder(float32x4_t sum, float32x4_t a, float32x4_t b);

INLINE float32x4_t load_f32(const uint8_t *from) {
    return vreinterpretq_f32_u8(vld1q_u8(from));
}

INLINE float32x4_t add_product(float32x4_t sum, float32x4_t a, float32x4_t b) {
    return vfmaq_f32(sum, a, b);
}

INLINE float32x4_t add_square(float32x4_t sum, float32x4_t a, float32x4_t b) {
    const float32x4_t difference = vsubq_f32(a, b);
    return vfmaq_f32(sum, difference, difference);
}

INLINE float32x4_t add_abs(float32x4_t sum, float32x4_t a, float32x4_t b) {
    return vaddq_f32(sum, vabdq_f32(a, b));
}

/* The last 1 .. 3 numbers, copied and padded with zeros. */
INLINE float32x4_t add_tail(float32x4_t sum, const uint8_t *a, const uint8_t *b, size_t bytes,
                            loader *load, adder *add) {
    uint8_t x[16] = {0}, y[16] = {0};
    for (size_t i = 0; i < bytes; i++) {
        x[i] = a[i], y[i] = b[i];
    }
    return add(sum, load(x), load(y));
}

INLINE float sum_floats(const uint8_t *a, const uint8_t *b, size_t n, size_t size, loader *load,
                        adder *add) {
    float32x4_t s0 = vdupq_n_f32(0), s1 = s0, s2 = s0, s3 = s0;
    const size_t step = 4 * size;
    for (; n >= 16; n -= 16, a += 4 * step, b += 4 * step) {
        s0 = add(s0, load(a), load(b));
        s1 = add(s1, load(a + step), load(b + step));
        s2 = add(s2, load(a + 2 * step), load(b + 2 * step));
        s3 = add(s3, load(a + 3 * step), load(b + 3 * step));
    }
    for (; n >= 4; n -= 4, a += step, b += step) {
        s0 = add(s0, load(a), load(b));
    }
    if (n) {
        s1 = add_tail(s1, a, b, n * size, load, add);
    }
    return vaddvq_f32(vaddq_f32(vaddq_f32(s0, s1), vaddq_f32(s2, s3)));
}

#define LOAD_F32 load_f32
#define LOAD_F16 load_f16
#include "simd/float_sums.h"

/* ---------------------------------------------------------------------------------- integers -- */

/* sums + f(16 pairs of bytes); f(0, 0) = 0 */
typedef uint32x4_t byte_adder(uint32x4_t sums, uint8x16_t a, uint8x16_t b);

/*
** The last `count` (1 .. 15) of n bytes, and zeros.  The last sixteen bytes are loaded and those
** that were read before are masked: a copy to memory and back would wait for its own stores.
*/
INLINE uint8x16_t load_rest(const uint8_t *from, size_t n, size_t count) {
    static const uint8_t places[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    uint8_t few[16] = {0};
    if (n < 16) {
        memcpy(few, from, count);
        return vld1q_u8(few);
    }
    const uint8x16_t is_new = vcgeq_u8(vld1q_u8(places), vdupq_n_u8((uint8_t)(16 - count)));
    return vandq_u8(vld1q_u8(from + n - 16), is_new);
}

INLINE uint32_t sum_bytes(const uint8_t *a, const uint8_t *b, size_t n, byte_adder *add) {
    uint32x4_t s0 = vdupq_n_u32(0), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        s0 = add(s0, vld1q_u8(a + i), vld1q_u8(b + i));
        s1 = add(s1, vld1q_u8(a + i + 16), vld1q_u8(b + i + 16));
        s2 = add(s2, vld1q_u8(a + i + 32), vld1q_u8(b + i + 32));
        s3 = add(s3, vld1q_u8(a + i + 48), vld1q_u8(b + i + 48));
    }
    for (; i + 16 <= n; i += 16) {
        s0 = add(s0, vld1q_u8(a + i), vld1q_u8(b + i));
    }
    if (i < n) {
        s1 = add(s1, load_rest(a, n, n - i), load_rest(b, n, n - i));
    }
    return vaddvq_u32(vaddq_u32(vaddq_u32(s0, s1), vaddq_u32(s2, s3)));
}

/* The absolute difference of two int8 is an unsigned byte. */
INLINE uint8x16_t abs_differences(uint8x16_t a, uint8x16_t b) {
    return vreinterpretq_u8_s8(vabdq_s8(vreinterpretq_s8_u8(a), vreinterpretq_s8_u8(b)));
}

INLINE uint32x4_t add_square_i8(uint32x4_t sums, uint8x16_t a, uint8x16_t b) {
    return add_squares(sums, abs_differences(a, b));
}

INLINE uint32x4_t add_abs_i8(uint32x4_t sums, uint8x16_t a, uint8x16_t b) {
    return add_bytes(sums, abs_differences(a, b));
}

INLINE uint32x4_t add_bits(uint32x4_t sums, uint8x16_t a, uint8x16_t b) {
    return add_bytes(sums, vcntq_u8(veorq_u8(a, b)));
}

static int32_t dot_i8(const int8_t *a, const int8_t *b, size_t n) {
    return (int32_t)sum_bytes((const uint8_t *)a, (const uint8_t *)b, n, add_product_i8);
}

/* 4-bit numbers in the upper half of a byte are 16 times as large. */
INLINE uint32x4_t add_product_i4(uint32x4_t sums, uint8x16_t a, uint8x16_t b) {
    const uint8x16_t upper = vdupq_n_u8(0xf0);
    sums = add_product_i8(sums, vshlq_n_u8(a, 4), vshlq_n_u8(b, 4));
    return add_product_i8(sums, vandq_u8(a, upper), vandq_u8(b, upper));
}

static int32_t dot_i4(const uint8_t *a, const uint8_t *b, size_t bytes) {
    return (int32_t)sum_bytes(a, b, bytes, add_product_i4) / 256;
}

/* The numbers of b in the upper half of a byte are 16 times as large. */
static int32_t dot_i8_i4(const int8_t *a, const uint8_t *b, size_t n) {
    const uint8x16_t upper = vdupq_n_u8(0xf0);
    const size_t half = (n + 1) / 2, rest = n - half;
    const uint8_t *const low = (const uint8_t *)a, *const high = low + half;
    uint32x4_t s0 = vdupq_n_u32(0), s1 = s0;
    size_t i = 0;
    for (; i + 16 <= rest; i += 16) {
        const uint8x16_t bytes = vld1q_u8(b + i);
        s0 = add_product_i8(s0, vld1q_u8(low + i), vshlq_n_u8(bytes, 4));
        s1 = add_product_i8(s1, vld1q_u8(high + i), vandq_u8(bytes, upper));
    }
    if (i < half) {
        uint8_t x[16] = {0}, y[16] = {0}, few[16] = {0};
        for (size_t j = i; j < half; j++) {
            x[j - i] = low[j], few[j - i] = b[j];
        }
        for (size_t j = i; j < rest; j++) {
            y[j - i] = high[j];
        }
        const uint8x16_t bytes = vld1q_u8(few);
        s0 = add_product_i8(s0, vld1q_u8(x), vshlq_n_u8(bytes, 4));
        s1 = add_product_i8(s1, vld1q_u8(y), vandq_u8(bytes, upper));
    }
    return (int32_t)vaddvq_u32(vaddq_u32(s0, s1)) / 16;
}

#include "simd/kernel_common.h"

static uint32_t l2_i8(const int8_t *a, const int8_t *b, size_t n) {
    return sum_bytes((const uint8_t *)a, (const uint8_t *)b, n, add_square_i8);
}

static uint32_t l1_i8(const int8_t *a, const int8_t *b, size_t n) {
    return sum_bytes((const uint8_t *)a, (const uint8_t *)b, n, add_abs_i8);
}

static uint32_t hamming(const void *a, const void *b, size_t bytes) {
    return sum_bytes(a, b, bytes, add_bits);
}
