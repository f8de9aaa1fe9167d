/* Prepared statements on the shadow tables; the contract is in statements.h. */
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

/* ------------------------------------------------------------------------------ placeholders -- */

static void fill_shadow(const hx_shadow *shadow, sqlite3_str *text, const char *suffix) {
    sqlite3_str_appendf(text, "\"%w\".\"%w_%w\"", shadow->schema, shadow->name, suffix);
}

static void fill_content(const hx_shadow *shadow, sqlite3_str *text) {
    if (hx_columns_external(&shadow->columns)) {
        sqlite3_str_appendf(text, "\"%w\".\"%w\"", shadow->schema, shadow->columns.source.table);
    } else {
        fill_shadow(shadow, text, "content");
    }
}

/*
** A column of the user's table, or of v_content.  The former is qualified with its table: SQLite
** takes an unknown name in double quotes for a string.
*/
static void fill_column(const hx_shadow *shadow, sqlite3_str *text, const char *name,
                        const char *ours) {
    if (hx_columns_external(&shadow->columns)) {
        sqlite3_str_appendf(text, "\"%w\".\"%w\"", shadow->columns.source.table, name);
    } else {
        sqlite3_str_appendall(text, ours);
    }
}

static void fill_id(const hx_shadow *shadow, sqlite3_str *text) {
    const char *const rowid = shadow->columns.source.rowid;
    fill_column(shadow, text, rowid ? rowid : "rowid", "id");
}

static void fill_vector(const hx_shadow *shadow, sqlite3_str *text) {
    fill_column(shadow, text, shadow->columns.source.vector, "vector");
}

static void fill_present(const hx_shadow *shadow, sqlite3_str *text) {
    if (!hx_columns_external(&shadow->columns)) return;
    sqlite3_str_appendall(text, " WHERE ");
    fill_vector(shadow, text);
    sqlite3_str_appendall(text, " IS NOT NULL");
}

static void fill_and(const hx_shadow *shadow, sqlite3_str *text) {
    sqlite3_str_appendall(text, hx_columns_external(&shadow->columns) ? " AND" : " WHERE");
}

static void fill_log(const hx_shadow *shadow, sqlite3_str *text) {
    fill_shadow(shadow, text, "log");
}

static void fill_config(const hx_shadow *shadow, sqlite3_str *text) {
    fill_shadow(shadow, text, "config");
}

/* Selects all stored columns: no column that is stored beside the vector has this role. */
#define ALL HX_ROLE_VECTOR

/* Calls `append` for each stored column of a role, or of ALL. */
static void each_stored(const hx_shadow *shadow, sqlite3_str *text, hx_role only,
                        void (*append)(sqlite3_str *text, const char *name, int number)) {
    const hx_columns *const columns = &shadow->columns;
    char name[HX_STORED_NAME];
    for (int i = 0; i < columns->count; i++) {
        const hx_column *const column = &columns->at[i];
        if (column->stored < 0 || (only != ALL && column->role != only)) continue;
        if (hx_columns_external(columns)) {
            sqlite3_str_appendall(text, ", ");
            fill_column(shadow, text, column->name, NULL);
        } else {
            append(text, hx_column_stored_name(column, name), column->stored);
        }
    }
}

static void append_name(sqlite3_str *text, const char *name, int number) {
    (void)number;
    sqlite3_str_appendf(text, ", %s", name);
}

static void append_value(sqlite3_str *text, const char *name, int number) {
    (void)name;
    sqlite3_str_appendf(text, ", ?%d", 3 + number);
}

static void append_set(sqlite3_str *text, const char *name, int number) {
    sqlite3_str_appendf(text, ", %s = iif(?%d, ?%d, %s)", name, 4 + 2 * number, 5 + 2 * number,
                        name);
}

static void fill_rest(const hx_shadow *shadow, sqlite3_str *text) {
    each_stored(shadow, text, ALL, append_name);
}

static void fill_attributes(const hx_shadow *shadow, sqlite3_str *text) {
    each_stored(shadow, text, HX_ROLE_FILTER, append_name);
}

static void fill_values(const hx_shadow *shadow, sqlite3_str *text) {
    each_stored(shadow, text, ALL, append_value);
}

static void fill_sets(const hx_shadow *shadow, sqlite3_str *text) {
    sqlite3_str_appendall(text, "vector = iif(?2, ?3, vector)");
    each_stored(shadow, text, ALL, append_set);
}

typedef struct placeholder {
    const char *name;
    void (*fill)(const hx_shadow *shadow, sqlite3_str *text);
} placeholder;

static const placeholder placeholders[] = {
    {"{content}", fill_content},
    {"{log}", fill_log},
    {"{config}", fill_config},
    {"{rest}", fill_rest},
    {"{attributes}", fill_attributes},
    {"{values}", fill_values},
    {"{sets}", fill_sets},
    {"{id}", fill_id},
    {"{vector}", fill_vector},
    {"{present}", fill_present},
    {"{and}", fill_and},
};

static const placeholder *find_placeholder(const char *text) {
    const placeholder *found = placeholders;
    while (strncmp(text, found->name, strlen(found->name)) != 0) found++;
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
        const placeholder *const found = find_placeholder(text);
        found->fill(shadow, filled);
        text += strlen(found->name);
    }
    return sqlite3_str_finish(filled);
}

/*
** --------------------------------------------------------------------------------- statements --
*/

static int prepare_statement(hx_shadow *shadow, hx_sql_id id, sqlite3_stmt **out) {
    char *const text = fill_in(shadow, texts[id]);
    if (!text) return SQLITE_NOMEM;
    const int rc = sqlite3_prepare_v3(shadow->db, text, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
    sqlite3_free(text);
    if (rc == SQLITE_ERROR && hx_columns_external(&shadow->columns)) {
        return hx_fail(
            shadow, rc,
            "hannoy: the rows of %s are in %s, which has changed since %s was created: %s; "
            "change it back, or drop %s and create it again",
            shadow->name, shadow->columns.source.table, shadow->name, sqlite3_errmsg(shadow->db),
            shadow->name);
    }
    return rc == SQLITE_OK ? rc : hx_fail_sql(shadow, rc);
}

int hx_sql_get(hx_shadow *shadow, hx_sql_id id, sqlite3_stmt **out) {
    int rc = SQLITE_OK;
    if (!shadow->sql.kept[id]) rc = prepare_statement(shadow, id, &shadow->sql.kept[id]);
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
