/* AVX2, with FMA, F16C and POPCNT. */
#include "simd/kernel.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

static inline __m256d widen_f32(const uint8_t *from) {
    return _mm256_cvtps_pd(_mm_loadu_ps((const float *)from));
}

static inline __m256d widen_f16(const uint8_t *from) {
    return _mm256_cvtps_pd(_mm_cvtph_ps(_mm_loadl_epi64((const __m128i *)from)));
}

#define EXACT_WIDTH 4
#include "simd/exact_sums.h"

static inline __m256i widen_i8(const int8_t *from) {
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)from));
}

static inline void narrow_i8(int8_t *to, __m256i x) {
    const __m128i words =
        _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    _mm_storel_epi64((__m128i *)to, _mm_packs_epi16(words, words));
}

#define CODES_WIDTH 8
#define CODES_INTS  __m256i
#include "simd/kernel_codes.h"

#define INLINE static inline __attribute__((always_inline))

/* ------------------------------------------------------------------------------------ floats -- */

/* Eight numbers as floats; for a tail `count` numbers, then zeros. */
typedef __m256 loader(const void *from);
typedef __m256 tail_loader(const void *from, size_t count);
/* sum + f(a, b) */
typedef __m256 adder(__m256 sum, __m256 a, __m256 b);

INLINE __m256 load_f32(const void *from) {
    return _mm256_loadu_ps(from);
}

INLINE __m256 tail_f32(const void *from, size_t count) {
    static const int32_t masks[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_maskload_ps(from, _mm256_loadu_si256((const __m256i *)(masks + 8 - count)));
}

INLINE __m256 load_f16(const void *from) {
    return _mm256_cvtph_ps(_mm_loadu_si128(from));
}

/*
** Assembled in registers: 15 ns less than through memory, where a wide load has to wait for the
** narrow stores before it.
*/
INLINE __m256 tail_f16(const void *from, size_t count) {
    const uint16_t *const halves = from;
    uint64_t low = 0, high = 0;
    for (size_t i = 0; i < count && i < 4; i++) {
        low |= (uint64_t)halves[i] << 16 * i;
    }
    for (size_t i = 4; i < count; i++) {
        high |= (uint64_t)halves[i] << 16 * (i - 4);
    }
    return _mm256_cvtph_ps(_mm_set_epi64x((int64_t)high, (int64_t)low));
}

INLINE __m256 add_product(__m256 sum, __m256 a, __m256 b) {
    return _mm256_fmadd_ps(a, b, sum);
}

INLINE __m256 add_square(__m256 sum, __m256 a, __m256 b) {
    const __m256 difference = _mm256_sub_ps(a, b);
    return _mm256_fmadd_ps(difference, difference, sum);
}

INLINE __m256 add_abs(__m256 sum, __m256 a, __m256 b) {
    return _mm256_add_ps(sum, _mm256_andnot_ps(_mm256_set1_ps(-0.0f), _mm256_sub_ps(a, b)));
}

INLINE float total_ps(__m256 sums) {
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps(sums, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}

/* Four registers of sums: as many as hide the latency of an FMA behind two loads for each. */
INLINE float sum_floats(const uint8_t *a, const uint8_t *b, size_t n, size_t size, loader *load,
                        tail_loader *tail, adder *add) {
    __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    const size_t step = 8 * size;
    for (; n >= 32; n -= 32, a += 4 * step, b += 4 * step) {
        s0 = add(s0, load(a), load(b));
        s1 = add(s1, load(a + step), load(b + step));
        s2 = add(s2, load(a + 2 * step), load(b + 2 * step));
        s3 = add(s3, load(a + 3 * step), load(b + 3 * step));
    }
    for (; n >= 8; n -= 8, a += step, b += step) {
        s0 = add(s0, load(a), load(b));
    }
    if (n) {
        s1 = add(s1, tail(a, n), tail(b, n));
    }
    return total_ps(_mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3)));
}

#define LOAD_F32 load_f32, tail_f32
#define LOAD_F16 load_f16, tail_f16
#include "simd/float_sums.h"

/* ---------------------------------------------------------------------------------- integers -- */

INLINE uint32_t total_epi32(__m256i sums) {
    __m128i x = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    x = _mm_add_epi32(x, _mm_shuffle_epi32(x, _MM_SHUFFLE(1, 0, 3, 2)));
    x = _mm_add_epi32(x, _mm_shuffle_epi32(x, _MM_SHUFFLE(2, 3, 0, 1)));
    return (uint32_t)_mm_cvtsi128_si32(x);
}

/* Sixteen int8 as int16. */
INLINE __m256i load_i8(const int8_t *from) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)from));
}

/* At most 2 * 2^14 a lane and step, so 2^15 * 2^16 / 16 for HNY_MAX_DIM. */
static int32_t dot_i8(const int8_t *a, const int8_t *b, size_t n) {
    __m256i s0 = _mm256_setzero_si256(), s1 = s0;
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        s0 = _mm256_add_epi32(s0, _mm256_madd_epi16(load_i8(a + i), load_i8(b + i)));
        s1 = _mm256_add_epi32(s1, _mm256_madd_epi16(load_i8(a + i + 16), load_i8(b + i + 16)));
    }
    if (i + 16 <= n) {
        s0 = _mm256_add_epi32(s0, _mm256_madd_epi16(load_i8(a + i), load_i8(b + i)));
        i += 16;
    }
    int32_t sum = (int32_t)total_epi32(_mm256_add_epi32(s0, s1));
    for (; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* The low numbers of 32 bytes, biased by 8.  The high ones: shift the bytes by 4 before. */
INLINE __m256i low_i4(__m256i bytes) {
    return _mm256_xor_si256(_mm256_and_si256(bytes, _mm256_set1_epi8(15)), _mm256_set1_epi8(8));
}

/* a . b: a is biased by 8, so that pairs add up to at most 240, and the bias is subtracted. */
INLINE __m256i products_i4(__m256i a, __m256i b) {
    const __m256i bias = _mm256_set1_epi8(8), y = _mm256_sub_epi8(low_i4(b), bias);
    return _mm256_sub_epi16(_mm256_maddubs_epi16(low_i4(a), y), _mm256_maddubs_epi16(bias, y));
}

INLINE __m256i add_product_i4(__m256i sums, __m256i a, __m256i b) {
    const __m256i words = _mm256_add_epi16(
        products_i4(a, b), products_i4(_mm256_srli_epi16(a, 4), _mm256_srli_epi16(b, 4)));
    return _mm256_add_epi32(sums, _mm256_madd_epi16(words, _mm256_set1_epi16(1)));
}

/* The first `count` bytes, at most 32, then zeros. */
INLINE __m256i few_bytes(const uint8_t *from, size_t count) {
    uint8_t few[32] = {0};
    memcpy(few, from, count);
    return _mm256_loadu_si256((const __m256i *)few);
}

static int32_t dot_i4(const uint8_t *a, const uint8_t *b, size_t bytes) {
    __m256i sums = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + 32 <= bytes; i += 32) {
        sums = add_product_i4(sums, _mm256_loadu_si256((const __m256i *)(a + i)),
                              _mm256_loadu_si256((const __m256i *)(b + i)));
    }
    if (i < bytes) {
        sums = add_product_i4(sums, few_bytes(a + i, bytes - i), few_bytes(b + i, bytes - i));
    }
    return (int32_t)total_epi32(sums);
}

/* sums + a . b; the numbers of b are biased by 8, so that pairs add up to at most 2 * 15 * 128. */
INLINE __m256i add_product_i8_i4(__m256i sums, __m256i a, __m256i b) {
    const __m256i words = _mm256_sub_epi16(_mm256_maddubs_epi16(low_i4(b), a),
                                           _mm256_maddubs_epi16(_mm256_set1_epi8(8), a));
    return _mm256_add_epi32(sums, _mm256_madd_epi16(words, _mm256_set1_epi16(1)));
}

static int32_t dot_i8_i4(const int8_t *a, const uint8_t *b, size_t n) {
    const uint8_t *const low = (const uint8_t *)a, *const high = low + (n + 1) / 2;
    const size_t half = (n + 1) / 2, rest = n - half;
    __m256i s0 = _mm256_setzero_si256(), s1 = s0;
    size_t i = 0;
    for (; i + 32 <= rest; i += 32) {
        const __m256i bytes = _mm256_loadu_si256((const __m256i *)(b + i));
        s0 = add_product_i8_i4(s0, _mm256_loadu_si256((const __m256i *)(low + i)), bytes);
        s1 = add_product_i8_i4(s1, _mm256_loadu_si256((const __m256i *)(high + i)),
                               _mm256_srli_epi16(bytes, 4));
    }
    if (i < half) {
        const __m256i bytes = few_bytes(b + i, half - i);
        s0 = add_product_i8_i4(s0, few_bytes(low + i, half - i), bytes);
        s1 = add_product_i8_i4(s1, few_bytes(high + i, rest - i), _mm256_srli_epi16(bytes, 4));
    }
    return (int32_t)total_epi32(_mm256_add_epi32(s0, s1));
}

#include "simd/kernel_avx2_dots.h"
#define KERNEL_HAS_DOTS
#include "simd/kernel_common.h"

INLINE __m256i add_square_i8(__m256i sums, const int8_t *a, const int8_t *b) {
    const __m256i difference = _mm256_sub_epi16(load_i8(a), load_i8(b));
    return _mm256_add_epi32(sums, _mm256_madd_epi16(difference, difference));
}

/* At most 2 * 255^2 a lane and step, so 5.4e8 a lane; only the total needs all 32 bits. */
static uint32_t l2_i8(const int8_t *a, const int8_t *b, size_t n) {
    __m256i s0 = _mm256_setzero_si256(), s1 = s0;
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        s0 = add_square_i8(s0, a + i, b + i);
        s1 = add_square_i8(s1, a + i + 16, b + i + 16);
    }
    if (i + 16 <= n) {
        s0 = add_square_i8(s0, a + i, b + i);
        i += 16;
    }
    uint32_t sum = total_epi32(_mm256_add_epi32(s0, s1));
    for (; i < n; i++) {
        sum += (uint32_t)((a[i] - b[i]) * (a[i] - b[i]));
    }
    return sum;
}

/*
** |a - b| is the same for both numbers biased by 128, as the instruction for unsigned bytes needs.
*/
static uint32_t l1_i8(const int8_t *a, const int8_t *b, size_t n) {
    const __m256i bias = _mm256_set1_epi8((char)0x80);
    __m256i sums = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        const __m256i x = _mm256_loadu_si256((const __m256i *)(a + i));
        const __m256i y = _mm256_loadu_si256((const __m256i *)(b + i));
        const __m256i sizes = _mm256_sad_epu8(_mm256_xor_si256(x, bias), _mm256_xor_si256(y, bias));
        sums = _mm256_add_epi32(sums, sizes);
    }
    uint32_t sum = total_epi32(sums);
    for (; i < n; i++) {
        sum += (uint32_t)(a[i] > b[i] ? a[i] - b[i] : b[i] - a[i]);
    }
    return sum;
}

INLINE uint32_t differing_bits(const uint8_t *a, const uint8_t *b) {
    uint64_t x, y;
    memcpy(&x, a, 8);
    memcpy(&y, b, 8);
    return (uint32_t)_mm_popcnt_u64(x ^ y);
}

/* The scalar instruction: 16 of them for 1024 bits; a table lookup by shuffle needs 40. */
static uint32_t hamming(const void *left, const void *right, size_t bytes) {
    const uint8_t *a = left, *b = right;
    uint32_t s0 = 0, s1 = 0;
    for (; bytes >= 16; bytes -= 16, a += 16, b += 16) {
        s0 += differing_bits(a, b);
        s1 += differing_bits(a + 8, b + 8);
    }
    if (bytes >= 8) {
        s0 += differing_bits(a, b);
        a += 8, b += 8, bytes -= 8;
    }
    if (bytes) {
        uint32_t x, y;
        memcpy(&x, a, 4);
        memcpy(&y, b, 4);
        s1 += (uint32_t)_mm_popcnt_u32(x ^ y);
    }
    return s0 + s1;
}

const hny__kernels hny__kernels_avx2 = {.name = "avx2", .lanes = 32, HNY__KERNEL_FUNCTIONS};

#endif
