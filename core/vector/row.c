/* Rows: stored vectors, their ranks and the error of these. */
#include "vector/row.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/align.h"
#include "simd/kernel.h"
#include "vector/exact_distance.h"

static bool is_bits(hny_shape shape) {
    return shape.metric == HNY_HAMMING || shape.type == HNY_BIT;
}

/* ------------------------------------------------------------------------------------- ranks -- */

/* A float kernel's sum; if that overflowed, the rank of the exact distance. */
static float finite_rank(const hny__row_format *format, float sum, const void *a, const void *b) {
    if (fabsf(sum) <= FLT_MAX) {
        return sum;
    }
    return hny__rank_of_distance(format, hny__row_distance(format, a, b));
}

/*
** No product overflows where both lengths are in 2^-40 .. 2^40 or 0.  For any other length the
** inverse is NaN, and so is the result, whatever the dot product is.
*/
static float rank_of_dot(const hny__row_format *format, float dot, const void *a, const void *b) {
    float inverse_a, inverse_b;
    memcpy(&inverse_a, (const uint8_t *)a + format->scale_offset, sizeof inverse_a);
    memcpy(&inverse_b, (const uint8_t *)b + format->scale_offset, sizeof inverse_b);
    const float rank = 1 - dot * (inverse_a * inverse_b); /* the same for b and a */
    if (rank != rank) {
        return hny__rank_of_distance(format, hny__row_distance(format, a, b));
    }
    return rank > 0 ? rank : 0;
}

static float cosine_rank_f32(const hny__row_format *format, const void *a, const void *b) {
    return rank_of_dot(format, hny__kernels_get()->dot_f32(a, b, format->shape.dim), a, b);
}

static float cosine_rank_f16(const hny__row_format *format, const void *a, const void *b) {
    return rank_of_dot(format, hny__kernels_get()->dot_f16(a, b, format->shape.dim), a, b);
}

static float cosine_rank_i8(const hny__row_format *format, const void *a, const void *b) {
    return rank_of_dot(format, (float)hny__kernels_get()->dot_i8(a, b, format->shape.dim), a, b);
}

static float euclidean_rank_f32(const hny__row_format *format, const void *a, const void *b) {
    return finite_rank(format, hny__kernels_get()->l2_f32(a, b, format->shape.dim), a, b);
}

static float euclidean_rank_f16(const hny__row_format *format, const void *a, const void *b) {
    return finite_rank(format, hny__kernels_get()->l2_f16(a, b, format->shape.dim), a, b);
}

static float euclidean_rank_i8(const hny__row_format *format, const void *a, const void *b) {
    return (float)hny__kernels_get()->l2_i8(a, b, format->shape.dim);
}

static float manhattan_rank_f32(const hny__row_format *format, const void *a, const void *b) {
    return finite_rank(format, hny__kernels_get()->l1_f32(a, b, format->shape.dim), a, b);
}

static float manhattan_rank_f16(const hny__row_format *format, const void *a, const void *b) {
    return finite_rank(format, hny__kernels_get()->l1_f16(a, b, format->shape.dim), a, b);
}

static float manhattan_rank_i8(const hny__row_format *format, const void *a, const void *b) {
    return (float)hny__kernels_get()->l1_i8(a, b, format->shape.dim);
}

static float dot_rank_f32(const hny__row_format *format, const void *a, const void *b) {
    return finite_rank(format, 0 - hny__kernels_get()->dot_f32(a, b, format->shape.dim), a, b);
}

static float dot_rank_f16(const hny__row_format *format, const void *a, const void *b) {
    return finite_rank(format, 0 - hny__kernels_get()->dot_f16(a, b, format->shape.dim), a, b);
}

static float dot_rank_i8(const hny__row_format *format, const void *a, const void *b) {
    return 0 - (float)hny__kernels_get()->dot_i8(a, b, format->shape.dim);
}

static float bits_rank(const hny__row_format *format, const void *a, const void *b) {
    return (float)hny__kernels_get()->hamming(a, b, hny__align4(format->vector_bytes));
}

void hny__row_format_init(hny__row_format *format, hny_shape shape) {
    typedef float ranking(const hny__row_format *format, const void *a, const void *b);
    static ranking *const rankings[][3] = {
        [HNY_COSINE] = {cosine_rank_f32, cosine_rank_f16, cosine_rank_i8},
        [HNY_EUCLIDEAN] = {euclidean_rank_f32, euclidean_rank_f16, euclidean_rank_i8},
        [HNY_MANHATTAN] = {manhattan_rank_f32, manhattan_rank_f16, manhattan_rank_i8},
        [HNY_DOT] = {dot_rank_f32, dot_rank_f16, dot_rank_i8},
    };
    assert(shape.dim >= 1 && shape.dim <= HNY_MAX_DIM);
    assert(shape.metric >= HNY_COSINE && shape.metric <= HNY_DOT);
    assert(shape.type >= HNY_FLOAT32 && shape.type <= HNY_BIT);

    const uint32_t bytes = is_bits(shape) ? (shape.dim + 7) / 8 : (uint32_t)hny_vector_bytes(shape);
    const uint32_t padded = hny__align4(bytes);
    const bool has_scale =
        (shape.metric == HNY_COSINE || shape.metric == HNY_DOT) && !is_bits(shape);
    *format = (hny__row_format){
        .shape = shape,
        .vector_bytes = bytes,
        .row_bytes = (padded + (has_scale ? 4 : 0) + 15) & ~15u,
        .scale_offset = has_scale ? padded : 0,
        .rank = is_bits(shape) ? bits_rank : rankings[shape.metric][shape.type - 1],
    };
}

/* ---------------------------------------------------------------------------------- encoding -- */

/*
** 0 for the zero vector, NaN for another length outside 2^-40 .. 2^40.  Inside, no sum or product
** of a float dot product overflows: it is at most 2^80.  Underflow is negligible: 2^16 terms of at
** most 2^-149 each are 2^-53 of the smallest product of two lengths, 2^-80.
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

/* At least the length: the bound of a dot product by Cauchy-Schwarz needs it. */
static float length_above(hny_shape shape, const void *vector) {
    const double length = sqrt(hny__exact_square(shape, vector));
    const float rounded = (float)length;
    return (double)rounded < length ? nextafterf(rounded, INFINITY) : rounded;
}

void hny__row_encode(const hny__row_format *format, const void *vector, void *row) {
    const hny_shape shape = format->shape;
    uint8_t *const bytes = row;
    memset(bytes + format->vector_bytes, 0, format->row_bytes - format->vector_bytes);
    if (shape.metric == HNY_HAMMING && shape.type != HNY_BIT) {
        hny__exact_signs(shape.type, vector, shape.dim, bytes);
        return;
    }
    memcpy(bytes, vector, format->vector_bytes);
    if (shape.type == HNY_BIT && shape.dim % 8) {
        bytes[format->vector_bytes - 1] &= (uint8_t)((1u << shape.dim % 8) - 1);
    }
    if (format->scale_offset) {
        const float scale = shape.metric == HNY_COSINE ? inverse_length(shape, vector)
                                                       : length_above(shape, vector);
        memcpy(bytes + format->scale_offset, &scale, sizeof scale);
    }
}

/* --------------------------------------------------------------------------------- distances -- */

double hny__row_distance(const hny__row_format *format, const void *a, const void *b) {
    return hny__exact_distance(format->shape, a, b);
}

/* The number of different bits: the inverse of hny__exact_of_bits. */
static double bits_of_distance(hny_shape shape, double distance) {
    switch (shape.metric) {
    case HNY_COSINE:
        return distance * shape.dim / 2;
    case HNY_EUCLIDEAN:
        return distance * distance / 4;
    case HNY_MANHATTAN:
        return distance / 2;
    case HNY_DOT:
        return (distance + shape.dim) / 2;
    default:
        return distance;
    }
}

float hny__rank_of_distance(const hny__row_format *format, double distance) {
    double rank = distance;
    if (is_bits(format->shape)) {
        rank = bits_of_distance(format->shape, distance);
    } else if (format->shape.metric == HNY_EUCLIDEAN) {
        rank = distance * distance;
    }
    if (rank < -(double)FLT_MAX) {
        return -FLT_MAX;
    }
    return rank <= (double)FLT_MAX ? (float)rank : FLT_MAX;
}

/*
** With u = 2^-24, a sum in which no term is rounded more than k times is off by at most k u / (1 -
** k u) times the sum of the absolute values of its terms (Higham, Accuracy and Stability of
** Numerical Algorithms, section 4.2), whatever the order of the additions.  kernel.h gives k,
** which includes the roundings of differences; integers are exact.  Beyond the kernel there are
** 7 roundings, and 8 are counted: the conversion of an exact sum, the two inverse lengths, two
** products, the subtraction from 1, and the rounding in hny__rank_of_distance.
**
** Squares and absolute values are not negative, so the error is relative to the rank.  Under
** cosine the absolute values add up to at most the product of the lengths (Cauchy-Schwarz), so the
** error is absolute: at most 1 plus the rounding of a result of up to 2.  Under dot
** the terms may cancel, and their absolute values are unknown: the slack is that of terms of one
** sign.  Bounds of dot products go by the lengths (hny__distance_lower_bound).
** The factor 1.02 covers 1 / (1 - k u)^2, with k u <= 2^-8 + 2^-18, so that `rank` may be either of
** the two ranks that are compared.
**
** If terms or sums are below the normal floats, each of up to 3 dim operations may lose up to
** FLT_MIN, also if the host flushes subnormal results to zero.
*/
float hny__rank_slack(const hny__row_format *format, float rank) {
    const double u = 0x1p-24;
    const hny_shape shape = format->shape;
    double roundings = 8, underflow = 0;
    if (!is_bits(shape) && shape.type != HNY_INT8) {
        roundings += HNY__KERNEL_STEPS + shape.dim / (double)hny__kernels_get()->lanes;
        underflow = 3.0 * shape.dim * (double)FLT_MIN;
    }
    const double relative = 1.02 * roundings * u;
    if (shape.metric == HNY_COSINE && format->scale_offset) {
        return (float)relative;
    }
    const double slack = relative * fabs((double)rank) + underflow;
    return slack <= (double)FLT_MAX ? (float)slack : FLT_MAX;
}
