/* Interface to vectors.c: random vectors of every shape, and distances by their definition. */
#ifndef HNY_TEST_VECTORS_H
#define HNY_TEST_VECTORS_H

#include <stdbool.h>

#include "hannoy.h"

enum { VECTOR_BYTES = 4 * HNY_MAX_DIM + 64 };

extern uint64_t vectors_seed, vectors_state;
uint64_t random_word(void); /* splitmix64 of vectors_state */
double random_unit(void);   /* -1 .. 1 */

/* Two vectors of stored bytes and the rows of both. */
extern uint8_t stored[2][VECTOR_BYTES], rows[2][VECTOR_BYTES];

void vector_put(hny_type type, uint8_t *vector, size_t i, double value);
long double vector_get(hny_type type, const uint8_t *vector, size_t i);
long double half_value(uint16_t half);

/* The distance by its definition, number by number. */
long double reference_distance(hny_shape shape, const uint8_t *a, const uint8_t *b);

/* What the error of a distance is relative to: terms of a dot product may cancel. */
long double magnitude(hny_shape shape, const uint8_t *a, const uint8_t *b);

bool is_number_dot(hny_shape shape);
void vector_fill(hny_shape shape, uint8_t *vector);

#define EACH_SHAPE(shape)                                                                          \
    for (int m_ = HNY_COSINE; m_ <= HNY_DOT; m_++)                                                 \
        for (hny_shape shape = {1, (uint8_t)m_, HNY_FLOAT32}; shape.type <= HNY_BIT; shape.type++)

#define assert_shape(condition, shape)                                                             \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fail_msg("%s: dim %u, metric %d, type %d, kernels %s", #condition, (shape).dim,        \
                     (shape).metric, (shape).type, hny_kernels_name());                            \
        }                                                                                          \
    } while (0)

#endif
