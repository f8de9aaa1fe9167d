/* Random vectors of every shape, and distances by their definition. */
#include "test/vectors.h"

#include <math.h>
#include <string.h>

uint64_t vectors_seed, vectors_state;

uint64_t random_word(void) { /* splitmix64 */
    uint64_t z = vectors_state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

double random_unit(void) { /* -1 .. 1 */
    return (double)(random_word() >> 11) * 0x1p-52 - 1;
}

uint8_t stored[2][VECTOR_BYTES] __attribute__((aligned(64)));
uint8_t rows[2][VECTOR_BYTES] __attribute__((aligned(64)));

void vector_put(hny_type type, uint8_t *vector, size_t i, double value) {
    if (type == HNY_FLOAT32) {
        const float single = (float)value;
        memcpy(vector + 4 * i, &single, 4);
    } else if (type == HNY_FLOAT16) {
        const uint16_t half = hny_half_from_float((float)value);
        memcpy(vector + 2 * i, &half, 2);
    } else if (type == HNY_INT8) {
        vector[i] = (uint8_t)(int8_t)fmax(-128, fmin(127, rint(value * 127)));
    } else {
        const uint8_t bit = (uint8_t)(1u << i % 8);
        vector[i / 8] = (uint8_t)(value > 0 ? vector[i / 8] | bit : vector[i / 8] & ~bit);
    }
}

long double half_value(uint16_t half) {
    const int exponent = half >> 10 & 31, fraction = half & 1023;
    const long double size =
        exponent ? ldexpl(1024 + fraction, exponent - 25) : ldexpl(fraction, -24);
    return half >> 15 ? -size : size;
}

long double vector_get(hny_type type, const uint8_t *vector, size_t i) {
    float single;
    uint16_t half;
    switch (type) {
    case HNY_FLOAT32:
        memcpy(&single, vector + 4 * i, 4);
        return single;
    case HNY_FLOAT16:
        memcpy(&half, vector + 2 * i, 2);
        return half_value(half);
    case HNY_INT8:
        return (int8_t)vector[i];
    default:
        return vector[i / 8] >> i % 8 & 1 ? 1 : -1;
    }
}

/* The definition, number by number. */
long double reference_distance(hny_shape shape, const uint8_t *a, const uint8_t *b) {
    long double ab = 0, aa = 0, bb = 0, square = 0, size = 0, signs = 0;
    for (size_t i = 0; i < shape.dim; i++) {
        const long double x = vector_get(shape.type, a, i), y = vector_get(shape.type, b, i);
        ab += x * y;
        aa += x * x;
        bb += y * y;
        square += (x - y) * (x - y);
        size += fabsl(x - y);
        signs += (x > 0) != (y > 0);
    }
    switch (shape.metric) {
    case HNY_COSINE:
        return aa == 0 || bb == 0 ? 1 : 1 - ab / (sqrtl(aa) * sqrtl(bb));
    case HNY_EUCLIDEAN:
        return sqrtl(square);
    case HNY_MANHATTAN:
        return size;
    case HNY_DOT:
        return 0 - ab;
    default:
        return signs;
    }
}

long double magnitude(hny_shape shape, const uint8_t *a, const uint8_t *b) {
    long double sum = 0;
    if (shape.metric == HNY_COSINE) {
        return 1;
    }
    if (shape.metric != HNY_DOT) {
        return reference_distance(shape, a, b);
    }
    for (size_t i = 0; i < shape.dim; i++) {
        sum += fabsl((long double)vector_get(shape.type, a, i) * vector_get(shape.type, b, i));
    }
    return sum;
}

bool is_number_dot(hny_shape shape) {
    return shape.metric == HNY_DOT && shape.type != HNY_BIT;
}

void vector_fill(hny_shape shape, uint8_t *vector) {
    for (size_t i = 0; i < shape.dim; i++) {
        vector_put(shape.type, vector, i, random_unit());
    }
}
