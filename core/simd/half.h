/*
** Half precision to single, inline, since kernels and exact sums convert many at a time.  The
** reverse is rare: hny_half_from_float in half.c.
*/
#ifndef HNY_HALF_H
#define HNY_HALF_H

#include <stdint.h>
#include <string.h>

/*
** Integers and one exact product, so that the result does not depend on how the host treats
** subnormals.
*/
static inline float hny__half_widen(uint16_t half) {
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    const uint32_t exponent = half & 0x7c00, fraction = half & 0x3ff;
    uint32_t bits;
    if (exponent == 0) {
        const float small = (float)fraction * 0x1p-24f;
        memcpy(&bits, &small, sizeof bits);
    } else if (exponent == 0x7c00) {
        bits = 0x7f800000 | fraction << 13;
    } else {
        bits = ((uint32_t)(exponent | fraction) << 13) + (112u << 23);
    }
    bits |= sign;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#endif
