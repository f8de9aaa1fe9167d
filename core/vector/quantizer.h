/*
** Interface to coding.c: what the sidecar holds of a vector, and what that tells of its distance.
**
** A vector that is small enough as it is (int8, bits) is its own code: exact.  Floats are not kept
** at all.  They have a compact *code*, on which the graph is built and walked, since memory is what
** a walk costs; and mostly a *fine* code beside it, which ranks the best few again.  Both carry how
** far they are from the vector, so that whatever is measured on them comes with a bound on its
** error, and the caller can tell when only the content itself will do.
**
**   codes=int8     a byte a number, in steps of the vector's own (127 of them to its largest); fine:
**                  a byte a number more, 1/254 of a step each.  (LVQ, Aguerrebere & al. 2023, has
**                  two levels with a scale a vector too.)
**   codes=int4     half a byte a number, 7 steps to either side, and what lies beyond cut off; fine: a
**                  byte a number, of what the code leaves.  Not under manhattan, where it is int8.
**   codes=float16  half precision; no fine code.
**   codes=float32  the vector itself: exact.
**   codes=bit      a bit a number, its sign; fine: a byte a number, as int8.
**
** A float16 vector under codes=float16 or float32 is its own code, and so is every vector of int8
** under codes other than bit.  Under cosine the codes are those of the vector at unit length.
**
** Codes are equal on every processor, byte for byte.
*/
#ifndef HNY_QUANTIZER_H
#define HNY_QUANTIZER_H

#include <string.h>

#include "vector/row.h"

/* An adaptive walk keeps no more nodes than this, so that it ends where all are equally far. */
#define HNY__MAX_KEPT 1024

typedef struct hny__quantizer {
    hny_shape shape;
    hny_codes codes;       /* what they come to for this shape */
    int exact;             /* the code is the vector */
    hny__row_format code;  /* walked on */
    uint32_t error_offset; /* in a code: how far it may be from the vector; not with codes=bit */
    uint32_t residual;     /* bytes of a fine code; 0: there is none */
} hny__quantizer;

/* What follows the numbers of an int8 or 4-bit code that is not exact, at code.norm. */
typedef struct hny__trailer {
    float scale;  /* of the numbers, for what they stand for */
    float square; /* of that one's length; 0 under cosine */
    float error;  /* how far the vector may be from it, in the metric's own norm */
} hny__trailer;

static inline hny__trailer hny__trailer_of(const hny__row_format *code, const void *row) {
    hny__trailer trailer;
    memcpy(&trailer, (const uint8_t *)row + code->norm, sizeof trailer);
    return trailer;
}

/* A fine code beside 4 bits is this many times as near to the vector: see hny__distance_lower_bound. */
#define HNY__RESIDUAL_GAIN_I4 8

void hny__quantizer_init(hny__quantizer *coding, hny_shape shape, hny_codes codes);

/*
** How many of the best by code are to be measured, so that the best `limit` are among them, of a
** walk with `ef` (0: an adaptive one).
*/
size_t hny__quantizer_rerank(const hny__quantizer *coding, size_t limit, size_t ef);

/* Makes codes: a coding and room for one vector as floats, twice. */
typedef struct hny__encoder {
    hny__quantizer coding;
    float *numbers; /* the vector encoded last, under cosine at unit length; NULL where exact */
    float *decoded; /* room for what a code says */
    /* With codes of 4 bits, of the vector encoded last: */
    int8_t *whole;       /* int8 numbers */
    float step;          /* what one of them is worth */
    double whole_square; /* of the length that they stand for */
    double whole_error;  /* how far they may be from the vector */
} hny__encoder;

int hny__encoder_init(hny__encoder *encoder,
                      const hny__quantizer *coding); /* HNY_OK or HNY_NOMEM */
void hny__encoder_free(hny__encoder *encoder);

/* Stored bytes -> a code, and a fine code if there are any (which may be NULL: not wanted). */
void hny__encode(hny__encoder *encoder, const void *vector, void *code, void *residual);

/* Of a vector that is to be looked from: with codes of 4 bits that takes no code. */
void hny__encode_query(hny__encoder *encoder, const void *vector, void *code);

/* As if the vector that these codes stand for had been encoded so. */
void hny__encoder_decode(hny__encoder *encoder, const void *code, const void *residual);

/*
** The distance from the vector encoded last to that of a code: of the exact ones, itself; else one
** that is off by at most *error (which may be infinite).  `query` is the code of the former.
*/
double hny__encoder_distance(hny__encoder *encoder, const void *query, const void *code,
                             const void *residual, double *error);

/* What is rounded in a sum of so many floats, relative to the sum of their sizes (hny__rank_slack). */
double hny__quantizer_rounding(const hny__quantizer *coding);

#endif
