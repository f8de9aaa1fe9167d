/*
** Who has sqlite-vec's names: functions that a connection has before hannoy stay, those registered
** after it replace ours, and where nobody can tell, nothing is replaced.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "oom.h"

int sqlite3_hannoy_init(sqlite3 *db, char **error, const void *api);

static sqlite3 *db;

static int open_database(void **state) {
    (void)state;
    return sqlite3_open(":memory:", &db);
}

static int close_database(void **state) {
    (void)state;
    return sqlite3_close(db);
}

static int load(void) {
    return sqlite3_hannoy_init(db, NULL, NULL);
}

/* The text of the first value that sql gives, or the sentence of its error. */
static void gives(const char *sql, const char *wanted) {
    sqlite3_stmt *statement = NULL;
    const char *got = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW) {
        got = (const char *)sqlite3_column_text(statement, 0);
    }
    if (!got) {
        got = sqlite3_errmsg(db);
    }
    if (!strstr(got, wanted)) {
        fail_msg("%s: expected %s, got %s", sql, wanted, got);
    }
    sqlite3_finalize(statement);
}

/* ----------------------------------------------------------------------- another's functions -- */

static void theirs(sqlite3_context *context, int argc, sqlite3_value **argv) {
    (void)argc;
    (void)argv;
    sqlite3_result_text(context, "theirs", -1, SQLITE_STATIC);
}

static void register_theirs(const char *name, int argc) {
    assert_int_equal(sqlite3_create_function(db, name, argc, SQLITE_UTF8, NULL, theirs, NULL, NULL),
                     SQLITE_OK);
}

static int their_connect(sqlite3 *connection, void *aux, int argc, const char *const *argv,
                         sqlite3_vtab **out, char **error) {
    (void)aux;
    (void)argc;
    (void)argv;
    *error = sqlite3_mprintf("theirs");
    (void)connection;
    (void)out;
    return SQLITE_ERROR;
}

static int their_best(sqlite3_vtab *vtab, sqlite3_index_info *index) {
    (void)vtab;
    (void)index;
    return SQLITE_OK;
}

static void register_their_each(void) {
    static const sqlite3_module module = {.xConnect = their_connect, .xBestIndex = their_best};
    assert_int_equal(sqlite3_create_module(db, "vec_each", &module, NULL), SQLITE_OK);
}

/* ------------------------------------------------------------------------------------- tests -- */

static void ours_where_nobody_is(void **state) {
    (void)state;
    assert_int_equal(load(), SQLITE_OK);
    gives("SELECT vec_to_json(vec_f32('[.5]'))", "[0.500000]");
    gives("SELECT vec_distance_l2('[1]', '[3]')", "2.0");
    gives("SELECT value FROM vec_each('[7]')", "7.0");
    gives("SELECT vec_version() GLOB 'v0.1.[0-9]* (hannoy *)'", "1");
}

static void theirs_before_stay(void **state) {
    (void)state;
    register_theirs("vec_f32", 1);
    register_theirs("VEC_ADD", 2);
    register_theirs("vec_length", -1);
    register_theirs("vec_slice", 2);
    register_their_each();
    assert_int_equal(load(), SQLITE_OK);
    gives("SELECT vec_f32('[1]')", "theirs");
    gives("SELECT vec_add('[1]', '[2]')", "theirs");
    gives("SELECT vec_length('[1, 2, 3]')", "theirs");
    gives("SELECT vec_slice('[1]', 0)", "theirs");
    gives("SELECT value FROM vec_each('[7]')", "theirs");
    /* What they lack, be it by the number of arguments, is ours. */
    gives("SELECT vec_to_json(vec_slice('[1, 2]', 1, 2))", "[2.000000]");
    gives("SELECT value FROM hannoy_each('[7]')", "7.0");
    assert_int_equal(load(), SQLITE_OK);
    gives("SELECT vec_f32('[1]')", "theirs");
}

static void theirs_after_replace_ours(void **state) {
    (void)state;
    assert_int_equal(load(), SQLITE_OK);
    register_theirs("vec_f32", 1);
    register_their_each();
    gives("SELECT vec_f32('[1]')", "theirs");
    gives("SELECT value FROM vec_each('[7]')", "theirs");
    assert_int_equal(load(), SQLITE_OK);
    gives("SELECT vec_f32('[1]')", "theirs");
}

/* SQLITE_DENY is an error; SQLITE_IGNORE gives no rows, as does a SQLite without the pragmas. */
static int judge_pragmas(void *answer, int action, const char *a, const char *b, const char *c,
                         const char *d) {
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    return action == SQLITE_PRAGMA ? *(const int *)answer : SQLITE_OK;
}

static void none_where_nobody_can_tell(int answer) {
    register_theirs("vec_f32", 1);
    register_their_each();
    sqlite3_set_authorizer(db, judge_pragmas, &answer);
    assert_int_equal(load(), SQLITE_OK);
    sqlite3_set_authorizer(db, NULL, NULL);
    gives("SELECT vec_f32('[1]')", "theirs");
    gives("SELECT value FROM vec_each('[7]')", "theirs");
    gives("SELECT vec_length('[1]')", "no such function");
    gives("SELECT hannoy_json('[1]')", "[1]");
}

static void none_where_pragmas_are_denied(void **state) {
    (void)state;
    none_where_nobody_can_tell(SQLITE_DENY);
}

static void none_where_pragmas_are_silent(void **state) {
    (void)state;
    none_where_nobody_can_tell(SQLITE_IGNORE);
}

/* Loading that fails can be repeated, and replaces nothing either. */
static void no_memory(void **state) {
    (void)state;
    register_theirs("vec_f32", 1);
    register_their_each();
    int nth = 1;
    for (; nth < 10000; nth++) {
        oom_arm(nth);
        const int rc = load();
        if (!oom_struck()) {
            break;
        }
        assert_true(rc == SQLITE_NOMEM || rc == SQLITE_OK);
        gives("SELECT vec_f32('[1]')", "theirs");
        gives("SELECT value FROM vec_each('[7]')", "theirs");
        close_database(NULL);
        open_database(NULL);
        register_theirs("vec_f32", 1);
        register_their_each();
    }
    assert_in_range(nth, 20, 9999);
    gives("SELECT vec_f32('[1]')", "theirs");
    gives("SELECT vec_length('[1]')", "1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ours_where_nobody_is, open_database, close_database),
        cmocka_unit_test_setup_teardown(theirs_before_stay, open_database, close_database),
        cmocka_unit_test_setup_teardown(theirs_after_replace_ours, open_database, close_database),
        cmocka_unit_test_setup_teardown(none_where_pragmas_are_denied, open_database,
                                        close_database),
        cmocka_unit_test_setup_teardown(none_where_pragmas_are_silent, open_database,
                                        close_database),
        cmocka_unit_test_setup_teardown(no_memory, open_database, close_database),
    };
    oom_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
