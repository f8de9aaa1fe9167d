/*
** The differential test: random statements with searches in them, on random schemas, against the
** same on a plain table with hannoy_distance.  Searches are exact, so every row must be the same.
**
**     differential --ext ./hannoy.so [--seed S] [--steps N] [--seconds T] [--jobs J] [--verbose]
**
** N statements in runs of 500, run i with seed S+i, each in a process and with a database of its
** own. A run follows from its seed alone, so a failure comes again with `--seed ITS_SEED --steps
** 500`.
*/
#include "random_sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define RUN_STEPS   500
#define DEFAULT_ALL 300000

/* Over all processes. */
static struct totals { long statements, rows; } * totals;

/* The rows of a statement as text, one string a row, for sqlite3_free(). */
typedef struct answer {
    char **rows;
    int count, capacity;
    int rc;
    char error[400];
} answer;

/* What fail() tells. */
static struct {
    sqlite3 *db;
    const pair *pair;
    const answer *answers;
} current;

/*
** --------------------------------------------------------------------------------- statements --
*/

static void bind_parameters(sqlite3 *db, sqlite3_stmt *stmt, const pair *p) {
    for (int i = 0; i < p->count; i++) {
        char name[16];
        sqlite3_stmt *value;
        snprintf(name, sizeof name, ":p%d", i);
        const int index = sqlite3_bind_parameter_index(stmt, name);
        if (!index) {
            continue;
        }
        char *const sql = sqlite3_mprintf("SELECT %s", p->parameters[i]);
        if (sqlite3_prepare_v2(db, sql, -1, &value, NULL) != SQLITE_OK ||
            sqlite3_step(value) != SQLITE_ROW) {
            fail("%s: %s", sql, sqlite3_errmsg(db));
        }
        sqlite3_bind_value(stmt, index, sqlite3_column_value(value, 0));
        sqlite3_finalize(value);
        sqlite3_free(sql);
    }
}

static char *row_text(sqlite3_stmt *stmt) {
    sqlite3_str *const text = sqlite3_str_new(NULL);
    for (int i = 0; i < sqlite3_column_count(stmt); i++) {
        const int type = sqlite3_column_type(stmt, i);
        const char *const value =
            type == SQLITE_BLOB ? NULL : (const char *)sqlite3_column_text(stmt, i);
        sqlite3_str_appendf(text, "%s%c", i ? " | " : "", " irtbn"[type]);
        if (type == SQLITE_FLOAT) {
            sqlite3_str_appendf(text, "%.12g", sqlite3_column_double(stmt, i));
        } else if (type == SQLITE_BLOB) {
            const unsigned char *const bytes = sqlite3_column_blob(stmt, i);
            for (int j = 0; j < sqlite3_column_bytes(stmt, i); j++) {
                sqlite3_str_appendf(text, "%02x", bytes[j]);
            }
        } else if (value) {
            sqlite3_str_appendall(text, value);
        }
    }
    return sqlite3_str_finish(text);
}

static void add_row(answer *a, char *row) {
    if (a->count == a->capacity) {
        a->capacity = a->capacity ? 2 * a->capacity : 16;
        a->rows = sqlite3_realloc(a->rows, a->capacity * (int)sizeof *a->rows);
        if (!a->rows) {
            fail("out of memory");
        }
    }
    a->rows[a->count++] = row;
}

static answer run_statement(sqlite3 *db, const char *sql, const pair *p) {
    answer a = {.rc = SQLITE_OK};
    sqlite3_stmt *stmt = NULL;
    a.rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    if (a.rc == SQLITE_OK) {
        bind_parameters(db, stmt, p);
        while ((a.rc = sqlite3_step(stmt)) == SQLITE_ROW) {
            add_row(&a, row_text(stmt));
        }
        if (a.rc == SQLITE_DONE) {
            a.rc = SQLITE_OK;
        }
    }
    if (a.rc != SQLITE_OK) {
        sqlite3_snprintf(sizeof a.error, a.error, "%s", sqlite3_errmsg(db));
    }
    sqlite3_finalize(stmt);
    return a;
}

static void answer_free(answer *a) {
    for (int i = 0; i < a->count; i++) {
        sqlite3_free(a->rows[i]);
    }
    sqlite3_free(a->rows);
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_answer(answer *a) {
    if (a->count) {
        qsort(a->rows, (size_t)a->count, sizeof *a->rows, by_text);
    }
}

/*
** ------------------------------------------------------------------------------------ comparing --
*/

static void tell_answer(const char *title, const answer *a) {
    printf("  %s: %d rows%s%s\n", title, a->count, a->error[0] ? ", error " : "", a->error);
    for (int i = 0; i < a->count && i < 12; i++) {
        printf("    %s\n", a->rows[i]);
    }
}

static void tell_current(void) {
    char *const tables =
        db_text(current.db, "SELECT group_concat(sql, ';\n  ') FROM sqlite_schema WHERE name IN "
                            "('v', 'p', 't')");
    printf("  %s;\n  encoding %s\n", tables, db_text(current.db, "PRAGMA encoding"));
    sqlite3_free(tables);
    for (int i = 0; current.pair && i < current.pair->count; i++) {
        printf("  :p%d = %s\n", i, current.pair->parameters[i]);
    }
    if (!current.pair) {
        return;
    }
    printf("  hannoy: %s\n  plain: %s\n", current.pair->hannoy, current.pair->plain);
    if (!current.answers) {
        return;
    }
    tell_answer("hannoy", &current.answers[0]);
    tell_answer("plain", &current.answers[1]);
}

static void compare_answers(answer *hannoy, answer *plain, bool ordered) {
    if (hannoy->rc || plain->rc) {
        fail("%s", hannoy->rc ? hannoy->error : plain->error);
    }
    if (!ordered) {
        sort_answer(hannoy);
        sort_answer(plain);
    }
    if (hannoy->count != plain->count) {
        fail("%d rows where there should be %d", hannoy->count, plain->count);
    }
    for (int i = 0; i < plain->count; i++) {
        if (strcmp(hannoy->rows[i], plain->rows[i])) {
            fail("another row %d", i + 1);
        }
    }
}

/* After a statement that writes both tables have the same rows. */
static void compare_tables(sqlite3 *db, const schema *s) {
    sqlite3_str *const text = sqlite3_str_new(NULL);
    for (int i = 0; i < s->count; i++) {
        sqlite3_str_appendf(text, ", %s", s->columns[i].name);
    }
    char *const columns = sqlite3_str_finish(text);
    const int64_t differ = db_int(
        db,
        "SELECT count(*) FROM (SELECT * FROM (SELECT rowid, vector%s FROM v EXCEPT SELECT id, "
        "vector%s FROM p) UNION ALL SELECT * FROM (SELECT id, vector%s FROM p EXCEPT SELECT rowid, "
        "vector%s FROM v))",
        columns, columns, columns, columns);
    sqlite3_free(columns);
    if (differ) {
        fail("%lld rows differ after the statement", (long long)differ);
    }
}

static void one_statement(sqlite3 *db, const schema *s) {
    pair p = random_pair(s);
    answer answers[2];
    if (!p.hannoy || !p.plain) {
        fail("out of memory");
    }
    current.pair = &p;
    note("%s", p.hannoy);
    if (p.writes) {
        db_must(db, "SAVEPOINT before");
    }
    answers[0] = run_statement(db, p.hannoy, &p);
    answers[1] = run_statement(db, p.plain, &p);
    current.answers = answers;
    compare_answers(&answers[0], &answers[1], p.ordered);
    if (p.writes) {
        compare_tables(db, s);
        if (rng_chance(s->r, 0.8)) {
            db_must(db, "ROLLBACK TO before");
        }
        db_must(db, "RELEASE before");
    }
    totals->statements++;
    totals->rows += answers[1].count;
    current.answers = NULL;
    current.pair = NULL;
    answer_free(&answers[0]);
    answer_free(&answers[1]);
    pair_free(&p);
}

/*
** --------------------------------------------------------------------------------------- a run --
*/

/*
** text REGEXP pattern: does the text contain the pattern?  As LIKE in Debian's SQLite, of no BLOB:
** what text a BLOB is in UTF-16 depends on where it is from.
*/
static void regexp(sqlite3_context *context, int argc, sqlite3_value **argv) {
    if (sqlite3_value_type(argv[1]) == SQLITE_BLOB) {
        sqlite3_result_int(context, 0);
        return;
    }
    const char *const pattern = (const char *)sqlite3_value_text(argv[0]);
    const char *const text = (const char *)sqlite3_value_text(argv[1]);
    (void)argc;
    if (pattern && text) {
        sqlite3_result_int(context, strstr(text, pattern) != NULL);
    }
}

static void create_views(sqlite3 *db, const schema *s) {
    const char *const vector = random_vector(s);
    db_must(db,
            "CREATE TEMP VIEW near_v AS SELECT rowid AS id, distance AS d, %s AS x FROM v "
            "WHERE knn_match(vector, %s) AND k = 6 AND exact = 1",
            s->columns[0].name, vector);
    db_must(db,
            "CREATE TEMP VIEW near_p AS SELECT id, CAST(hannoy_distance(vector, %s, '%s') AS "
            "REAL) AS d, %s AS x FROM p WHERE id IN (SELECT z.id FROM p AS z WHERE z.vector IS "
            "NOT NULL ORDER BY hannoy_distance(z.vector, %s, '%s'), z.id LIMIT 6)",
            vector, s->metric, s->columns[0].name, vector, s->metric);
}

static void run_case(void *data) {
    const random_run *const p = data;
    rng r = rng_of(p->seed);
    schema s;
    sqlite3 *const db = db_open(case_path("test.db"));
    current.db = db;
    fail_history = tell_current;
    if (sqlite3_create_function(db, "regexp", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, regexp,
                                NULL, NULL) != SQLITE_OK) {
        fail("%s", sqlite3_errmsg(db));
    }
    /* SQLite 3.40 loses rows of an automatic index by RTRIM: its Bloom filter hashes the length. */
    db_must(db, "PRAGMA automatic_index = OFF");
    schema_create(&s, &r, db);
    create_views(db, &s);
    for (long i = 0; i < p->steps; i++) {
        one_statement(db, &s);
    }
    db_check(db, "v");
    sqlite3_close(db);
}

int main(int argc, char **argv) {
    arg.jobs = 2;
    args_read(argc, argv);
    suite_begin("differential", true);
    totals = mmap(NULL, sizeof *totals, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (totals == MAP_FAILED) {
        return 2;
    }
    suite_random_runs(DEFAULT_ALL, RUN_STEPS, run_case);
    printf("%ld statements, %ld rows compared\n", totals->statements, totals->rows);
    return suite_end();
}
