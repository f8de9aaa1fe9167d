/* Functions of vectors where memory runs out: they say so, and what they answer is right. */
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
    if (sqlite3_open(":memory:", &db)) {
        return -1;
    }
    return sqlite3_hannoy_init(db, NULL, NULL) == SQLITE_OK ? 0 : -1;
}

static int close_database(void **state) {
    (void)state;
    return sqlite3_close(db);
}

/* SQLITE_OK and what the first value of the last row should be, or the code of a failure. */
static int run(const char *sql, const char *wanted) {
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(statement);
        if (rc != SQLITE_ROW) {
            break;
        }
        const char *const got = (const char *)sqlite3_column_text(statement, 0);
        if (!got || strcmp(got, wanted) != 0) {
            /* The text itself may have found no memory. */
            if (sqlite3_errcode(db) != SQLITE_NOMEM) {
                fail_msg("%s: %s", sql, got ? got : "NULL");
            }
            rc = SQLITE_NOMEM;
        }
    }
    const int end = sqlite3_finalize(statement);
    return rc == SQLITE_DONE ? end : rc;
}

/* The one allocation after another. */
static void without_memory(const char *sql, const char *wanted) {
    int nth = 1;
    for (; nth < 100000; nth++) {
        oom_arm(nth);
        const int rc = run(sql, wanted);
        if (!oom_struck()) {
            if (rc != SQLITE_OK) {
                fail_msg("%s: %s", sql, sqlite3_errmsg(db));
            }
            break;
        }
        if (rc != SQLITE_OK && rc != SQLITE_NOMEM) {
            fail_msg("%s: at allocation %d: %d %s", sql, nth, rc, sqlite3_errmsg(db));
        }
    }
    assert_in_range(nth, 5, 99999);
    assert_int_equal(run(sql, wanted), SQLITE_OK);
}

#define ROWS "FROM (VALUES ('[3, 4]'), (x'0000404000008040'), ('[3, 4]'), ('[3, 4]')) WHERE 1"

static void every_allocation(void **state) {
    (void)state;
    static const char *const statements[][2] = {
        {"SELECT hannoy_distance(column1, '[0, 0]', 'l2') " ROWS, "5.0"},
        {"SELECT hannoy_distance('[0, 0]', column1, 'euclidean', 'float16') FROM "
         "(VALUES ('[3, 4]'), ('[3, 4]'), ('[3, 4]'))",
         "5.0"},
        {"SELECT hannoy_distance(column1, column1, 'cosine') " ROWS, "0.0"},
        {"SELECT hannoy_json(hannoy_normalize(column1)) " ROWS, "[0.6,0.8]"},
        {"SELECT hannoy_json(hannoy_bits(column1)) " ROWS, "[1,1,0,0,0,0,0,0]"},
        {"SELECT hannoy_json(hannoy_vector('[1, 2]', 'int8'))", "[1,2]"},
        {"SELECT sum(value) FROM hannoy_each('[1, 2]', 'int8')", "3"},
        {"SELECT vec_to_json(vec_add(column1, vec_f32('[1, 1]'))) " ROWS, "[4.000000,5.000000]"},
        {"SELECT vec_to_json(vec_slice(vec_normalize(column1), 1, 2)) " ROWS, "[0.800000]"},
        {"SELECT vec_to_json(vec_quantize_int8('[1, 0]', 'unit'))", "[126,0]"},
        {"SELECT vec_distance_hamming(vec_quantize_binary('[1,1,1,1,1,1,1,1]'), vec_bit(x'0f'))",
         "4.0"},
        {"SELECT vec_distance_l1(vec_int8('[1]'), vec_int8('[3]'))", "2"},
        {"SELECT vec_type(column1) || vec_length(column1) " ROWS, "float322"},
        {"SELECT sum(value) FROM vec_each('[1, 2]')", "3.0"},
    };
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        without_memory(statements[i][0], statements[i][1]);
    }
}

/* A refusal is a sentence, or that there was no memory for it. */
static void every_allocation_of_a_refusal(void **state) {
    (void)state;
    static const char *const statements[] = {
        "SELECT hannoy_json('[1, x]')",
        "SELECT hannoy_json(x'01')",
        "SELECT hannoy_json(7)",
        "SELECT hannoy_json('[1]', 'real')",
        "SELECT hannoy_json(hannoy_bits('[1]'), 'int8')",
        "SELECT hannoy_normalize('[1]', 'int8')",
        "SELECT hannoy_distance('[1]', '[1]', 'dots')",
        "SELECT hannoy_distance('[1]', '[1, 2]', 'l1')",
        "SELECT hannoy_distance(hannoy_bits('[1]'), vec_int8('[1, 2]'), 'l1')",
        "SELECT * FROM hannoy_each('[1]', 'real')",
        "SELECT * FROM hannoy_each",
        "SELECT vec_add('[1]', vec_int8('[1]'))",
        "SELECT vec_add('[3e38]', '[3e38]')",
        "SELECT vec_slice('[1]', 2, 1)",
        "SELECT vec_quantize_int8('[1]', 2)",
        "SELECT vec_distance_hamming('[1]', '[1]')",
    };
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        for (int nth = 1;; nth++) {
            oom_arm(nth);
            const int rc = run(statements[i], "");
            const int struck = oom_struck();
            if (rc != SQLITE_NOMEM && !(rc == SQLITE_ERROR || rc == SQLITE_MISMATCH)) {
                fail_msg("%s: at allocation %d: %d", statements[i], nth, rc);
            }
            if (struck) {
                continue;
            }
            assert_memory_equal(sqlite3_errmsg(db), "hannoy: ", 8);
            break;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_allocation, open_database, close_database),
        cmocka_unit_test_setup_teardown(every_allocation_of_a_refusal, open_database,
                                        close_database),
    };
    oom_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
