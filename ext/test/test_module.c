/*
** module.c and what a host may do around a connection: HANNOY_KERNELS, which is read when the
** extension is loaded; loading it twice; finalizing all statements before it closes.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "sqlite3_hannoy.h"

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
    assert_int_equal(sqlite3_hannoy_init(db, &error, NULL), SQLITE_OK);
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

static void run(sqlite3 *db, const char *sql) {
    char *error = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK) {
        fail_msg("%s: %s", sql, error);
    }
}

static sqlite3 *open_loaded(void) {
    sqlite3 *const db = open_memory();
    char *error = NULL;
    unsetenv("HANNOY_KERNELS");
    assert_int_equal(sqlite3_hannoy_init(db, &error, NULL), SQLITE_OK);
    return db;
}

static int deny_functions(void *unused, int action, const char *a, const char *b, const char *c,
                          const char *d) {
    (void)unused;
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    return action == SQLITE_FUNCTION || action == SQLITE_SELECT ? SQLITE_DENY : SQLITE_OK;
}

/* The functions still know the tables that were connected before. */
static void test_second_load(void **unused) {
    (void)unused;
    sqlite3 *const db = open_loaded();
    char *error = NULL;
    run(db, "CREATE VIRTUAL TABLE v USING hannoy(dim=2, metric=l2)");
    sqlite3_set_authorizer(db, deny_functions, NULL);
    assert_int_equal(sqlite3_hannoy_init(db, &error, NULL), SQLITE_OK);
    sqlite3_set_authorizer(db, NULL, NULL);
    run(db, "SELECT hannoy_build('v'); SELECT * FROM hannoy_info('v')");
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Statements that stay open in different states, and more that were prepared before and after. */
static void leave_statements(sqlite3 *db, const char *const *texts, int count) {
    for (int i = 0; i < count; i++) {
        sqlite3_stmt *stmt;
        assert_int_equal(sqlite3_prepare_v2(db, texts[i], -1, &stmt, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    }
}

static void test_finalized_by_host(void **unused) {
    (void)unused;
    static const char *const texts[] = {
        "SELECT rowid, vector FROM v",
        "SELECT rowid, distance FROM v WHERE knn_match(vector, '[1]')",
        "SELECT rowid, n FROM v WHERE knn_match(vector, '[1]') AND k = 3",
        "SELECT a.rowid FROM v a, v b WHERE a.rowid = b.rowid",
    };
    for (int warm = 0; warm < 3; warm++) {
        sqlite3 *const db = open_loaded();
        sqlite3_stmt *stmt;
        run(db, "CREATE VIRTUAL TABLE v USING hannoy(dim=1, metric=l2, +n INTEGER); INSERT INTO "
                "v(rowid, vector, n) VALUES (1, '[1]', 1), (2, '[2]', 2), (3, '[3]', 3)");
        for (int i = 0; i < warm; i++) {
            run(db,
                "SELECT rowid, n FROM v WHERE knn_match(vector, '[1]') AND k = 3; SELECT * FROM v");
        }
        leave_statements(db, texts, 4);
        run(db, "BEGIN; INSERT INTO v(rowid, vector) VALUES (4, '[4]')");
        while ((stmt = sqlite3_next_stmt(db, NULL)) != NULL) {
            sqlite3_finalize(stmt);
        }
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown_kernels),
        cmocka_unit_test(test_forced_kernels),
        cmocka_unit_test(test_second_load),
        cmocka_unit_test(test_finalized_by_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
