/*
** measure.c: measured rows come nearest first, and every row that was added is known until the
** clear.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "query/measure.h"
#include "sqlite_api.h"

#define ROWS 5000

/* Rowids of all sizes and both signs, 0 among them, each once. */
static int64_t rowid_of(int i) {
    if (i % 3 == 1) {
        return -(int64_t)i * 1000003;
    }
    return i % 3 ? INT64_MAX - i : i;
}

static void test_nearest_first(void **state) {
    (void)state;
    hx_measured measured = {.ids = NULL};
    assert_null(hx_measured_nearest(&measured));
    for (int i = 0; i < ROWS; i++) {
        const hny_hit hit = {i * 7919 % 1009, rowid_of(i), 0};
        assert_int_equal(hx_measured_add(&measured, hit), SQLITE_OK);
    }
    hny_hit last = {-1, INT64_MIN, 0};
    for (int i = 0; i < ROWS; i++) {
        const hny_hit *const nearest = hx_measured_nearest(&measured);
        assert_non_null(nearest);
        assert_true(hny_hit_compare(&last, nearest) < 0);
        last = *nearest;
        hx_measured_pop(&measured);
    }
    assert_null(hx_measured_nearest(&measured));
    hx_measured_free(&measured);
}

static void test_known_until_cleared(void **state) {
    (void)state;
    hx_measured measured = {.ids = NULL};
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < ROWS; i++) {
            assert_false(hx_measured_has(&measured, rowid_of(i)));
            assert_int_equal(hx_measured_add(&measured, (hny_hit){1, rowid_of(i), 0}), SQLITE_OK);
            assert_true(hx_measured_has(&measured, rowid_of(i)));
            hx_measured_pop(&measured);
        }
        for (int i = 0; i < ROWS; i++) {
            assert_true(hx_measured_has(&measured, rowid_of(i)));
        }
        assert_false(hx_measured_has(&measured, INT64_MIN));
        hx_measured_clear(&measured);
    }
    assert_false(hx_measured_has(&measured, 0));
    hx_measured_free(&measured);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nearest_first),
        cmocka_unit_test(test_known_until_cleared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
