/*
** Interface to quantizer.c: the codes that the sidecar keeps of a vector, and the distances they
** give.
**
** A vector that is small as it is (int8, bits) is its own code: exact.  Vectors of floats are not
** in the sidecar.  A compact *code* of each, on which the graph is built and searched, keeps the
** memory of a search small; most have a *residual code* beside it, by which the best few are
** ranked again.  Both store how far they are from the vector, so that every distance computed from
** them has a bound on its error, and the caller knows when only the vector itself will do.
**
**   codes     code                                        residual code
**   int8      one byte a number, in steps of 1/127 of     one byte a number: 1/254 of a step each
**             the vector's largest number
**   int4      half a byte a number, 7 steps to either     one byte a number: what the code leaves
**             side, larger numbers are clipped
**   float16   half precision                              none
**   float32   the vector: exact                           none
**   bit       one bit a number: its sign                  one byte a number, as the code of int8
**
** (LVQ, Aguerrebere & al. 2023, also has two levels with a scale for each vector.)  What a table
** asks for is resolved by its shape: int4 under manhattan is int8; vectors of int8 are their own
** codes unless codes=bit, and vectors of float16 unless the codes are smaller; bits and hamming
** always use bits.  Under cosine, codes are those of the vector at unit length.
**
** Codes are equal on every processor, byte for byte.
*/
#ifndef HNY_QUANTIZER_H
#define HNY_QUANTIZER_H

#include <stdbool.h>
#include <string.h>

#include "vector/row.h"

/* An adaptive search keeps no more nodes than this, so that it ends even if all are equally far. */
#define HNY__MAX_KEPT 1024

typedef struct hny__quantizer {
    hny_shape shape;
    hny_codes codes;         /* resolved for the shape */
    bool exact;              /* the code is the vector */
    hny__row_format format;  /* of codes */
    uint32_t error_offset;   /* in a code: how far it is from the vector at most; not of bits */
    uint32_t residual_bytes; /* of a residual code; 0: there is none */
} hny__quantizer;

/* What follows the numbers of an int8 or 4-bit code that is not exact, at format.scale_offset. */
typedef struct hny__trailer {
    float scale;  /* factor from the numbers to what they stand for */
    float square; /* of the length of what they stand for; 0 under cosine */
    float error;  /* how far that is from the vector at most, in the norm of the metric */
} hny__trailer;

static inline hny__trailer hny__trailer_of(const hny__row_format *format, const void *row) {
    hny__trailer trailer;
    memcpy(&trailer, (const uint8_t *)row + format->scale_offset, sizeof trailer);
    return trailer;
}

/* The residual code of 4 bits reduces the error by this factor: see hny__distance_lower_bound. */
#define HNY__RESIDUAL_GAIN_I4 8

void hny__quantizer_init(hny__quantizer *quantizer, hny_shape shape, hny_codes codes);

/*
** How many of the nearest by code are to be measured again, so that the nearest `limit` are among
** them.  `ef` is that of the search; 0: an adaptive one.
*/
size_t hny__quantizer_rerank(const hny__quantizer *quantizer, size_t limit, size_t ef);

/*
** Does hny__rank_slack bound the error of a rank?  It does for exact codes, but not of dot products
** of numbers, whose terms may cancel.
*/
static inline bool hny__ranks_decide(const hny__quantizer *quantizer) {
    return quantizer->exact &&
           (quantizer->shape.metric != HNY_DOT || quantizer->shape.type == HNY_BIT);
}

/* The rounding error of a sum over a vector in float32, relative to the sum of absolute values. */
double hny__quantizer_rounding(const hny__quantizer *quantizer);

/* ---------------------------------------------------------------------------------- encoding -- */

/* A quantizer with memory for one vector. */
typedef struct hny__encoder {
    hny__quantizer quantizer;
    float *numbers; /* the vector encoded last, under cosine at unit length; NULL if exact */
    float *decoded; /* what a code stands for */
    double length;  /* of the vector encoded last; under dot only */
    bool is_zero;   /* that vector */
    /* With codes of 4 bits, the vector encoded last in int8: */
    int8_t *whole;
    float step;          /* factor from these numbers to what they stand for */
    double whole_square; /* of the length of what they stand for */
    double whole_error;  /* how far that is from the vector at most */
} hny__encoder;

/* HNY_OK or HNY_NOMEM. */
int hny__encoder_init(hny__encoder *encoder, const hny__quantizer *quantizer);
void hny__encoder_free(hny__encoder *encoder);

/* Encodes stored bytes.  `residual` may be NULL if it is not wanted. */
void hny__encode(hny__encoder *encoder, const void *vector, void *code, void *residual);

/* Encodes a query.  With codes of 4 bits it needs no code, and none is written. */
void hny__encode_query(hny__encoder *encoder, const void *vector, void *code);

/* Decodes: afterwards the encoder is as if the vector that the codes stand for was encoded last. */
void hny__encoder_decode(hny__encoder *encoder, const void *code, const void *residual);

/*
** The distance of the vector encoded last, whose code is `query`, to that of a code.  Exact codes
** give the distance itself; else it is off by at most *error, which may be infinite.
*/
double hny__encoder_distance(hny__encoder *encoder, const void *query, const void *code,
                             const void *residual, double *error);

#endif
