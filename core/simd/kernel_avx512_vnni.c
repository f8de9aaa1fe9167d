/* AVX-512 with VNNI and VPOPCNTDQ: Ice Lake, Zen 4 and later. */
#if defined(__x86_64__)

#include "simd/kernel_avx512.h"

/*
** VNNI multiplies unsigned by signed: a . b = (a + 128) . b - 128 * sum(b).  Both sums of 32 bits
** may wrap; their difference does not.
*/
INLINE __m512i add_product_i8(__m512i sums, __m512i a, __m512i b) {
    const __m512i bias = _mm512_set1_epi8((char)0x80);
    const __m512i extra = _mm512_dpbusd_epi32(_mm512_setzero_si512(), bias, b);
    return _mm512_sub_epi32(_mm512_dpbusd_epi32(sums, _mm512_xor_si512(a, bias), b), extra);
}

/* The same for 4 bits, biased by 8: the low numbers, then the high ones. */
INLINE __m512i add_product_i4(__m512i sums, __m512i a, __m512i b) {
    const __m512i bias = _mm512_set1_epi8(8);
    const __m512i low = _mm512_sub_epi8(low_i4(b), bias);
    const __m512i high = _mm512_sub_epi8(low_i4(_mm512_srli_epi16(b, 4)), bias);
    sums = _mm512_dpbusd_epi32(sums, low_i4(a), low);
    sums = _mm512_dpbusd_epi32(sums, low_i4(_mm512_srli_epi16(a, 4)), high);
    const __m512i both = _mm512_add_epi8(low, high);
    return _mm512_sub_epi32(sums, _mm512_dpbusd_epi32(_mm512_setzero_si512(), bias, both));
}

INLINE __m512i add_product_i8_i4(__m512i sums, __m512i a, __m512i b) {
    return _mm512_dpbusd_epi32(sums, b, a);
}

/* The difference of two int8 is a byte without sign; its square is a sum of two int16 products. */
INLINE __m512i add_square_i8(__m512i sums, __m512i a, __m512i b) {
    const __m512i zero = _mm512_setzero_si512();
    const __m512i size = _mm512_sub_epi8(_mm512_max_epi8(a, b), _mm512_min_epi8(a, b));
    const __m512i low = _mm512_unpacklo_epi8(size, zero), high = _mm512_unpackhi_epi8(size, zero);
    return _mm512_dpwssd_epi32(_mm512_dpwssd_epi32(sums, low, low), high, high);
}

INLINE __m512i add_bits(__m512i sums, __m512i a, __m512i b) {
    return _mm512_add_epi32(sums, _mm512_popcnt_epi32(_mm512_xor_si512(a, b)));
}

static int32_t dot_i8(const int8_t *a, const int8_t *b, size_t n) {
    return (int32_t)total_epi32(
        sum_bytes((const uint8_t *)a, (const uint8_t *)b, n, add_product_i8));
}

static int32_t dot_i4(const uint8_t *a, const uint8_t *b, size_t bytes) {
    return (int32_t)total_epi32(sum_bytes(a, b, bytes, add_product_i4));
}

/*
** One vector with many, four at a time: its bytes are read once for four, and the bias of the
** others is subtracted once, since it is the same for all of them.  The sums wrap, as above.
*/
#define FOUR 4

INLINE int32_t sum_i8(const int8_t *a, size_t n) {
    const __m512i ones = _mm512_set1_epi8(1);
    __m512i sums = _mm512_setzero_si512();
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        sums = _mm512_dpbusd_epi32(sums, ones, _mm512_loadu_si512(a + i));
    }
    if (i < n) {
        sums = _mm512_dpbusd_epi32(sums, ones, few_bytes(a + i, n - i));
    }
    return (int32_t)total_epi32(sums);
}

/* Named one by one: in an array gcc 12 keeps them in memory. */
typedef struct four {
    __m512i s0, s1, s2, s3;
} four;

/* sums + f(64 bytes of a and of each b from i on; fewer at the end) */
typedef void four_adder(four *sums, const int8_t *a, const uint8_t *const b[FOUR], size_t i,
                        size_t n);

INLINE __m512i add_biased_i8(__m512i sums, __m512i a, __m512i b) {
    return _mm512_dpbusd_epi32(sums, _mm512_xor_si512(b, _mm512_set1_epi8((char)0x80)), a);
}

INLINE void add_four_i8(four *sums, const int8_t *a, const uint8_t *const b[FOUR], size_t i,
                        size_t n) {
    const size_t left = n - i;
    const __m512i x = few_bytes(a + i, left);
    sums->s0 = add_biased_i8(sums->s0, x, few_bytes(b[0] + i, left));
    sums->s1 = add_biased_i8(sums->s1, x, few_bytes(b[1] + i, left));
    sums->s2 = add_biased_i8(sums->s2, x, few_bytes(b[2] + i, left));
    sums->s3 = add_biased_i8(sums->s3, x, few_bytes(b[3] + i, left));
}

INLINE __m512i add_biased_i4(__m512i sums, __m512i low, __m512i high, __m512i b) {
    sums = _mm512_dpbusd_epi32(sums, low_i4(b), low);
    return _mm512_dpbusd_epi32(sums, low_i4(_mm512_srli_epi16(b, 4)), high);
}

INLINE void add_four_i8_i4(four *sums, const int8_t *a, const uint8_t *const b[FOUR], size_t i,
                           size_t n) {
    const size_t half = (n + 1) / 2, left = half - i;
    const __m512i low = few_bytes(a + i, left), high = few_bytes(a + half + i, n - half - i);
    sums->s0 = add_biased_i4(sums->s0, low, high, few_bytes(b[0] + i, left));
    sums->s1 = add_biased_i4(sums->s1, low, high, few_bytes(b[1] + i, left));
    sums->s2 = add_biased_i4(sums->s2, low, high, few_bytes(b[2] + i, left));
    sums->s3 = add_biased_i4(sums->s3, low, high, few_bytes(b[3] + i, left));
}

INLINE __m128i quarter(__m512i sums) {
    const __m256i x =
        _mm256_add_epi32(_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64(sums, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
}

INLINE __m128i totals(const four *sums) {
    return _mm_hadd_epi32(_mm_hadd_epi32(quarter(sums->s0), quarter(sums->s1)),
                          _mm_hadd_epi32(quarter(sums->s2), quarter(sums->s3)));
}

/* `bytes` of each b.  If fewer than four are left, the first one stands in for the missing ones. */
INLINE void dots_by_four(const int8_t *a, const uint8_t *const *b, size_t count, size_t n,
                         size_t bytes, int32_t bias, four_adder *add, int32_t *dots) {
    const __m128i total_bias = _mm_set1_epi32((int32_t)((uint32_t)bias * (uint32_t)sum_i8(a, n)));
    for (; count >= FOUR; count -= FOUR, b += FOUR, dots += FOUR) {
        four sums = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(),
                     _mm512_setzero_si512()};
        for (size_t i = 0; i < bytes; i += 64) {
            add(&sums, a, b, i, n);
        }
        _mm_storeu_si128((__m128i *)dots, _mm_sub_epi32(totals(&sums), total_bias));
    }
    if (count == 0) {
        return;
    }
    const uint8_t *const last[FOUR] = {b[0], b[count > 1 ? 1 : 0], b[count > 2 ? 2 : 0], b[0]};
    four sums = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(),
                 _mm512_setzero_si512()};
    for (size_t i = 0; i < bytes; i += 64) {
        add(&sums, a, last, i, n);
    }
    _mm_mask_storeu_epi32(dots, (__mmask8)((1u << count) - 1),
                          _mm_sub_epi32(totals(&sums), total_bias));
}

static void dots_i8(const int8_t *a, const uint8_t *const *b, size_t count, size_t n,
                    int32_t *dots) {
    dots_by_four(a, b, count, n, n, 128, add_four_i8, dots);
}

static void dots_i8_i4(const int8_t *a, const uint8_t *const *b, size_t count, size_t n,
                       int32_t *dots) {
    dots_by_four(a, b, count, n, (n + 1) / 2, 8, add_four_i8_i4, dots);
}

static int32_t dot_i8_i4(const int8_t *a, const uint8_t *b, size_t n) {
    const uint32_t bias = 8 * (uint32_t)sum_i8(a, n);
    return (int32_t)(total_epi32(sum_mixed(a, b, n, add_product_i8_i4)) - bias);
}

static uint32_t l2_i8(const int8_t *a, const int8_t *b, size_t n) {
    return total_epi32(sum_bytes((const uint8_t *)a, (const uint8_t *)b, n, add_square_i8));
}

static uint32_t hamming(const void *a, const void *b, size_t bytes) {
    return total_epi32(sum_bytes(a, b, bytes, add_bits));
}

#define KERNEL_HAS_DOTS
#include "simd/kernel_common.h"

const hny__kernels hny__kernels_avx512_vnni = {
    .name = "avx512-vnni", .lanes = 64, HNY__KERNEL_FUNCTIONS};

#endif
