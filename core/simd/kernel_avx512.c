/* AVX-512 F, BW, VL and DQ: Skylake and Cascade Lake servers. */
#if defined(__x86_64__)

#include "simd/kernel_avx512.h"

/* sums + what 32 pairs of int16 add to it; pairs of zeros add nothing */
typedef __m512i word_adder(__m512i sums, __m512i a, __m512i b);

/* Those of 32 int8 whose bit is set, as int16, and zeros. */
INLINE __m512i load_i8(const int8_t *from, __mmask32 mask) {
    return _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8(mask, from));
}

/* Widening as it loads: from a register that holds 64 bytes it takes a fifth longer. */
INLINE __m512i sum_words(const int8_t *a, const int8_t *b, size_t n, word_adder *add) {
    const __mmask32 all = 0xffffffff;
    __m512i s0 = _mm512_setzero_si512(), s1 = s0;
    for (; n >= 64; n -= 64, a += 64, b += 64) {
        s0 = add(s0, load_i8(a, all), load_i8(b, all));
        s1 = add(s1, load_i8(a + 32, all), load_i8(b + 32, all));
    }
    if (n) {
        const uint64_t left = ((uint64_t)1 << n) - 1;
        const __mmask32 m0 = (__mmask32)left, m1 = (__mmask32)(left >> 32);
        s0 = add(s0, load_i8(a, m0), load_i8(b, m0));
        s1 = add(s1, load_i8(a + 32, m1), load_i8(b + 32, m1));
    }
    return _mm512_add_epi32(s0, s1);
}

INLINE __m512i add_product_i16(__m512i sums, __m512i a, __m512i b) {
    return _mm512_add_epi32(sums, _mm512_madd_epi16(a, b));
}

INLINE __m512i add_square_i16(__m512i sums, __m512i a, __m512i b) {
    const __m512i difference = _mm512_sub_epi16(a, b);
    return _mm512_add_epi32(sums, _mm512_madd_epi16(difference, difference));
}

static int32_t dot_i8(const int8_t *a, const int8_t *b, size_t n) {
    return (int32_t)total_epi32(sum_words(a, b, n, add_product_i16));
}

static uint32_t l2_i8(const int8_t *a, const int8_t *b, size_t n) {
    return total_epi32(sum_words(a, b, n, add_square_i16));
}

/* a . b: a is biased by 8, so that pairs add up to at most 240, and the bias is subtracted. */
INLINE __m512i products_i4(__m512i a, __m512i b) {
    const __m512i bias = _mm512_set1_epi8(8), y = _mm512_sub_epi8(low_i4(b), bias);
    return _mm512_sub_epi16(_mm512_maddubs_epi16(low_i4(a), y), _mm512_maddubs_epi16(bias, y));
}

INLINE __m512i add_product_i4(__m512i sums, __m512i a, __m512i b) {
    const __m512i words = _mm512_add_epi16(
        products_i4(a, b), products_i4(_mm512_srli_epi16(a, 4), _mm512_srli_epi16(b, 4)));
    return _mm512_add_epi32(sums, _mm512_madd_epi16(words, _mm512_set1_epi16(1)));
}

static int32_t dot_i4(const uint8_t *a, const uint8_t *b, size_t bytes) {
    return (int32_t)total_epi32(sum_bytes(a, b, bytes, add_product_i4));
}

/* Pairs add up to at most 2 * 15 * 128. */
INLINE __m512i add_product_i8_i4(__m512i sums, __m512i a, __m512i b) {
    const __m512i words =
        _mm512_sub_epi16(_mm512_maddubs_epi16(b, a), _mm512_maddubs_epi16(_mm512_set1_epi8(8), a));
    return _mm512_add_epi32(sums, _mm512_madd_epi16(words, _mm512_set1_epi16(1)));
}

static int32_t dot_i8_i4(const int8_t *a, const uint8_t *b, size_t n) {
    return (int32_t)total_epi32(sum_mixed(a, b, n, add_product_i8_i4));
}

#include "simd/kernel_common.h"

/* The bits in half a byte, from a table by shuffle. */
INLINE __m512i add_bits(__m512i sums, __m512i a, __m512i b) {
    const __m512i counts =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    const __m512i half = _mm512_set1_epi8(0x0f), differ = _mm512_xor_si512(a, b);
    const __m512i low = _mm512_and_si512(differ, half);
    const __m512i high = _mm512_and_si512(_mm512_srli_epi16(differ, 4), half);
    const __m512i bits =
        _mm512_add_epi8(_mm512_shuffle_epi8(counts, low), _mm512_shuffle_epi8(counts, high));
    return _mm512_add_epi32(sums, _mm512_sad_epu8(bits, _mm512_setzero_si512()));
}

static uint32_t hamming(const void *a, const void *b, size_t bytes) {
    return total_epi32(sum_bytes(a, b, bytes, add_bits));
}

const hny__kernels hny__kernels_avx512 = {.name = "avx512", .lanes = 64, HNY__KERNEL_FUNCTIONS};

#endif
