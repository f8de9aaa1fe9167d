/*
** Interface to number.c: one element of a vector, read from its bytes and written as text.
*/
#ifndef HX_NUMBER_H
#define HX_NUMBER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "hannoy.h"

/* The i-th element of a vector of this type, exactly; 0 or 1 for a bit vector. */
static inline double hx_number_at(uint8_t type, const void *bytes, size_t i) {
    const char *const from = bytes;
    float single;
    uint16_t half;
    switch (type) {
    case HNY_FLOAT32:
        memcpy(&single, from + 4 * i, sizeof single);
        return (double)single;
    case HNY_FLOAT16:
        memcpy(&half, from + 2 * i, sizeof half);
        return (double)hny_float_from_half(half);
    case HNY_INT8:
        return (signed char)from[i];
    default:
        return from[i / 8] >> i % 8 & 1;
    }
}

/* Room for hx_number_write: a sign, nine digits, a point, an exponent, the end. */
#define HX_NUMBER_BYTES 24

/*
** Writes a finite number of this type as JSON, in the fewest digits that json.c reads back as the
** same number ("0.1", not "0.100000001"), and of those the nearest.  There is no exponent with up
** to nine digits before the point and three zeros after it.  Returns the length; `out` ends in 0.
*/
size_t hx_number_write(uint8_t type, double number, char out[HX_NUMBER_BYTES]);

#endif
