/*
** Every kernel table of this machine, compared with the scalar one and with double precision.  The
** vectors end at the end of a mapping: a kernel that reads past n crashes.
**
**     test_kernel [SEED]
**     test_kernel list         the names of the tables, best first
*/
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <xxhash.h>

#include "hannoy.h"
#include "simd/kernel.h"

enum { MAX_TESTED_DIM = 2100 };

static const hny__kernels *tables[8]; /* those of this machine, and NULL */
static const size_t large[] = {4095, 4096, 4097, 16384, 65535, 65536};

static uint64_t state;

static uint64_t next(void) { /* splitmix64 */
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* ------------------------------------------------------------------------------------- data -- */

/* Buffers that end at a page without any access. */
typedef struct fixture {
    uint8_t *end[4]; /* of four buffers with buffer_bytes for HNY_MAX_DIM float32 */
} fixture;

static const size_t buffer_bytes = 4 * HNY_MAX_DIM;

static int set_up(void **out) {
    static fixture f;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < 4; i++) {
        uint8_t *const map = mmap(NULL, buffer_bytes + page, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (map == MAP_FAILED || mprotect(map + buffer_bytes, page, PROT_NONE) != 0) {
            return -1;
        }
        f.end[i] = map + buffer_bytes;
    }
    *out = &f;
    return 0;
}

/* Numbers from 2^-12 to 2^12, so that terms of sums cancel and absorb each other. */
static float random_float(void) {
    const float unit = (float)(next() >> 40) * 0x1p-23f - 1;
    return ldexpf(unit, (int)(next() % 25) - 12);
}

/* Fills the last n numbers of a buffer.  Returns the first of them. */
static const float *fill_f32(fixture *f, int which, size_t n) {
    float *const to = (float *)f->end[which] - n;
    for (size_t i = 0; i < n; i++) {
        to[i] = random_float();
    }
    return to;
}

static const uint16_t *fill_f16(fixture *f, int which, size_t n) {
    uint16_t *const to = (uint16_t *)f->end[which] - n;
    for (size_t i = 0; i < n; i++) {
        /* now and then any half below 2, subnormal ones among them */
        to[i] = next() % 8 ? hny_half_from_float(random_float()) : (uint16_t)(next() & 0xbfff);
    }
    return to;
}

static const uint8_t *fill_bytes(fixture *f, int which, size_t n) {
    uint8_t *const to = f->end[which] - n;
    for (size_t i = 0; i < n; i++) {
        to[i] = (uint8_t)next();
    }
    return to;
}

#define EACH_TABLE(table)                                                                          \
    for (const hny__kernels *const *at_ = tables, *table; (table = *at_); at_++)

/* Calls `check` for every dimension that is tested. */
static void each_size(fixture *f, void (*check)(fixture *f, size_t n)) {
    for (size_t n = 1; n <= MAX_TESTED_DIM; n++) {
        check(f, n);
    }
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        check(f, large[i]);
    }
}

/* ----------------------------------------------------------------------------------- floats -- */

typedef struct reference {
    double sum, sizes; /* of the terms, and of their absolute values */
} reference;

static reference of_dot(const double *a, const double *b, size_t n) {
    reference r = {0, 0};
    for (size_t i = 0; i < n; i++) {
        r.sum += a[i] * b[i], r.sizes += fabs(a[i] * b[i]);
    }
    return r;
}

static reference of_l2(const double *a, const double *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    }
    return (reference){sum, sum};
}

static reference of_l1(const double *a, const double *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += fabs(a[i] - b[i]);
    }
    return (reference){sum, sum};
}

/* The bound of kernel.h, plus underflow. */
static void assert_near(const hny__kernels *table, const char *what, size_t n, float got,
                        reference want) {
    const double k = (double)n / table->lanes + HNY__KERNEL_STEPS, u = 0x1p-24;
    const double bound = k * u / (1 - k * u) * want.sizes + (double)n * 0x1p-149;
    const double error = fabs((double)got - want.sum);
    if (!(error <= bound)) {
        fail_msg("%s %s, %zu: %.9g, not %.9g; error %.3g, bound %.3g", table->name, what, n,
                 (double)got, want.sum, error, bound);
    }
}

static double wide[2][HNY_MAX_DIM];

static void check_floats(const hny__kernels *table, size_t n, const float *a, const float *b) {
    assert_near(table, "dot_f32", n, table->dot_f32(a, b, n), of_dot(wide[0], wide[1], n));
    assert_near(table, "l2_f32", n, table->l2_f32(a, b, n), of_l2(wide[0], wide[1], n));
    assert_near(table, "l1_f32", n, table->l1_f32(a, b, n), of_l1(wide[0], wide[1], n));
}

static void check_f32(fixture *f, size_t n) {
    const float *const a = fill_f32(f, 0, n), *const b = fill_f32(f, 1, n);
    for (size_t i = 0; i < n; i++) {
        wide[0][i] = (double)a[i], wide[1][i] = (double)b[i];
    }
    EACH_TABLE(table) check_floats(table, n, a, b);
}

static void check_f16(fixture *f, size_t n) {
    const uint16_t *const a = fill_f16(f, 0, n), *const b = fill_f16(f, 1, n);
    for (size_t i = 0; i < n; i++) {
        wide[0][i] = (double)hny_float_from_half(a[i]);
        wide[1][i] = (double)hny_float_from_half(b[i]);
    }
    EACH_TABLE(table) {
        assert_near(table, "dot_f16", n, table->dot_f16(a, b, n), of_dot(wide[0], wide[1], n));
        assert_near(table, "l2_f16", n, table->l2_f16(a, b, n), of_l2(wide[0], wide[1], n));
        assert_near(table, "l1_f16", n, table->l1_f16(a, b, n), of_l1(wide[0], wide[1], n));
    }
}

static void test_f32(void **f) {
    each_size(*f, check_f32);
}

static void test_f16(void **f) {
    each_size(*f, check_f16);
}

/* Each number is summed exactly once: powers of two, whose sums are exact in float. */
static void test_every_position(void **out) {
    fixture *const f = *out;
    for (size_t n = 1; n <= 200; n++) {
        float *const a = (float *)f->end[0] - n, *const b = (float *)f->end[1] - n;
        uint16_t *const h = (uint16_t *)f->end[1] - n;
        for (size_t at = 0; at < n; at++) {
            memset(a, 0, 4 * n);
            memset(b, 0, 4 * n);
            a[at] = 2, b[at] = -1;
            EACH_TABLE(table) {
                assert_true(table->dot_f32(a, b, n) == -2);
                assert_true(table->l2_f32(a, b, n) == 9);
                assert_true(table->l1_f32(a, b, n) == 3);
            }
            memset(h, 0, 2 * n);
            h[at] = 0x4000; /* 2 */
            EACH_TABLE(table) {
                assert_true(table->dot_f16(h, h, n) == 4);
            }
        }
    }
}

/*
** All roundings have the same direction: each term costs a lane up to half a unit in the last
** place.
*/
static void test_worst_floats(void **out) {
    fixture *const f = *out;
    static const float values[][2] = {{0.1f, 1}, {1.0f / 3, 1.0f / 3}, {0x1.000002p0f, 1}};
    for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
        for (size_t l = 0; l < sizeof large / sizeof *large; l++) {
            const size_t n = large[l];
            float *const a = (float *)f->end[0] - n, *const b = (float *)f->end[1] - n;
            for (size_t i = 0; i < n; i++) {
                a[i] = values[v][0], b[i] = values[v][1];
            }
            a[0] = 0x1p12f; /* absorbs a part of each later term of its lane */
            for (size_t i = 0; i < n; i++) {
                wide[0][i] = (double)a[i], wide[1][i] = (double)b[i];
            }
            EACH_TABLE(table) check_floats(table, n, a, b);
        }
    }
}

/* ------------------------------------------------------------------------------- exact sums -- */

static void check_exact(fixture *f, size_t n) {
    const float *const a = fill_f32(f, 0, n), *const b = fill_f32(f, 1, n);
    double want[3], got[3];
    for (size_t i = 0; i < n; i++) {
        wide[0][i] = (double)a[i], wide[1][i] = (double)b[i];
    }

    const hny__kernels *const scalar = &hny__kernels_scalar;
    scalar->cosine_exact_f32(a, b, n, want);
    const double l2 = scalar->l2_exact_f32(a, b, n), l1 = scalar->l1_exact_f32(a, b, n);
    const reference dot = of_dot(wide[0], wide[1], n);
    const double small = (double)n * 0x1p-52;
    assert_true(fabs(want[0] - dot.sum) <= small * dot.sizes);
    assert_true(fabs(want[1] - of_dot(wide[0], wide[0], n).sum) <= small * want[1]);
    assert_true(fabs(want[2] - of_dot(wide[1], wide[1], n).sum) <= small * want[2]);
    assert_true(fabs(l2 - of_l2(wide[0], wide[1], n).sum) <= small * l2);
    assert_true(scalar->dot_exact_f32(a, b, n) == want[0]);
    assert_true(fabs(l1 - of_l1(wide[0], wide[1], n).sum) <= small * l1);

    EACH_TABLE(table) {
        table->cosine_exact_f32(a, b, n, got);
        assert_memory_equal(got, want, sizeof got);
        assert_true(table->dot_exact_f32(a, b, n) == want[0]);
        assert_true(table->l2_exact_f32(a, b, n) == l2);
        assert_true(table->l1_exact_f32(a, b, n) == l1);
    }
}

static void check_exact_f16(fixture *f, size_t n) {
    const uint16_t *const a = fill_f16(f, 0, n), *const b = fill_f16(f, 1, n);
    double want[3], got[3];
    float single[2][MAX_TESTED_DIM];
    if (n > MAX_TESTED_DIM) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        single[0][i] = hny_float_from_half(a[i]);
        single[1][i] = hny_float_from_half(b[i]);
    }
    const hny__kernels *const scalar = &hny__kernels_scalar;
    scalar->cosine_exact_f32(single[0], single[1], n, want);
    EACH_TABLE(table) {
        table->cosine_exact_f16(a, b, n, got);
        assert_memory_equal(got, want, sizeof got);
        assert_true(table->dot_exact_f16(a, b, n) == want[0]);
        assert_true(table->l2_exact_f16(a, b, n) == scalar->l2_exact_f32(single[0], single[1], n));
        assert_true(table->l1_exact_f16(a, b, n) == scalar->l1_exact_f32(single[0], single[1], n));
    }
}

static void test_exact_f32(void **f) {
    each_size(*f, check_exact);
}

static void test_exact_f16(void **f) {
    each_size(*f, check_exact_f16);
}

/* --------------------------------------------------------------------------------- integers -- */

static void check_digest(fixture *f, size_t n) {
    const uint8_t *const bytes = fill_bytes(f, 0, n);
    EACH_TABLE(table) {
        assert_true(table->digest(bytes, n, n) == XXH3_64bits_withSeed(bytes, n, n));
    }
}

static void test_digest(void **f) {
    each_size(*f, check_digest);
}

/* The dots of many vectors equal the dot of each, for any count. */
typedef void many_dots(const int8_t *a, const uint8_t *const *b, size_t count, size_t n,
                       int32_t *dots);

static void check_many(many_dots *many, const int8_t *a, const uint8_t *const b[2],
                       const int32_t dot[2], size_t n) {
    enum { MANY = 9 };
    const uint8_t *rows[MANY];
    for (size_t i = 0; i < MANY; i++) {
        rows[i] = b[i % 3 == 1];
    }
    for (size_t count = 0; count <= MANY; count++) {
        int32_t dots[MANY + 1];
        dots[count] = 12345;
        many(a, rows, count, n, dots);
        for (size_t i = 0; i < count; i++) {
            assert_true(dots[i] == dot[i % 3 == 1]);
        }
        assert_true(dots[count] == 12345);
    }
}

static void check_integers(const int8_t *a, const int8_t *b, size_t n) {
    int64_t dot = 0, l2 = 0, l1 = 0;
    for (size_t i = 0; i < n; i++) {
        dot += a[i] * b[i];
        l2 += (a[i] - b[i]) * (a[i] - b[i]);
        l1 += abs(a[i] - b[i]);
    }
    EACH_TABLE(table) {
        assert_true(table->dot_i8(a, b, n) == dot);
        assert_true(table->l2_i8(a, b, n) == l2);
        assert_true(table->l1_i8(a, b, n) == l1);
    }
}

static void check_i8(fixture *f, size_t n) {
    const uint8_t *const a = fill_bytes(f, 0, n), *const b = fill_bytes(f, 1, n);
    check_integers((const int8_t *)a, (const int8_t *)b, n);
}

static void test_i8(void **f) {
    each_size(*f, check_i8);
}

static void check_many_i8(fixture *f, size_t n) {
    const int8_t *const a = (const int8_t *)fill_bytes(f, 0, n);
    const uint8_t *const b[2] = {fill_bytes(f, 1, n), fill_bytes(f, 2, n)};
    EACH_TABLE(table) {
        const int32_t dot[2] = {table->dot_i8(a, (const int8_t *)b[0], n),
                                table->dot_i8(a, (const int8_t *)b[1], n)};
        check_many(table->dots_i8, a, b, dot, n);
    }
}

static void check_many_i4(fixture *f, size_t n) {
    const size_t bytes = (n + 1) / 2;
    const int8_t *const a = (const int8_t *)fill_bytes(f, 0, n);
    const uint8_t *const b[2] = {fill_bytes(f, 1, bytes), fill_bytes(f, 2, bytes)};
    EACH_TABLE(table) {
        const int32_t dot[2] = {table->dot_i8_i4(a, b[0], n), table->dot_i8_i4(a, b[1], n)};
        check_many(table->dots_i8_i4, a, b, dot, n);
    }
}

static void test_many(void **f) {
    each_size(*f, check_many_i8);
    each_size(*f, check_many_i4);
}

/* The largest possible sums: each lane and the total at its limit. */
static void test_i8_limits(void **out) {
    fixture *const f = *out;
    static const int8_t pairs[][2] = {{-128, -128}, {-128, 127}, {127, -128}, {127, 127}, {-1, 1}};
    for (size_t l = 0; l < sizeof large / sizeof *large; l++) {
        const size_t n = large[l];
        for (size_t p = 0; p < sizeof pairs / sizeof *pairs; p++) {
            memset(f->end[0] - n, pairs[p][0], n);
            memset(f->end[1] - n, pairs[p][1], n);
            check_integers((const int8_t *)f->end[0] - n, (const int8_t *)f->end[1] - n, n);
        }
    }
}

static int number_i4(const uint8_t *bytes, size_t i) {
    const int number = i % 2 ? bytes[i / 2] >> 4 : bytes[i / 2] & 15;
    return number < 8 ? number : number - 16;
}

static void check_i4_dot(const uint8_t *a, const uint8_t *b, size_t bytes) {
    int64_t dot = 0;
    for (size_t i = 0; i < 2 * bytes; i++) {
        dot += number_i4(a, i) * number_i4(b, i);
    }
    EACH_TABLE(table) assert_true(table->dot_i4(a, b, bytes) == dot);
}

/* Packs numbers as decode_i4 expects them. */
static int number_of_i4(const uint8_t *bytes, size_t i, size_t n) {
    const size_t half = (n + 1) / 2;
    return number_i4(bytes, i < half ? 2 * i : 2 * (i - half) + 1);
}

static void check_mixed(const int8_t *a, const uint8_t *b, size_t n) {
    int64_t dot = 0;
    for (size_t i = 0; i < n; i++) {
        dot += a[i] * number_of_i4(b, i, n);
    }
    EACH_TABLE(table) assert_true(table->dot_i8_i4(a, b, n) == dot);
}

static void check_i4(fixture *f, size_t n) {
    const size_t bytes = (n + 1) / 2;
    check_mixed((const int8_t *)fill_bytes(f, 0, n), fill_bytes(f, 1, bytes), n);
    check_i4_dot(fill_bytes(f, 0, bytes), fill_bytes(f, 1, bytes), bytes);
}

static void test_i4(void **out) {
    fixture *const f = *out;
    static const uint8_t pairs[][2] = {{0x88, 0x88}, {0x88, 0x77}, {0x77, 0x77}, {0x18, 0x81}};
    each_size(f, check_i4);
    for (size_t p = 0; p < sizeof pairs / sizeof *pairs; p++) {
        const size_t bytes = HNY_MAX_DIM / 2;
        memset(f->end[0] - bytes, pairs[p][0], bytes);
        memset(f->end[1] - bytes, pairs[p][1], bytes);
        check_i4_dot(f->end[0] - bytes, f->end[1] - bytes, bytes);
        memset(f->end[0] - HNY_MAX_DIM, -128, HNY_MAX_DIM);
        check_mixed((const int8_t *)f->end[0] - HNY_MAX_DIM, f->end[1] - bytes, HNY_MAX_DIM);
    }
}

static void check_hamming(fixture *f, size_t words) {
    const size_t bytes = 4 * words;
    if (bytes > buffer_bytes) {
        return;
    }
    const uint8_t *const a = fill_bytes(f, 0, bytes), *const b = fill_bytes(f, 1, bytes);
    uint32_t want = 0;
    for (size_t i = 0; i < 8 * bytes; i++) {
        want += (a[i / 8] ^ b[i / 8]) >> i % 8 & 1;
    }
    EACH_TABLE(table) {
        assert_int_equal(table->hamming(a, b, bytes), want);
        assert_int_equal(table->hamming(a, a, bytes), 0);
        if (bytes > 4) { /* the void pointers need no alignment */
            const uint32_t shifted = hny__kernels_scalar.hamming(a + 1, b + 3, bytes - 4);
            assert_int_equal(table->hamming(a + 1, b + 3, bytes - 4), shifted);
        }
    }
}

static void test_hamming(void **f) {
    each_size(*f, check_hamming);
}

/* ------------------------------------------------------------------------------------ codes -- */

/* Codes of the scalar table and what it decodes, without and with the residual codes. */
static int8_t codes[HNY_MAX_DIM], residual_codes[HNY_MAX_DIM];
static float numbers[2][HNY_MAX_DIM];

/* A code is within half of its step; with the residual code within half of its step. */
static void code_by_scalar(const float *x, float inverse, size_t n) {
    const hny__kernels *const scalar = &hny__kernels_scalar;
    const float step = 1 / inverse, residual_step = step / HNY__RESIDUAL_STEPS;
    const double rounding = 127 * (double)step * 0x1p-21;
    scalar->quantise_f32(x, inverse, codes, residual_codes, n);
    scalar->decode_i8(codes, NULL, step, numbers[0], n);
    scalar->decode_i8(codes, residual_codes, residual_step, numbers[1], n);
    for (size_t i = 0; i < n; i++) {
        assert_true(codes[i] >= -127 && residual_codes[i] >= -127);
        assert_true(fabs((double)numbers[0][i] - (double)x[i]) <= (double)step / 2 + rounding);
        assert_true(fabs((double)numbers[1][i] - (double)x[i]) <=
                    (double)residual_step / 2 + rounding);
    }
}

/* All tables give the same codes and numbers, and write nothing past the buffers. */
static void check_coding(fixture *f, const hny__kernels *table, const float *x, float inverse,
                         size_t n) {
    int8_t *const code = (int8_t *)f->end[1] - n, *const residual = (int8_t *)f->end[2] - n;
    float *const out = (float *)f->end[3] - n;
    const float step = 1 / inverse;
    memset(code, 0x55, n);
    table->quantise_f32(x, inverse, code, NULL, n);
    assert_memory_equal(code, codes, n);
    memset(code, 0x55, n);
    table->quantise_f32(x, inverse, code, residual, n);
    assert_memory_equal(code, codes, n);
    assert_memory_equal(residual, residual_codes, n);
    table->decode_i8(code, NULL, step, out, n);
    assert_memory_equal(out, numbers[0], n * sizeof *out);
    table->decode_i8(code, residual, step / HNY__RESIDUAL_STEPS, out, n);
    assert_memory_equal(out, numbers[1], n * sizeof *out);
}

static void check_codes(fixture *f, size_t n) {
    const float *const x = fill_f32(f, 0, n);
    float largest = 0;
    for (size_t i = 0; i < n; i++) {
        largest = fmaxf(largest, fabsf(x[i]));
    }
    const float inverse = 127 / largest;
    EACH_TABLE(table) assert_true(table->largest_f32(x, n) == largest);
    if (largest == 0) {
        return;
    }
    code_by_scalar(x, inverse, n);
    EACH_TABLE(table) check_coding(f, table, x, inverse, n);
}

static void test_codes(void **f) {
    each_size(*f, check_codes);
}

/* Numbers beyond 7 steps are clipped. */
static void check_codes_i4(fixture *f, size_t n) {
    const float *const x = fill_f32(f, 0, n);
    const float inverse = (float)(next() % 100) / 100;
    hny__kernels_scalar.quantise_i4(x, inverse, codes, n);
    for (size_t i = 0; i < n; i++) {
        const double steps = fmin(fmax((double)x[i] * (double)inverse, -7), 7);
        assert_true(abs(codes[i]) <= 7 && fabs(codes[i] - steps) <= 0.5001);
    }
    int8_t *const code = (int8_t *)f->end[1] - n;
    EACH_TABLE(table) {
        memset(code, 0x55, n);
        table->quantise_i4(x, inverse, code, n);
        assert_memory_equal(code, codes, n);
    }
}

static void check_decode_i4(fixture *f, size_t n) {
    const uint8_t *const code = fill_bytes(f, 0, (n + 1) / 2);
    const int8_t *const residual = (const int8_t *)fill_bytes(f, 1, n);
    const float step = fabsf(random_float()), residual_step = step / 300;
    float *const out = (float *)f->end[3] - n;
    for (size_t i = 0; i < n; i++) {
        numbers[0][i] = (float)number_of_i4(code, i, n) * step;
        numbers[1][i] = numbers[0][i] + (float)residual[i] * residual_step;
    }
    EACH_TABLE(table) {
        table->decode_i4(code, step, NULL, 0, out, n);
        assert_memory_equal(out, numbers[0], n * sizeof *out);
        table->decode_i4(code, step, residual, residual_step, out, n);
        assert_memory_equal(out, numbers[1], n * sizeof *out);
    }
}

static void test_codes_i4(void **f) {
    each_size(*f, check_codes_i4);
    each_size(*f, check_decode_i4);
}

/* The terms equal those from decode_i8; only the sum is rounded differently. */
static void check_l1_scaled(fixture *f, size_t n) {
    const int8_t *const a = (const int8_t *)fill_bytes(f, 0, n);
    const int8_t *const b = (const int8_t *)fill_bytes(f, 1, n);
    const float x = fabsf(random_float()), y = fabsf(random_float());
    hny__kernels_scalar.decode_i8(a, NULL, x, numbers[0], n);
    hny__kernels_scalar.decode_i8(b, NULL, y, numbers[1], n);
    for (size_t i = 0; i < n; i++) {
        wide[0][i] = (double)numbers[0][i], wide[1][i] = (double)numbers[1][i];
    }
    const reference want = of_l1(wide[0], wide[1], n);
    EACH_TABLE(table) {
        assert_near(table, "l1_scaled_i8", n, table->l1_scaled_i8(a, x, b, y, n), want);
    }
}

static void test_l1_scaled(void **f) {
    each_size(*f, check_l1_scaled);
}

/* --------------------------------------------------------------------------------- dispatch -- */

/* A process with HANNOY_KERNELS set to `value` (NULL: not set) uses the table `want`. */
static void assert_chosen(const char *value, const char *want) {
    int ends[2];
    char got[16] = {0};
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (value) {
            setenv("HANNOY_KERNELS", value, 1);
        } else {
            unsetenv("HANNOY_KERNELS");
        }
        const char *const name = hny_kernels_name();
        _exit(write(ends[1], name, strlen(name)) != (ssize_t)strlen(name));
    }
    close(ends[1]);
    int status = 0;
    waitpid(child, &status, 0);
    assert_true(read(ends[0], got, sizeof got - 1) > 0);
    close(ends[0]);
    assert_int_equal(status, 0);
    assert_string_equal(got, want);
}

static void test_dispatch(void **out) {
    (void)out;
    assert_non_null(hny__kernels_named("scalar"));
    assert_null(hny__kernels_named(""));
    assert_null(hny__kernels_named("AVX2"));

#if defined(__x86_64__)
    static const char *const order[] = {"avx512-vnni", "avx512", "avx2", "scalar"};
    assert_null(hny__kernels_named("neon"));
#elif defined(__aarch64__)
    static const char *const order[] = {"neon-dot", "neon", "scalar"};
    assert_null(hny__kernels_named("avx2"));
#else
    static const char *const order[] = {"scalar"};
#endif
    size_t found = 0;
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        const hny__kernels *const table = hny__kernels_named(order[i]);
        if (!table) {
            continue;
        }
        assert_ptr_equal(table, tables[found++]);
        assert_string_equal(table->name, order[i]);
        assert_chosen(order[i], order[i]);
    }
    assert_null(tables[found]);
    assert_chosen(NULL, tables[0]->name);
    assert_chosen("", tables[0]->name);
    assert_chosen("sse9", tables[0]->name);
}

static void test_check(void **out) {
    (void)out;
    static const char *const bad[] = {"sse9", "AVX2", " scalar", "scalar,", "%s%n"};
    char *fault, sentence[200];
    for (const hny__kernels *const *at = tables; *at; at++) {
        setenv("HANNOY_KERNELS", (*at)->name, 1);
        assert_int_equal(hny_kernels_check(&fault), HNY_OK);
        assert_null(fault);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        setenv("HANNOY_KERNELS", bad[i], 1);
        assert_int_equal(hny_kernels_check(&fault), HNY_OK);
        assert_non_null(fault);
        snprintf(sentence, sizeof sentence, "HANNOY_KERNELS is '%s', but this processor has %s",
                 bad[i], tables[0]->name);
        assert_memory_equal(fault, sentence, strlen(sentence));
        assert_non_null(strstr(fault, "scalar"));
        free(fault);
    }

    char endless[1000];
    memset(endless, 'x', sizeof endless);
    endless[sizeof endless - 1] = 0;
    setenv("HANNOY_KERNELS", endless, 1);
    assert_int_equal(hny_kernels_check(&fault), HNY_OK);
    assert_non_null(strstr(fault, ", scalar")); /* the list is whole */
    free(fault);

    setenv("HANNOY_KERNELS", "", 1);
    assert_int_equal(hny_kernels_check(&fault), HNY_OK);
    assert_null(fault);
    unsetenv("HANNOY_KERNELS");
    assert_int_equal(hny_kernels_check(&fault), HNY_OK);
    assert_null(fault);
}

static void *choose(void *out) {
    *(const hny__kernels **)out = hny__kernels_get();
    return NULL;
}

/* Threads that choose at once, in a process that has not chosen yet. */
static void test_first_use_by_threads(void **out) {
    (void)out;
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        pthread_t threads[8];
        const hny__kernels *got[8];
        for (int i = 0; i < 8; i++) {
            if (pthread_create(&threads[i], NULL, choose, &got[i]) != 0) {
                _exit(2);
            }
        }
        for (int i = 0; i < 8; i++) {
            pthread_join(threads[i], NULL);
        }
        for (int i = 0; i < 8; i++) {
            if (got[i] != hny__kernels_get() || !got[i]) {
                _exit(1);
            }
        }
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
}

int main(int argc, char **argv) {
    for (size_t i = 0; (tables[i] = hny__kernels_at(i));) {
        i++;
    }
    if (argc > 1 && strcmp(argv[1], "list") == 0) {
        EACH_TABLE(table) puts(table->name);
        return 0;
    }
    state = argc > 1 ? strtoull(argv[1], NULL, 10) : (uint64_t)time(NULL);
    printf("test_kernel: seed %llu, tables", (unsigned long long)state);
    EACH_TABLE(table) printf(" %s", table->name);
    printf("\n");

    const struct CMUnitTest tests[] = {
        /* first: they want a process in which nothing was chosen */
        cmocka_unit_test(test_dispatch),     cmocka_unit_test(test_first_use_by_threads),
        cmocka_unit_test(test_check),        cmocka_unit_test(test_f32),
        cmocka_unit_test(test_f16),          cmocka_unit_test(test_every_position),
        cmocka_unit_test(test_worst_floats), cmocka_unit_test(test_exact_f32),
        cmocka_unit_test(test_exact_f16),    cmocka_unit_test(test_i8),
        cmocka_unit_test(test_many),         cmocka_unit_test(test_digest),
        cmocka_unit_test(test_i4),           cmocka_unit_test(test_codes_i4),
        cmocka_unit_test(test_i8_limits),    cmocka_unit_test(test_hamming),
        cmocka_unit_test(test_codes),        cmocka_unit_test(test_l1_scaled),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
