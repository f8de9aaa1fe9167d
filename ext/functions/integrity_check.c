#include "functions/integrity_check.h"

#include <stdlib.h>

#include "shadow/content.h"
#include "shadow/error.h"
#include "shadow/interrupt.h"
#include "table.h"

#define POLL_ROWS 1024

/* The content is walked beside the delta, both ascending. */
typedef struct check {
    hx_table *table;
    const hx_ids *delta; /* NULL: the index says nothing about this snapshot */
    size_t next;         /* in delta */
    uint64_t rows;       /* outside the delta */
    uint64_t seen;
} check;

static bool in_delta(check *c, int64_t id) {
    while (c->next < c->delta->count && c->delta->at[c->next] < id) c->next++;
    return c->next < c->delta->count && c->delta->at[c->next] == id;
}

static int check_row(void *arg, int64_t id, const void *vector, const hny_attribute *attributes) {
    check *const c = arg;
    hx_table *const table = c->table;
    if (++c->seen % POLL_ROWS == 0 && hx_interrupted(table))
        return hx_fail_status(table, HNY_INTERRUPT);
    if (!c->delta || in_delta(c, id)) return SQLITE_OK;
    c->rows++;
    const int held = hny_reader_holds(table->reader, id, vector, attributes);
    if (held < 0) return hx_fail_status(table, held);
    return held ? SQLITE_OK
                : hx_fail(table, SQLITE_CORRUPT_VTAB,
                          "hannoy: the index does not hold row %lld as it is; "
                          "INSERT INTO %s(%s) VALUES('rebuild') mends it",
                          id, table->name, table->name);
}

/* What the index holds beyond the rows that it should can only be rows of the delta. */
static int check_count(const check *c, uint64_t held) {
    hx_table *const table = c->table;
    if (held >= c->rows && held - c->rows <= c->delta->count) return SQLITE_OK;
    return hx_fail(table, SQLITE_CORRUPT_VTAB,
                   "hannoy: the index holds %llu rows where %llu are expected; "
                   "INSERT INTO %s(%s) VALUES('rebuild') mends it",
                   held, c->rows, table->name, table->name);
}

static int check_rows(hx_table *table, const hx_ids *delta, uint64_t held) {
    check c = {table, delta, 0, 0, 0};
    const int rc = hx_content_each(table, check_row, &c);
    /* What REPLACE deleted in a table of the user's is in the index still; no query returns it. */
    if (rc || !delta || hx_columns_external(&table->columns)) return rc;
    return check_count(&c, held);
}

static int check_records(hx_table *table) {
    char *fault = NULL;
    const int status = hny_reader_check(table->reader, hx_interrupt(table), &fault);
    if (status) return hx_fail_status(table, status);
    if (!fault) return SQLITE_OK;
    hx_fail(table, SQLITE_CORRUPT_VTAB,
            "hannoy: the index is damaged: %s; INSERT INTO %s(%s) VALUES('rebuild') mends it",
            fault, table->name, table->name);
    free(fault);
    return SQLITE_CORRUPT_VTAB;
}

/* The numbers of the log run on without a gap, from the trim point to the tip. */
static int check_log(hx_table *table, const hx_log *log) {
    sqlite3_stmt *stmt;
    sqlite3_int64 rows;
    int rc = hx_sql_get(table, HX_SQL_LOG_COUNT, &stmt);
    if (rc) return rc;
    sqlite3_bind_int64(stmt, 1, log->trim.seq);
    rc = hx_sql_integer(table, stmt, &rows);
    if (rc || rows == log->tip.seq - log->trim.seq) return rc;
    return hx_fail(table, SQLITE_CORRUPT_VTAB,
                   "hannoy: %s_log has %lld rows after number %lld where %lld belong: somebody "
                   "wrote to it; INSERT INTO %s(%s) VALUES('rebuild') makes the index anew",
                   table->name, rows, log->trim.seq, log->tip.seq - log->trim.seq, table->name,
                   table->name);
}

/* The reader is pinned, and its base was found. */
static int check_index(hx_table *table) {
    const hx_snapshot *const s = &table->snapshot;
    hx_ids delta;
    int status;
    int rc = hx_merge_base_delta(table, table->reader, &s->base, &delta, &status);
    if (rc) return rc;
    rc = status ? hx_fail_status(table, status) : check_rows(table, &delta, s->stats.rows);
    hx_ids_free(&delta);
    return rc;
}

/* *held: what it says of the sidecar is to be believed. */
static int check_once(hx_table *table, bool *held) {
    int rc = hx_snapshot_begin(table);
    if (rc) return rc;
    const hx_snapshot *const s = &table->snapshot;
    const bool indexed = s->base.kind == HX_MERGE_BASE_FOUND && s->base.status == HNY_OK;
    rc = check_log(table, &s->log);
    if (rc == SQLITE_OK && hx_columns_external(&table->columns)) rc = hx_content_check(table);
    if (rc == SQLITE_OK && s->pinned) rc = check_records(table);
    if (rc == SQLITE_OK) rc = indexed ? check_index(table) : check_rows(table, NULL, 0);
    *held = hx_snapshot_holds(table);
    hx_snapshot_end(table);
    return rc;
}

int hx_integrity_check(hx_table *table) {
    bool held = true;
    const int rc = check_once(table, &held);
    if (rc != SQLITE_CORRUPT_VTAB || held) return rc;
    hx_forgive(table);
    return check_once(table, &held);
}
