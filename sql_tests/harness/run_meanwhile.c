/*
** What happens in the middle of a statement: the progress handler of its connection runs SQL on
** another connection, or interrupts it.  Everything is in one thread, so that a test is repeatable:
** what would wait for the statement would wait for ever.
*/
#include "run.h"

#include <stdlib.h>
#include <string.h>

#define STEP 100 /* instructions of SQLite's machine between two calls of the handler */

/* An error is a row of one column, "error 5 database is locked". */
static void fail_row(meanwhile *m, int rc) {
    text t = {0};
    text_printf(&t, "error %d %s", rc, text_string(&m->message));
    rows_free(&m->got);
    rows_add_line(&m->got, text_string(&t), 1, NULL);
    text_free(&t);
}

static int act(void *arg) {
    run *const r = arg;
    meanwhile *const m = &r->meanwhile;
    if (m->done || ++m->calls < m->wait) {
        return 0;
    }
    m->done = 1;
    if (!m->sql) {
        sqlite3_interrupt(r->current->db);
        return 0;
    }
    connection *const outer = r->current;
    database_select(r, m->label, NULL, 0);
    const int rc = database_exec(r, m->sql, NULL, &m->got, &m->message);
    if (rc != SQLITE_OK) {
        fail_row(m, rc);
    }
    r->current = outer;
    return 0;
}

void meanwhile_arm(run *r, const char *label, long wait, char *sql, rows expected, size_t line) {
    r->meanwhile = (meanwhile){.label = run_strdup(label),
                               .wait = wait,
                               .sql = sql,
                               .expected = expected,
                               .line = line,
                               .armed = 1};
}

void meanwhile_begin(run *r) {
    if (!r->meanwhile.armed) {
        return;
    }
    r->meanwhile.db = database_open(r);
    sqlite3_progress_handler(r->meanwhile.db, STEP, act, r);
}

static void check(run *r, const meanwhile *m, text *why) {
    if (!m->done) {
        run_fail(r, m->line, "expected %d steps, got %d", (int)m->wait, (int)m->calls);
    } else if (!m->sql) {
        run_pass(r);
    } else if (m->got.columns != m->expected.columns && m->expected.count && m->got.count) {
        run_fail(r, m->line, "expected %d columns, got \"%s\"", (int)m->expected.columns,
                 m->got.cells[0]);
    } else if (!rows_equal(&m->expected, &m->got, NULL, why)) {
        run_fail(r, m->line, "%s", text_string(why));
    } else {
        run_pass(r);
    }
}

void meanwhile_end(run *r) {
    meanwhile m = r->meanwhile;
    text why = {0};
    if (!m.db) {
        return;
    }
    sqlite3_progress_handler(m.db, 0, NULL, NULL);
    r->meanwhile = (meanwhile){0};
    check(r, &m, &why);
    free(m.label);
    free(m.sql);
    rows_free(&m.got);
    rows_free(&m.expected);
    text_free(&m.message);
    text_free(&why);
}
