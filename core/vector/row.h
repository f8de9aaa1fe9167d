/*
** Interface to code.c: how a vector lies in the sidecar, and how near two of them are.
**
** A *row* is what one slot of a block of vectors holds: the stored bytes of the vector (for metric
** hamming on any numeric type: its packed sign bits; of bits those past dim are cleared),
** zero-padded to a multiple of 4, and under cosine on numbers then one float32, the inverse of the
** vector's length, so that no kernel divides: 0 for the zero vector, NaN for a length outside
** 2^-40 .. 2^40, whose ranks are computed in double precision (some ten times slower).  The rest up
** to `stride`, a multiple of 16, is zero.  Encoding is deterministic over processors: the same
** vector gives the same row everywhere, byte for byte.
**
** A *rank* orders rows as their distance does and is cheap: 1 - cos, the squared euclidean
** distance, the sum, and of bits, under every metric, the number that differ; a float32 from a SIMD
** kernel.  It is the same for (a, b) and (b, a), from 0 to FLT_MAX, and never NaN.  Ranks of
** different kernel tables differ in the last bits.  Two vectors nearer than 1e-23 in every dimension
** are at rank 0 under euclidean, and all that are farther than 1.8e19 tie at FLT_MAX.
**
** Distances that are returned come from hny__row_distance, in double precision and equal
** everywhere.
*/
#ifndef HNY_ROW_H
#define HNY_ROW_H

#include "hannoy.h"

typedef struct hny__row_format hny__row_format;
struct hny__row_format {
    hny_shape shape;
    uint32_t bytes;  /* of the vector in a row, padding not counted */
    uint32_t stride; /* from one row to the next in a block; a multiple of 16 */
    uint32_t norm;   /* offset of the inverse length in a row; 0: none */
    float (*rank)(const hny__row_format *code, const void *a, const void *b);
};

/* Fills *code for a shape.  Cannot fail for a shape that options let pass. */
void hny__row_format_init(hny__row_format *code, hny_shape shape);

/* Stored bytes -> a row of code->stride bytes.  Neither needs alignment. */
void hny__row_encode(const hny__row_format *code, const void *vector, void *row);

/* The rank of two rows, both at least 4-byte aligned. */
static inline float hny__row_rank(const hny__row_format *code, const void *a, const void *b) {
    return code->rank(code, a, b);
}

/* The distance of two rows, exact (exact.h); the rows need no alignment. */
double hny__row_distance(const hny__row_format *code, const void *a, const void *b);

/* The rank that an exact distance stands for, rounded; at most FLT_MAX. */
float hny__rank_of_distance(const hny__row_format *code, double distance);

/*
** How far the rank of a pair may lie from rank_of its exact distance, given either of the two: a
** row whose rank exceeds rank_of(d) by more than this is certainly farther than d, one whose rank
** falls short of it by more is nearer.  Does not fall as the rank grows.
*/
float hny__rank_slack(const hny__row_format *code, float rank);

#endif
