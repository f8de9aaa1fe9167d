/*
** Quantizers: codes keep the order of vectors approximately, and the error bounds of distances
** hold.
*/
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "simd/kernel.h"
#include "vector/exact_distance.h"
#include "vector/query_scorer.h"

#define MAX_TESTED_DIM 2100

static uint64_t state = 88172645463325252u;

static float random_number(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (float)(int32_t)(state >> 32) / 2147483648.0f;
}

/* The stored bytes of a vector, and its codes. */
typedef struct coded {
    uint8_t stored[4 * MAX_TESTED_DIM];
    _Alignas(16) uint8_t code[4 * MAX_TESTED_DIM + 64], residual[MAX_TESTED_DIM + 64];
} coded;

static void store(hny_shape shape, const float *numbers, float scale, uint8_t *out) {
    for (uint32_t i = 0; i < shape.dim; i++) {
        const float number = numbers[i] * scale;
        const uint16_t half = hny_half_from_float(number);
        if (shape.type == HNY_FLOAT16) {
            memcpy(out + 2 * i, &half, 2);
        } else if (shape.type == HNY_FLOAT32) {
            memcpy(out + 4 * i, &number, 4);
        } else {
            out[i] = (uint8_t)(int8_t)(numbers[i] * 127);
        }
    }
}

static void encode(hny__encoder *encoder, const float *numbers, float scale, coded *out) {
    memset(out->code, 0xaa, sizeof out->code);
    memset(out->residual, 0xaa, sizeof out->residual);
    store(encoder->quantizer.shape, numbers, scale, out->stored);
    hny__encode(encoder, out->stored, out->code, out->residual);
}

static void start(hny__encoder *encoder, hny_shape shape, hny_codes codes) {
    hny__quantizer quantizer;
    hny__quantizer_init(&quantizer, shape, codes);
    assert_int_equal(hny__encoder_init(encoder, &quantizer), HNY_OK);
}

static void test_shapes(void **unused) {
    static const struct {
        hny_shape shape;
        hny_codes asked, got;
        int exact;
    } cases[] = {
        {{8, HNY_COSINE, HNY_FLOAT32}, HNY_CODES_INT8, HNY_CODES_INT8, 0},
        {{8, HNY_COSINE, HNY_FLOAT32}, HNY_CODES_FLOAT32, HNY_CODES_FLOAT32, 1},
        {{8, HNY_COSINE, HNY_FLOAT32}, HNY_CODES_INT4, HNY_CODES_INT4, 0},
        {{8, HNY_EUCLIDEAN, HNY_FLOAT16}, HNY_CODES_INT4, HNY_CODES_INT4, 0},
        {{8, HNY_MANHATTAN, HNY_FLOAT32}, HNY_CODES_INT4, HNY_CODES_INT8, 0},
        {{8, HNY_COSINE, HNY_INT8}, HNY_CODES_INT4, HNY_CODES_INT8, 1},
        {{8, HNY_EUCLIDEAN, HNY_FLOAT32}, HNY_CODES_FLOAT16, HNY_CODES_FLOAT16, 0},
        {{8, HNY_EUCLIDEAN, HNY_FLOAT16}, HNY_CODES_FLOAT32, HNY_CODES_FLOAT16, 1},
        {{8, HNY_MANHATTAN, HNY_FLOAT16}, HNY_CODES_INT8, HNY_CODES_INT8, 0},
        {{8, HNY_MANHATTAN, HNY_INT8}, HNY_CODES_FLOAT32, HNY_CODES_INT8, 1},
        {{8, HNY_COSINE, HNY_INT8}, HNY_CODES_BIT, HNY_CODES_BIT, 0},
        {{8, HNY_COSINE, HNY_BIT}, HNY_CODES_INT8, HNY_CODES_BIT, 1},
        {{8, HNY_HAMMING, HNY_FLOAT32}, HNY_CODES_INT8, HNY_CODES_BIT, 1},
        {{8, HNY_DOT, HNY_FLOAT32}, HNY_CODES_INT4, HNY_CODES_INT4, 0},
        {{8, HNY_DOT, HNY_FLOAT32}, HNY_CODES_BIT, HNY_CODES_INT8, 0},
        {{8, HNY_DOT, HNY_INT8}, HNY_CODES_BIT, HNY_CODES_INT8, 1},
        {{8, HNY_DOT, HNY_BIT}, HNY_CODES_INT8, HNY_CODES_BIT, 1},
    };
    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hny__quantizer quantizer;
        hny__quantizer_init(&quantizer, cases[i].shape, cases[i].asked);
        assert_int_equal(quantizer.codes, cases[i].got);
        assert_int_equal(quantizer.exact, cases[i].exact);
        assert_int_equal(quantizer.format.row_bytes % 4, 0);
        if (quantizer.exact) {
            assert_int_equal(quantizer.residual_bytes, 0);
        }
    }
}

/* The exact distance is within the error bound, and not below the bound from the rank. */
static void check_pair(hny__encoder *encoder, const coded *x, const coded *y) {
    const hny__quantizer *const quantizer = &encoder->quantizer;
    _Alignas(16) static uint8_t query[4 * MAX_TESTED_DIM + 64];
    double error;
    hny__scorer from;
    hny__encode_query(encoder, x->stored, query);
    hny__scorer_of_vector(&from, encoder, query);
    const double said = hny__encoder_distance(encoder, query, y->code, y->residual, &error);
    const double exact = hny__exact_distance(quantizer->shape, x->stored, y->stored);
    const float rank = hny__scorer_rank(&from, y->code);
    assert_true(quantizer->shape.metric == HNY_DOT || (rank >= 0 && said >= 0));
    assert_true(fabsf(rank) <= FLT_MAX && error >= 0);
    assert_true(fabs(said - exact) <= error);
    if (quantizer->exact) {
        assert_true(error == 0);
    }
    if (!hny__ranks_decide(quantizer)) {
        assert_true(hny__distance_lower_bound(&from, y->code, rank) <= said - error);
    }
}

/* A scorer of a row gives the ranks of the two codes, bit for bit, for one row or many. */
static void check_row(const hny__quantizer *quantizer, const coded *x, const coded *y) {
    static int8_t numbers[MAX_TESTED_DIM];
    const uint8_t *const rows[] = {y->code, x->code, y->code, y->code, x->code};
    const size_t count = sizeof rows / sizeof *rows;
    float ranks[sizeof rows / sizeof *rows];
    hny__scorer from;
    hny__scorer_of_row(&from, quantizer, x->code, numbers);
    hny__scorer_ranks(&from, rows, count, ranks);
    for (size_t i = 0; i < count; i++) {
        const float rank = hny__row_rank(&quantizer->format, x->code, rows[i]);
        assert_true(ranks[i] == rank);
        assert_true(hny__scorer_rank(&from, rows[i]) == rank);
        assert_true(hny__row_rank(&quantizer->format, rows[i], x->code) == rank);
    }
}

static void test_bounds(void **unused) {
    static const float scales[] = {1, 300, 0x1p-20f, 0x1p60f, 0x1p120f, 0x1p-110f, 0x1p-135f};
    static float a[MAX_TESTED_DIM], b[MAX_TESTED_DIM];
    static coded x, y;
    (void)unused;
    for (uint32_t dim = 1; dim <= MAX_TESTED_DIM; dim = dim * 3 / 2 + 1) {
        for (uint8_t metric = HNY_COSINE; metric <= HNY_DOT; metric++) {
            if (metric == HNY_HAMMING) {
                continue;
            }
            for (uint8_t type = HNY_FLOAT32; type <= HNY_INT8; type++) {
                for (int codes = HNY_CODES_INT8; codes <= HNY_CODES_INT4; codes++) {
                    hny__encoder encoder;
                    start(&encoder, (hny_shape){dim, metric, type}, (hny_codes)codes);
                    for (size_t s = 0; s < sizeof scales / sizeof *scales; s++) {
                        const float near = s % 2 ? 1.0f : 0.01f;
                        if (type == HNY_FLOAT16 && scales[s] > 300) {
                            continue;
                        }
                        for (uint32_t i = 0; i < dim; i++) {
                            a[i] = random_number() / 2;
                            b[i] = a[i] + near * random_number() / 2;
                        }
                        encode(&encoder, a, scales[s], &x);
                        encode(&encoder, b, scales[s], &y);
                        check_pair(&encoder, &x, &y);
                        check_pair(&encoder, &x, &x);
                        check_row(&encoder.quantizer, &x, &y);
                    }
                    hny__encoder_free(&encoder);
                }
            }
        }
    }
}

/* Error bounds are tight: residual int8 codes give distances to 1 in 10,000. */
static void test_tight(void **unused) {
    static float a[MAX_TESTED_DIM], b[MAX_TESTED_DIM];
    static coded x, y;
    (void)unused;
    for (uint32_t dim = 8; dim <= MAX_TESTED_DIM; dim = dim * 3 / 2) {
        for (uint8_t metric = HNY_COSINE; metric <= HNY_MANHATTAN; metric++) {
            hny__encoder encoder;
            double error;
            start(&encoder, (hny_shape){dim, metric, HNY_FLOAT32}, HNY_CODES_INT8);
            for (uint32_t i = 0; i < dim; i++) {
                a[i] = random_number();
                b[i] = random_number();
            }
            encode(&encoder, a, 1, &x);
            encode(&encoder, b, 1, &y);
            hny__encode(&encoder, x.stored, x.code, NULL);
            const double said = hny__encoder_distance(&encoder, x.code, y.code, y.residual, &error);
            /* with a sum in one lane, a rounding a dimension on top */
            const double rounding = dim / (double)hny__kernels_get()->lanes * 0x1p-24;
            assert_true(error < said * (1e-4 + 2 * rounding) + 1e-4);
            hny__encoder_free(&encoder);
        }
    }
}

/* Residual 4-bit codes give distances to 1 in 100, from a hundred dimensions on. */
static void test_tight_i4(void **unused) {
    static float a[MAX_TESTED_DIM], b[MAX_TESTED_DIM];
    static coded x, y;
    (void)unused;
    for (uint32_t dim = 100; dim <= MAX_TESTED_DIM; dim = dim * 3 / 2) {
        for (uint8_t metric = HNY_COSINE; metric <= HNY_EUCLIDEAN; metric++) {
            hny__encoder encoder;
            double error;
            start(&encoder, (hny_shape){dim, metric, HNY_FLOAT32}, HNY_CODES_INT4);
            for (uint32_t i = 0; i < dim; i++) {
                a[i] = random_number() + random_number() + random_number() + random_number();
                b[i] = random_number() + random_number() + random_number() + random_number();
            }
            encode(&encoder, a, 1, &x);
            encode(&encoder, b, 1, &y);
            hny__encode(&encoder, x.stored, x.code, NULL);
            const double said = hny__encoder_distance(&encoder, x.code, y.code, y.residual, &error);
            const float rank = hny__row_rank(&encoder.quantizer.format, x.code, y.code);
            const double coarse = metric == HNY_COSINE ? rank : sqrt((double)rank);
            assert_true(error < said * 0.005);
            assert_true(fabs(coarse - said) < said * 0.1);
            hny__encoder_free(&encoder);
        }
    }
}

/* Of near vectors the distance is known to a part of itself, also under cosine. */
static void test_tight_near(void **unused) {
    static float a[384], b[384];
    static coded x, y;
    (void)unused;
    for (int codes = HNY_CODES_INT8; codes <= HNY_CODES_INT4; codes++) {
        for (uint8_t metric = HNY_COSINE; metric <= HNY_EUCLIDEAN; metric++) {
            const hny_shape shape = {384, metric, HNY_FLOAT32};
            hny__encoder encoder;
            double error;
            start(&encoder, shape, (hny_codes)codes);
            for (uint32_t i = 0; i < shape.dim; i++) {
                a[i] = random_number();
                b[i] = a[i] + random_number() / 50;
            }
            encode(&encoder, b, 1, &y);
            encode(&encoder, a, 1, &x);
            const double said = hny__encoder_distance(&encoder, x.code, y.code, y.residual, &error);
            const double exact = hny__exact_distance(shape, x.stored, y.stored);
            assert_true(fabs(said - exact) <= error);
            assert_true(error < exact * (codes == HNY_CODES_INT8 ? 0.05 : 0.5));
            assert_true(fabs(said - exact) < exact * 0.1);
            hny__encoder_free(&encoder);
        }
    }
}

/* Under cosine multiples of a vector have the same codes. */
static void test_scales(void **unused) {
    static const float scales[] = {1, 0x1p-20f, 0x1p100f, 0x1p-120f};
    static float a[40];
    static coded first, other;
    hny__encoder encoder;
    (void)unused;
    start(&encoder, (hny_shape){40, HNY_COSINE, HNY_FLOAT32}, HNY_CODES_INT8);
    for (int i = 0; i < 40; i++) {
        a[i] = (float)(int)(random_number() * 100) / 128;
    }
    encode(&encoder, a, 1, &first);
    for (size_t i = 0; i < sizeof scales / sizeof *scales; i++) {
        encode(&encoder, a, scales[i], &other);
        assert_memory_equal(first.code, other.code, encoder.quantizer.format.row_bytes);
        assert_memory_equal(first.residual, other.residual, encoder.quantizer.residual_bytes);
    }
    hny__encoder_free(&encoder);
}

/*
** Under cosine the zero vector has distance 1 from everything.  For infinities, which only damage
** can cause, the error bound is infinite.
*/
static void test_odd(void **unused) {
    static const float zero[5], one[5] = {1}, infinite[5] = {0, INFINITY}, nan[5] = {NAN};
    static const float *const odd[] = {infinite, nan};
    static coded x, y;
    (void)unused;
    for (int codes = HNY_CODES_INT8; codes <= HNY_CODES_INT4; codes++) {
        hny__encoder encoder;
        double error;
        start(&encoder, (hny_shape){5, HNY_COSINE, HNY_FLOAT32}, (hny_codes)codes);
        encode(&encoder, one, 1, &y);
        encode(&encoder, zero, 1, &x);
        assert_true(hny__encoder_distance(&encoder, x.code, y.code, y.residual, &error) == 1);
        assert_true(hny__encoder_distance(&encoder, x.code, x.code, x.residual, &error) == 1);
        for (size_t i = 0; i < 2 && !encoder.quantizer.exact; i++) {
            encode(&encoder, odd[i], 1, &y);
            encode(&encoder, one, 1, &x);
            assert_true(hny__encoder_distance(&encoder, x.code, y.code, y.residual, &error) >= 0);
            assert_true(isinf(error));
        }
        hny__encoder_free(&encoder);
    }
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),     cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_tight),      cmocka_unit_test(test_tight_i4),
        cmocka_unit_test(test_scales),     cmocka_unit_test(test_odd),
        cmocka_unit_test(test_tight_near),
    };
    if (argc > 1) {
        state = strtoull(argv[1], NULL, 10);
    }
    printf("seed %llu\n", (unsigned long long)state);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
