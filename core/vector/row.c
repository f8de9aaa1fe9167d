#include "vector/row.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/align.h"
#include "simd/kernel.h"
#include "vector/exact_distance.h"

static int is_bits(hny_shape shape) {
    return shape.metric == HNY_HAMMING || shape.type == HNY_BIT;
}

/* ------------------------------------------------------------------------------------ ranks -- */

/* A float kernel's sum, or where that overflowed the exact one, as far as a float goes. */
static float bounded(const hny__row_format *code, float sum, const void *a, const void *b) {
    if (sum <= FLT_MAX) {
        return sum;
    }
    return hny__rank_of_distance(code, hny__row_distance(code, a, b));
}

/*
** Between rows of ordinary lengths nothing overflows.  A length that is not ordinary has NaN for
** its inverse, which comes out as NaN whatever the dot product is.
*/
static float cosine(const hny__row_format *code, float dot, const void *a, const void *b) {
    float inverse_a, inverse_b;
    memcpy(&inverse_a, (const uint8_t *)a + code->norm, sizeof inverse_a);
    memcpy(&inverse_b, (const uint8_t *)b + code->norm, sizeof inverse_b);
    const float rank = 1 - dot * (inverse_a * inverse_b); /* the same for b and a */
    if (rank != rank) {
        return hny__rank_of_distance(code, hny__row_distance(code, a, b));
    }
    return rank > 0 ? rank : 0;
}

static float cosine_f32(const hny__row_format *code, const void *a, const void *b) {
    return cosine(code, hny__kernels_get()->dot_f32(a, b, code->shape.dim), a, b);
}

static float cosine_f16(const hny__row_format *code, const void *a, const void *b) {
    return cosine(code, hny__kernels_get()->dot_f16(a, b, code->shape.dim), a, b);
}

static float cosine_i8(const hny__row_format *code, const void *a, const void *b) {
    return cosine(code, (float)hny__kernels_get()->dot_i8(a, b, code->shape.dim), a, b);
}

static float euclidean_f32(const hny__row_format *code, const void *a, const void *b) {
    return bounded(code, hny__kernels_get()->l2_f32(a, b, code->shape.dim), a, b);
}

static float euclidean_f16(const hny__row_format *code, const void *a, const void *b) {
    return bounded(code, hny__kernels_get()->l2_f16(a, b, code->shape.dim), a, b);
}

static float euclidean_i8(const hny__row_format *code, const void *a, const void *b) {
    return (float)hny__kernels_get()->l2_i8(a, b, code->shape.dim);
}

static float manhattan_f32(const hny__row_format *code, const void *a, const void *b) {
    return bounded(code, hny__kernels_get()->l1_f32(a, b, code->shape.dim), a, b);
}

static float manhattan_f16(const hny__row_format *code, const void *a, const void *b) {
    return bounded(code, hny__kernels_get()->l1_f16(a, b, code->shape.dim), a, b);
}

static float manhattan_i8(const hny__row_format *code, const void *a, const void *b) {
    return (float)hny__kernels_get()->l1_i8(a, b, code->shape.dim);
}

static float bits(const hny__row_format *code, const void *a, const void *b) {
    return (float)hny__kernels_get()->hamming(a, b, hny__align4(code->bytes));
}

void hny__row_format_init(hny__row_format *code, hny_shape shape) {
    typedef float ranking(const hny__row_format *code, const void *a, const void *b);
    static ranking *const rankings[3][3] = {
        {cosine_f32, cosine_f16, cosine_i8},
        {euclidean_f32, euclidean_f16, euclidean_i8},
        {manhattan_f32, manhattan_f16, manhattan_i8},
    };
    assert(shape.dim >= 1 && shape.dim <= HNY_MAX_DIM);
    assert(shape.metric >= HNY_COSINE && shape.metric <= HNY_HAMMING);
    assert(shape.type >= HNY_FLOAT32 && shape.type <= HNY_BIT);

    const uint32_t bytes = is_bits(shape) ? (shape.dim + 7) / 8 : (uint32_t)hny_vector_bytes(shape);
    const uint32_t padded = hny__align4(bytes);
    const int has_norm = shape.metric == HNY_COSINE && !is_bits(shape);
    *code = (hny__row_format){
        .shape = shape,
        .bytes = bytes,
        .stride = (padded + (has_norm ? 4 : 0) + 15) & ~15u,
        .norm = has_norm ? padded : 0,
        .rank = is_bits(shape) ? bits : rankings[shape.metric - HNY_COSINE][shape.type - 1],
    };
}

/* --------------------------------------------------------------------------------- encoding -- */

/*
** NaN for a length outside 2^-40 .. 2^40: inside, no sum or product of a float dot product
** overflows (2^80), and what underflows is nothing beside the product of two lengths
** (2^-149 * 2^16 / 2^-80).
*/
static float inverse_length(hny_shape shape, const void *vector) {
    const double square = hny__exact_square(shape, vector);
    if (square == 0) {
        return 0;
    }
    if (!(square >= 0x1p-80 && square <= 0x1p80)) {
        return NAN;
    }
    return (float)(1 / sqrt(square));
}

void hny__row_encode(const hny__row_format *code, const void *vector, void *row) {
    uint8_t *const bytes = row;
    memset(bytes + code->bytes, 0, code->stride - code->bytes);
    if (code->shape.metric == HNY_HAMMING && code->shape.type != HNY_BIT) {
        hny__exact_signs(code->shape.type, vector, code->shape.dim, bytes);
        return;
    }
    memcpy(bytes, vector, code->bytes);
    if (code->shape.type == HNY_BIT && code->shape.dim % 8) {
        bytes[code->bytes - 1] &= (uint8_t)((1u << code->shape.dim % 8) - 1);
    }
    if (!code->norm) {
        return;
    }
    const float inverse = inverse_length(code->shape, vector);
    memcpy(bytes + code->norm, &inverse, sizeof inverse);
}

/* -------------------------------------------------------------------------------- distances -- */

double hny__row_distance(const hny__row_format *code, const void *a, const void *b) {
    return hny__exact_distance(code->shape, a, b);
}

/* The bits behind a distance (hny__exact_of_bits, backwards). */
static double bits_of(hny_shape shape, double distance) {
    switch (shape.metric) {
    case HNY_COSINE:
        return distance * shape.dim / 2;
    case HNY_EUCLIDEAN:
        return distance * distance / 4;
    case HNY_MANHATTAN:
        return distance / 2;
    default:
        return distance;
    }
}

float hny__rank_of_distance(const hny__row_format *code, double distance) {
    double rank = distance;
    if (is_bits(code->shape)) {
        rank = bits_of(code->shape, distance);
    } else if (code->shape.metric == HNY_EUCLIDEAN) {
        rank = distance * distance;
    }
    return rank <= (double)FLT_MAX ? (float)rank : FLT_MAX;
}

/*
** With u = 2^-24, a sum in which no term meets more than k roundings is off by at most
** k u / (1 - k u) times the sum of its terms' absolute values (Higham, Accuracy and Stability of
** Numerical Algorithms, section 4.2), in whatever order it was added up.  kernel.h gives k, the
** differences' own roundings included; integers are exact.  Beyond the kernel, counted as 8 more:
** the conversion of an exact sum, the two inverse lengths, two products, the subtraction from 1,
** and the rounding in rank_of.
**
** Squares and sizes are their own absolute values, so the error is relative to the rank.  Under
** cosine the absolute values add up to no more than the product of the lengths (Cauchy-Schwarz),
** so the error is absolute, of at most 1 plus what is rounded at a result of up to 2.  The factor
** 1.02 covers 1 / (1 - k u)^2, with k u <= 2^-8 + 2^-18, and thereby either rank as the argument.
**
** Where terms or sums fall below the normal floats each of up to 3 dim operations may lose up to
** FLT_MIN, also if the host flushes subnormal results to zero.
*/
float hny__rank_slack(const hny__row_format *code, float rank) {
    const double u = 0x1p-24;
    const hny_shape shape = code->shape;
    double roundings = 8, least = 0;
    if (!is_bits(shape) && shape.type != HNY_INT8) {
        roundings += HNY__KERNEL_STEPS + shape.dim / (double)hny__kernels_get()->lanes;
        least = 3.0 * shape.dim * (double)FLT_MIN;
    }
    const double relative = 1.02 * roundings * u;
    if (code->norm) {
        return (float)relative;
    }
    const double slack = relative * (double)rank + least;
    return slack <= (double)FLT_MAX ? (float)slack : FLT_MAX;
}
