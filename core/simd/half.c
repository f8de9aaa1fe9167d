/* Single to half precision. */
#include "simd/half.h"

#include "hannoy.h"

/* Drops the lowest `shift` bits (1 .. 24), rounding to nearest, ties to even. */
static uint32_t round_to_even(uint32_t value, unsigned shift) {
    const uint32_t kept = value >> shift, rest = value & ((1u << shift) - 1);
    const uint32_t tie = 1u << (shift - 1);
    return kept + (rest > tie || (rest == tie && (kept & 1)));
}

uint16_t hny_half_from_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    const uint32_t size = bits & 0x7fffffff, exponent = size >> 23;

    if (size > 0x7f800000) {
        return (uint16_t)(sign | 0x7e00 | (size >> 13 & 0x3ff)); /* NaN */
    }
    if (size >= 0x477ff000) {
        return sign | 0x7c00; /* from 65520, half-way to 65536, on */
    }
    if (exponent >= 113) {
        return (uint16_t)(sign | round_to_even(size - (112u << 23), 13));
    }
    if (exponent < 102) {
        return sign; /* below 2^-25: half of the smallest subnormal */
    }
    return (uint16_t)(sign | round_to_even((size & 0x7fffff) | 0x800000, 126 - exponent));
}

float hny_float_from_half(uint16_t half) {
    return hny__half_widen(half);
}
