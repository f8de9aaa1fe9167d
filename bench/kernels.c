/*
** What a distance costs: nanoseconds for each kernel, instruction set and number of dimensions, as
** a Markdown table.
**
**     kernels [DIM...]
**
** Hot: 16 rows, which stay in the nearest cache.  Memory: rows at random from more than the caches
** hold, each address known beforehand, so that the processor fetches some of the next rows
** meanwhile. dots_ are of one vector and 32 at a time, each counted as a distance.
*/
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hannoy.h"
#include "simd/kernel.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* Kernels (a, b, n) that return one number: the name, the type of a number. */
#define PAIRS(X)                                                                                   \
    X(dot_f32, float)                                                                              \
    X(l2_f32, float)                                                                               \
    X(l1_f32, float)                                                                               \
    X(dot_f16, uint16_t)                                                                           \
    X(l2_f16, uint16_t)                                                                            \
    X(l1_f16, uint16_t)                                                                            \
    X(dot_i8, int8_t)                                                                              \
    X(l2_i8, int8_t)                                                                               \
    X(l1_i8, int8_t)                                                                               \
    X(l2_exact_f32, float)                                                                         \
    X(l1_exact_f32, float)                                                                         \
    X(l2_exact_f16, uint16_t)                                                                      \
    X(l1_exact_f16, uint16_t)

/* Those that write { a.b, a.a, b.b }. */
#define TRIPLES(X)                                                                                 \
    X(cosine_exact_f32, float)                                                                     \
    X(cosine_exact_f16, uint16_t)

static size_t dims[16] = {100, 384, 768};
static size_t dim_count = 3;

/* ------------------------------------------------------------------------------- the kernels -- */

typedef struct work {
    const hny__kernels *table;
    const char *rows;
    const uint32_t *order;
    size_t count; /* of order */
    size_t stride;
    size_t n;
} work;

static const void *row(const work *w, size_t i) {
    return w->rows + w->order[i] * w->stride;
}

#define DEFINE_PAIR(name, type)                                                                    \
    static double run_##name(const work *w) {                                                      \
        const type *const query = (const type *)w->rows;                                           \
        double sum = 0;                                                                            \
        for (size_t i = 0; i < w->count; i++) sum += w->table->name(query, row(w, i), w->n);       \
        return sum;                                                                                \
    }
#define DEFINE_TRIPLE(name, type)                                                                  \
    static double run_##name(const work *w) {                                                      \
        double sum = 0, sums[3];                                                                   \
        for (size_t i = 0; i < w->count; i++) {                                                    \
            w->table->name(w->rows, row(w, i), w->n, sums);                                        \
            sum += sums[0];                                                                        \
        }                                                                                          \
        return sum;                                                                                \
    }
PAIRS(DEFINE_PAIR)
TRIPLES(DEFINE_TRIPLE)

static double run_dot_i4(const work *w) {
    double sum = 0;
    for (size_t i = 0; i < w->count; i++) {
        sum += w->table->dot_i4((const uint8_t *)w->rows, row(w, i), (w->n + 1) / 2);
    }
    return sum;
}

static double run_dot_i8_i4(const work *w) {
    double sum = 0;
    for (size_t i = 0; i < w->count; i++) {
        sum += w->table->dot_i8_i4((const int8_t *)w->rows, row(w, i), w->n);
    }
    return sum;
}

/* As many at a time as a walk meets in a step. */
#define MANY 32

#define DEFINE_MANY(name)                                                                          \
    static double run_##name(const work *w) {                                                      \
        const uint8_t *rows[MANY];                                                                 \
        int32_t products[MANY];                                                                    \
        double sum = 0;                                                                            \
        for (size_t first = 0; first < w->count; first += MANY) {                                  \
            for (size_t i = 0; i < MANY; i++) rows[i] = row(w, first + i);                         \
            w->table->name((const int8_t *)w->rows, rows, MANY, w->n, products);                   \
            for (size_t i = 0; i < MANY; i++) sum += products[i];                                  \
        }                                                                                          \
        return sum;                                                                                \
    }
DEFINE_MANY(dots_i8)
DEFINE_MANY(dots_i8_i4)

static double run_hamming(const work *w) {
    double sum = 0;
    for (size_t i = 0; i < w->count; i++) {
        sum += w->table->hamming(w->rows, row(w, i), w->n / 32 * 4);
    }
    return sum;
}

#define ENTRY(name, type) {#name, 8 * sizeof(type), run_##name},
static const struct kernel {
    const char *name;
    size_t bits; /* of a number */
    double (*run)(const work *w);
} kernels[] = {PAIRS(ENTRY) TRIPLES(ENTRY){"dot_i4", 4, run_dot_i4},
               {"dot_i8_i4", 4, run_dot_i8_i4},
               {"dots_i8", 8, run_dots_i8},
               {"dots_i8_i4", 4, run_dots_i8_i4},
               {"hamming", 1, run_hamming}};

/* --------------------------------------------------------------------------------- the times -- */

enum { CALLS = 1 << 15, TRIES = 3 };

static uint32_t order[CALLS];
static volatile double sink; /* so that no call is left out */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static uint32_t next(void) { /* xorshift */
    static uint32_t state = 2463534242;
    state ^= state << 13;
    state ^= state >> 17;
    return state ^= state << 5;
}

/* The best of some tries, each in a new order: what else runs only makes it slower. */
static double nanoseconds(const struct kernel *k, work w, size_t row_count) {
    double best = 0;
    for (int try = 0; try < TRIES; try++) {
        for (size_t i = 0; i < CALLS; i++) {
            order[i] = next() % (uint32_t)row_count;
        }
        const double start = now();
        sink = k->run(&w);
        const double took = (now() - start) / CALLS;
        if (try == 0 || took < best) {
            best = took;
        }
    }
    return best;
}

/* Four times the last cache, where the system knows it. */
static size_t memory_size(void) {
    const long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
    const size_t least = (size_t)256 << 20;
    return cache > 0 && (size_t)cache * 4 > least ? (size_t)cache * 4 : least;
}

static void print_line(const struct kernel *k, size_t dim, const char *rows, size_t size) {
    const size_t stride = ((dim * k->bits + 7) / 8 + 63) / 64 * 64;
    printf("| %s | %zu |", k->name, dim);
    const hny__kernels *table;
    for (size_t i = 0; (table = hny__kernels_at(i)); i++) {
        const work w = {table, rows, order, CALLS, stride, dim};
        const double hot = nanoseconds(k, w, 16);
        printf(" %.1f | %.1f |", hot, nanoseconds(k, w, size / stride));
    }
    printf("\n");
    fflush(stdout);
}

static void print_head(void) {
    printf("Nanoseconds a distance; %s is what this processor uses.\n\n", hny_kernels_name());
    printf("| kernel | dim |");
    const hny__kernels *table;
    for (size_t i = 0; (table = hny__kernels_at(i)); i++) {
        printf(" %s, hot | memory |", table->name);
    }
    printf("\n|---|---:|");
    for (size_t i = 0; hny__kernels_at(i); i++) {
        printf("---:|---:|");
    }
    printf("\n");
}

int main(int argc, char **argv) {
    if (argc > 1) {
        dim_count = 0;
    }
    for (int i = 1; i < argc && dim_count < LENGTH(dims); i++) {
        dims[dim_count] = strtoul(argv[i], NULL, 10);
        if (dims[dim_count] == 0 || dims[dim_count] > 65536) {
            return 2;
        }
        dim_count++;
    }
    const size_t size = memory_size();
    char *const rows = aligned_alloc(64, size);
    if (!rows) {
        return 1;
    }
    /* Bytes that make normal numbers of every type: subnormal ones would be slow. */
    for (size_t i = 0; i < size; i++) {
        rows[i] = (char)(0x38 + (next() & 7));
    }

    print_head();
    for (size_t i = 0; i < LENGTH(kernels); i++) {
        for (size_t j = 0; j < dim_count; j++) {
            print_line(&kernels[i], dims[j], rows, size);
        }
    }
    free(rows);
    return 0;
}
