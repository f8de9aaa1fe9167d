/*
** What the AVX-512 kernel files have in common: this text is included by each and compiled there
** for its instruction set.  Tails are masked loads.
*/
#include "simd/kernel.h"

#include <immintrin.h>

static inline __m512d widen_f32(const uint8_t *from) {
    return _mm512_cvtps_pd(_mm256_loadu_ps((const float *)from));
}

static inline __m512d widen_f16(const uint8_t *from) {
    return _mm512_cvtps_pd(_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)from)));
}

#define EXACT_WIDTH 8
#include "simd/exact_sums.h"

static inline __m512i widen_i8(const int8_t *from) {
    return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)from));
}

static inline void narrow_i8(int8_t *to, __m512i x) {
    _mm_storeu_si128((__m128i *)to, _mm512_cvtepi32_epi8(x));
}

#define CODES_WIDTH 16
#define CODES_INTS  __m512i
#include "simd/kernel_codes.h"

#define INLINE static inline __attribute__((always_inline))

/* ------------------------------------------------------------------------------------ floats -- */

/* Of sixteen numbers those whose bit is set, as floats; zeros for the others. */
typedef __m512 loader(const void *from, __mmask16 mask);
/* sum + f(a, b) */
typedef __m512 adder(__m512 sum, __m512 a, __m512 b);

INLINE __m512 load_f32(const void *from, __mmask16 mask) {
    return _mm512_maskz_loadu_ps(mask, from);
}

INLINE __m512 load_f16(const void *from, __mmask16 mask) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, from));
}

INLINE __m512 add_product(__m512 sum, __m512 a, __m512 b) {
    return _mm512_fmadd_ps(a, b, sum);
}

INLINE __m512 add_square(__m512 sum, __m512 a, __m512 b) {
    const __m512 difference = _mm512_sub_ps(a, b);
    return _mm512_fmadd_ps(difference, difference, sum);
}

INLINE __m512 add_abs(__m512 sum, __m512 a, __m512 b) {
    return _mm512_add_ps(sum, _mm512_abs_ps(_mm512_sub_ps(a, b)));
}

/*
** Four registers of sums, enough to hide the latency of an FMA.  The tail, up to 63 numbers, is
** added to all four without a branch: a masked load with an empty mask accesses no memory.
*/
INLINE float sum_floats(const uint8_t *a, const uint8_t *b, size_t n, size_t size, loader *load,
                        adder *add) {
    const __mmask16 all = 0xffff;
    const size_t step = 16 * size;
    __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    for (; n >= 64; n -= 64, a += 4 * step, b += 4 * step) {
        s0 = add(s0, load(a, all), load(b, all));
        s1 = add(s1, load(a + step, all), load(b + step, all));
        s2 = add(s2, load(a + 2 * step, all), load(b + 2 * step, all));
        s3 = add(s3, load(a + 3 * step, all), load(b + 3 * step, all));
    }
    if (n) {
        const uint64_t left = ((uint64_t)1 << n) - 1;
        const __mmask16 m0 = (__mmask16)left, m1 = (__mmask16)(left >> 16);
        const __mmask16 m2 = (__mmask16)(left >> 32), m3 = (__mmask16)(left >> 48);
        s0 = add(s0, load(a, m0), load(b, m0));
        s1 = add(s1, load(a + step, m1), load(b + step, m1));
        s2 = add(s2, load(a + 2 * step, m2), load(b + 2 * step, m2));
        s3 = add(s3, load(a + 3 * step, m3), load(b + 3 * step, m3));
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));
}

#define LOAD_F32 load_f32
#define LOAD_F16 load_f16
#include "simd/float_sums.h"

/* ---------------------------------------------------------------------------------- integers -- */

/*
** By instructions that wrap: gcc 12's _mm512_reduce_add_epi32 adds C ints, whose overflow is
** undefined, and an l2 needs all 32 bits.
*/
INLINE uint32_t total_epi32(__m512i sums) {
    const __m256i x =
        _mm256_add_epi32(_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64(sums, 1));
    __m128i y = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    y = _mm_add_epi32(y, _mm_shuffle_epi32(y, _MM_SHUFFLE(1, 0, 3, 2)));
    y = _mm_add_epi32(y, _mm_shuffle_epi32(y, _MM_SHUFFLE(2, 3, 0, 1)));
    return (uint32_t)_mm_cvtsi128_si32(y);
}

/* sums + f(64 pairs of bytes); f(0, 0) = 0 */
typedef __m512i byte_adder(__m512i sums, __m512i a, __m512i b);

INLINE __m512i sum_bytes(const uint8_t *a, const uint8_t *b, size_t n, byte_adder *add) {
    __m512i s0 = _mm512_setzero_si512(), s1 = s0;
    size_t i = 0;
    for (; i + 128 <= n; i += 128) {
        s0 = add(s0, _mm512_loadu_si512(a + i), _mm512_loadu_si512(b + i));
        s1 = add(s1, _mm512_loadu_si512(a + i + 64), _mm512_loadu_si512(b + i + 64));
    }
    if (i + 64 <= n) {
        s0 = add(s0, _mm512_loadu_si512(a + i), _mm512_loadu_si512(b + i));
        i += 64;
    }
    if (i < n) {
        const __mmask64 left = ((uint64_t)1 << (n - i)) - 1;
        s1 = add(s1, _mm512_maskz_loadu_epi8(left, a + i), _mm512_maskz_loadu_epi8(left, b + i));
    }
    return _mm512_add_epi32(s0, s1);
}

/* The low numbers of 64 bytes, biased by 8.  The high ones: shift the bytes by 4 before. */
INLINE __m512i low_i4(__m512i bytes) {
    return _mm512_xor_si512(_mm512_and_si512(bytes, _mm512_set1_epi8(15)), _mm512_set1_epi8(8));
}

/* sums + f(64 int8, the low numbers of 64 bytes, biased by 8) */
typedef __m512i mixed_adder(__m512i sums, __m512i a, __m512i b);

/* The first `count` bytes, at most 64, then zeros. */
INLINE __m512i few_bytes(const void *from, size_t count) {
    if (count >= 64) {
        return _mm512_loadu_si512(from);
    }
    return _mm512_maskz_loadu_epi8(((uint64_t)1 << count) - 1, from);
}

INLINE __m512i sum_mixed(const int8_t *a, const uint8_t *b, size_t n, mixed_adder *add) {
    const size_t half = (n + 1) / 2, rest = n - half;
    const int8_t *const high = a + half;
    __m512i s0 = _mm512_setzero_si512(), s1 = s0;
    size_t i = 0;
    for (; i + 64 <= rest; i += 64) {
        const __m512i bytes = _mm512_loadu_si512(b + i);
        s0 = add(s0, _mm512_loadu_si512(a + i), low_i4(bytes));
        s1 = add(s1, _mm512_loadu_si512(high + i), low_i4(_mm512_srli_epi16(bytes, 4)));
    }
    if (i < half) {
        const __m512i bytes = few_bytes(b + i, half - i);
        s0 = add(s0, few_bytes(a + i, half - i), low_i4(bytes));
        s1 = add(s1, few_bytes(high + i, rest - i), low_i4(_mm512_srli_epi16(bytes, 4)));
    }
    return _mm512_add_epi32(s0, s1);
}

/*
** |a - b| is the same for both numbers biased by 128, as the instruction for unsigned bytes needs.
*/
INLINE __m512i add_abs_i8(__m512i sums, __m512i a, __m512i b) {
    const __m512i bias = _mm512_set1_epi8((char)0x80);
    const __m512i sizes = _mm512_sad_epu8(_mm512_xor_si512(a, bias), _mm512_xor_si512(b, bias));
    return _mm512_add_epi32(sums, sizes);
}

static uint32_t l1_i8(const int8_t *a, const int8_t *b, size_t n) {
    return total_epi32(sum_bytes((const uint8_t *)a, (const uint8_t *)b, n, add_abs_i8));
}
