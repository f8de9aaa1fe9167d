/*
** module.c: the environment variable HANNOY_KERNELS, which is read when the extension is loaded.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sqlite3.h>

int sqlite3_hannoy_init(sqlite3 *db, char **error, const void *api);

static sqlite3 *open_memory(void) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    return db;
}

static void test_unknown_kernels(void **unused) {
    (void)unused;
    sqlite3 *const db = open_memory();
    char *error = NULL;
    setenv("HANNOY_KERNELS", "sse9", 1);
    assert_int_equal(sqlite3_hannoy_init(db, &error, NULL), SQLITE_ERROR);
    assert_int_equal(sqlite3_strglob("hannoy: HANNOY_KERNELS is 'sse9', but this processor has "
                                     "*scalar",
                                     error),
                     0);
    sqlite3_free(error);
    assert_int_equal(sqlite3_exec(db, "SELECT hannoy_version()", NULL, NULL, NULL), SQLITE_ERROR);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_forced_kernels(void **unused) {
    (void)unused;
    sqlite3 *const db = open_memory();
    sqlite3_stmt *stmt;
    char *error = NULL;
    setenv("HANNOY_KERNELS", "scalar", 1);
    assert_int_equal(sqlite3_hannoy_init(db, &error, NULL), SQLITE_OK_LOAD_PERMANENTLY);
    assert_null(error);
    assert_int_equal(
        sqlite3_exec(db, "CREATE VIRTUAL TABLE v USING hannoy(dim=2, metric=l2)", NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT value FROM hannoy_info('v') WHERE key = 'kernels'",
                                        -1, &stmt, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(stmt, 0), "scalar");
    sqlite3_finalize(stmt);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown_kernels),
        cmocka_unit_test(test_forced_kernels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
