/*
** vector_cache.c: what it returns for a row is what was put there for the same base, whatever was
** put since, and however little memory there is.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "oom.h"
#include "query/vector_cache.h"
#include "sqlite_api.h"

#define WIDTH 4096

static const hny_boundary here = {7, 77}, elsewhere = {8, 88};

static void vector_of(int64_t id, unsigned char *out) {
    memset(out, (int)(id % 251), WIDTH);
    memcpy(out, &id, sizeof id);
}

static void put(hx_vector_cache *cache, int64_t id) {
    unsigned char vector[WIDTH];
    vector_of(id, vector);
    hx_vector_cache_put(cache, id, vector);
}

static void put_twice(hx_vector_cache *cache, int64_t id) {
    put(cache, id);
    put(cache, id);
}

/* Is it there?  Then it is the right one. */
static int holds(const hx_vector_cache *cache, int64_t id) {
    unsigned char vector[WIDTH];
    const void *const found = hx_vector_cache_find(cache, id);
    vector_of(id, vector);
    if (found) {
        assert_memory_equal(found, vector, WIDTH);
    }
    return found != NULL;
}

static void test_kept(void **state) {
    (void)state;
    hx_vector_cache cache = {0};
    assert_null(hx_vector_cache_find(&cache, 1));
    put(&cache, 1); /* before the first base: of no use, and no harm */
    hx_vector_cache_begin(&cache, here, WIDTH);
    assert_false(holds(&cache, 1));
    for (int64_t id = -5; id <= 5; id++) {
        put(&cache, id * 1000003);
        assert_false(holds(&cache, id * 1000003));
        put(&cache, id * 1000003);
        assert_true(holds(&cache, id * 1000003));
    }
    hx_vector_cache_begin(&cache, here, WIDTH);
    assert_true(holds(&cache, 1000003));
    hx_vector_cache_begin(&cache, elsewhere, WIDTH);
    assert_false(holds(&cache, 1000003));
    hx_vector_cache_free(&cache);
}

/* 32 MiB are 8192 of these: of many more some are left, and of fewer nearly all. */
static void test_bounded(void **state) {
    (void)state;
    hx_vector_cache cache = {0};
    int kept = 0;
    hx_vector_cache_begin(&cache, here, WIDTH);
    for (int64_t id = 0; id < 4000; id++) {
        put_twice(&cache, id);
    }
    for (int64_t id = 0; id < 4000; id++) {
        kept += holds(&cache, id);
    }
    assert_true(kept > 3600);
    for (int64_t id = 4000; id < 40000; id++) {
        put_twice(&cache, id);
    }
    kept = 0;
    for (int64_t id = 0; id < 40000; id++) {
        kept += holds(&cache, id);
    }
    assert_true(kept > 6000 && kept <= 8192);
    hx_vector_cache_free(&cache);
}

/* Rows that are read once, however many, take little from those that were read twice. */
static void test_once(void **state) {
    (void)state;
    hx_vector_cache cache = {0};
    int kept = 0;
    hx_vector_cache_begin(&cache, here, WIDTH);
    for (int64_t id = 0; id < 4000; id++) {
        put_twice(&cache, id);
    }
    for (int64_t id = 4000; id < 100000; id++) {
        put(&cache, id);
    }
    for (int64_t id = 0; id < 4000; id++) {
        kept += holds(&cache, id);
    }
    assert_true(kept > 3600);
    for (int64_t id = 4000; id < 100000; id++) {
        assert_false(holds(&cache, id));
    }
    hx_vector_cache_free(&cache);
}

static void test_without_memory(void **state) {
    (void)state;
    for (int nth = 1, struck = 1; struck; nth++) {
        hx_vector_cache cache = {0};
        oom_arm(nth);
        hx_vector_cache_begin(&cache, here, WIDTH);
        for (int64_t id = 0; id < 200; id++) {
            put_twice(&cache, id);
            holds(&cache, id);
        }
        struck = oom_struck();
        hx_vector_cache_begin(&cache, here, WIDTH);
        put_twice(&cache, 1234567);
        assert_true(holds(&cache, 1234567));
        hx_vector_cache_free(&cache);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_without_memory),
    };
    oom_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
