/*
** hit_heap.c: whatever order hits come in, the nearest ones are kept, in the order of
** hny_hit_compare.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "query/hit_heap.h"
#include "sqlite_api.h"

#define MAX_HITS 1000

static uint64_t random_state = 1;

static uint32_t draw(uint32_t below) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((random_state >> 33) % below);
}

/* Few distances, so that many tie and the rowid decides. */
static void fill(hny_hit *all, size_t count) {
    for (size_t i = 0; i < count; i++) {
        all[i] = (hny_hit){draw(20) / 4.0, (int64_t)i * 7919 % 1009 - 500, 0};
    }
}

static void check(size_t count, size_t limit) {
    hny_hit all[MAX_HITS];
    hx_hit_heap hits = {0};
    const size_t expected = count < limit ? count : limit;
    fill(all, count);
    for (int pass = 0; pass < 2; pass++) {
        hx_hit_heap_begin(&hits, limit);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(hx_hit_heap_offer(&hits, all[i]), SQLITE_OK);
        }
        hx_hit_heap_sort(&hits);
        assert_int_equal(hits.count, expected);
        assert_true(hits.capacity <= 2 * (limit < 64 ? 64 : limit));
    }
    qsort(all, count, sizeof *all, hny_hit_compare);
    for (size_t i = 0; i < expected; i++) {
        assert_true(hits.items[i].distance == all[i].distance);
        assert_int_equal(hits.items[i].rowid, all[i].rowid);
    }
    hx_hit_heap_free(&hits);
}

static void test_nearest_are_kept(void **state) {
    static const size_t limits[] = {1, 2, 3, 10, 63, 64, 65, 500, 999, 1000, 5000};
    static const size_t counts[] = {0, 1, 2, 5, 64, 65, 500, 1000};
    (void)state;
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        for (size_t j = 0; j < sizeof counts / sizeof *counts; j++) {
            check(counts[j], limits[i]);
        }
    }
}

static void test_none_asked_for(void **state) {
    hx_hit_heap hits = {0};
    (void)state;
    hx_hit_heap_begin(&hits, 0);
    assert_int_equal(hx_hit_heap_offer(&hits, (hny_hit){1, 1, 0}), SQLITE_OK);
    assert_int_equal(hits.count, 0);
    hx_hit_heap_free(&hits);
}

/* A limit that no machine has the memory for costs what is found. */
static void test_capacity_follows_the_hits(void **state) {
    hx_hit_heap hits = {0};
    (void)state;
    hx_hit_heap_begin(&hits, SIZE_MAX);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(hx_hit_heap_offer(&hits, (hny_hit){i, i, 0}), SQLITE_OK);
    }
    assert_int_equal(hits.count, 100);
    assert_true(hits.capacity <= 256);
    hx_hit_heap_free(&hits);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nearest_are_kept),
        cmocka_unit_test(test_none_asked_for),
        cmocka_unit_test(test_capacity_follows_the_hits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
