/*
** Many hannoy tables in one database: what a CREATE, a build and a query of one of them cost, in
** statements, does not depend on how many there are; and tables without the remark of table_ids.c,
** as older versions made them, keep their numbers.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "sqlite3_hannoy.h"

enum { TABLES = 120, FEW = 20, FEW_MORE = 3 };

static sqlite3 *open_memory(void) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(sqlite3_hannoy_init(db, NULL, NULL), SQLITE_OK);
    return db;
}

static void run(sqlite3 *db, const char *format, int number) {
    char *const sql = sqlite3_mprintf(format, number, number);
    char *error = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK) {
        fail_msg("%s: %s", sql, error);
    }
    sqlite3_free(sql);
}

static sqlite3_int64 integer(sqlite3 *db, const char *sql) {
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    const sqlite3_int64 value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

static int count_statement(unsigned event, void *count, void *stmt, void *text) {
    (void)event;
    (void)stmt;
    (void)text;
    ++*(int *)count;
    return 0;
}

/* The statements that one statement runs, with those that hannoy nests. */
static int count_of(sqlite3 *db, const char *format, int number) {
    int count = 0;
    sqlite3_trace_v2(db, SQLITE_TRACE_STMT, count_statement, &count);
    run(db, format, number);
    sqlite3_trace_v2(db, 0, NULL, NULL);
    return count;
}

static void test_cost(void **unused) {
    static const char *const what[] = {
        "CREATE VIRTUAL TABLE t%d USING hannoy(dim=2, metric=l2, autobuild=1)",
        "INSERT INTO t%d(rowid, vector) VALUES (1, '[1, 2]'), (2, '[2, 2]')",
        "INSERT INTO t%d(t%d) VALUES ('build')",
        "SELECT rowid FROM t%d('[1, 1]', 2)",
    };
    enum { KINDS = sizeof what / sizeof *what };
    sqlite3 *const db = open_memory();
    int few[KINDS], many[KINDS];
    (void)unused;
    for (int i = 0; i < TABLES; i++) {
        int *const counts = i <= FEW ? few : many;
        for (int kind = 0; kind < KINDS; kind++) {
            counts[kind] = count_of(db, what[kind], i);
        }
    }
    for (int kind = 0; kind < KINDS; kind++) {
        assert_in_range(few[kind], 1, 100);
        assert_in_range(many[kind], 1, few[kind] + FEW_MORE);
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* As the first version made it. */
static void drop_remark(sqlite3 *db, const char *table) {
    char *const sql = sqlite3_mprintf("PRAGMA writable_schema = on; UPDATE sqlite_master SET sql = "
                                      "'CREATE TABLE \"%s_config\"(key TEXT PRIMARY KEY, value) "
                                      "WITHOUT ROWID' WHERE name = '%s_config'; PRAGMA "
                                      "writable_schema = reset",
                                      table, table);
    run(db, sql, 0);
    sqlite3_free(sql);
}

static void test_older_tables(void **unused) {
    sqlite3 *const db = open_memory();
    (void)unused;
    run(db, "CREATE VIRTUAL TABLE a USING hannoy(dim=2, metric=l2)", 0);
    run(db, "CREATE VIRTUAL TABLE b USING hannoy(x float[2] metric=l2, y float[2] metric=l2)", 0);
    assert_int_equal(integer(db, "SELECT count(*) FROM sqlite_master WHERE name = 'b_config' AND "
                                 "sql LIKE '%/* index 2, of 2 */%'"),
                     1);
    drop_remark(db, "b");
    run(db, "CREATE VIRTUAL TABLE \"A_\" USING hannoy(dim=2, metric=l2)", 0);
    assert_int_equal(integer(db, "SELECT value FROM A__config WHERE key = 'table'"), 4);
    run(db, "ALTER TABLE A_ RENAME TO c", 0);
    drop_remark(db, "a");
    run(db, "CREATE VIRTUAL TABLE d USING hannoy(dim=2, metric=l2)", 0);
    assert_int_equal(integer(db, "SELECT value FROM d_config WHERE key = 'table'"), 5);
    assert_int_equal(integer(db, "SELECT count(*) FROM sqlite_master WHERE name = 'c_config' AND "
                                 "sql LIKE '%/* index 4, of 1 */%'"),
                     1);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* A linker that has a lock at the moment makes a COMMIT run another statement or two. */
int main(void) {
    setenv("HANNOY_BACKGROUND", "0", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cost),
        cmocka_unit_test(test_older_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
