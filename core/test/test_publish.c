/* Publishing many blocks: those that are written before the last transaction, and the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sidecar/format.h"

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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_full_transactions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
