/*
** Interface to row.c: the layout of a stored vector, and its rank.
**
** A *row* is what one slot of a block of codes holds of a vector that is stored as it is:
**
**   offset        size           content
**   0             vector_bytes   the vector; under metric hamming the packed signs of its numbers;
**                                of bits those past dim are zero
**   vector_bytes  0 .. 3         zeros to a multiple of 4
**   scale_offset  4              only under cosine and dot on numbers, float32.  Cosine: the
**                                inverse of the vector's length; 0 for the zero vector; NaN for a
**                                length outside 2^-40 .. 2^40, whose ranks are computed in double
**                                precision, some ten times slower.  Dot: the length, rounded up
**   ...           0 .. 15        zeros to a multiple of 16
**
** A quantised vector (quantizer.h) has its own code in place of the vector, and the layout there.
** Encoding is deterministic: a vector has the same row on every processor, byte for byte.
**
** A *rank* orders rows as their distance does and is cheap, a float32 from a SIMD kernel: 1 - cos,
** the squared euclidean distance, the sum of absolute differences, the negative dot product, or
** under every metric on bits the number of different bits.  It is symmetric, from 0 (under dot from
** -FLT_MAX) to FLT_MAX, and never NaN.  Ranks of different kernel tables differ in the last bits.
** Under euclidean, two vectors nearer than 1e-23 in every dimension have rank 0, and all that are
** farther than 1.8e19 have rank FLT_MAX.
**
** Distances that are returned come from hny__row_distance, in double precision and equal on every
** processor.
*/
#ifndef HNY_ROW_H
#define HNY_ROW_H

#include "hannoy.h"

typedef struct hny__row_format hny__row_format;
struct hny__row_format {
    hny_shape shape;
    uint32_t vector_bytes; /* of the vector or its numbers in a row, without padding */
    uint32_t row_bytes;    /* of a row; a multiple of 4 */
    uint32_t scale_offset; /* of the inverse length, under dot of the length, or of the trailer in a
                              row; 0: there is none */
    float (*rank)(const hny__row_format *format, const void *a, const void *b);
};

/* Fills *format for a valid shape.  Cannot fail. */
void hny__row_format_init(hny__row_format *format, hny_shape shape);

/* Encodes stored bytes as a row of format->row_bytes.  Neither needs alignment. */
void hny__row_encode(const hny__row_format *format, const void *vector, void *row);

/* The rank of two rows, both at least 4-byte aligned. */
static inline float hny__row_rank(const hny__row_format *format, const void *a, const void *b) {
    return format->rank(format, a, b);
}

/* The exact distance of two rows (exact_distance.h).  They need no alignment. */
double hny__row_distance(const hny__row_format *format, const void *a, const void *b);

/* The rank of an exact distance, rounded; at most FLT_MAX. */
float hny__rank_of_distance(const hny__row_format *format, double distance);

/*
** How far the rank of a pair may be from hny__rank_of_distance of its exact distance d, given
** either of the two: a row whose rank is larger by more than this is farther than d, one whose
** rank is smaller by more than this is nearer.  Grows with the rank.
*/
float hny__rank_slack(const hny__row_format *format, float rank);

#endif
