/*
** Publishing many blocks: those that are written before the last transaction, the others, and
** those of attributes.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sidecar/records.h"

#define BLOCKS_PER_WRITE 8192 /* of publish.c */

static const hny_options options = {{2, HNY_EUCLIDEAN, HNY_FLOAT32}, HNY_CODES_FLOAT32, 63, 4, 0};

static uint32_t rows_of_blocks(uint32_t blocks) {
    const hny__table_record record = {.dim = options.shape.dim,
                                      .metric = options.shape.metric,
                                      .type = options.shape.type,
                                      .codes = options.codes,
                                      .m = options.m};
    hny__geometry geometry;
    hny__geometry_init(&geometry, &record);
    return blocks * geometry.layout[HNY__LINKS].per_block;
}

static void build_grid(hny_sidecar *sidecar, uint32_t rows) {
    hny_build *build;
    assert_int_equal(hny_build_open(sidecar, 1, &options, &(hny_build_limits){0}, 0, &build),
                     HNY_OK);
    for (uint32_t i = 0; i < rows; i++) {
        const float vector[2] = {(float)(i % 997), (float)(i / 997)};
        assert_int_equal(hny_build_put(build, i, vector, NULL), HNY_OK);
    }
    assert_int_equal(hny_build_publish(build, (hny_boundary){rows, 1}), HNY_OK);
    hny_build_close(build);
}

/* New blocks of links fill the transactions before the last one exactly. */
static void test_full_transactions(void **unused) {
    const uint32_t rows = rows_of_blocks(2 * BLOCKS_PER_WRITE);
    hny_sidecar *sidecar;
    hny_reader *reader;
    hny_stats stats;
    (void)unused;
    assert_int_equal(hny_sidecar_new(NULL, NULL, &sidecar), HNY_OK);
    build_grid(sidecar, rows);
    assert_int_equal(hny_reader_new(sidecar, 1, options.shape, 0, &reader), HNY_OK);
    assert_int_equal(hny_reader_begin(reader), HNY_OK);
    assert_int_equal(hny_reader_stats(reader, 1, &stats), HNY_OK); /* reads all links */
    assert_int_equal(stats.nodes, rows);
    assert_true(stats.links >= 2 * (uint64_t)(rows - 1)); /* the spanning tree */
    hny_reader_end(reader);
    hny_reader_free(reader);
    hny_sidecar_unref(sidecar);
}

static uint32_t puts_of[HNY__KIND_ATTRIBUTES + 1]; /* blocks written, by kind */

int __real_hny__put_block(hny__txn *txn, const hny__key *key, const hny__layout *layout,
                          uint8_t *block);
int __wrap_hny__put_block(hny__txn *txn, const hny__key *key, const hny__layout *layout,
                          uint8_t *block);

int __wrap_hny__put_block(hny__txn *txn, const hny__key *key, const hny__layout *layout,
                          uint8_t *block) {
    puts_of[layout->kind]++;
    return __real_hny__put_block(txn, key, layout, block);
}

/* Rows whose order of rowids is not that of their slots, with one attribute. */
static void build_attributes(hny_sidecar *sidecar, const hny_options *shown, uint32_t rows,
                             int64_t value) {
    hny_build *build;
    assert_int_equal(hny_build_open(sidecar, 1, shown, &(hny_build_limits){0}, 0, &build), HNY_OK);
    for (uint32_t i = 0; i < rows; i++) {
        const float vector[2] = {(float)(i * 7919 % 1009), (float)(i % 13)};
        const hny_attribute attribute = hny_attribute_integer(value + i);
        assert_int_equal(hny_build_put(build, i, vector, &attribute), HNY_OK);
    }
    assert_int_equal(hny_build_publish(build, (hny_boundary){value, value}), HNY_OK);
    hny_build_close(build);
}

/* An update of an attribute of every row writes each block of attributes once. */
static void test_attributes_of_all_rows(void **unused) {
    enum { ROWS = 20000 };
    hny_options shown = options;
    hny_sidecar *sidecar;
    hny_reader *reader;
    char *fault = NULL;
    (void)unused;
    shown.m = 8;
    shown.attributes = 1;
    assert_int_equal(hny_sidecar_new(NULL, NULL, &sidecar), HNY_OK);
    build_attributes(sidecar, &shown, ROWS, 1);
    memset(puts_of, 0, sizeof puts_of);
    build_attributes(sidecar, &shown, ROWS, 2);
    assert_true(puts_of[HNY__KIND_ATTRIBUTES] > 0);
    assert_true(puts_of[HNY__KIND_ATTRIBUTES] <= ROWS / 200);
    assert_int_equal(hny_reader_new(sidecar, 1, options.shape, 1, &reader), HNY_OK);
    assert_int_equal(hny_reader_begin(reader), HNY_OK);
    for (uint32_t i = 0; i < ROWS; i += 97) {
        const float vector[2] = {(float)(i * 7919 % 1009), (float)(i % 13)};
        const hny_attribute attribute = hny_attribute_integer(2 + (int64_t)i);
        assert_int_equal(hny_reader_holds(reader, i, vector, &attribute), 1);
    }
    assert_int_equal(hny_reader_check(reader, (hny_interrupt){0}, &fault), HNY_OK);
    assert_null(fault);
    hny_reader_end(reader);
    hny_reader_free(reader);
    hny_sidecar_unref(sidecar);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_full_transactions),
                                       cmocka_unit_test(test_attributes_of_all_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
