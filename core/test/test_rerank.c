/* Reranking: how many nodes are measured goes by how far their ranks are off. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vector/rerank.h"

#define K 10

static const hny_shape cosine = {384, HNY_COSINE, HNY_FLOAT32};

/* A number from -1 to 1 that looks random. */
static double noise_of(uint32_t i) {
    return (double)((i * UINT32_C(2654435761)) >> 16) / 32768 - 1;
}

/*
** Measures nodes whose distances grow by `step` and whose ranks are off by up to `error`, `count`
** of them, in the order of their ranks.  Returns how many were measured.
*/
static size_t count_measured(hny_codes codes, double step, double error, size_t count) {
    hny__quantizer quantizer;
    hny__rerank rerank = {.nearest = NULL};
    size_t measured = 0;
    hny__quantizer_init(&quantizer, cosine, codes);
    assert_int_equal(hny__rerank_begin(&rerank, &quantizer, K, 0), HNY_OK);
    for (; measured < count; measured++) {
        const double rank = 0.1 + step * (double)measured;
        if (!hny__rerank_wants(&rerank, (float)rank)) {
            break;
        }
        hny__rerank_add(&rerank, (float)rank, rank - 0.05 - error * noise_of((uint32_t)measured),
                        1e-6, 1);
    }
    hny__rerank_free(&rerank);
    return measured;
}

static void test_numbers(void **unused) {
    (void)unused;
    /* The codes tell the nodes apart: those that the deviation is taken from suffice. */
    assert_int_equal(count_measured(HNY_CODES_INT4, 0.01, 0.001, 1000), K + K / 4 + 4);
    /* They do not: all are measured, however many. */
    assert_int_equal(count_measured(HNY_CODES_INT4, 0.00001, 0.01, 1000), 1000);
    /* They do in part: four deviations of 0.006 behind the tenth are some 24 nodes. */
    const size_t some = count_measured(HNY_CODES_INT8, 0.001, 0.01, 1000);
    assert_in_range(some, 20, 60);
    /* Exact codes have no error. */
    assert_int_equal(count_measured(HNY_CODES_FLOAT32, 0.01, 0, 1000), K);
    /* Numbers of bits tell nothing. */
    assert_int_equal(count_measured(HNY_CODES_BIT, 0.01, 0, 5000), HNY__MAX_KEPT);
}

/* Bits tell near-duplicates apart no more than chance does. */
static void test_chance(void **unused) {
    hny__quantizer quantizer;
    hny__rerank rerank = {.nearest = NULL};
    (void)unused;
    hny__quantizer_init(&quantizer, cosine, HNY_CODES_BIT);
    assert_true(hny__rerank_chance(&quantizer, 0) == 18); /* of a mean of 9: 9 + 3 * 3 */
    assert_true(hny__rerank_chance(&quantizer, 4) == 28); /* of 16: 16 + 3 * 4 */
    assert_true(hny__rerank_chance(&quantizer, 32) > 64);
    assert_true(hny__rerank_chance(&quantizer, 33) == -INFINITY);
    assert_int_equal(hny__rerank_begin(&rerank, &quantizer, 1, 4), HNY_OK);
    assert_true(hny__rerank_reach(&rerank) == -INFINITY);
    for (int i = 0; i < 4; i++) {
        assert_true(hny__rerank_wants(&rerank, 1));
        hny__rerank_add(&rerank, 1, 0.01, 0.001, 1);
    }
    assert_false(hny__rerank_wants(&rerank, 1));
    rerank.chance = 20;
    assert_true(hny__rerank_reach(&rerank) == 20);
    assert_true(hny__rerank_wants(&rerank, 20));
    assert_false(hny__rerank_wants(&rerank, 21));
    hny__rerank_free(&rerank);
}

/* Rows behind the k-th are kept while they may be nearer than it. */
static void test_kept(void **unused) {
    hny__quantizer quantizer;
    hny__rerank rerank = {.nearest = NULL};
    (void)unused;
    hny__quantizer_init(&quantizer, cosine, HNY_CODES_INT4);
    assert_int_equal(hny__rerank_begin(&rerank, &quantizer, 2, 0), HNY_OK);
    assert_true(hny__rerank_keeps(&rerank, 1));
    hny__rerank_add(&rerank, 0.5f, 0.5, 0.01, 4);
    hny__rerank_add(&rerank, 0.6f, 0.6, 0.01, 5);
    assert_true(hny__rerank_keeps(&rerank, 1)); /* 9 rows are too few to tell */
    hny__rerank_add(&rerank, 0.6f, 0.6, 0.01, 1);
    assert_true(hny__rerank_keeps(&rerank, 0.509));
    assert_false(hny__rerank_keeps(&rerank, 0.52));
    hny__rerank_add(&rerank, 0.7f, 0.4, 0.01, 1);
    assert_true(hny__rerank_keeps(&rerank, 0.509));
    hny__rerank_add(&rerank, 0.7f, 0.4, 0.01, 1);
    assert_true(hny__rerank_keeps(&rerank, 0.409));
    assert_false(hny__rerank_keeps(&rerank, 0.42));
    assert_int_equal(hny__rerank_begin(&rerank, &quantizer, 3, 0), HNY_OK);
    assert_true(hny__rerank_keeps(&rerank, 1));
    hny__rerank_free(&rerank);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_chance),
        cmocka_unit_test(test_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
