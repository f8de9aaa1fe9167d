#include "shadow/statements.h"

#include <stdarg.h>
#include <string.h>

#include "shadow/error.h"
#include "shadow/shadow.h"

static const char *const texts[HX_SQL_COUNT] = {
#define HX_SQL_TEXT(name, text) text,
    HX_SQL_MAP(HX_SQL_TEXT)
#undef HX_SQL_TEXT
};

/* ----------------------------------------------------------------------------------- filling in -- */

static void add_shadow(const hx_shadow *shadow, sqlite3_str *text, const char *suffix) {
    sqlite3_str_appendf(text, "\"%w\".\"%w_%w\"", shadow->schema, shadow->name, suffix);
}

static void add_content(const hx_shadow *shadow, sqlite3_str *text) {
    if (hx_columns_external(&shadow->columns))
        sqlite3_str_appendf(text, "\"%w\".\"%w\"", shadow->schema, shadow->columns.source.table);
    else
        add_shadow(shadow, text, "content");
}

/*
** A column of the user's table, or what ours has instead.  Named with its table, since SQLite takes a
** name in double quotes that it does not know for a string.
*/
static void add_column(const hx_shadow *shadow, sqlite3_str *text, const char *name,
                       const char *ours) {
    if (hx_columns_external(&shadow->columns))
        sqlite3_str_appendf(text, "\"%w\".\"%w\"", shadow->columns.source.table, name);
    else
        sqlite3_str_appendall(text, ours);
}

static void add_id(const hx_shadow *shadow, sqlite3_str *text) {
    const char *const rowid = shadow->columns.source.rowid;
    add_column(shadow, text, rowid ? rowid : "rowid", "id");
}

static void add_vector(const hx_shadow *shadow, sqlite3_str *text) {
    add_column(shadow, text, shadow->columns.source.vector, "vector");
}

static void add_present(const hx_shadow *shadow, sqlite3_str *text) {
    if (!hx_columns_external(&shadow->columns)) return;
    sqlite3_str_appendall(text, " WHERE ");
    add_vector(shadow, text);
    sqlite3_str_appendall(text, " IS NOT NULL");
}

static void add_and(const hx_shadow *shadow, sqlite3_str *text) {
    sqlite3_str_appendall(text, hx_columns_external(&shadow->columns) ? " AND" : " WHERE");
}

static void add_log(const hx_shadow *shadow, sqlite3_str *text) {
    add_shadow(shadow, text, "log");
}

static void add_config(const hx_shadow *shadow, sqlite3_str *text) {
    add_shadow(shadow, text, "config");
}

/* Of no column that is stored beside the vector. */
#define ALL HX_ROLE_VECTOR

/* Calls `add` for each of them that has a role, or for ALL. */
static void each_stored(const hx_shadow *shadow, sqlite3_str *text, hx_role only,
                        void (*add)(sqlite3_str *text, const char *name, int number)) {
    const hx_columns *const columns = &shadow->columns;
    char name[HX_STORED_NAME];
    for (int i = 0; i < columns->count; i++) {
        const hx_column *const column = &columns->at[i];
        if (column->stored < 0 || (only != ALL && column->role != only)) continue;
        if (hx_columns_external(columns)) {
            sqlite3_str_appendall(text, ", ");
            add_column(shadow, text, column->name, NULL);
        } else {
            add(text, hx_column_stored_name(column, name), column->stored);
        }
    }
}

static void add_name(sqlite3_str *text, const char *name, int number) {
    (void)number;
    sqlite3_str_appendf(text, ", %s", name);
}

static void add_value(sqlite3_str *text, const char *name, int number) {
    (void)name;
    sqlite3_str_appendf(text, ", ?%d", 3 + number);
}

static void add_set(sqlite3_str *text, const char *name, int number) {
    sqlite3_str_appendf(text, ", %s = iif(?%d, ?%d, %s)", name, 4 + 2 * number, 5 + 2 * number,
                        name);
}

static void add_rest(const hx_shadow *shadow, sqlite3_str *text) {
    each_stored(shadow, text, ALL, add_name);
}

static void add_cells(const hx_shadow *shadow, sqlite3_str *text) {
    each_stored(shadow, text, HX_ROLE_FILTER, add_name);
}

static void add_values(const hx_shadow *shadow, sqlite3_str *text) {
    each_stored(shadow, text, ALL, add_value);
}

static void add_sets(const hx_shadow *shadow, sqlite3_str *text) {
    sqlite3_str_appendall(text, "vector = iif(?2, ?3, vector)");
    each_stored(shadow, text, ALL, add_set);
}

typedef struct blank {
    const char *name;
    void (*fill)(const hx_shadow *shadow, sqlite3_str *text);
} blank;

static const blank blanks[] = {
    {"{content}", add_content}, {"{log}", add_log},     {"{config}", add_config},
    {"{rest}", add_rest},       {"{cells}", add_cells}, {"{values}", add_values},
    {"{sets}", add_sets},       {"{id}", add_id},       {"{vector}", add_vector},
    {"{present}", add_present}, {"{and}", add_and},
};

static const blank *find_blank(const char *at) {
    const blank *found = blanks;
    while (strncmp(at, found->name, strlen(found->name)) != 0) found++;
    return found;
}

/* For sqlite3_free(); NULL: out of memory. */
static char *fill_in(const hx_shadow *shadow, const char *text) {
    sqlite3_str *const filled = sqlite3_str_new(NULL);
    while (*text) {
        const size_t plain = strcspn(text, "{");
        sqlite3_str_append(filled, text, (int)plain);
        text += plain;
        if (!*text) break;
        const blank *const b = find_blank(text);
        b->fill(shadow, filled);
        text += strlen(b->name);
    }
    return sqlite3_str_finish(filled);
}

/* --------------------------------------------------------------------------------- statements -- */

static int prepare(hx_shadow *shadow, hx_sql_id id, sqlite3_stmt **out) {
    char *const text = fill_in(shadow, texts[id]);
    if (!text) return SQLITE_NOMEM;
    const int rc = sqlite3_prepare_v3(shadow->db, text, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
    sqlite3_free(text);
    if (rc == SQLITE_ERROR && hx_columns_external(&shadow->columns))
        return hx_fail(
            shadow, rc,
            "hannoy: the rows of %s are in %s, which is not as it was when %s was created: "
            "%s; change it back, or drop %s and create it anew",
            shadow->name, shadow->columns.source.table, shadow->name, sqlite3_errmsg(shadow->db),
            shadow->name);
    return rc == SQLITE_OK ? rc : hx_fail_sql(shadow, rc);
}

int hx_sql_get(hx_shadow *shadow, hx_sql_id id, sqlite3_stmt **out) {
    int rc = SQLITE_OK;
    if (!shadow->sql.kept[id]) rc = prepare(shadow, id, &shadow->sql.kept[id]);
    *out = shadow->sql.kept[id];
    return rc;
}

int hx_sql_step(hx_shadow *shadow, sqlite3_stmt *stmt) {
    const int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) return rc;
    hx_sql_done(stmt);
    return rc == SQLITE_DONE ? rc : hx_fail_sql(shadow, rc);
}

int hx_sql_run(hx_shadow *shadow, sqlite3_stmt *stmt) {
    const int rc = hx_sql_step(shadow, stmt);
    if (rc == SQLITE_ROW) hx_sql_done(stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

void hx_sql_done(sqlite3_stmt *stmt) {
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
}

int hx_sql_integer(hx_shadow *shadow, sqlite3_stmt *stmt, sqlite3_int64 *out) {
    const int rc = hx_sql_step(shadow, stmt);
    *out = 0;
    if (rc == SQLITE_ROW) {
        *out = sqlite3_column_int64(stmt, 0);
        hx_sql_done(stmt);
    }
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int hx_sql_borrow(hx_shadow *shadow, hx_sql_id id, hx_loan *loan) {
    sqlite3_stmt *stmt;
    const int rc = hx_sql_get(shadow, id, &stmt);
    if (rc) return rc;
    shadow->sql.kept[id] = NULL;
    *loan = (hx_loan){stmt, id, shadow->sql.generation};
    return SQLITE_OK;
}

void hx_sql_return(hx_shadow *shadow, hx_loan *loan) {
    if (!loan->stmt) return;
    if (loan->generation == shadow->sql.generation && !shadow->sql.kept[loan->id]) {
        hx_sql_done(loan->stmt);
        shadow->sql.kept[loan->id] = loan->stmt;
    } else {
        sqlite3_finalize(loan->stmt);
    }
    loan->stmt = NULL;
}

void hx_sql_drop(hx_shadow *shadow) {
    for (int id = 0; id < HX_SQL_COUNT; id++) {
        sqlite3_finalize(shadow->sql.kept[id]);
        shadow->sql.kept[id] = NULL;
    }
    shadow->sql.generation++;
}

int hx_sql_exec(hx_shadow *shadow, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *const text = sqlite3_vmprintf(format, arguments);
    va_end(arguments);
    if (!text) return SQLITE_NOMEM;
    const int rc = sqlite3_exec(shadow->db, text, NULL, NULL, NULL);
    sqlite3_free(text);
    return rc == SQLITE_OK ? rc : hx_fail_sql(shadow, rc);
}
