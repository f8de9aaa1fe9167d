/* The command integrity-check; the contract is in integrity_check.h. */
#include "change/integrity_check.h"

#include <stdlib.h>

#include "query/index_view.h"
#include "shadow/content.h"
#include "shadow/error.h"
#include "shadow/host_interrupt.h"

#define POLL_ROWS 1024

/* Merges the content with the delta, both in ascending order. */
typedef struct check {
    hx_view *view;
    const hx_ids *delta; /* NULL: the index says nothing about this snapshot */
    size_t next;         /* in delta */
    uint64_t rows;       /* outside the delta */
    uint64_t seen;
} check;

static bool in_delta(check *c, int64_t id) {
    while (c->next < c->delta->count && c->delta->items[c->next] < id) {
        c->next++;
    }
    return c->next < c->delta->count && c->delta->items[c->next] == id;
}

static const char *vector_name(const hx_view *view) {
    return hx_columns_which(&view->shadow->columns, view->vector);
}

/* For "the index%s%s": " of body" in a table with several vectors. */
#define INDEX_NAME(view) vector_name(view)[0] ? " of " : "", vector_name(view)

static int check_row(void *arg, int64_t id, const void *vector, const hny_attribute *attributes) {
    check *const c = arg;
    hx_view *const view = c->view;
    if (++c->seen % POLL_ROWS == 0 && hx_interrupted(view->shadow)) {
        return hx_fail_status(view->shadow, HNY_INTERRUPT);
    }
    if (!c->delta || in_delta(c, id)) {
        return SQLITE_OK;
    }
    c->rows++;
    const int held = hny_reader_holds(view->reader, id, vector, attributes);
    if (held < 0) {
        return hx_fail_status(view->shadow, held);
    }
    return held ? SQLITE_OK
                : hx_fail(view->shadow, SQLITE_CORRUPT_VTAB,
                          "hannoy: the index%s%s does not hold row %lld as it is; "
                          "run INSERT INTO %s(%s) VALUES('rebuild') to repair it",
                          INDEX_NAME(view), id, view->shadow->name,
                          hx_hidden_name(&view->shadow->columns, HX_COMMAND));
}

/* Further rows that the index holds must be rows of the delta. */
static int check_count(const check *c, uint64_t held) {
    hx_view *const view = c->view;
    if (held >= c->rows && held - c->rows <= c->delta->count) {
        return SQLITE_OK;
    }
    return hx_fail(view->shadow, SQLITE_CORRUPT_VTAB,
                   "hannoy: the index%s%s holds %llu rows where %llu are expected; "
                   "run INSERT INTO %s(%s) VALUES('rebuild') to repair it",
                   INDEX_NAME(view), held, c->rows, view->shadow->name,
                   hx_hidden_name(&view->shadow->columns, HX_COMMAND));
}

static int check_rows(hx_view *view, const hx_ids *delta, uint64_t held) {
    check c = {view, delta, 0, 0, 0};
    const int rc = hx_content_each(view->shadow, view->vector, check_row, &c);
    /* Rows that REPLACE deleted from a content table stay in the index; queries skip them. */
    if (rc || !delta || hx_columns_external(&view->shadow->columns)) {
        return rc;
    }
    return check_count(&c, held);
}

static int check_records(hx_view *view) {
    char *fault = NULL;
    const int status = hny_reader_check(view->reader, hx_interrupt(view->shadow), &fault);
    if (status) {
        return hx_fail_status(view->shadow, status);
    }
    if (!fault) {
        return SQLITE_OK;
    }
    hx_fail(
        view->shadow, SQLITE_CORRUPT_VTAB,
        "hannoy: the index%s%s is damaged: %s; run INSERT INTO %s(%s) VALUES('rebuild') to repair "
        "it",
        INDEX_NAME(view), fault, view->shadow->name,
        hx_hidden_name(&view->shadow->columns, HX_COMMAND));
    free(fault);
    return SQLITE_CORRUPT_VTAB;
}

/* The numbers of the log have no gap between trim and tip. */
static int check_log(hx_view *view, const hx_log *log) {
    sqlite3_stmt *stmt;
    sqlite3_int64 changes;
    bool whole;
    int rc = hx_log_whole(view->shadow, log, &whole);
    if (rc == SQLITE_OK && !whole) {
        rc = hx_sql_get(view->shadow, HX_SQL_LOG_COUNT, &stmt);
    }
    if (rc || whole) {
        return rc;
    }
    sqlite3_bind_int64(stmt, 1, log->trim.seq);
    rc = hx_sql_integer(view->shadow, stmt, &changes);
    if (rc) {
        return rc;
    }
    return hx_fail(view->shadow, SQLITE_CORRUPT_VTAB,
                   "hannoy: %s_log has %lld changes after number %lld where %lld are expected: it "
                   "was changed from outside; run INSERT INTO %s(%s) VALUES('rebuild')",
                   view->shadow->name, changes, log->trim.seq, log->tip.seq - log->trim.seq,
                   view->shadow->name, hx_hidden_name(&view->shadow->columns, HX_COMMAND));
}

/* The reader is pinned, and its base was found. */
static int check_index(hx_view *view) {
    const hx_snapshot *const s = &view->snapshot;
    hx_ids delta;
    int status;
    int rc = hx_merge_base_delta(view->shadow, view->reader, &s->base, &delta, &status);
    if (rc) {
        return rc;
    }
    rc = status ? hx_fail_status(view->shadow, status) : check_rows(view, &delta, s->stats.rows);
    hx_ids_free(&delta);
    return rc;
}

/* The log of a content table names every change only with all triggers. */
static int check_triggers(hx_view *view) {
    if (hx_schema_state_followed(view->shadow)) {
        return SQLITE_OK;
    }
    return hx_fail(view->shadow, SQLITE_CORRUPT_VTAB,
                   "hannoy: the triggers on %s are missing, changed or were disabled; run INSERT "
                   "INTO %s(%s) VALUES('build') to create them again",
                   view->shadow->columns.source.table, view->shadow->name, view->shadow->name);
}

/* *held: false if the sidecar was replaced meanwhile, so that the result may be wrong. */
static int check_once(hx_view *view, bool *held) {
    int rc = hx_snapshot_begin(view);
    if (rc) {
        return rc;
    }
    const hx_snapshot *const s = &view->snapshot;
    const bool indexed = s->base.kind == HX_MERGE_BASE_FOUND && s->base.status == HNY_OK;
    rc = check_triggers(view);
    if (rc == SQLITE_OK) {
        rc = check_log(view, &s->log);
    }
    if (rc == SQLITE_OK && hx_columns_external(&view->shadow->columns)) {
        rc = hx_content_check(view->shadow, view->vector);
    }
    if (rc == SQLITE_OK && s->status == HNY_CORRUPT) {
        rc = hx_fail_status(view->shadow, s->status);
    }
    if (rc == SQLITE_OK && s->pinned) {
        rc = check_records(view);
    }
    if (rc == SQLITE_OK) {
        rc = indexed ? check_index(view) : check_rows(view, NULL, 0);
    }
    *held = hx_snapshot_holds(view);
    hx_snapshot_end(view);
    return rc;
}

int hx_integrity_check(hx_view *view) {
    bool held = true;
    const int rc = check_once(view, &held);
    if (rc != SQLITE_CORRUPT_VTAB || held) {
        return rc;
    }
    hx_forgive(view->shadow);
    return check_once(view, &held);
}
