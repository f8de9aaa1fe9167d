/*
** Hostile schemas: random triggers, views, columns, indexes and edits of sqlite_schema beneath
** hannoy tables, and statements that use them (hostile_sql.h).  Whatever is made, nothing crashes,
** hangs or overflows the stack of a thread; no statement is used while it runs; an error has a
** sentence; no command runs from a trigger or a view; and the connection can be closed.
**
**     schemas --ext ./hannoy.so [--seed S] [--steps SCHEMAS] [--seconds T] [--jobs J] [--verbose]
**
** Each schema has a process and a database of its own and follows from its seed, so that a failure
** comes again with `--seed ITS_SEED --steps 1`.
*/
#include "hostile_sql.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define STATEMENTS     120 /* of a schema */
#define DEFAULT_CASES  3000
#define OPEN_CURSORS   3
#define CALLBACK_STEPS 1000 /* instructions of SQLite */
#define MAX_CALLBACKS  2000 /* of a statement: then it is interrupted */
#define MAX_ROWS       200  /* that are read of a statement */

/* What a host may well give a thread; ASan's frames are larger. */
#define STACK_BYTES ((size_t)(SANITIZED ? 4096 : 512) << 10)

/* Over all processes. */
static struct totals { long schemas, statements, errors, refused; } * totals;

typedef struct host {
    sqlite3 *db;
    sqlite3_stmt *cursors[OPEN_CURSORS];
    rng r;
    long callbacks; /* of the statement that runs */
    bool edits;     /* sqlite_schema is changed, too */
    bool others;    /* a virtual table of another module was made */
} host;

static char statement[4096]; /* the one that runs, for fail() */
static char last_misuse[400];

static void tell_statement(void) {
    printf("  %s\n", statement);
}

/* SQLite reports here that a statement is bound or stepped while it runs. */
static void log_misuse(void *data, int code, const char *message) {
    (void)data;
    if ((code & 0xff) == SQLITE_MISUSE) {
        snprintf(last_misuse, sizeof last_misuse, "%s", message);
    }
}

static int limit_steps(void *data) {
    host *const h = data;
    return ++h->callbacks > MAX_CALLBACKS;
}

/* -------------------------------------------------------------------------------- statements -- */

/* FTS5 and SQLite's own ALTER TABLE have errors without a sentence. */
static bool may_be_silent(const host *h) {
    return h->others || strncmp(statement, "ALTER TABLE", 11) == 0;
}

/* An error names the thing: SQLite's texts for a code alone do not. */
static void check_result(const host *h, int rc) {
    const char *const message = sqlite3_errmsg(h->db);
    if (last_misuse[0]) {
        fail("misuse: %s", last_misuse);
    }
    totals->statements++;
    if (rc == SQLITE_OK || rc == SQLITE_ROW || rc == SQLITE_DONE) {
        return;
    }
    totals->errors++;
    totals->refused += strncmp(message, "hannoy: ", 8) == 0;
    note("  %s (%d)", message, rc);
    const int primary = rc & 0xff;
    if (primary == SQLITE_MISUSE || primary == SQLITE_INTERNAL || primary == SQLITE_NOMEM) {
        fail("%s (%d)", message, rc);
    }
    if (primary == SQLITE_ERROR && !may_be_silent(h) &&
        (!*message || strcmp(message, "SQL logic error") == 0)) {
        fail("an error without a sentence: %s (%d)", message, rc);
    }
}

static int begin_statement(host *h, const char *sql, sqlite3_stmt **stmt) {
    snprintf(statement, sizeof statement, "%s", sql);
    note("%s", sql);
    h->callbacks = 0;
    h->others |= strstr(sql, "USING fts5") || strstr(sql, "USING rtree") || strstr(sql, "'fts5'");
    return sqlite3_prepare_v2(h->db, sql, -1, stmt, NULL);
}

static int run_statement(host *h, const char *sql) {
    sqlite3_stmt *stmt;
    int rc = begin_statement(h, sql, &stmt);
    for (int i = 0; i < MAX_ROWS && (rc == SQLITE_OK || rc == SQLITE_ROW); i++) {
        rc = stmt ? sqlite3_step(stmt) : SQLITE_DONE;
    }
    check_result(h, rc);
    sqlite3_finalize(stmt);
    return rc;
}

static int run_rule(host *h, const char *rule) {
    char *const sql = hostile_sql(rule, &h->r);
    const int rc = run_statement(h, sql);
    sqlite3_free(sql);
    return rc;
}

static void close_cursors(host *h) {
    for (int i = 0; i < OPEN_CURSORS; i++) {
        sqlite3_finalize(h->cursors[i]);
        h->cursors[i] = NULL;
    }
}

/* Steps a cursor that stays open while others run, or opens one. */
static void move_cursor(host *h) {
    sqlite3_stmt **const cursor = &h->cursors[rng_below(&h->r, OPEN_CURSORS)];
    int rc = SQLITE_OK;
    if (!*cursor) {
        char *const sql = hostile_sql("open", &h->r);
        rc = begin_statement(h, sql, cursor);
        sqlite3_free(sql);
    }
    if (rc == SQLITE_OK && *cursor) {
        h->callbacks = 0;
        rc = sqlite3_step(*cursor);
    }
    check_result(h, rc);
    if (rc != SQLITE_ROW) {
        sqlite3_finalize(*cursor);
        *cursor = NULL;
    }
}

/* ------------------------------------------------------------------------------- connections -- */

static void set_config(host *h, int option) {
    sqlite3_db_config(h->db, option, (int)rng_below(&h->r, 2), NULL);
}

static void open_host(host *h) {
    h->db = db_open(case_path("t.db"));
    sqlite3_progress_handler(h->db, CALLBACK_STEPS, limit_steps, h);
    set_config(h, SQLITE_DBCONFIG_TRUSTED_SCHEMA);
    if (rng_chance(&h->r, 0.3)) {
        set_config(h, SQLITE_DBCONFIG_DEFENSIVE);
    }
    if (rng_chance(&h->r, 0.5)) {
        run_statement(h, "PRAGMA recursive_triggers = 1");
    }
}

static void close_host(host *h) {
    close_cursors(h);
    snprintf(statement, sizeof statement, "sqlite3_close");
    const int rc = sqlite3_close(h->db);
    if (rc != SQLITE_OK) {
        sqlite3_stmt *const left = sqlite3_next_stmt(h->db, NULL);
        fail("the connection cannot be closed: %s: %s", sqlite3_errmsg(h->db),
             left ? sqlite3_sql(left) : "no statement is left");
    }
    h->db = NULL;
}

static void reopen_host(host *h) {
    note("restart");
    close_host(h);
    open_host(h);
}

/* In a transaction of its own; what SQLite cannot read any more is undone. */
static void edit_schema(host *h) {
    sqlite3_db_config(h->db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
    run_statement(h, "PRAGMA writable_schema = 1");
    run_rule(h, "edit");
    run_statement(h, "PRAGMA writable_schema = 0");
    if (sqlite3_get_autocommit(h->db)) {
        reopen_host(h);
    } else {
        run_statement(h, "PRAGMA writable_schema = RESET");
    }
}

/* ---------------------------------------------------------------------------------- a schema -- */

static bool is_readable(host *h) {
    return run_statement(h, "SELECT count(*) FROM sqlite_schema") == SQLITE_ROW ||
           sqlite3_errcode(h->db) == SQLITE_DONE || sqlite3_errcode(h->db) == SQLITE_OK;
}

static void one_step(host *h) {
    const uint32_t way = rng_below(&h->r, 100);
    if (way < 40) {
        run_rule(h, "use");
    } else if (way < 72) {
        run_rule(h, "hostile");
    } else if (way < 88) {
        move_cursor(h);
    } else if (way < 92) {
        run_rule(h, "mode");
    } else if (way < 95) {
        reopen_host(h);
    } else if (h->edits) {
        edit_schema(h);
    }
}

/* Commands of triggers and views would have set this. */
static void check_commands(host *h) {
    static const char *const names[] = {"v_config", "w_config", "u_config"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *const sql = sqlite3_mprintf(
            "SELECT value FROM main.%s WHERE value LIKE '%%" HOSTILE_EF "%%'", names[i]);
        if (run_statement(h, sql) == SQLITE_ROW) {
            fail("a command of a trigger or a view was run");
        }
        sqlite3_free(sql);
    }
}

static void *use_schema(void *data) {
    host *const h = data;
    open_host(h);
    for (const char *const *sql = hostile_setup; *sql; sql++) {
        db_must(h->db, "%s", *sql);
    }
    for (int i = 0; i < STATEMENTS && (i % 20 || is_readable(h)); i++) {
        one_step(h);
    }
    close_cursors(h);
    if (!sqlite3_get_autocommit(h->db)) {
        run_statement(h, "ROLLBACK");
    }
    check_commands(h);
    run_statement(h, "DROP TABLE v");
    run_statement(h, "DROP TABLE w");
    run_statement(h, "DROP TABLE u");
    close_host(h);
    totals->schemas++;
    return NULL;
}

/* On a stack of a known size. */
static void run_schema(void *data) {
    host h = {.r = rng_of(*(uint64_t *)data)};
    pthread_attr_t attributes;
    pthread_t thread;
    fail_history = tell_statement;
    h.edits = rng_chance(&h.r, 0.4);
    if (pthread_attr_init(&attributes) || pthread_attr_setstacksize(&attributes, STACK_BYTES) ||
        pthread_create(&thread, &attributes, use_schema, &h)) {
        fail("no thread");
    }
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
}

int main(int argc, char **argv) {
    arg.jobs = 2;
    args_read(argc, argv);
    suite_begin("schemas", true);
    totals = mmap(NULL, sizeof *totals, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (totals == MAP_FAILED || sqlite3_config(SQLITE_CONFIG_LOG, log_misuse, NULL)) {
        return 2;
    }
    long left = arg.steps ? arg.steps : DEFAULT_CASES;
    for (uint64_t seed = arg.seed; left > 0 && suite_time_left(); seed++, left--) {
        char name[40];
        snprintf(name, sizeof name, "--seed %llu", (unsigned long long)seed);
        suite_case(name, 60, run_schema, &seed);
    }
    suite_wait();
    printf("%ld schemas, %ld statements, %ld refused, %ld of them by hannoy\n", totals->schemas,
           totals->statements, totals->errors, totals->refused);
    return suite_end();
}
