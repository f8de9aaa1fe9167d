/* Methods of a cursor: a plan into rows.  The contract is in cursor.h. */
#include "query/cursor.h"

#include <stdbool.h>
#include <string.h>

#include "query/constraints.h"
#include "query/index_view.h"
#include "query/knn.h"
#include "query/plan.h"
#include "shadow/content.h"
#include "shadow/error.h"
#include "values/mark.h"
#include "values/numeric.h"
#include "values/vector.h"

typedef struct cursor {
    sqlite3_vtab_cursor base; /* SQLite's part, first */
    hx_view *views;           /* of the table, one for each vector */
    hx_view *view;            /* the one that is searched; of a scan the first */
    int plan;
    bool ended;
    /* with HX_PLAN_KNN */
    hx_knn *knn;                         /* NULL: no row passes */
    hny_hit hit;                         /* the present row */
    sqlite3_value *hidden[HX_EXACT + 1]; /* the hidden columns, as the statement gives them */
    hx_loan scan; /* reads stored rows: of a scan of the table the present one, */
    bool on_row;  /* of a search only if this is set */
} cursor;

int hx_cursor_open(hx_view *views, sqlite3_vtab_cursor **out) {
    cursor *const c = sqlite3_malloc(sizeof *c);
    if (!c) {
        return SQLITE_NOMEM;
    }
    memset(c, 0, sizeof *c);
    c->views = c->view = views;
    views->shadow->cursors++;
    *out = &c->base;
    return SQLITE_OK;
}

static void end_search(cursor *c) {
    hx_knn_free(c->knn);
    c->knn = NULL;
    for (int i = 0; i <= HX_EXACT; i++) {
        sqlite3_value_free(c->hidden[i]);
        c->hidden[i] = NULL;
    }
    c->on_row = false;
}

static void stop_cursor(cursor *c) {
    end_search(c);
    hx_sql_return(c->view->shadow, &c->scan);
    c->ended = true;
}

int hx_cursor_close(sqlite3_vtab_cursor *base) {
    cursor *const c = (cursor *)base;
    stop_cursor(c);
    c->views->shadow->cursors--;
    sqlite3_free(c);
    return SQLITE_OK;
}

/* ------------------------------------------------------------------------------ nearest rows -- */

/* An argument that must be a whole number of at least `minimum`. */
static int read_setting(hx_view *view, const char *name, int64_t minimum, sqlite3_value *value,
                        int64_t *out) {
    static const char *const minima[] = {"0 or more", "1 or more"};
    const int type = sqlite3_value_type(value);
    bool whole;
    const int rc = hx_value_integer(value, out, &whole);
    if (rc || (whole && *out >= minimum)) {
        return rc;
    }
    const unsigned char *const text = type == SQLITE_BLOB ? NULL : sqlite3_value_text(value);
    return hx_fail(view->shadow, SQLITE_ERROR, "hannoy: %s must be a whole number, %s, not %.80s",
                   name, minima[minimum],
                   text                  ? (const char *)text
                   : type == SQLITE_BLOB ? "a BLOB"
                                         : "NULL");
}

/* What the arguments of xFilter say. */
typedef struct search {
    hx_knn_request request;
    sqlite3_value *query;
    bool item;       /* the query is a row */
    bool has_number; /* the query is the number */
    int64_t number;
    bool literal; /* the query is written in the statement */
    bool never;   /* no row passes */
} search;

/* Keeps the tighter one of two bounds. */
static void tighten_bound(hx_bound *bound, double distance, bool inclusive, bool upper) {
    const bool tighter = upper ? distance < bound->distance : distance > bound->distance;
    if (!bound->given || tighter) {
        *bound = (hx_bound){true, inclusive, distance};
    } else if (distance == bound->distance) {
        bound->inclusive &= inclusive;
    }
}

/* Adds a bound of the distance. */
static int read_bound(search *s, char code, sqlite3_value *value) {
    const bool upper = code == HX_CODE_BELOW || code == HX_CODE_TO;
    const bool inclusive = code == HX_CODE_FROM || code == HX_CODE_TO;
    double distance;
    bool number;
    const int rc = hx_value_real(value, &distance, &number);
    if (rc) {
        return rc;
    }
    if (number) {
        tighten_bound(upper ? &s->request.below : &s->request.above, distance, inclusive, upper);
    } else if (sqlite3_value_type(value) == SQLITE_NULL || !upper) {
        /* No comparison with NULL is true; other texts and BLOBs come after all numbers. */
        s->never = true;
    }
    return SQLITE_OK;
}

static bool is_bound(char code) {
    return code == HX_CODE_ABOVE || code == HX_CODE_FROM || code == HX_CODE_BELOW ||
           code == HX_CODE_TO;
}

/* Keeps an argument as the value of its hidden column. */
static int keep_hidden(cursor *c, hx_hidden which, sqlite3_value *value) {
    c->hidden[which] = sqlite3_value_dup(value);
    return c->hidden[which] ? SQLITE_OK : SQLITE_NOMEM;
}

static int read_exact(hx_view *view, sqlite3_value *value, bool *exact) {
    int64_t number = 0;
    const int rc = read_setting(view, "exact", 0, value, &number);
    *exact = number != 0;
    return rc || number < 2 ? rc
                            : hx_fail(view->shadow, SQLITE_ERROR,
                                      "hannoy: exact must be 0 or 1, not %lld", number);
}

/* v(7, 3) is by item; so is any number in the place of a query. */
static int read_item_number(search *s, int plan) {
    if (!(plan & (HX_PLAN_ITEM | HX_PLAN_ARGUMENT))) {
        return SQLITE_OK;
    }
    const int rc = hx_value_integer(s->query, &s->number, &s->has_number);
    s->item = plan & HX_PLAN_ITEM || (plan & HX_PLAN_ARGUMENT && s->has_number);
    return rc;
}

static int read_search(cursor *c, const char *codes, sqlite3_value **argv, search *s) {
    hx_view *const view = c->view;
    const int plan = c->plan;
    int rc;
    s->query = *argv++;
    s->literal = plan & HX_PLAN_LITERAL;
    rc = read_item_number(s, plan);
    if (rc) {
        return rc;
    }
    s->request = (hx_knn_request){.k = HX_NO_LIMIT, .distances = plan & HX_PLAN_DISTANCES};
    rc = keep_hidden(c, plan & HX_PLAN_ITEM ? HX_ITEM : HX_QUERY, s->query);
    if (rc == SQLITE_OK && plan & HX_PLAN_K) {
        rc = read_setting(view, "k", 0, *argv, &s->request.k);
        if (rc == SQLITE_OK) {
            rc = keep_hidden(c, HX_K, *argv++);
        }
    }
    if (rc == SQLITE_OK && plan & HX_PLAN_EF) {
        rc = read_setting(view, "ef", 1, *argv, &s->request.ef);
        if (rc == SQLITE_OK) {
            rc = keep_hidden(c, HX_EF, *argv++);
        }
    }
    if (rc == SQLITE_OK && plan & HX_PLAN_EXACT) {
        rc = read_exact(view, *argv, &s->request.exact);
        if (rc == SQLITE_OK) {
            rc = keep_hidden(c, HX_EXACT, *argv++);
        }
    }
    if (rc || !(plan & HX_PLAN_CONDITIONS)) {
        return rc;
    }
    while (is_bound(*codes) && rc == SQLITE_OK) {
        rc = read_bound(s, *codes++, *argv++);
    }
    if (rc) {
        return rc;
    }
    return hx_conditions_new(view->shadow, codes, argv, s->request.k != HX_NO_LIMIT,
                             &s->request.conditions);
}

/* The row that an item names, and its vector; *found false: there is none. */
static int read_item(hx_view *view, search *s, unsigned char *vector, bool *found) {
    const bool key = hx_columns_text_key(&view->shadow->columns);
    const bool real = sqlite3_value_type(s->query) == SQLITE_FLOAT && s->has_number;
    int64_t *const id = &s->request.excluded;
    int rc = key && real ? hx_content_find_number(view->shadow, s->number, id, found)
                         : hx_conditions_rowid(view->shadow, key, s->query, id, found);
    s->request.excludes = true;
    if (rc == SQLITE_OK && *found) {
        rc = hx_content_get(view->shadow, view->vector, *id, vector, found);
    }
    return rc;
}

/*
** A row of another table without a vector has no neighbours, and does not end the join.  A literal
** or a parameter that is NULL is a mistake, and hx_vector_parse says so.
*/
static bool is_missing(const search *s) {
    return sqlite3_value_type(s->query) == SQLITE_NULL && !s->literal &&
           !sqlite3_value_frombind(s->query);
}

static int read_query(hx_view *view, search *s, unsigned char *vector, bool *found) {
    char *error = NULL;
    *found = !is_missing(s);
    if (s->item) {
        return read_item(view, s, vector, found);
    }
    if (!*found) {
        return SQLITE_OK;
    }
    const int rc = hx_vector_parse(hx_view_options(view)->shape, s->query, "query", vector, &error);
    return rc ? hx_fail_with(view->shadow, rc, error) : SQLITE_OK;
}

/*
** Leaves c->knn NULL where no row passes: the query is NULL, as in an outer row of a join that has
** no vector, the item has no row, or a bound excludes all.
*/
static int start_search(cursor *c, search *s) {
    hx_view *const view = c->view;
    unsigned char *const vector = sqlite3_malloc64(hx_view_bytes(view));
    bool found = false;
    int rc = vector ? read_query(view, s, vector, &found) : SQLITE_NOMEM;
    if (rc == SQLITE_OK && found && !s->never) {
        rc = hx_knn_new(view, vector, &s->request, &c->knn);
        s->request.conditions = NULL;
    }
    sqlite3_free(vector);
    return rc;
}

static int filter_knn(cursor *c, const char *codes, sqlite3_value **argv) {
    search s = {.item = false};
    int rc = hx_log_refresh_config(c->view->shadow);
    if (rc == SQLITE_OK) {
        rc = read_search(c, codes, argv, &s);
    }
    if (rc == SQLITE_OK) {
        rc = start_search(c, &s);
    }
    hx_conditions_free(s.request.conditions);
    return rc;
}

/* --------------------------------------------------------------------------------- the table -- */

/* The statement that reads no more than the plan needs: a vector is most of a row. */
static hx_sql_id scan_of(int plan) {
    if (plan & HX_PLAN_KEY) {
        return HX_SQL_SCAN_KEY;
    }
    if (plan & (HX_PLAN_KNN | HX_PLAN_ROWID)) {
        return plan & HX_PLAN_NO_VECTOR ? HX_SQL_SCAN_ONE_REST : HX_SQL_SCAN_ONE;
    }
    if (plan & HX_PLAN_DOWN) {
        return HX_SQL_SCAN_DOWN;
    }
    if (!(plan & HX_PLAN_NO_VECTOR)) {
        return HX_SQL_SCAN_UP;
    }
    return plan & HX_PLAN_NO_REST ? HX_SQL_SCAN_IDS : HX_SQL_SCAN_REST;
}

/* A loan is kept from one row of an outer table to the next. */
static int borrow_scan(cursor *c) {
    const hx_sql_id id = scan_of(c->plan);
    const int read = hx_plan_read(c->plan);
    if (c->scan.stmt && (c->scan.id != id || c->scan.vector != read)) {
        hx_sql_return(c->view->shadow, &c->scan);
    }
    const int rc = c->scan.stmt ? SQLITE_OK : hx_sql_borrow(c->view->shadow, id, read, &c->scan);
    if (rc == SQLITE_OK) {
        sqlite3_reset(c->scan.stmt);
    }
    return rc;
}

/*
** Bounds are bound as the user gave them, so that SQLite's own rules for comparing a rowid with a
** real or a text apply.
*/
static int filter_scan(cursor *c, sqlite3_value **argv) {
    int next = 0;
    int rc = borrow_scan(c);
    if (rc) {
        return rc;
    }
    sqlite3_stmt *const stmt = c->scan.stmt;
    if (c->plan & (HX_PLAN_ROWID | HX_PLAN_KEY)) {
        return sqlite3_bind_value(stmt, 1, argv[0]);
    }
    rc = c->plan & HX_PLAN_FROM ? sqlite3_bind_value(stmt, 1, argv[next++])
                                : sqlite3_bind_int64(stmt, 1, INT64_MIN);
    if (rc) {
        return rc;
    }
    return c->plan & HX_PLAN_TO ? sqlite3_bind_value(stmt, 2, argv[next])
                                : sqlite3_bind_int64(stmt, 2, INT64_MAX);
}

/* ----------------------------------------------------------------------------------- methods -- */

static int next_row(cursor *c) {
    if (!(c->plan & HX_PLAN_KNN)) {
        return hx_sql_step(c->view->shadow, c->scan.stmt);
    }
    c->on_row = false;
    return c->knn ? hx_knn_next(c->knn, &c->hit) : SQLITE_DONE;
}

int hx_cursor_next(sqlite3_vtab_cursor *base) {
    cursor *const c = (cursor *)base;
    const int rc = next_row(c);
    c->ended = rc != SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int fail_without_query(cursor *c) {
    const hx_shadow *const shadow = c->view->shadow;
    stop_cursor(c);
    return hx_fail(c->view->shadow, SQLITE_ERROR,
                   "hannoy: k, ef and exact belong to a search of %s, and there is none; add "
                   "knn_match(%s, query)",
                   shadow->name, shadow->columns.at[shadow->columns.vector[0]].name);
}

int hx_cursor_filter(sqlite3_vtab_cursor *base, int plan, const char *words, int argc,
                     sqlite3_value **argv) {
    cursor *const c = (cursor *)base;
    (void)argc;
    end_search(c);
    c->plan = plan;
    c->view = &c->views[hx_plan_searched(plan)];
    if (plan & HX_PLAN_NO_QUERY) {
        return fail_without_query(c);
    }
    const int rc = plan & HX_PLAN_KNN ? filter_knn(c, words, argv) : filter_scan(c, argv);
    if (rc) {
        stop_cursor(c);
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

/* Steps to the stored row of a hit.  The statement itself may have deleted it since. */
static int find_row(cursor *c) {
    if (c->on_row) {
        return SQLITE_OK;
    }
    int rc = borrow_scan(c);
    if (rc) {
        return rc;
    }
    sqlite3_bind_int64(c->scan.stmt, 1, c->hit.rowid);
    rc = hx_sql_step(c->view->shadow, c->scan.stmt);
    c->on_row = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/*
** A vector of a user's table becomes the BLOB that this table would store; an invalid one is NULL.
*/
static int result_vector(const cursor *c, sqlite3_context *context, int vector) {
    hx_shadow *const shadow = c->view->shadow;
    const hny_shape shape = shadow->config.vectors[vector].options.shape;
    sqlite3_value *const value = sqlite3_column_value(c->scan.stmt, 1 + vector);
    char *error;
    if (!hx_columns_external(&shadow->columns)) {
        sqlite3_result_value(context, value);
        if (sqlite3_value_type(value) != SQLITE_NULL) {
            hx_mark_result(context, shape.type);
        }
        return SQLITE_OK;
    }
    const int rc = hx_vector_parse(shape, value, "vector", shadow->parsed[vector], &error);
    sqlite3_free(error);
    if (rc == SQLITE_OK) {
        sqlite3_result_blob64(context, shadow->parsed[vector], shadow->vector_bytes[vector],
                              SQLITE_TRANSIENT);
        hx_mark_result(context, shape.type);
    }
    return rc == SQLITE_NOMEM ? rc : SQLITE_OK;
}

static int result_stored(cursor *c, sqlite3_context *context, int column) {
    const hx_columns *const columns = &c->view->shadow->columns;
    const hx_column *const which = &columns->at[column];
    const bool knn = c->plan & HX_PLAN_KNN;
    const int first = 1 + columns->vectors;
    const int rc = knn ? find_row(c) : SQLITE_OK;
    if (rc || (knn && !c->on_row)) {
        return rc;
    }
    if (which->role == HX_ROLE_VECTOR) {
        return result_vector(c, context, which->place);
    }
    sqlite3_result_value(context, sqlite3_column_value(c->scan.stmt, first + which->stored));
    return SQLITE_OK;
}

static int result_rowid(cursor *c, sqlite3_context *context) {
    sqlite3_int64 rowid;
    const int rc = hx_cursor_rowid(&c->base, &rowid);
    if (rc == SQLITE_OK) {
        sqlite3_result_int64(context, rowid);
    }
    return rc;
}

/* In an UPDATE, columns that are not set are not read: xUpdate recognises them as unchanged. */
int hx_cursor_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column) {
    cursor *const c = (cursor *)base;
    const hx_columns *const columns = &c->view->shadow->columns;
    if (sqlite3_vtab_nochange(context)) {
        return SQLITE_OK;
    }
    if (hx_column_is(columns, column, HX_ROLE_ROWID)) {
        return result_rowid(c, context);
    }
    if (column < columns->count) {
        return result_stored(c, context, column);
    }
    const int hidden = column - columns->count;
    if (!(c->plan & HX_PLAN_KNN) || hidden == HX_COMMAND) {
        return SQLITE_OK;
    }
    if (hidden == HX_DISTANCE) {
        sqlite3_result_double(context, c->hit.distance);
    } else if (c->hidden[hidden]) {
        sqlite3_result_value(context, c->hidden[hidden]);
    }
    return SQLITE_OK;
}
