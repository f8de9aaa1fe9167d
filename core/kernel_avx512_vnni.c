/* AVX-512 with VNNI and VPOPCNTDQ: Ice Lake, Zen 4 and later. */
#if defined(__x86_64__)

#include "kernel_avx512.h"

/*
** VNNI multiplies unsigned by signed: (a + 128) . b - 128 * sum(b), both sides by the instruction,
** in sums of 32 bits that may wrap, since the difference does not.
*/
INLINE __m512i add_product_i8(__m512i sums, __m512i a, __m512i b) {
    const __m512i up = _mm512_set1_epi8((char)0x80);
    const __m512i extra = _mm512_dpbusd_epi32(_mm512_setzero_si512(), up, b);
    return _mm512_sub_epi32(_mm512_dpbusd_epi32(sums, _mm512_xor_si512(a, up), b), extra);
}

/* The same of 4 bits, moved up by 8, the low numbers and then the high ones. */
INLINE __m512i add_product_i4(__m512i sums, __m512i a, __m512i b) {
    const __m512i up = _mm512_set1_epi8(8);
    const __m512i low = _mm512_sub_epi8(low_i4(b), up);
    const __m512i high = _mm512_sub_epi8(low_i4(_mm512_srli_epi16(b, 4)), up);
    sums = _mm512_dpbusd_epi32(sums, low_i4(a), low);
    sums = _mm512_dpbusd_epi32(sums, low_i4(_mm512_srli_epi16(a, 4)), high);
    const __m512i both = _mm512_add_epi8(low, high);
    return _mm512_sub_epi32(sums, _mm512_dpbusd_epi32(_mm512_setzero_si512(), up, both));
}

INLINE __m512i add_product_i8_i4(__m512i sums, __m512i a, __m512i b) {
    const __m512i extra = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(8), a);
    return _mm512_sub_epi32(_mm512_dpbusd_epi32(sums, b, a), extra);
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

static int32_t dot_i8_i4(const int8_t *a, const uint8_t *b, size_t n) {
    return (int32_t)total_epi32(sum_mixed(a, b, n, add_product_i8_i4));
}

static uint32_t l2_i8(const int8_t *a, const int8_t *b, size_t n) {
    return total_epi32(sum_bytes((const uint8_t *)a, (const uint8_t *)b, n, add_square_i8));
}

static uint32_t hamming(const void *a, const void *b, size_t bytes) {
    return total_epi32(sum_bytes(a, b, bytes, add_bits));
}

const hny__kernels hny__kernels_avx512_vnni = {
    .name = "avx512-vnni", .lanes = 64, HNY__KERNEL_FUNCTIONS};

#endif
