/* Plain loops: the reference for all other tables, and the fallback on other processors. */
#include "simd/kernel.h"

#include "simd/half.h"

typedef double two __attribute__((vector_size(16)));

static inline two widen_f32(const uint8_t *from) {
    float pair[2];
    memcpy(pair, from, sizeof pair);
    return (two){(double)pair[0], (double)pair[1]};
}

static inline two widen_f16(const uint8_t *from) {
    uint16_t pair[2];
    memcpy(pair, from, sizeof pair);
    return (two){(double)hny__half_widen(pair[0]), (double)hny__half_widen(pair[1])};
}

#define EXACT_WIDTH 2 /* as SSE2 and NEON have at least */
#include "simd/exact_sums.h"

typedef int32_t four_ints __attribute__((vector_size(16)));

static inline four_ints widen_i8(const int8_t *from) {
    return (four_ints){from[0], from[1], from[2], from[3]};
}

static inline void narrow_i8(int8_t *to, four_ints x) {
    for (int i = 0; i < 4; i++) {
        to[i] = (int8_t)x[i];
    }
}

#define CODES_WIDTH 4
#define CODES_INTS  four_ints
#include "simd/kernel_codes.h"

static float dot_f32(const float *a, const float *b, size_t n) {
    float sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

static float l2_f32(const float *a, const float *b, size_t n) {
    float sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    }
    return sum;
}

static float l1_f32(const float *a, const float *b, size_t n) {
    float sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += __builtin_fabsf(a[i] - b[i]);
    }
    return sum;
}

static float dot_f16(const uint16_t *a, const uint16_t *b, size_t n) {
    float sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += hny__half_widen(a[i]) * hny__half_widen(b[i]);
    }
    return sum;
}

static float l2_f16(const uint16_t *a, const uint16_t *b, size_t n) {
    float sum = 0;
    for (size_t i = 0; i < n; i++) {
        const float difference = hny__half_widen(a[i]) - hny__half_widen(b[i]);
        sum += difference * difference;
    }
    return sum;
}

static float l1_f16(const uint16_t *a, const uint16_t *b, size_t n) {
    float sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += __builtin_fabsf(hny__half_widen(a[i]) - hny__half_widen(b[i]));
    }
    return sum;
}

static int32_t dot_i8(const int8_t *a, const int8_t *b, size_t n) {
    int32_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* One of the two numbers in a byte. */
static int number_i4(uint8_t byte, int shift) {
    return ((byte >> shift & 15) ^ 8) - 8;
}

static int32_t dot_i4(const uint8_t *a, const uint8_t *b, size_t bytes) {
    int32_t sum = 0;
    for (size_t i = 0; i < bytes; i++) {
        sum += number_i4(a[i], 0) * number_i4(b[i], 0) + number_i4(a[i], 4) * number_i4(b[i], 4);
    }
    return sum;
}

static int32_t dot_i8_i4(const int8_t *a, const uint8_t *b, size_t n) {
    const size_t half = (n + 1) / 2;
    int32_t sum = 0;
    for (size_t i = 0; i < half; i++) {
        sum += a[i] * number_i4(b[i], 0);
    }
    for (size_t i = 0; i < n - half; i++) {
        sum += a[half + i] * number_i4(b[i], 4);
    }
    return sum;
}

#include "simd/kernel_common.h"

static uint32_t l2_i8(const int8_t *a, const int8_t *b, size_t n) {
    uint32_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (uint32_t)((a[i] - b[i]) * (a[i] - b[i]));
    }
    return sum;
}

static uint32_t l1_i8(const int8_t *a, const int8_t *b, size_t n) {
    uint32_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (uint32_t)(a[i] > b[i] ? a[i] - b[i] : b[i] - a[i]);
    }
    return sum;
}

static uint32_t hamming(const void *a, const void *b, size_t bytes) {
    uint32_t sum = 0;
    for (size_t i = 0; i < bytes; i += 4) {
        uint32_t x, y;
        memcpy(&x, (const uint8_t *)a + i, 4);
        memcpy(&y, (const uint8_t *)b + i, 4);
        sum += (uint32_t)__builtin_popcount(x ^ y);
    }
    return sum;
}

const hny__kernels hny__kernels_scalar = {.name = "scalar", .lanes = 1, HNY__KERNEL_FUNCTIONS};
