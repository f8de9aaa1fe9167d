/*
** Interface to exact_distance.c: the distances that users see, in double precision.
**
** Vectors are stored bytes of any alignment.  Results are equal on every processor: integers are
** summed exactly, floats by exact_sums.h in the default floating-point environment.  No result is
** NaN, whatever the bytes: infinities, which no INSERT accepts, are as far as the metric goes.
**
** hny_distance_computer (hannoy.h) computes the distances of one vector to many.
*/
#ifndef HNY_EXACT_DISTANCE_H
#define HNY_EXACT_DISTANCE_H

#include "hannoy.h"

/*
** The distance of two vectors of one shape.  For metric hamming and for type bit these are packed
** bits, of which those from dim on are ignored.
*/
double hny__exact_distance(hny_shape shape, const void *a, const void *b);

/* The sum of squares of a vector of numbers. */
double hny__exact_square(hny_shape shape, const void *vector);

/* The distance of two vectors of bits of which `bits` differ. */
double hny__exact_of_bits(hny_shape shape, uint32_t bits);

/* Packs the signs of `count` numbers: bit i % 8 of byte i / 8 is set if number i is above 0. */
void hny__exact_signs(hny_type type, const void *numbers, size_t count, uint8_t *bits);

#endif
