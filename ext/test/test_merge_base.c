/*
** merge_base.c: merging rowids gives what sorting them all and dropping repeats does.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "query/merge_base.h"
#include "sqlite_api.h"

#define RANGE 200

static hx_ids ids_of(const bool *has) {
    hx_ids ids = {sqlite3_malloc(RANGE * sizeof(int64_t)), 0, RANGE};
    assert_non_null(ids.items);
    for (int64_t id = 0; id < RANGE; id++) {
        if (has[id]) {
            ids.items[ids.count++] = id - RANGE / 2;
        }
    }
    return ids;
}

static void test_merge(void **state) {
    (void)state;
    srand(1);
    for (int round = 0; round < 2000; round++) {
        const int shares[2] = {1 + rand() % 20, 1 + rand() % 20};
        bool a[RANGE], b[RANGE], both[RANGE];
        for (int i = 0; i < RANGE; i++) {
            a[i] = rand() % shares[0] == 0;
            b[i] = rand() % shares[1] == 0 && round % 7;
            both[i] = a[i] || b[i];
        }
        hx_ids ids = ids_of(a), more = ids_of(b), expected = ids_of(both);
        assert_int_equal(hx_ids_merge(&ids, &more), SQLITE_OK);
        assert_int_equal(ids.count, expected.count);
        for (size_t i = 0; i < ids.count; i++) {
            assert_true(ids.items[i] == expected.items[i]);
        }
        hx_ids_free(&ids);
        hx_ids_free(&more);
        hx_ids_free(&expected);
    }
}

static void test_merge_into_nothing(void **state) {
    int64_t items[] = {-3, 0, 7};
    const hx_ids none = {NULL, 0, 0}, three = {items, 3, 3};
    hx_ids ids = none;
    (void)state;
    assert_int_equal(hx_ids_merge(&ids, &none), SQLITE_OK);
    assert_int_equal(ids.count, 0);
    assert_int_equal(hx_ids_merge(&ids, &three), SQLITE_OK);
    assert_int_equal(ids.count, 3);
    assert_true(ids.items[0] == -3 && ids.items[1] == 0 && ids.items[2] == 7);
    hx_ids_free(&ids);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_merge_into_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
