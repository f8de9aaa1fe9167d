/*
** Interface to exact.c: the distance that a user sees, in double precision.
**
** Vectors are stored bytes, of any alignment.  Results are equal on every processor: integers are
** summed exactly, floats by exact_sums.h in the default floating-point environment.  None is NaN, whatever the bytes: what has no distance
** (stored infinities, which no INSERT lets in) is as far as the metric goes.
*/
#ifndef HNY_EXACT_DISTANCE_H
#define HNY_EXACT_DISTANCE_H

#include "hannoy.h"

/* Two vectors of one shape.  For metric hamming and for type bit, two rows of packed bits, of which
** those from dim on are ignored. */
double hny__exact_distance(hny_shape shape, const void *a, const void *b);

/* The sum of squares of a vector of numbers. */
double hny__exact_square(hny_shape shape, const void *vector);

/* The distance that `bits` differing bits stand for. */
double hny__exact_of_bits(hny_shape shape, uint32_t bits);

/* Packs which of `count` numbers are above 0: bit i % 8 of byte i / 8; whole bytes are written. */
void hny__exact_signs(hny_type type, const void *numbers, size_t count, uint8_t *bits);

#endif
