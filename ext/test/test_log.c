/*
** log.c: the chain is a digest that every version on every machine must agree on, since sidecars
** and databases meet that were written by different ones.  The numbers here are from outside: they
** were computed apart from this code, by the rule that log.h and log.c state.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shadow/shadow.h"
#include "sqlite_api.h"

int sqlite3_hannoy_init(sqlite3 *db, char **error, const sqlite3_api_routines *api);

static sqlite3 *open_memory(void) {
    sqlite3 *db;
    char *error = NULL;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(sqlite3_hannoy_init(db, &error, NULL), SQLITE_OK);
    return db;
}

static void run(sqlite3 *db, const char *sql) {
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static void expect_row(sqlite3_stmt *stmt, int64_t seq, int64_t id, int64_t chain) {
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int64(stmt, 0), seq);
    assert_int_equal(sqlite3_column_int64(stmt, 1), id);
    assert_int_equal(sqlite3_column_int64(stmt, 2), chain);
}

/* Of a table with so many vectors of this shape. */
static hny_boundary start_of(hny_shape shape, int vectors) {
    hx_shadow shadow = {.columns = {.vectors = vectors}};
    for (int i = 0; i < vectors; i++) {
        shadow.config.vectors[i].options.shape = shape;
    }
    return hx_boundary_start(&shadow);
}

static void test_start(void **state) {
    (void)state;
    const hny_shape shape = {2, HNY_EUCLIDEAN, HNY_FLOAT32};
    const hny_boundary a = start_of(shape, 1);
    assert_int_equal(a.seq, 0);
    assert_int_equal(a.chain, INT64_C(83749735939238568));
    assert_int_not_equal(start_of((hny_shape){3, HNY_EUCLIDEAN, HNY_FLOAT32}, 1).chain, a.chain);
    assert_int_not_equal(start_of((hny_shape){2, HNY_COSINE, HNY_FLOAT32}, 1).chain, a.chain);
    assert_int_not_equal(start_of((hny_shape){2, HNY_EUCLIDEAN, HNY_FLOAT16}, 1).chain, a.chain);
    assert_int_not_equal(start_of(shape, 2).chain, a.chain);
    assert_int_not_equal(start_of(shape, 2).chain, start_of(shape, 3).chain);
}

static void test_chain(void **state) {
    sqlite3 *const db = open_memory();
    sqlite3_stmt *stmt;
    (void)state;
    run(db, "CREATE VIRTUAL TABLE v USING hannoy(dim=2, metric=l2);"
            "INSERT INTO v(rowid, vector) VALUES (7, '[1, -2]');"
            "INSERT INTO v(rowid, vector) VALUES (-3, '[0.5, 1e10]');"
            "DELETE FROM v WHERE rowid = 7; DELETE FROM v WHERE rowid = 7;"
            "UPDATE v SET rowid = 9 WHERE rowid = -3");
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT seq, id, chain FROM v_log ORDER BY seq", -1, &stmt, NULL),
        SQLITE_OK);
    expect_row(stmt, 1, 7, INT64_C(3177547374309050666));
    expect_row(stmt, 2, -3, INT64_C(-4818077221720853076));
    expect_row(stmt, 3, 7, INT64_C(5473804604019855931));
    expect_row(stmt, 4, -3, INT64_C(450119077269567762));
    expect_row(stmt, 5, 9, INT64_C(7925046927729488871));
    assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
    sqlite3_finalize(stmt);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* The same statements give the same chain, and a row more or less another one. */
static int64_t tip_after(const char *sql) {
    sqlite3 *const db = open_memory();
    sqlite3_stmt *stmt;
    run(db, "CREATE VIRTUAL TABLE v USING hannoy(dim=1, metric=cosine)");
    run(db, sql);
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT chain FROM v_log ORDER BY seq DESC", -1, &stmt, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    const int64_t chain = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return chain;
}

static void test_chain_names_content(void **state) {
    static const char *const different[] = {
        "INSERT INTO v(rowid, vector) VALUES (1, '[1]')",
        "INSERT INTO v(rowid, vector) VALUES (2, '[1]')",
        "INSERT INTO v(rowid, vector) VALUES (1, '[2]')",
        "INSERT INTO v(rowid, vector) VALUES (1, '[1]'), (2, '[1]')",
        "INSERT INTO v(rowid, vector) VALUES (2, '[1]'), (1, '[1]')",
        "INSERT INTO v(rowid, vector) VALUES (1, '[1]'); DELETE FROM v",
    };
    enum { COUNT = sizeof different / sizeof *different };
    int64_t chains[COUNT];
    (void)state;
    for (int i = 0; i < COUNT; i++) {
        chains[i] = tip_after(different[i]);
        assert_int_equal(tip_after(different[i]), chains[i]);
        for (int j = 0; j < i; j++) {
            assert_int_not_equal(chains[i], chains[j]);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_chain_names_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
