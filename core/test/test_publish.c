/*
** Publishing many blocks: those that are written before the last transaction, the others, and
** those of attributes.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sidecar/records.h"

#define BLOCKS_PER_WRITE 8192 /* of publish.c */

static const hny_options options = {
    {2, HNY_EUCLIDEAN, HNY_FLOAT32}, HNY_CODES_FLOAT32, 63, 4, 0, 0};

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
    assert_int_equal(hny_reader_new(sidecar, 1, options.shape, 0, 0, &reader), HNY_OK);
    assert_int_equal(hny_reader_begin(reader), HNY_OK);
    assert_int_equal(hny_reader_stats(reader, 1, &stats), HNY_OK); /* reads all links */
    assert_int_equal(stats.nodes, rows);
    assert_true(stats.links >= 2 * (uint64_t)(rows - 1)); /* the spanning tree */
    hny_reader_end(reader);
    hny_reader_free(reader);
    hny_sidecar_unref(sidecar);
}

static uint32_t puts_of[HNY__KIND_COPIES + 1]; /* blocks written, by kind */

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
    assert_int_equal(hny_reader_new(sidecar, 1, options.shape, 1, 0, &reader), HNY_OK);
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

enum { REFIT_ROWS = 5000, LEFT_OUT = 3, CHANGED = 4 };

/* Attributes of another set; row LEFT_OUT is not given, and row CHANGED has another vector. */
static void refit(hny_sidecar *sidecar, const hny_options *shown, int64_t boundary, bool shifted) {
    hny_build *build;
    assert_int_equal(hny_build_open(sidecar, 1, shown, &(hny_build_limits){0}, 0, &build), HNY_OK);
    assert_true(hny_build_refits(build));
    for (uint32_t i = 0; i < REFIT_ROWS; i++) {
        const float vector[2] = {(float)(i * 7919 % 1009), (float)(i % 13)};
        const float other[2] = {-1, -1};
        const hny_attribute attributes[] = {hny_attribute_integer(i), hny_attribute_integer(-7)};
        if (shifted && i == CHANGED) {
            assert_int_equal(hny_build_put(build, i, other, attributes), HNY_OK);
        } else if (i != LEFT_OUT) {
            assert_int_equal(hny_build_keep(build, i, i == CHANGED ? other : vector, attributes),
                             HNY_OK);
        }
    }
    assert_int_equal(hny_build_publish(build, (hny_boundary){boundary, 9}), HNY_OK);
    hny_build_close(build);
}

/* What a reader of this set finds; `own`: the index has these attributes. */
static void check_refit(hny_sidecar *sidecar, uint32_t attributes, uint32_t set, bool own) {
    hny_reader *reader;
    char *fault = NULL;
    assert_int_equal(hny_reader_new(sidecar, 1, options.shape, attributes, set, &reader), HNY_OK);
    assert_int_equal(hny_reader_begin(reader), HNY_OK);
    assert_int_equal(hny_reader_has_attributes(reader), own);
    assert_int_equal(hny_reader_check(reader, (hny_interrupt){0}, &fault), HNY_OK);
    assert_null(fault);
    for (uint32_t i = 0; i < REFIT_ROWS; i++) {
        const float vector[2] = {(float)(i * 7919 % 1009), (float)(i % 13)};
        const hny_attribute right[] = {hny_attribute_integer(i), hny_attribute_integer(-7)};
        const hny_attribute wrong[] = {hny_attribute_integer(-1), hny_attribute_integer(-7)};
        const int held = i != LEFT_OUT && i != CHANGED;
        assert_int_equal(hny_reader_holds(reader, i, vector, right), held);
        assert_int_equal(hny_reader_holds(reader, i, vector, wrong), held && !(own && attributes));
    }
    hny_reader_end(reader);
    hny_reader_free(reader);
}

/* Other attributes change neither codes nor links, and only rows that changed count as touched. */
static void test_refit(void **unused) {
    hny_options shown = options;
    hny_sidecar *sidecar;
    hny_reader *reader;
    int64_t *ids;
    size_t count;
    (void)unused;
    shown.m = 8;
    shown.attributes = 1;
    assert_int_equal(hny_sidecar_new(NULL, NULL, &sidecar), HNY_OK);
    build_attributes(sidecar, &shown, REFIT_ROWS, 1);
    shown.attributes = 2;
    shown.attribute_set = 77;
    memset(puts_of, 0, sizeof puts_of);
    refit(sidecar, &shown, 2, true);
    assert_true(puts_of[HNY__KIND_LINKS] < 80);
    assert_true(puts_of[HNY__KIND_CODES] <= 1);
    check_refit(sidecar, 2, 77, true);
    check_refit(sidecar, 1, 0, false);
    check_refit(sidecar, 2, 78, false);
    assert_int_equal(hny_reader_new(sidecar, 1, options.shape, 2, 77, &reader), HNY_OK);
    assert_int_equal(hny_reader_begin(reader), HNY_OK);
    assert_int_equal(hny_reader_touched(reader, 0, &ids, &count), HNY_OK);
    assert_int_equal(count, 2);
    assert_int_equal(ids[0], LEFT_OUT);
    assert_int_equal(ids[1], CHANGED);
    free(ids);
    hny_reader_end(reader);
    hny_reader_free(reader);
    shown.attributes = 0;
    shown.attribute_set = 5;
    memset(puts_of, 0, sizeof puts_of);
    refit(sidecar, &shown, 3, false);
    assert_int_equal(puts_of[HNY__KIND_LINKS] + puts_of[HNY__KIND_ATTRIBUTES], 0);
    check_refit(sidecar, 0, 5, true);
    shown.attributes = 1;
    shown.attribute_set = 6;
    refit(sidecar, &shown, 4, false);
    check_refit(sidecar, 1, 6, true);
    hny_sidecar_unref(sidecar);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_full_transactions),
                                       cmocka_unit_test(test_attributes_of_all_rows),
                                       cmocka_unit_test(test_refit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
