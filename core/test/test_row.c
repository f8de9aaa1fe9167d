/*
** Rows, ranks, distances and distance computers, with every kernel table that this machine has:
** main runs the group once for each, in a process of its own.
**
**     test_row [SEED]
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
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "simd/kernel.h"
#include "test/vectors.h"
#include "vector/row.h"

enum { MAX_TESTED_DIM = 2100 };

static void encode_both(const hny__row_format *format) {
    for (int i = 0; i < 2; i++) {
        hny__row_encode(format, stored[i], rows[i]);
    }
}

/* ------------------------------------------------------------------------------- row layout -- */

static void test_layout(void **unused) {
    (void)unused;
    static const uint32_t dims[] = {1, 2, 3, 4, 5, 7, 8, 9, 16, 31, 32, 33, 100, 768, 2100, 65536};
    EACH_SHAPE(shape) {
        for (size_t d = 0; d < sizeof dims / sizeof *dims; d++) {
            shape.dim = dims[d];
            const size_t of_type[] = {4 * (size_t)shape.dim, 2 * (size_t)shape.dim, shape.dim,
                                      (shape.dim + 7) / 8};
            assert_int_equal(hny_vector_bytes(shape), of_type[shape.type - 1]);

            hny__row_format format;
            hny__row_format_init(&format, shape);
            const int bits = shape.metric == HNY_HAMMING || shape.type == HNY_BIT;
            assert_int_equal(format.vector_bytes, bits ? of_type[3] : of_type[shape.type - 1]);
            assert_int_equal(format.row_bytes % 16, 0);
            const uint32_t padded = (format.vector_bytes + 3) / 4 * 4;
            const bool scaled = shape.metric == HNY_COSINE || shape.metric == HNY_DOT;
            const uint32_t norm = scaled && !bits ? padded : 0;
            assert_int_equal(format.scale_offset, norm);
            const uint32_t used = norm ? norm + 4 : padded;
            assert_true(format.row_bytes >= used && format.row_bytes < used + 16);
        }
    }
}

/* The row depends neither on the alignment of the vector nor on what its memory held before. */
static void test_encode(void **unused) {
    (void)unused;
    EACH_SHAPE(shape) {
        for (shape.dim = 1; shape.dim <= 300; shape.dim++) {
            hny__row_format format;
            hny__row_format_init(&format, shape);
            const size_t bytes = hny_vector_bytes(shape);
            for (size_t i = 0; i < bytes; i++) {
                stored[0][i] = (uint8_t)random_word();
            }
            vector_fill(shape, stored[0]); /* of bits only those below dim */
            memset(rows[0], 0xee, format.row_bytes + 16);
            hny__row_encode(&format, stored[0], rows[0]);
            assert_int_equal(rows[0][format.row_bytes], 0xee);

            const size_t off = 1 + shape.dim % 7;
            memcpy(stored[1] + off, stored[0], bytes);
            memset(rows[1], 0x11, format.row_bytes + 16);
            hny__row_encode(&format, stored[1] + off, rows[1] + 4);
            assert_shape(memcmp(rows[0], rows[1] + 4, format.row_bytes) == 0, shape);

            if (shape.metric == HNY_HAMMING || shape.type == HNY_BIT) {
                for (uint32_t i = 0; i < 8 * format.row_bytes; i++) {
                    const int want = i < shape.dim && vector_get(shape.type, stored[0], i) > 0;
                    assert_shape((rows[0][i / 8] >> i % 8 & 1) == want, shape);
                }
                continue;
            }
            assert_memory_equal(rows[0], stored[0], bytes);
            const size_t norm_end =
                format.scale_offset ? format.scale_offset + 4 : format.vector_bytes;
            for (size_t i = bytes; i < format.scale_offset; i++) {
                assert_int_equal(rows[0][i], 0);
            }
            for (size_t i = norm_end; i < format.row_bytes; i++) {
                assert_int_equal(rows[0][i], 0);
            }
        }
    }
}

static void test_inverse_length(void **unused) {
    (void)unused;
    hny__row_format format;
    hny__row_format_init(&format, (hny_shape){2, HNY_COSINE, HNY_FLOAT32});
    float inverse;
    hny__row_encode(&format, (float[]){3, -4}, rows[0]);
    memcpy(&inverse, rows[0] + format.scale_offset, 4);
    assert_true(inverse == 0.2f);
    hny__row_encode(&format, (float[]){0, -0.0f}, rows[0]);
    memcpy(&inverse, rows[0] + format.scale_offset, 4);
    assert_true(inverse == 0);
}

/* -------------------------------------------------------------------------------- distances -- */

static void check_distance(hny_shape shape, const hny__row_format *format,
                           const hny_distance_computer *computer) {
    const long double want = reference_distance(shape, stored[0], stored[1]);
    const double got = hny__row_distance(format, rows[0], rows[1]);
    const double eps = 0x1p-53 * (shape.dim + 8);
    assert_shape(fabsl(got - want) <= eps * magnitude(shape, stored[0], stored[1]), shape);
    if (shape.metric == HNY_COSINE) {
        assert_shape(got >= 0 && got <= 2, shape);
    }

    assert_shape(hny__row_distance(format, rows[1], rows[0]) == got, shape);
    assert_shape(hny_distance_computer_distance(computer, stored[1]) == got, shape);
    static uint8_t shifted[VECTOR_BYTES];
    memcpy(shifted + 3, stored[1], hny_vector_bytes(shape));
    assert_shape(hny_distance_computer_distance(computer, shifted + 3) == got, shape);
}

static void test_distances(void **unused) {
    (void)unused;
    static const uint32_t more[] = {96,  100, 127,  128,  129,  384,  500,   512,
                                    513, 768, 1000, 1536, 2100, 4096, 65535, 65536};
    EACH_SHAPE(shape) {
        for (uint32_t d = 1; d <= 70 + sizeof more / sizeof *more; d++) {
            shape.dim = d <= 70 ? d : more[d - 71];
            hny__row_format format;
            hny__row_format_init(&format, shape);
            for (int pair = 0; pair < (d <= 70 ? 4 : 1); pair++) {
                vector_fill(shape, stored[0]);
                vector_fill(shape, stored[1]);
                encode_both(&format);
                hny_distance_computer *computer;
                assert_int_equal(hny_distance_computer_new(shape, stored[0], &computer), HNY_OK);
                check_distance(shape, &format, computer);
                hny_distance_computer_free(computer);
            }
        }
    }
    hny_distance_computer_free(NULL);
}

/* A computer copies the vector and reads nothing past it (AddressSanitizer checks). */
static void test_computer_owns(void **unused) {
    (void)unused;
    EACH_SHAPE(shape) {
        for (shape.dim = 1; shape.dim <= 600; shape.dim += 13) {
            const size_t bytes = hny_vector_bytes(shape);
            uint8_t *const a = malloc(bytes), *const b = malloc(bytes);
            assert_true(a && b);
            memset(a, 0, bytes);
            memset(b, 0, bytes);
            vector_fill(shape, a);
            vector_fill(shape, b);
            const long double want = reference_distance(shape, a, b);
            const long double tolerance = 1e-11L * (1 + magnitude(shape, a, b));
            hny_distance_computer *computer;
            assert_int_equal(hny_distance_computer_new(shape, a, &computer), HNY_OK);
            free(a);
            assert_shape(fabsl(hny_distance_computer_distance(computer, b) - want) < tolerance,
                         shape);
            hny_distance_computer_free(computer);
            free(b);
        }
    }
}

/* A rank reads the padding of a row and nothing past it. */
static void test_rank_reads_the_row(void **unused) {
    (void)unused;
    EACH_SHAPE(shape) {
        for (shape.dim = 1; shape.dim <= 300; shape.dim += 7) {
            hny__row_format format;
            hny__row_format_init(&format, shape);
            uint8_t *const row = malloc(format.row_bytes);
            assert_non_null(row);
            vector_fill(shape, stored[0]);
            vector_put(shape.type, stored[0], 0, 1); /* not the zero vector */
            hny__row_encode(&format, stored[0], row);
            const float slack = hny__rank_slack(&format, 0);
            assert_shape(hny__row_rank(&format, row, row) <= slack, shape);
            free(row);
        }
    }
}

static void test_same_and_scaled(void **unused) {
    (void)unused;
    double worst = 0;
    EACH_SHAPE(shape) {
        for (uint32_t d = 1; d <= MAX_TESTED_DIM; d += 1 + d / 16) {
            shape.dim = d;
            hny__row_format format;
            hny__row_format_init(&format, shape);
            vector_fill(shape, stored[0]);
            vector_put(shape.type, stored[0], 0, 1); /* not the zero vector */
            memcpy(stored[1], stored[0], hny_vector_bytes(shape));
            encode_both(&format);
            if (shape.metric == HNY_DOT) {
                assert_shape(hny__row_distance(&format, rows[0], rows[1]) < 0, shape);
                continue;
            }
            assert_shape(hny__row_distance(&format, rows[0], rows[1]) == 0, shape);
            if (shape.metric != HNY_COSINE || shape.type != HNY_FLOAT32) {
                continue;
            }

            float *const a = (float *)stored[0], *const b = (float *)stored[1];
            for (size_t i = 0; i < d; i++) {
                b[i] = -8 * a[i];
            }
            encode_both(&format);
            assert_shape(hny__row_distance(&format, rows[0], rows[1]) == 2, shape);
            /* of 20 bits, so that three times as much is no rounding but the sums' own */
            for (size_t i = 0; i < d; i++) {
                a[i] = rintf(a[i] * 0x1p20f), b[i] = 3 * a[i];
            }
            encode_both(&format);
            const double distance = hny__row_distance(&format, rows[0], rows[1]);
            if (distance > worst) {
                worst = distance;
            }
        }
    }
    if (worst > 1e-15) {
        fail_msg("a scaled copy is at %g", worst);
    }
}

static void test_zero_vectors(void **unused) {
    (void)unused;
    for (uint8_t type = HNY_FLOAT32; type <= HNY_INT8; type++) {
        const hny_shape shape = {17, HNY_COSINE, type};
        hny__row_format format;
        hny__row_format_init(&format, shape);
        memset(stored, 0, sizeof stored);
        encode_both(&format);
        assert_true(hny__row_distance(&format, rows[0], rows[1]) == 1);
        assert_true(hny__row_rank(&format, rows[0], rows[1]) == 1);
        vector_put(type, stored[1], 0, 1);
        if (type == HNY_FLOAT32) {
            vector_put(type, stored[1], 1, 1e38);
        }
        encode_both(&format);
        assert_true(hny__row_distance(&format, rows[0], rows[1]) == 1);
        assert_true(hny__row_distance(&format, rows[1], rows[0]) == 1);
        assert_true(hny__row_rank(&format, rows[0], rows[1]) == 1);
        hny_distance_computer *computer;
        assert_int_equal(hny_distance_computer_new(shape, stored[0], &computer), HNY_OK);
        assert_true(hny_distance_computer_distance(computer, stored[1]) == 1);
        hny_distance_computer_free(computer);
    }
}

/* Bits past dim are ignored. */
static void test_padding_bits(void **unused) {
    (void)unused;
    for (uint8_t metric = HNY_COSINE; metric <= HNY_DOT; metric++) {
        for (uint32_t dim = 1; dim <= 130; dim++) {
            const hny_shape shape = {dim, metric, HNY_BIT};
            const size_t bytes = hny_vector_bytes(shape);
            hny__row_format format;
            hny__row_format_init(&format, shape);
            for (size_t i = 0; i < bytes; i++) {
                stored[0][i] = (uint8_t)random_word();
                stored[1][i] = (uint8_t)random_word();
            }
            encode_both(&format);
            const double want = (double)reference_distance(shape, stored[0], stored[1]);
            hny_distance_computer *computer;
            assert_int_equal(hny_distance_computer_new(shape, stored[0], &computer), HNY_OK);
            assert_shape(fabs(hny__row_distance(&format, rows[0], rows[1]) - want) < 1e-13, shape);
            assert_shape(fabs(hny_distance_computer_distance(computer, stored[1]) - want) < 1e-13,
                         shape);
            hny_distance_computer_free(computer);
        }
    }
}

static void test_signs(void **unused) {
    (void)unused;
    const float values[] = {1, -1, 0, -0.0f, 1e-45f, -1e-45f, FLT_MAX, -FLT_MAX};
    const uint8_t want[] = {0x51};
    hny__row_format format;
    hny__row_format_init(&format, (hny_shape){8, HNY_HAMMING, HNY_FLOAT32});
    hny__row_encode(&format, values, rows[0]);
    assert_memory_equal(rows[0], want, 1);

    uint16_t halves[8];
    for (int i = 0; i < 8; i++) {
        halves[i] = hny_half_from_float(values[i]);
    }
    halves[4] = 0x0001, halves[5] = 0x8001;
    hny__row_format_init(&format, (hny_shape){8, HNY_HAMMING, HNY_FLOAT16});
    hny__row_encode(&format, halves, rows[0]);
    assert_memory_equal(rows[0], want, 1);

    const int8_t small[] = {1, -1, 0, 0, 5, -128, 127, -5};
    hny__row_format_init(&format, (hny_shape){8, HNY_HAMMING, HNY_INT8});
    hny__row_encode(&format, small, rows[0]);
    assert_memory_equal(rows[0], want, 1);
}

/* ------------------------------------------------------------------------------------ ranks -- */

static void check_rank(const hny__row_format *format) {
    const float rank = hny__row_rank(format, rows[0], rows[1]);
    const double distance = hny__row_distance(format, rows[0], rows[1]);
    const float want = hny__rank_of_distance(format, distance);
    double error = fabs((double)rank - (double)want);
    if (is_number_dot(format->shape)) { /* bounded by the lengths, not by the rank */
        float length[2];
        memcpy(&length[0], rows[0] + format->scale_offset, 4);
        memcpy(&length[1], rows[1] + format->scale_offset, 4);
        const double slack =
            ((double)hny__rank_slack(format, 1) + 0x1p-24) * (double)length[0] * (double)length[1] +
            (double)hny__rank_slack(format, 0);
        assert_shape(error <= slack && fabsf(rank) <= FLT_MAX, format->shape);
        assert_shape(hny__row_rank(format, rows[1], rows[0]) == rank, format->shape);
        return;
    }
    if (!(error <= (double)hny__rank_slack(format, want)) ||
        !(error <= (double)hny__rank_slack(format, rank)) || !(rank >= 0) || !(rank <= FLT_MAX)) {
        fail_msg("dim %u, metric %d, type %d, kernels %s: rank %.9g, not %.9g; slack %.3g",
                 format->shape.dim, format->shape.metric, format->shape.type, hny_kernels_name(),
                 (double)rank, (double)want, (double)hny__rank_slack(format, want));
    }
    assert_shape(hny__row_rank(format, rows[1], rows[0]) == rank, format->shape);
}

/* Ordinary pairs, and pairs with large rounding errors. */
typedef double number(size_t i, int which);

static double ordinary(size_t i, int which) {
    (void)i, (void)which;
    return random_unit();
}

/* Computed once: they took a third of the time of these tests, half under emulation. */
static double sines[HNY_MAX_DIM], cosines[HNY_MAX_DIM];

static void fill_waves(void) {
    for (size_t i = 0; i < HNY_MAX_DIM; i++) {
        sines[i] = sin((double)i * 1.7 + (double)(vectors_seed % 100));
        cosines[i] = cos((double)i * 1.3 + (double)(vectors_seed % 100));
    }
}

static double near_copy(size_t i, int which) {
    return which ? sines[i] * (1 + random_unit() * 1e-6) : sines[i];
}

static double opposite(size_t i, int which) {
    return which ? -cosines[i] : cosines[i];
}

static double one_way(size_t i, int which) { /* each term of a lane rounds the same way */
    (void)which;
    return i == 0 ? 40 : 0.1;
}

static double absorbed(size_t i, int which) {
    const double size = i % 64 == 0 ? 200 : 0x1.5555p-9;
    return (which && i % 2) ? -size : size;
}

static double cancelling(size_t i, int which) {
    return (i / (which ? 1 : 2) % 2 ? -1 : 1) * (100 + random_unit());
}

static number *const numbers[] = {ordinary, near_copy, opposite, one_way, absorbed, cancelling};

static void fill_both(hny_shape shape, number *value) {
    for (int v = 0; v < 2; v++) {
        for (size_t i = 0; i < shape.dim; i++) {
            vector_put(shape.type, stored[v], i, value(i, v));
        }
    }
}

static void test_slack(void **unused) {
    (void)unused;
    EACH_SHAPE(shape) {
        for (uint32_t d = 1; d <= MAX_TESTED_DIM + 3; d++) {
            shape.dim =
                d <= MAX_TESTED_DIM ? d : (uint32_t[]){16384, 65535, 65536}[d - MAX_TESTED_DIM - 1];
            hny__row_format format;
            hny__row_format_init(&format, shape);
            /* each dimension with two kinds, each kind with a third of the dimensions */
            for (size_t kind = d % 3; kind < sizeof numbers / sizeof *numbers; kind += 3) {
                fill_both(shape, numbers[kind]);
                encode_both(&format);
                check_rank(&format);
            }
        }
    }
}

/* The slack is small: far below the rank. */
static void test_slack_is_small(void **unused) {
    (void)unused;
    const double lanes = hny__kernels_get()->lanes;
    EACH_SHAPE(shape) {
        shape.dim = 768;
        hny__row_format format;
        hny__row_format_init(&format, shape);
        const double sum = shape.type <= HNY_FLOAT16 ? 768 / lanes + 16 : 0;
        const double slack = (double)hny__rank_slack(&format, 1);
        assert_shape(slack > 0 && slack < 1.1 * (sum + 8) * 0x1p-24, shape);
        assert_true(hny__rank_slack(&format, FLT_MAX) <= FLT_MAX);
        assert_true(hny__rank_slack(&format, 2) >= hny__rank_slack(&format, 1));
    }
}

/* A row that its rank excludes is farther, among rows that nearly tie. */
static void test_ruled_out(void **unused) {
    (void)unused;
    enum { MANY = 24 };
    EACH_SHAPE(shape) {
        if (is_number_dot(shape)) { /* hny__ranks_decide */
            continue;
        }
        for (int round = 0; round < 30; round++) {
            shape.dim = 1 + (uint32_t)(random_word() % 400);
            hny__row_format format;
            hny__row_format_init(&format, shape);
            float rank[MANY];
            double distance[MANY];
            vector_fill(shape, stored[0]);
            vector_fill(shape, stored[1]);
            for (int i = 0; i < MANY; i++) {
                const size_t at = (size_t)(random_word() % shape.dim);
                const double value = (double)vector_get(shape.type, stored[1], at);
                vector_put(shape.type, stored[1], at,
                           shape.type == HNY_INT8 ? (value + 1) / 127
                                                  : value * (1 + 1e-5 * random_unit()));
                encode_both(&format);
                rank[i] = hny__row_rank(&format, rows[0], rows[1]);
                distance[i] = hny__row_distance(&format, rows[0], rows[1]);
            }
            for (int i = 0; i < MANY; i++) {
                const float cut = hny__rank_of_distance(&format, distance[i]);
                const float slack = hny__rank_slack(&format, cut);
                for (int j = 0; j < MANY; j++) {
                    if (rank[j] > cut + slack) {
                        assert_shape(distance[j] > distance[i], shape);
                    }
                    if (rank[j] + slack < cut) {
                        assert_shape(distance[j] < distance[i], shape);
                    }
                }
            }
        }
    }
}

/* For bits the rank is the number of different bits, under every metric. */
static void test_rank_of_bits(void **unused) {
    (void)unused;
    EACH_SHAPE(shape) {
        if (shape.metric != HNY_HAMMING && shape.type != HNY_BIT) {
            continue;
        }
        shape.dim = 1001;
        hny__row_format format;
        hny__row_format_init(&format, shape);
        vector_fill(shape, stored[0]);
        memcpy(stored[1], stored[0], hny_vector_bytes(shape));
        for (uint32_t bits = 0; bits <= shape.dim; bits++) {
            encode_both(&format);
            const float rank = hny__row_rank(&format, rows[0], rows[1]);
            assert_shape(rank == (float)bits, shape);
            const double distance = hny__row_distance(&format, rows[0], rows[1]);
            assert_shape(fabsf(hny__rank_of_distance(&format, distance) - rank) < 0.01f, shape);
            if (bits == shape.dim) {
                break;
            }
            vector_put(shape.type, stored[1], bits,
                       vector_get(shape.type, stored[0], bits) > 0 ? -1 : 1);
        }
    }
}

/* ----------------------------------------------------------------------------- extreme input -- */

/* Vectors of numbers of one magnitude, or of very different ones. */
static void fill_extreme(hny_shape shape, uint8_t *vector, double size, int mixed) {
    for (size_t i = 0; i < shape.dim; i++) {
        const double scale = mixed && random_word() % 2 ? 1 : size;
        const double value = random_unit() * scale;
        vector_put(shape.type, vector, i, fmax(-(double)FLT_MAX, fmin((double)FLT_MAX, value)));
    }
    /* no zero vector by accident */
    vector_put(shape.type, vector, 0, size);
}

static void check_extreme(hny_shape shape) {
    hny__row_format format;
    hny__row_format_init(&format, shape);
    encode_both(&format);
    check_rank(&format);

    const long double want = reference_distance(shape, stored[0], stored[1]);
    const double got = hny__row_distance(&format, rows[0], rows[1]);
    const double eps = 0x1p-53 * (shape.dim + 8);
    assert_shape(fabsl(got - want) <= eps * magnitude(shape, stored[0], stored[1]), shape);
    hny_distance_computer *computer;
    assert_int_equal(hny_distance_computer_new(shape, stored[0], &computer), HNY_OK);
    assert_shape(hny_distance_computer_distance(computer, stored[1]) == got, shape);
    const double self = hny_distance_computer_distance(computer, stored[0]);
    assert_shape(shape.metric == HNY_DOT ? self <= 0 : self == 0, shape);
    hny_distance_computer_free(computer);
    if (shape.metric == HNY_DOT) {
        return;
    }
    for (int i = 0; i < 2; i++) {
        const float rank = hny__row_rank(&format, rows[i], rows[i]);
        assert_shape(rank >= 0 && rank <= hny__rank_slack(&format, 0), shape);
    }
}

static void test_extreme(void **unused) {
    (void)unused;
    static const double sizes[] = {FLT_MAX, 1e38,  1e30,  1e20,  0x1p41, 0x1p39, 1,    0x1p-39,
                                   0x1p-41, 1e-20, 1e-30, 1e-38, 1e-40,  1e-44,  1e-45};
    static const uint32_t dims[] = {1, 3, 16, 100, 768, 2100};
    const size_t count = sizeof sizes / sizeof *sizes;
    for (uint8_t metric = HNY_COSINE; metric <= HNY_DOT; metric++) {
        if (metric == HNY_HAMMING) {
            continue;
        }
        for (size_t p = 0; p < count * count * 4; p++) {
            const hny_shape shape = {dims[random_word() % 6], metric, HNY_FLOAT32};
            fill_extreme(shape, stored[0], sizes[p / 4 % count], (int)(p & 1));
            fill_extreme(shape, stored[1], sizes[p / 4 / count], (int)(p >> 1 & 1));
            check_extreme(shape);
        }
        for (int p = 0; p < 200; p++) { /* the whole range of halves */
            const hny_shape shape = {dims[random_word() % 6], metric, HNY_FLOAT16};
            fill_extreme(shape, stored[0], p & 1 ? 65504 : 0x1p-24, p >> 2 & 1);
            fill_extreme(shape, stored[1], p & 2 ? 65504 : 0x1p-24, p >> 3 & 1);
            check_extreme(shape);
        }
    }
}

/* A rank is at most FLT_MAX; a distance may be larger. */
static void test_overflow(void **unused) {
    (void)unused;
    const float a[] = {FLT_MAX, -FLT_MAX}, b[] = {-FLT_MAX, FLT_MAX};
    hny__row_format format;
    hny__row_format_init(&format, (hny_shape){2, HNY_EUCLIDEAN, HNY_FLOAT32});
    hny__row_encode(&format, a, rows[0]);
    hny__row_encode(&format, b, rows[1]);
    assert_true(hny__row_rank(&format, rows[0], rows[1]) == FLT_MAX);
    const double distance = hny__row_distance(&format, rows[0], rows[1]);
    assert_true(fabs(distance / (sqrt(8) * (double)FLT_MAX) - 1) < 1e-15);
    assert_true(hny__rank_of_distance(&format, distance) == FLT_MAX);
    assert_true(hny__rank_of_distance(&format, 1e300) == FLT_MAX);

    hny__row_format_init(&format, (hny_shape){2, HNY_MANHATTAN, HNY_FLOAT32});
    assert_true(hny__row_rank(&format, rows[0], rows[1]) == FLT_MAX);
    assert_true(hny__row_distance(&format, rows[0], rows[1]) == 4 * (double)FLT_MAX);
}

/* Bytes that no INSERT accepts, from a damaged database: distances are not NaN and in range. */
static void test_any_bytes(void **unused) {
    (void)unused;
    static const uint32_t special[] = {0x7f800000, 0xff800000, 0x7fc00000,
                                       0x7f800001, 0x7c007c00, 0xfc007c01};
    EACH_SHAPE(shape) {
        for (int round = 0; round < 400; round++) {
            shape.dim = 2 + (uint32_t)(random_word() % 40);
            const size_t bytes = hny_vector_bytes(shape);
            for (int v = 0; v < 2; v++) {
                for (size_t i = 0; i < bytes; i++) {
                    stored[v][i] = (uint8_t)random_word();
                }
                if (bytes >= 4) {
                    memcpy(stored[v], &special[random_word() % 6], 4);
                }
            }
            hny__row_format format;
            hny__row_format_init(&format, shape);
            encode_both(&format);
            const float rank = hny__row_rank(&format, rows[0], rows[1]);
            const double distance = hny__row_distance(&format, rows[0], rows[1]);
            assert_shape(fabsf(rank) <= FLT_MAX, shape);
            assert_shape(shape.metric == HNY_DOT || (rank >= 0 && distance >= 0), shape);
            assert_shape(distance > -(double)INFINITY && !isnan(distance), shape);
            if (shape.metric == HNY_COSINE) {
                assert_shape(distance <= 2, shape);
            }
            hny_distance_computer *computer;
            assert_int_equal(hny_distance_computer_new(shape, stored[0], &computer), HNY_OK);
            assert_shape(hny_distance_computer_distance(computer, stored[1]) == distance, shape);
            hny_distance_computer_free(computer);
        }
    }
}

static void test_no_distance(void **unused) {
    (void)unused;
    const float a[] = {1, 1}, nan[] = {NAN, 1}, inf[] = {INFINITY, INFINITY};
    const double want[] = {2, INFINITY, INFINITY, 0, INFINITY};
    for (uint8_t metric = HNY_COSINE; metric <= HNY_DOT; metric++) {
        if (metric == HNY_HAMMING) {
            continue;
        }
        hny_distance_computer *computer;
        assert_int_equal(
            hny_distance_computer_new((hny_shape){2, metric, HNY_FLOAT32}, a, &computer), HNY_OK);
        assert_true(hny_distance_computer_distance(computer, nan) == want[metric - 1]);
        assert_true(hny_distance_computer_distance(computer, inf) == want[metric - 1]);
        hny_distance_computer_free(computer);
    }
}

/* ----------------------------------------------------------------- the same on every machine -- */

static uint64_t digest(uint64_t so_far, const void *bytes, size_t count) { /* FNV-1a */
    for (size_t i = 0; i < count; i++) {
        so_far = (so_far ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3;
    }
    return so_far;
}

/* Numbers of such different magnitudes that sums of squares need more bits than a double has. */
static void fill_wide(hny_shape shape, uint8_t *vector) {
    for (size_t i = 0; i < shape.dim; i++) {
        const int exponent = shape.type == HNY_INT8 ? 0 : (int)(random_word() % 25) - 12;
        vector_put(shape.type, vector, i, ldexp(random_unit(), exponent));
    }
}

/*
** Rows and distances of fixed vectors, byte for byte: the two numbers below were the same with
** every table on x86-64 and on aarch64.  A compiler that fuses a product and a sum changes them.
*/
static void test_same_everywhere(void **unused) {
    (void)unused;
    uint64_t of_rows = 0xcbf29ce484222325, of_distances = of_rows;
    vectors_state = 1;
    EACH_SHAPE(shape) {
        for (shape.dim = 1; shape.dim <= MAX_TESTED_DIM; shape.dim += 1 + shape.dim / 32) {
            hny__row_format format;
            hny__row_format_init(&format, shape);
            fill_wide(shape, stored[0]);
            fill_wide(shape, stored[1]);
            encode_both(&format);
            of_rows = digest(of_rows, rows[0], format.row_bytes);
            of_rows = digest(of_rows, rows[1], format.row_bytes);
            const double distance = hny__row_distance(&format, rows[0], rows[1]);
            of_distances = digest(of_distances, &distance, sizeof distance);
        }
    }
    if (of_rows != 0xc9f19e87c12f5945 || of_distances != 0x0e4582bba491d939) {
        fail_msg("rows 0x%016llx, distances 0x%016llx", (unsigned long long)of_rows,
                 (unsigned long long)of_distances);
    }
}

/* ------------------------------------------------------------------------------------- main -- */

static int run_with(const char *kernels) {
    setenv("HANNOY_KERNELS", kernels, 1);
    vectors_state = vectors_seed;
    if (strcmp(hny_kernels_name(), kernels) != 0) {
        return 1;
    }
    printf("test_row: seed %llu, kernels %s\n", (unsigned long long)vectors_seed, kernels);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),          cmocka_unit_test(test_encode),
        cmocka_unit_test(test_inverse_length),  cmocka_unit_test(test_distances),
        cmocka_unit_test(test_computer_owns),   cmocka_unit_test(test_rank_reads_the_row),
        cmocka_unit_test(test_same_and_scaled), cmocka_unit_test(test_zero_vectors),
        cmocka_unit_test(test_padding_bits),    cmocka_unit_test(test_signs),
        cmocka_unit_test(test_slack),           cmocka_unit_test(test_slack_is_small),
        cmocka_unit_test(test_ruled_out),       cmocka_unit_test(test_rank_of_bits),
        cmocka_unit_test(test_extreme),         cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_any_bytes),       cmocka_unit_test(test_no_distance),
        cmocka_unit_test(test_same_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv) {
    vectors_seed = argc > 1 ? strtoull(argv[1], NULL, 10) : (uint64_t)time(NULL);
    fill_waves();
    int failed = 0;
    const hny__kernels *table;
    for (size_t i = 0; (table = hny__kernels_at(i)); i++) {
        fflush(NULL);
        const pid_t child = fork();
        if (child == 0) {
            exit(run_with(table->name));
        }
        int status = 0;
        if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0) {
            failed = 1;
        }
    }
    return failed;
}
