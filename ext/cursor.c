#include "cursor.h"

#include <stdbool.h>
#include <string.h>

#include "content.h"
#include "error.h"
#include "knn.h"
#include "plan.h"
#include "table.h"
#include "vector.h"

typedef struct cursor {
    sqlite3_vtab_cursor base; /* SQLite's part, first */
    int plan;
    bool ended;
    /* with HX_PLAN_KNN */
    hx_knn *knn;
    hny_hit hit;          /* the present row */
    sqlite3_value *query; /* as the user wrote it */
    int64_t k, ef;        /* with HX_PLAN_K and HX_PLAN_EF */
    /* otherwise */
    hx_loan scan; /* stepped on the present row */
} cursor;

static hx_table *table_of(const cursor *c) {
    return (hx_table *)c->base.pVtab;
}

int hx_cursor_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out) {
    (void)vtab;
    cursor *const c = sqlite3_malloc(sizeof *c);
    if (!c) return SQLITE_NOMEM;
    memset(c, 0, sizeof *c);
    *out = &c->base;
    return SQLITE_OK;
}

static void stop(cursor *c) {
    hx_knn_free(c->knn);
    c->knn = NULL;
    sqlite3_value_free(c->query);
    c->query = NULL;
    hx_sql_return(table_of(c), &c->scan);
    c->ended = true;
}

int hx_cursor_close(sqlite3_vtab_cursor *base) {
    cursor *const c = (cursor *)base;
    stop(c);
    sqlite3_free(c);
    return SQLITE_OK;
}

/* ------------------------------------------------------------------------------ nearest rows -- */

/* An argument that must be a whole number of at least `minimum`. */
static int read_number(hx_table *table, const char *name, int64_t minimum, sqlite3_value *value,
                       int64_t *out) {
    static const char *const least[] = {"0 or more", "1 or more"};
    const int type = sqlite3_value_type(value);
    *out = sqlite3_value_int64(value);
    if (type == SQLITE_INTEGER && *out >= minimum) return SQLITE_OK;
    const char *const text = type == SQLITE_BLOB ? "a BLOB" : (char *)sqlite3_value_text(value);
    return hx_fail(table, SQLITE_ERROR, "hannoy: %s must be a whole number, %s, not %.80s", name,
                   least[minimum], text ? text : "NULL");
}

static int start_knn(cursor *c, sqlite3_value *query, const hx_knn_wish *wish) {
    hx_table *const table = table_of(c);
    const hny_shape shape = table->config.options.shape;
    char *error = NULL;
    unsigned char *const vector = sqlite3_malloc64(table->vector_bytes);
    if (!vector) return SQLITE_NOMEM;
    int rc = hx_vector_parse(shape, query, "query", vector, &error);
    if (rc)
        rc = hx_fail_with(table, rc, error);
    else
        rc = hx_knn_new(table, vector, wish, &c->knn);
    sqlite3_free(vector);
    return rc;
}

static int filter_knn(cursor *c, sqlite3_value **argv) {
    hx_table *const table = table_of(c);
    hx_log log; /* reading it brings the options up to date */
    int rc = hx_log_read(table, &log);
    hx_knn_wish wish = {HX_NO_LIMIT, 0, c->plan & HX_PLAN_DISTANCES};
    if (rc == SQLITE_OK && c->plan & HX_PLAN_K) {
        rc = read_number(table, "k", 0, argv[1], &wish.k);
        c->k = wish.k;
    }
    if (rc == SQLITE_OK && c->plan & HX_PLAN_EF) {
        rc = read_number(table, "ef", 1, argv[c->plan & HX_PLAN_K ? 2 : 1], &wish.ef);
        c->ef = wish.ef;
    }
    if (rc == SQLITE_OK) rc = start_knn(c, argv[0], &wish);
    if (rc) return rc;
    c->query = sqlite3_value_dup(argv[0]);
    return c->query ? SQLITE_OK : SQLITE_NOMEM;
}

/* --------------------------------------------------------------------------------- the table -- */

static hx_sql_id scan_of(int plan) {
    if (plan & HX_PLAN_ROWID) return HX_SQL_SCAN_ONE;
    if (plan & HX_PLAN_DOWN) return HX_SQL_SCAN_DOWN;
    return plan & HX_PLAN_IDS ? HX_SQL_SCAN_IDS : HX_SQL_SCAN_UP;
}

/*
** Bounds are bound as the user gave them, so that SQLite's own rules for comparing a rowid with a
** real or a text apply.  A loan is kept from one row of an outer table to the next.
*/
static int filter_scan(cursor *c, sqlite3_value **argv) {
    const hx_sql_id id = scan_of(c->plan);
    int next = 0;
    if (c->scan.stmt && c->scan.id != id) hx_sql_return(table_of(c), &c->scan);
    if (!c->scan.stmt) {
        const int rc = hx_sql_borrow(table_of(c), id, &c->scan);
        if (rc) return rc;
    }
    sqlite3_stmt *const stmt = c->scan.stmt;
    sqlite3_reset(stmt);
    if (c->plan & HX_PLAN_ROWID) return sqlite3_bind_value(stmt, 1, argv[0]);
    const int rc = c->plan & HX_PLAN_FROM ? sqlite3_bind_value(stmt, 1, argv[next++])
                                          : sqlite3_bind_int64(stmt, 1, INT64_MIN);
    if (rc) return rc;
    return c->plan & HX_PLAN_TO ? sqlite3_bind_value(stmt, 2, argv[next])
                                : sqlite3_bind_int64(stmt, 2, INT64_MAX);
}

/* ------------------------------------------------------------------------------------ methods -- */

int hx_cursor_next(sqlite3_vtab_cursor *base) {
    cursor *const c = (cursor *)base;
    const int rc = c->plan & HX_PLAN_KNN ? hx_knn_next(c->knn, &c->hit)
                                         : hx_sql_step(table_of(c), c->scan.stmt);
    c->ended = rc != SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int hx_cursor_filter(sqlite3_vtab_cursor *base, int plan, const char *words, int argc,
                     sqlite3_value **argv) {
    cursor *const c = (cursor *)base;
    (void)words;
    (void)argc;
    hx_knn_free(c->knn);
    c->knn = NULL;
    sqlite3_value_free(c->query);
    c->query = NULL;
    c->plan = plan;
    const int rc = plan & HX_PLAN_KNN ? filter_knn(c, argv) : filter_scan(c, argv);
    if (rc) {
        stop(c);
        return rc;
    }
    return hx_cursor_next(base);
}

int hx_cursor_eof(sqlite3_vtab_cursor *base) {
    return ((const cursor *)base)->ended;
}

int hx_cursor_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
    const cursor *const c = (const cursor *)base;
    *out = c->plan & HX_PLAN_KNN ? c->hit.rowid : sqlite3_column_int64(c->scan.stmt, 0);
    return SQLITE_OK;
}

static int result_vector(const cursor *c, sqlite3_context *context) {
    hx_table *const table = table_of(c);
    if (!(c->plan & HX_PLAN_KNN)) {
        sqlite3_result_value(context, sqlite3_column_value(c->scan.stmt, 1));
        return SQLITE_OK;
    }
    unsigned char *const vector = sqlite3_malloc64(table->vector_bytes);
    bool found;
    if (!vector) return SQLITE_NOMEM;
    const int rc = hx_content_get(table, c->hit.rowid, vector, &found);
    if (rc == SQLITE_OK && found) {
        sqlite3_result_blob64(context, vector, table->vector_bytes, sqlite3_free);
        return SQLITE_OK;
    }
    sqlite3_free(vector);
    return rc;
}

/* In an UPDATE, what stays as it is is not read: xUpdate can tell it from what is set. */
int hx_cursor_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column) {
    const cursor *const c = (const cursor *)base;
    if (sqlite3_vtab_nochange(context)) return SQLITE_OK;
    if (column == HX_COLUMN_VECTOR) return result_vector(c, context);
    if (!(c->plan & HX_PLAN_KNN)) return SQLITE_OK;
    switch (column) {
    case HX_COLUMN_QUERY:
        sqlite3_result_value(context, c->query);
        break;
    case HX_COLUMN_K:
        if (c->plan & HX_PLAN_K) sqlite3_result_int64(context, c->k);
        break;
    case HX_COLUMN_EF:
        if (c->plan & HX_PLAN_EF) sqlite3_result_int64(context, c->ef);
        break;
    case HX_COLUMN_DISTANCE:
        sqlite3_result_double(context, c->hit.distance);
        break;
    default:
        break;
    }
    return SQLITE_OK;
}
