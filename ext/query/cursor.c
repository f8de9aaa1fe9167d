#include "query/cursor.h"

#include <stdbool.h>
#include <string.h>

#include "query/knn.h"
#include "query/plan.h"
#include "query/view.h"
#include "shadow/content.h"
#include "shadow/error.h"
#include "values/vector.h"

typedef struct cursor {
    sqlite3_vtab_cursor base; /* SQLite's part, first */
    hx_view *view;
    int plan;
    bool ended;
    /* with HX_PLAN_KNN */
    hx_knn *knn;                        /* NULL: there is nothing to find */
    hny_hit hit;                        /* the present row */
    sqlite3_value *words[HX_EXACT + 1]; /* the hidden columns, as the user wrote them */
    /* the row as it is stored: stepped on the present one, or of a search if `at_row` */
    hx_loan scan;
    bool at_row;
} cursor;

static hx_view *view_of(const cursor *c) {
    return c->view;
}

int hx_cursor_open(hx_view *view, sqlite3_vtab_cursor **out) {
    cursor *const c = sqlite3_malloc(sizeof *c);
    if (!c) return SQLITE_NOMEM;
    memset(c, 0, sizeof *c);
    c->view = view;
    *out = &c->base;
    return SQLITE_OK;
}

static void end_search(cursor *c) {
    hx_knn_free(c->knn);
    c->knn = NULL;
    for (int i = 0; i <= HX_EXACT; i++) {
        sqlite3_value_free(c->words[i]);
        c->words[i] = NULL;
    }
    c->at_row = false;
}

static void stop(cursor *c) {
    end_search(c);
    hx_sql_return(view_of(c)->shadow, &c->scan);
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
static int read_number(hx_view *view, const char *name, int64_t minimum, sqlite3_value *value,
                       int64_t *out) {
    static const char *const least[] = {"0 or more", "1 or more"};
    const int type = sqlite3_value_type(value);
    *out = sqlite3_value_int64(value);
    if (type == SQLITE_INTEGER && *out >= minimum) return SQLITE_OK;
    const char *const text = type == SQLITE_BLOB ? "a BLOB" : (char *)sqlite3_value_text(value);
    return hx_fail(view->shadow, SQLITE_ERROR, "hannoy: %s must be a whole number, %s, not %.80s",
                   name, least[minimum], text ? text : "NULL");
}

/* A distance that rows are to be nearer or farther than; *never: no row is. */
static hx_bound read_bound(sqlite3_value *value, bool below, bool same, bool *never) {
    const int type = sqlite3_value_type(value);
    hx_bound bound = {true, same, sqlite3_value_double(value)};
    if (type == SQLITE_INTEGER || type == SQLITE_FLOAT) return bound;
    /* No comparison with NULL is true; texts and BLOBs come after all numbers. */
    if (type == SQLITE_NULL || !below) *never = true;
    bound.given = false;
    return bound;
}

/* What the constraints ask for; the arguments are taken in their order. */
typedef struct request {
    hx_knn_request wish;
    sqlite3_value *query;
    bool item;  /* the query is a row */
    bool never; /* no row is wanted */
} request;

/* The next argument, kept for the column that it was given as. */
static int keep_word(cursor *c, hx_hidden which, sqlite3_value *value) {
    c->words[which] = sqlite3_value_dup(value);
    return c->words[which] ? SQLITE_OK : SQLITE_NOMEM;
}

static int read_exact(hx_view *view, sqlite3_value *value, bool *exact) {
    int64_t number = 0;
    const int rc = read_number(view, "exact", 0, value, &number);
    *exact = number != 0;
    return rc || number < 2 ? rc
                            : hx_fail(view->shadow, SQLITE_ERROR,
                                      "hannoy: exact must be 0 or 1, not %lld", number);
}

static int read_request(cursor *c, const char *codes, sqlite3_value **argv, request *r) {
    hx_view *const view = view_of(c);
    const int plan = c->plan;
    int rc;
    r->query = *argv++;
    r->item = plan & HX_PLAN_ITEM ||
              (plan & HX_PLAN_ARGUMENT && sqlite3_value_type(r->query) == SQLITE_INTEGER);
    r->wish = (hx_knn_request){.k = HX_NO_LIMIT, .distances = plan & HX_PLAN_DISTANCES};
    rc = keep_word(c, plan & HX_PLAN_ITEM ? HX_ITEM : HX_QUERY, r->query);
    if (rc == SQLITE_OK && plan & HX_PLAN_K) {
        rc = read_number(view, "k", 0, *argv, &r->wish.k);
        if (rc == SQLITE_OK) rc = keep_word(c, HX_K, *argv++);
    }
    if (rc == SQLITE_OK && plan & HX_PLAN_EF) {
        rc = read_number(view, "ef", 1, *argv, &r->wish.ef);
        if (rc == SQLITE_OK) rc = keep_word(c, HX_EF, *argv++);
    }
    if (rc == SQLITE_OK && plan & HX_PLAN_EXACT) {
        rc = read_exact(view, *argv, &r->wish.exact);
        if (rc == SQLITE_OK) rc = keep_word(c, HX_EXACT, *argv++);
    }
    if (rc) return rc;
    if (plan & HX_PLAN_ABOVE)
        r->wish.above = read_bound(*argv++, false, plan & HX_PLAN_ABOVE_SAME, &r->never);
    if (plan & HX_PLAN_BELOW)
        r->wish.below = read_bound(*argv++, true, plan & HX_PLAN_BELOW_SAME, &r->never);
    return plan & HX_PLAN_WHERE ? hx_conditions_new(view->shadow, codes, argv, &r->wish.where)
                                : SQLITE_OK;
}

/* The row that an item names, and its vector; *found false: there is none. */
static int read_item(hx_view *view, request *r, unsigned char *vector, bool *found) {
    const bool key = hx_columns_text_key(&view->shadow->columns);
    int64_t *const id = &r->wish.excluded;
    int rc = hx_conditions_rowid(view->shadow, key, r->query, id, found);
    r->wish.excludes = true;
    if (rc == SQLITE_OK && *found)
        rc = hx_content_get(view->shadow, view->vector, *id, vector, found);
    return rc;
}

static int read_query(hx_view *view, request *r, unsigned char *vector, bool *found) {
    char *error = NULL;
    *found = true;
    if (r->item) return read_item(view, r, vector, found);
    const int rc = hx_vector_parse(hx_view_options(view)->shape, r->query, "query", vector, &error);
    return rc ? hx_fail_with(view->shadow, rc, error) : SQLITE_OK;
}

/* Without a row to look from, or a distance to look for, there is nothing to find: no knn is made. */
static int start_search(cursor *c, request *r) {
    hx_view *const view = view_of(c);
    unsigned char *const vector = sqlite3_malloc64(hx_view_bytes(view));
    bool found = false;
    int rc = vector ? read_query(view, r, vector, &found) : SQLITE_NOMEM;
    if (rc == SQLITE_OK && found && !r->never) {
        rc = hx_knn_new(view, vector, &r->wish, &c->knn);
        r->wish.where = NULL;
    }
    sqlite3_free(vector);
    return rc;
}

static int filter_knn(cursor *c, const char *codes, sqlite3_value **argv) {
    request r = {.item = false};
    int rc = hx_log_refresh_config(view_of(c)->shadow);
    if (rc == SQLITE_OK) rc = read_request(c, codes, argv, &r);
    if (rc == SQLITE_OK) rc = start_search(c, &r);
    hx_conditions_free(r.wish.where);
    return rc;
}

/* --------------------------------------------------------------------------------- the table -- */

/* Without what nobody reads: a vector is most of a row. */
static hx_sql_id scan_of(int plan) {
    if (plan & HX_PLAN_KEY) return HX_SQL_SCAN_KEY;
    if (plan & (HX_PLAN_KNN | HX_PLAN_ROWID))
        return plan & HX_PLAN_NO_VECTOR ? HX_SQL_SCAN_ONE_REST : HX_SQL_SCAN_ONE;
    if (plan & HX_PLAN_DOWN) return HX_SQL_SCAN_DOWN;
    if (!(plan & HX_PLAN_NO_VECTOR)) return HX_SQL_SCAN_UP;
    return plan & HX_PLAN_NO_REST ? HX_SQL_SCAN_IDS : HX_SQL_SCAN_REST;
}

/* A loan is kept from one row of an outer table to the next. */
static int borrow_scan(cursor *c) {
    const hx_sql_id id = scan_of(c->plan);
    if (c->scan.stmt && c->scan.id != id) hx_sql_return(view_of(c)->shadow, &c->scan);
    const int rc =
        c->scan.stmt ? SQLITE_OK : hx_sql_borrow(view_of(c)->shadow, id, HX_ALL_VECTORS, &c->scan);
    if (rc == SQLITE_OK) sqlite3_reset(c->scan.stmt);
    return rc;
}

/*
** Bounds are bound as the user gave them, so that SQLite's own rules for comparing a rowid with a
** real or a text apply.
*/
static int filter_scan(cursor *c, sqlite3_value **argv) {
    int next = 0;
    int rc = borrow_scan(c);
    if (rc) return rc;
    sqlite3_stmt *const stmt = c->scan.stmt;
    if (c->plan & (HX_PLAN_ROWID | HX_PLAN_KEY)) return sqlite3_bind_value(stmt, 1, argv[0]);
    rc = c->plan & HX_PLAN_FROM ? sqlite3_bind_value(stmt, 1, argv[next++])
                                : sqlite3_bind_int64(stmt, 1, INT64_MIN);
    if (rc) return rc;
    return c->plan & HX_PLAN_TO ? sqlite3_bind_value(stmt, 2, argv[next])
                                : sqlite3_bind_int64(stmt, 2, INT64_MAX);
}

/* ------------------------------------------------------------------------------------ methods -- */

static int next_row(cursor *c) {
    if (!(c->plan & HX_PLAN_KNN)) return hx_sql_step(view_of(c)->shadow, c->scan.stmt);
    c->at_row = false;
    return c->knn ? hx_knn_next(c->knn, &c->hit) : SQLITE_DONE;
}

int hx_cursor_next(sqlite3_vtab_cursor *base) {
    cursor *const c = (cursor *)base;
    const int rc = next_row(c);
    c->ended = rc != SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int hx_cursor_filter(sqlite3_vtab_cursor *base, int plan, const char *words, int argc,
                     sqlite3_value **argv) {
    cursor *const c = (cursor *)base;
    (void)argc;
    end_search(c);
    c->plan = plan;
    const int rc =
        plan & HX_PLAN_KNN ? filter_knn(c, words + strlen(words) + 1, argv) : filter_scan(c, argv);
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

/* Steps on the stored row of a hit; it may be gone since, by the hand of the statement itself. */
static int find_row(cursor *c) {
    if (c->at_row) return SQLITE_OK;
    int rc = borrow_scan(c);
    if (rc) return rc;
    sqlite3_bind_int64(c->scan.stmt, 1, c->hit.rowid);
    rc = hx_sql_step(view_of(c)->shadow, c->scan.stmt);
    c->at_row = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* What a table of the user's holds is turned into what this one would; what is no vector is NULL. */
static int result_vector(const cursor *c, sqlite3_context *context, int vector) {
    hx_shadow *const shadow = view_of(c)->shadow;
    sqlite3_value *const value = sqlite3_column_value(c->scan.stmt, 1 + vector);
    char *error;
    if (!hx_columns_external(&shadow->columns)) {
        sqlite3_result_value(context, value);
        return SQLITE_OK;
    }
    const int rc = hx_vector_parse(shadow->config.vectors[vector].options.shape, value, "vector",
                                   shadow->parsed[vector], &error);
    sqlite3_free(error);
    if (rc == SQLITE_OK)
        sqlite3_result_blob64(context, shadow->parsed[vector], shadow->vector_bytes[vector],
                              SQLITE_TRANSIENT);
    return rc == SQLITE_NOMEM ? rc : SQLITE_OK;
}

static int result_stored(cursor *c, sqlite3_context *context, int column) {
    const hx_column *const which = &view_of(c)->shadow->columns.at[column];
    const bool knn = c->plan & HX_PLAN_KNN;
    const int first = 1 + view_of(c)->shadow->columns.vectors;
    const int rc = knn ? find_row(c) : SQLITE_OK;
    if (rc || (knn && !c->at_row)) return rc;
    if (which->role == HX_ROLE_VECTOR) return result_vector(c, context, which->place);
    sqlite3_result_value(context, sqlite3_column_value(c->scan.stmt, first + which->stored));
    return SQLITE_OK;
}

static int result_rowid(cursor *c, sqlite3_context *context) {
    sqlite3_int64 rowid;
    const int rc = hx_cursor_rowid(&c->base, &rowid);
    if (rc == SQLITE_OK) sqlite3_result_int64(context, rowid);
    return rc;
}

/* In an UPDATE, what stays as it is is not read: xUpdate can tell it from what is set. */
int hx_cursor_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column) {
    cursor *const c = (cursor *)base;
    const hx_columns *const columns = &view_of(c)->shadow->columns;
    if (sqlite3_vtab_nochange(context)) return SQLITE_OK;
    if (hx_column_is(columns, column, HX_ROLE_ROWID)) return result_rowid(c, context);
    if (column < columns->count) return result_stored(c, context, column);
    const int hidden = column - columns->count;
    if (!(c->plan & HX_PLAN_KNN) || hidden == HX_COMMAND) return SQLITE_OK;
    if (hidden == HX_DISTANCE)
        sqlite3_result_double(context, c->hit.distance);
    else if (c->words[hidden])
        sqlite3_result_value(context, c->words[hidden]);
    return SQLITE_OK;
}
