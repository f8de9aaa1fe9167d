/* Exact distances from stored bytes. */
#include "vector/exact_distance.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/align.h"
#include "simd/kernel.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "stored vectors are little-endian");

size_t hny_vector_bytes(hny_shape shape) {
    switch (shape.type) {
    case HNY_FLOAT32:
        return 4 * (size_t)shape.dim;
    case HNY_FLOAT16:
        return 2 * (size_t)shape.dim;
    case HNY_INT8:
        return shape.dim;
    default:
        return ((size_t)shape.dim + 7) / 8;
    }
}

static double exact_product(hny_shape shape, const void *a, const void *b) {
    const hny__kernels *const kernels = hny__kernels_get();
    if (shape.type == HNY_FLOAT32) {
        return kernels->dot_exact_f32(a, b, shape.dim);
    }
    return shape.type == HNY_FLOAT16 ? kernels->dot_exact_f16(a, b, shape.dim)
                                     : kernels->dot_i8(a, b, shape.dim);
}

double hny__exact_square(hny_shape shape, const void *vector) {
    return exact_product(shape, vector, vector);
}

/* { a.b, a.a, b.b } of vectors of numbers. */
static void cosine_sums(hny_shape shape, const void *a, const void *b, double sums[3]) {
    const hny__kernels *const kernels = hny__kernels_get();
    if (shape.type == HNY_FLOAT32) {
        kernels->cosine_exact_f32(a, b, shape.dim, sums);
    } else if (shape.type == HNY_FLOAT16) {
        kernels->cosine_exact_f16(a, b, shape.dim, sums);
    } else {
        sums[0] = kernels->dot_i8(a, b, shape.dim);
        sums[1] = kernels->dot_i8(a, a, shape.dim);
        sums[2] = kernels->dot_i8(b, b, shape.dim);
    }
}

/*
** The root of the product, not the product of two roots: sqrt(x * x) is x in IEEE arithmetic, so
** that a vector has distance 0 from itself.  The product does not overflow: squares of float32
** vectors lie between 2^-298 and 2^272.
*/
static double exact_cosine(hny_shape shape, const void *a, const void *b) {
    double sums[3];
    cosine_sums(shape, a, b, sums);
    if (sums[1] == 0 || sums[2] == 0) {
        return 1;
    }
    const double distance = 1 - sums[0] / sqrt(sums[1] * sums[2]);
    if (!(distance < 2)) {
        return 2;
    }
    return distance > 0 ? distance : 0;
}

static double nan_to_infinity(double distance) {
    return distance >= 0 ? distance : (double)INFINITY;
}

static double exact_euclidean(hny_shape shape, const void *a, const void *b) {
    const hny__kernels *const kernels = hny__kernels_get();
    if (shape.type == HNY_INT8) {
        return sqrt(kernels->l2_i8(a, b, shape.dim));
    }
    const double sum = shape.type == HNY_FLOAT32 ? kernels->l2_exact_f32(a, b, shape.dim)
                                                 : kernels->l2_exact_f16(a, b, shape.dim);
    return nan_to_infinity(sqrt(sum));
}

/* The difference from 0 rather than the negation: no distance is -0. */
static double exact_dot(hny_shape shape, const void *a, const void *b) {
    const double distance = 0 - exact_product(shape, a, b);
    return fabs(distance) <= DBL_MAX ? distance : (double)INFINITY;
}

static double exact_manhattan(hny_shape shape, const void *a, const void *b) {
    const hny__kernels *const kernels = hny__kernels_get();
    if (shape.type == HNY_INT8) {
        return kernels->l1_i8(a, b, shape.dim);
    }
    return nan_to_infinity(shape.type == HNY_FLOAT32 ? kernels->l1_exact_f32(a, b, shape.dim)
                                                     : kernels->l1_exact_f16(a, b, shape.dim));
}

/* All words but the last, then up to 32 bits, of which those past dim are masked. */
static uint32_t differing_bits(uint32_t dim, const uint8_t *a, const uint8_t *b) {
    const hny__kernels *const kernels = hny__kernels_get();
    const uint32_t words = (dim - 1) / 32, left = dim - 32 * words, none = 0;
    uint32_t x = 0, y = 0;
    memcpy(&x, a + 4 * words, (left + 7) / 8);
    memcpy(&y, b + 4 * words, (left + 7) / 8);
    const uint32_t last = (x ^ y) & UINT32_MAX >> (32 - left);
    return kernels->hamming(a, b, 4 * words) + kernels->hamming(&last, &none, 4);
}

/* Under metric hamming bits are counted; else they stand for +1 and -1, which differ by 0 or 2. */
double hny__exact_of_bits(hny_shape shape, uint32_t bits) {
    switch (shape.metric) {
    case HNY_COSINE:
        return 2.0 * bits / shape.dim;
    case HNY_EUCLIDEAN:
        return 2 * sqrt(bits);
    case HNY_MANHATTAN:
        return 2.0 * bits;
    case HNY_DOT:
        return 2.0 * bits - shape.dim;
    default:
        return bits;
    }
}

double hny__exact_distance(hny_shape shape, const void *a, const void *b) {
    if (shape.metric == HNY_HAMMING || shape.type == HNY_BIT) {
        return hny__exact_of_bits(shape, differing_bits(shape.dim, a, b));
    }
    if (shape.metric == HNY_COSINE) {
        return exact_cosine(shape, a, b);
    }
    if (shape.metric == HNY_DOT) {
        return exact_dot(shape, a, b);
    }
    return shape.metric == HNY_EUCLIDEAN ? exact_euclidean(shape, a, b)
                                         : exact_manhattan(shape, a, b);
}

/* ------------------------------------------------------------------------------------- signs -- */

/*
** A float is above 0 if its bits are, as a signed integer.  A comparison of floats would depend on
** how the host treats subnormals.
*/
static bool is_above_zero(hny_type type, const uint8_t *numbers, size_t i) {
    int32_t single;
    int16_t half;
    switch (type) {
    case HNY_FLOAT32:
        memcpy(&single, numbers + 4 * i, 4);
        return single > 0;
    case HNY_FLOAT16:
        memcpy(&half, numbers + 2 * i, 2);
        return half > 0;
    default:
        return (int8_t)numbers[i] > 0;
    }
}

static inline __attribute__((always_inline)) void pack_signs(hny_type type, const uint8_t *numbers,
                                                             size_t count, uint8_t *bits) {
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        unsigned byte = 0;
#pragma GCC unroll 8
        for (unsigned j = 0; j < 8; j++) {
            byte |= (unsigned)is_above_zero(type, numbers, i + j) << j;
        }
        bits[i / 8] = (uint8_t)byte;
    }
    if (i == count) {
        return;
    }
    unsigned byte = 0;
    for (unsigned j = 0; i + j < count; j++) {
        byte |= (unsigned)is_above_zero(type, numbers, i + j) << j;
    }
    bits[i / 8] = (uint8_t)byte;
}

void hny__exact_signs(hny_type type, const void *numbers, size_t count, uint8_t *bits) {
    if (type == HNY_FLOAT32) {
        pack_signs(HNY_FLOAT32, numbers, count, bits);
    } else if (type == HNY_FLOAT16) {
        pack_signs(HNY_FLOAT16, numbers, count, bits);
    } else {
        pack_signs(HNY_INT8, numbers, count, bits);
    }
}

/* ------------------------------------------------------------------------------- one to many -- */

struct hny_distance_computer {
    hny_shape shape;
    uint8_t vector[]; /* under hamming the signs of numbers, zero-padded to a multiple of 4 bytes */
};

static bool compares_signs(hny_shape shape) {
    return shape.metric == HNY_HAMMING && shape.type != HNY_BIT;
}

int hny_distance_computer_new(hny_shape shape, const void *vector, hny_distance_computer **out) {
    const size_t bytes =
        compares_signs(shape) ? hny__align4((shape.dim + 7) / 8) : hny_vector_bytes(shape);
    hny_distance_computer *const computer = calloc(1, sizeof *computer + bytes);
    if (!computer) {
        return HNY_NOMEM;
    }
    computer->shape = shape;
    if (compares_signs(shape)) {
        hny__exact_signs(shape.type, vector, shape.dim, computer->vector);
    } else {
        memcpy(computer->vector, vector, bytes);
    }
    *out = computer;
    return HNY_OK;
}

void hny_distance_computer_free(hny_distance_computer *computer) {
    free(computer);
}

/* Packs the signs of the other vector a chunk at a time, so that none needs to be allocated. */
static uint32_t differing_signs(const hny_distance_computer *computer, const uint8_t *vector) {
    enum { CHUNK = 512 };
    const hny_shape shape = computer->shape;
    const size_t size = hny_vector_bytes(shape) / shape.dim;
    uint32_t sum = 0;
    for (uint32_t i = 0; i < shape.dim; i += CHUNK) {
        const uint32_t count = shape.dim - i < CHUNK ? shape.dim - i : CHUNK;
        uint8_t signs[CHUNK / 8] = {0};
        hny__exact_signs(shape.type, vector + i * size, count, signs);
        sum += hny__kernels_get()->hamming(computer->vector + i / 8, signs, (count + 31) / 32 * 4);
    }
    return sum;
}

double hny_distance_computer_distance(const hny_distance_computer *computer, const void *vector) {
    const hny_shape shape = computer->shape;
    if (compares_signs(shape)) {
        return hny__exact_of_bits(shape, differing_signs(computer, vector));
    }
    return hny__exact_distance(shape, computer->vector, vector);
}
