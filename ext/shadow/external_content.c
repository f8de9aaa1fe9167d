/* Content tables: checks and triggers; the contract is in external_content.h. */
#include "shadow/external_content.h"

#include <string.h>

#include "shadow/error.h"
#include "shadow/shadow.h"

/*
** ------------------------------------------------------------------------------------- checks --
*/

static const char *source_name(const hx_shadow *shadow) {
    return shadow->columns.source.table;
}

/* Prepares a statement and steps it once.  Frees `sql`; NULL means out of memory. */
static int step_query(hx_shadow *shadow, sqlite3_stmt **out, char *sql) {
    if (!sql) return SQLITE_NOMEM;
    int rc = sqlite3_prepare_v2(shadow->db, sql, -1, out, NULL);
    sqlite3_free(sql);
    if (rc == SQLITE_OK) rc = sqlite3_step(*out);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? rc : hx_fail_sql(shadow, rc);
}

/* A plain table, neither a view nor a virtual table. */
static int check_kind(hx_shadow *shadow) {
    sqlite3_stmt *stmt = NULL;
    int rc = step_query(
        shadow, &stmt,
        sqlite3_mprintf("SELECT type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%%' FROM "
                        "\"%w\".sqlite_schema WHERE name = %Q COLLATE NOCASE AND type IN "
                        "('table', 'view')",
                        shadow->schema, source_name(shadow)));
    if (rc == SQLITE_DONE) {
        rc = hx_fail(shadow, SQLITE_ERROR,
                     "hannoy: there is no table %s in schema %s; create it first",
                     source_name(shadow), shadow->schema);
    } else if (rc == SQLITE_ROW && !sqlite3_column_int(stmt, 0)) {
        rc =
            hx_fail(shadow, SQLITE_ERROR,
                    "hannoy: %s is a view or a virtual table, and triggers cannot follow its rows; "
                    "name the table behind it",
                    source_name(shadow));
    } else if (rc == SQLITE_ROW) {
        rc = SQLITE_OK;
    }
    sqlite3_finalize(stmt);
    return rc;
}

/* VACUUM may renumber the rows of a table without an INTEGER PRIMARY KEY. */
static int check_key(hx_shadow *shadow) {
    const char *const rowid = shadow->columns.source.rowid;
    sqlite3_stmt *stmt = NULL;
    int rc = step_query(
        shadow, &stmt,
        sqlite3_mprintf("SELECT max(name) FROM pragma_table_info(%Q, %Q) WHERE pk > 0 HAVING "
                        "count(*) = 1 AND upper(max(type)) = 'INTEGER'",
                        source_name(shadow), shadow->schema));
    const char *const key = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
    if (rc == SQLITE_ROW || rc == SQLITE_DONE) rc = SQLITE_OK;
    if (rc == SQLITE_OK && !key) {
        rc = hx_fail(shadow, SQLITE_ERROR,
                     "hannoy: %s has no INTEGER PRIMARY KEY, so VACUUM may renumber its rows; add "
                     "one",
                     source_name(shadow));
    } else if (rc == SQLITE_OK && rowid && sqlite3_stricmp(rowid, key) != 0) {
        rc = hx_fail(shadow, SQLITE_ERROR,
                     "hannoy: content_rowid must be the INTEGER PRIMARY KEY of %s, which is %s and "
                     "not %s",
                     source_name(shadow), key, rowid);
    }
    sqlite3_finalize(stmt);
    if (rc) return rc;
    stmt = NULL;
    rc = step_query(shadow, &stmt,
                    sqlite3_mprintf("SELECT rowid FROM \"%w\".\"%w\" LIMIT 0", shadow->schema,
                                    source_name(shadow)));
    sqlite3_finalize(stmt);
    if (rc == SQLITE_DONE) return SQLITE_OK;
    return hx_fail(shadow, SQLITE_ERROR, "hannoy: %s is a table WITHOUT ROWID; it must have rowids",
                   source_name(shadow));
}

static int check_column(hx_shadow *shadow, const char *name) {
    sqlite3_stmt *stmt = NULL;
    int rc = step_query(
        shadow, &stmt,
        sqlite3_mprintf("SELECT 1 FROM pragma_table_xinfo(%Q, %Q) WHERE name = %Q COLLATE "
                        "NOCASE",
                        source_name(shadow), shadow->schema, name));
    sqlite3_finalize(stmt);
    if (rc == SQLITE_DONE) {
        rc = hx_fail(shadow, SQLITE_ERROR, "hannoy: %s has no column %s; name one that it has",
                     source_name(shadow), name);
    }
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

int hx_external_content_check(hx_shadow *shadow) {
    const hx_columns *const columns = &shadow->columns;
    int rc = check_kind(shadow);
    if (rc == SQLITE_OK) rc = check_key(shadow);
    for (int i = 0; i < columns->vectors && rc == SQLITE_OK; i++) {
        rc = check_column(shadow, hx_columns_source(columns, i));
    }
    for (int i = 0; i < columns->count && rc == SQLITE_OK; i++) {
        if (columns->at[i].stored >= 0) rc = check_column(shadow, columns->at[i].name);
    }
    return rc;
}

/*
** ------------------------------------------------------------------------------------ triggers
** --
*/

static const char *const events[] = {"insert", "update", "delete"};
enum { EVENT_COUNT = sizeof events / sizeof events[0] };

static const char *rowid_name(const hx_shadow *shadow) {
    const char *const rowid = shadow->columns.source.rowid;
    return rowid ? rowid : "rowid";
}

/* Appends `format`, which takes the name twice, for each column that the index depends on. */
static void append_indexed(const hx_shadow *shadow, sqlite3_str *text, const char *format) {
    const hx_columns *const columns = &shadow->columns;
    for (int i = 0; i < columns->vectors; i++) {
        const char *const name = hx_columns_source(columns, i);
        sqlite3_str_appendf(text, format, name, name);
    }
    for (int i = 0; i < columns->count; i++) {
        const hx_column *const column = &columns->at[i];
        if (column->role == HX_ROLE_FILTER) {
            sqlite3_str_appendf(text, format, column->name, column->name);
        }
    }
}

static void begin_trigger(const hx_shadow *shadow, uint32_t number, int event, sqlite3_str *text) {
    sqlite3_str_appendf(text, "CREATE TRIGGER \"%w\".hannoy_%u_%s AFTER %s ON \"%w\"",
                        shadow->schema, number, events[event], events[event], source_name(shadow));
}

static void end_trigger(const hx_shadow *shadow, const char *row, sqlite3_str *text) {
    sqlite3_str_appendf(text, " BEGIN INSERT INTO \"%w\"(\"%w\") VALUES (%s.\"%w\"); ",
                        shadow->name, hx_hidden_name(&shadow->columns, HX_ITEM), row,
                        rowid_name(shadow));
}

static int create_trigger(hx_shadow *shadow, sqlite3_str *text) {
    sqlite3_str_appendall(text, "END");
    char *const sql = sqlite3_str_finish(text);
    const int rc = sql ? hx_sql_exec(shadow, "%s", sql) : SQLITE_NOMEM;
    sqlite3_free(sql);
    return rc;
}

static int create_row_trigger(hx_shadow *shadow, uint32_t number, int event, const char *row) {
    sqlite3_str *const text = sqlite3_str_new(shadow->db);
    begin_trigger(shadow, number, event, text);
    end_trigger(shadow, row, text);
    return create_trigger(shadow, text);
}

/* Compares values: applications often set columns to the value that they have. */
static int create_update_trigger(hx_shadow *shadow, uint32_t number) {
    const char *const rowid = rowid_name(shadow);
    sqlite3_str *const text = sqlite3_str_new(shadow->db);
    begin_trigger(shadow, number, 1, text);
    sqlite3_str_appendf(text, " WHEN old.\"%w\" IS NOT new.\"%w\"", rowid, rowid);
    append_indexed(shadow, text, " OR old.\"%w\" IS NOT new.\"%w\"");
    end_trigger(shadow, "new", text);
    sqlite3_str_appendf(text,
                        "INSERT INTO \"%w\"(\"%w\") SELECT old.\"%w\" WHERE old.\"%w\" IS NOT "
                        "new.\"%w\"; ",
                        shadow->name, hx_hidden_name(&shadow->columns, HX_ITEM), rowid, rowid,
                        rowid);
    return create_trigger(shadow, text);
}

int hx_external_content_attach(hx_shadow *shadow, uint32_t number) {
    int rc = create_row_trigger(shadow, number, 0, "new");
    if (rc == SQLITE_OK) rc = create_update_trigger(shadow, number);
    return rc ? rc : create_row_trigger(shadow, number, 2, "old");
}

/* If the configuration cannot be read the triggers stay; they then raise an error that says so. */
int hx_external_content_detach(hx_shadow *shadow) {
    hny_boundary trim;
    int rc = hx_config_read(shadow, &trim);
    if (rc == SQLITE_NOMEM) return rc;
    if (rc) {
        hx_forgive(shadow);
        return SQLITE_OK;
    }
    for (int i = 0; i < EVENT_COUNT && rc == SQLITE_OK; i++) {
        rc = hx_sql_exec(shadow, "DROP TRIGGER IF EXISTS \"%w\".hannoy_%u_%s", shadow->schema,
                         shadow->config.vectors[0].number, events[i]);
    }
    return rc;
}
