/*
** The sums of all distances that are returned, in double precision: this text is included by each
** kernel file and compiled there for its instruction set.  It gives the same bits in all of them:
** number i is added to sum i % 8, in order, the eight sums are added in one fixed tree, and
** -ffp-contract=off leaves the compiler no other rounding.
**
** The including file defines EXACT_WIDTH, the doubles of one register, and before it
**
**     static inline exact_doubles widen_f32(const uint8_t *from);
**     static inline exact_doubles widen_f16(const uint8_t *from);
**
** which convert EXACT_WIDTH numbers at any address to doubles, exactly.  (gcc 12 compiles
** __builtin_convertvector to two or four instructions, and vectors wider than a register to a way
** through memory: 900 ns for 768 dimensions with AVX2.)
*/
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef double exact_doubles __attribute__((vector_size(8 * EXACT_WIDTH)));

#define EXACT_PARTS  (8 / EXACT_WIDTH)
#define EXACT_INLINE static inline __attribute__((always_inline))

/* Eight numbers, or eight sums. */
typedef struct exact_lanes {
    exact_doubles part[EXACT_PARTS];
} exact_lanes;

/* Reads eight numbers. */
typedef void exact_loader(exact_lanes *to, const uint8_t *from);

EXACT_INLINE void exact_load_f32(exact_lanes *to, const uint8_t *from) {
#pragma GCC unroll 4
    for (int i = 0; i < EXACT_PARTS; i++) {
        to->part[i] = widen_f32(from + 4 * i * EXACT_WIDTH);
    }
}

EXACT_INLINE void exact_load_f16(exact_lanes *to, const uint8_t *from) {
#pragma GCC unroll 4
    for (int i = 0; i < EXACT_PARTS; i++) {
        to->part[i] = widen_f16(from + 2 * i * EXACT_WIDTH);
    }
}

/* The last numbers, fewer than eight, and zeros, which change no sum. */
EXACT_INLINE void exact_load_tail(exact_lanes *to, const uint8_t *from, size_t bytes,
                                  exact_loader *load) {
    uint8_t eight[32] = {0};
    memcpy(eight, from, bytes);
    load(to, eight);
}

/* sums[i] += a[i] * b[i] */
EXACT_INLINE void exact_add_product(exact_lanes *sums, const exact_lanes *a, const exact_lanes *b) {
#pragma GCC unroll 4
    for (int i = 0; i < EXACT_PARTS; i++) {
        sums->part[i] += a->part[i] * b->part[i];
    }
}

EXACT_INLINE void exact_add_square(exact_lanes *sums, const exact_lanes *a, const exact_lanes *b) {
#pragma GCC unroll 4
    for (int i = 0; i < EXACT_PARTS; i++) {
        const exact_doubles difference = a->part[i] - b->part[i];
        sums->part[i] += difference * difference;
    }
}

EXACT_INLINE void exact_add_abs(exact_lanes *sums, const exact_lanes *a, const exact_lanes *b) {
    typedef int64_t exact_masks __attribute__((vector_size(8 * EXACT_WIDTH)));
#pragma GCC unroll 4
    for (int i = 0; i < EXACT_PARTS; i++) {
        const exact_doubles difference = a->part[i] - b->part[i];
        sums->part[i] += (exact_doubles)((exact_masks)difference & INT64_MAX);
    }
}

static inline double exact_total(const exact_lanes *sums) {
    double s[8];
    memcpy(s, sums, sizeof s);
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

EXACT_INLINE void exact_cosine(const uint8_t *a, const uint8_t *b, size_t n, size_t size,
                               exact_loader *load, double sums[3]) {
    exact_lanes ab = {0}, aa = {0}, bb = {0}, x, y;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        load(&x, a + i * size);
        load(&y, b + i * size);
        exact_add_product(&ab, &x, &y);
        exact_add_product(&aa, &x, &x);
        exact_add_product(&bb, &y, &y);
    }
    if (i < n) {
        exact_load_tail(&x, a + i * size, (n - i) * size, load);
        exact_load_tail(&y, b + i * size, (n - i) * size, load);
        exact_add_product(&ab, &x, &y);
        exact_add_product(&aa, &x, &x);
        exact_add_product(&bb, &y, &y);
    }
    sums[0] = exact_total(&ab);
    sums[1] = exact_total(&aa);
    sums[2] = exact_total(&bb);
}

typedef void exact_adder(exact_lanes *sums, const exact_lanes *a, const exact_lanes *b);

EXACT_INLINE double exact_sum(const uint8_t *a, const uint8_t *b, size_t n, size_t size,
                              exact_loader *load, exact_adder *add) {
    exact_lanes sums = {0}, x, y;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        load(&x, a + i * size);
        load(&y, b + i * size);
        add(&sums, &x, &y);
    }
    if (i < n) {
        exact_load_tail(&x, a + i * size, (n - i) * size, load);
        exact_load_tail(&y, b + i * size, (n - i) * size, load);
        add(&sums, &x, &y);
    }
    return exact_total(&sums);
}

static double dot_exact_f32(const void *a, const void *b, size_t n) {
    return exact_sum(a, b, n, 4, exact_load_f32, exact_add_product);
}

static double dot_exact_f16(const void *a, const void *b, size_t n) {
    return exact_sum(a, b, n, 2, exact_load_f16, exact_add_product);
}

static void cosine_exact_f32(const void *a, const void *b, size_t n, double sums[3]) {
    exact_cosine(a, b, n, 4, exact_load_f32, sums);
}

static double l2_exact_f32(const void *a, const void *b, size_t n) {
    return exact_sum(a, b, n, 4, exact_load_f32, exact_add_square);
}

static double l1_exact_f32(const void *a, const void *b, size_t n) {
    return exact_sum(a, b, n, 4, exact_load_f32, exact_add_abs);
}

static void cosine_exact_f16(const void *a, const void *b, size_t n, double sums[3]) {
    exact_cosine(a, b, n, 2, exact_load_f16, sums);
}

static double l2_exact_f16(const void *a, const void *b, size_t n) {
    return exact_sum(a, b, n, 2, exact_load_f16, exact_add_square);
}

static double l1_exact_f16(const void *a, const void *b, size_t n) {
    return exact_sum(a, b, n, 2, exact_load_f16, exact_add_abs);
}
