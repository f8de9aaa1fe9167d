/*
** All hannoy tables of a connection with their state; contract in tables.h.
**
** The names are read first.  A table is connected when a column of its row is read, and one that
** cannot be connected, such as one of a newer version, has the error as its state.
*/
#include "functions/tables.h"

#include <string.h>

#include "functions/info.h"
#include "functions/tvf.h"
#include "schema/token.h"
#include "table.h"

typedef struct table_name {
    char *schema, *name;
} table_name;

typedef struct tables_cursor {
    hx_tvf_cursor base;
    table_name *names;
    int64_t capacity;
    hx_found found; /* of row `at` */
    char *error;    /* why there is none */
    int64_t at;     /* -1: none was looked for */
} tables_cursor;

/* The first ones name the table; each of the others is a key of hannoy_info. */
static const char *const columns[] = {"schema", "name",        "state",  "rows",   "pending",
                                      "bytes",  "scans_since", "linker", "sidecar"};
enum {
    COLUMN_SCHEMA,
    COLUMN_NAME,
    COLUMN_STATE,
    COLUMN_COUNT = sizeof columns / sizeof columns[0]
};

static void release_found(tables_cursor *cursor) {
    hx_found_release(&cursor->found);
    sqlite3_free(cursor->error);
    cursor->error = NULL;
    cursor->at = -1;
}

static void tables_end(hx_tvf_cursor *base) {
    tables_cursor *const cursor = (tables_cursor *)base;
    release_found(cursor);
    for (int64_t i = 0; i < base->count; i++) {
        sqlite3_free(cursor->names[i].schema);
        sqlite3_free(cursor->names[i].name);
    }
    sqlite3_free(cursor->names);
    cursor->names = NULL;
    cursor->capacity = 0;
}

static int add_name(tables_cursor *cursor, const char *schema, const char *name) {
    if (cursor->base.count == cursor->capacity) {
        const int64_t capacity = 2 * cursor->capacity + 8;
        table_name *const names =
            sqlite3_realloc64(cursor->names, (sqlite3_uint64)capacity * sizeof *names);
        if (!names) {
            return SQLITE_NOMEM;
        }
        cursor->names = names;
        cursor->capacity = capacity;
    }
    table_name *const added = &cursor->names[cursor->base.count];
    *added = (table_name){sqlite3_mprintf("%s", schema), sqlite3_mprintf("%s", name)};
    cursor->base.count++;
    return added->schema && added->name ? SQLITE_OK : SQLITE_NOMEM;
}

/* Whether CREATE VIRTUAL TABLE name USING module(…) names this one.  SQLITE_OK or SQLITE_NOMEM. */
static int is_ours(const char *sql, bool *out) {
    enum { WORDS_BEFORE_NAME = 3 };
    char *const text = sql ? hx_without_comments(sql) : NULL;
    const char *at = text;
    *out = false;
    if (!text) {
        return sql ? SQLITE_NOMEM : SQLITE_OK;
    }
    for (int i = 0; i < WORDS_BEFORE_NAME; i++) {
        hx_token_next(&at);
    }
    hx_token_name(&at);
    hx_token_next(&at); /* USING */
    char *const module = hx_token_unquoted(hx_token_name(&at));
    if (module) {
        *out = sqlite3_stricmp(module, "hannoy") == 0;
    }
    sqlite3_free(module);
    sqlite3_free(text);
    return module ? SQLITE_OK : SQLITE_NOMEM;
}

static int add_schema(tables_cursor *cursor, const char *schema) {
    sqlite3 *const db = hx_connection_db(cursor->base.context);
    sqlite3_stmt *stmt = NULL;
    char *const text = sqlite3_mprintf(
        "SELECT name, sql FROM \"%w\".sqlite_schema WHERE type = 'table' AND rootpage = 0 AND sql "
        "LIKE '%%hannoy%%' ORDER BY name",
        schema);
    int rc = text ? sqlite3_prepare_v2(db, text, -1, &stmt, NULL) : SQLITE_NOMEM;
    sqlite3_free(text);
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        bool ours;
        rc = is_ours((const char *)sqlite3_column_text(stmt, 1), &ours);
        if (rc == SQLITE_OK && ours) {
            rc = add_name(cursor, schema, (const char *)sqlite3_column_text(stmt, 0));
        }
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int tables_filter(hx_tvf_cursor *base, int argc, sqlite3_value **argv) {
    tables_cursor *const cursor = (tables_cursor *)base;
    sqlite3 *const db = hx_connection_db(base->context);
    sqlite3_stmt *list;
    (void)argc;
    (void)argv;
    int rc = sqlite3_prepare_v2(db, "PRAGMA database_list", -1, &list, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(list)) == SQLITE_ROW) {
        rc = add_schema(cursor, (const char *)sqlite3_column_text(list, 1));
    }
    sqlite3_finalize(list);
    return rc == SQLITE_DONE ? SQLITE_OK
                             : hx_tvf_fail(base, rc, sqlite3_mprintf("%s", sqlite3_errmsg(db)));
}

/* Connects the table of the present row. */
static int connect_row(tables_cursor *cursor) {
    const table_name *const name = &cursor->names[cursor->base.row];
    if (cursor->at == cursor->base.row && (cursor->found.table || cursor->error)) {
        return SQLITE_OK;
    }
    release_found(cursor);
    cursor->at = cursor->base.row;
    const int rc = hx_connection_find(cursor->base.context, name->schema, name->name,
                                      &cursor->found, &cursor->error);
    return rc && !cursor->error ? rc : SQLITE_OK;
}

static int tables_column(hx_tvf_cursor *base, sqlite3_context *context, int column) {
    tables_cursor *const cursor = (tables_cursor *)base;
    const table_name *const name = &cursor->names[base->row];
    if (column < COLUMN_STATE) {
        sqlite3_result_text(context, column == COLUMN_SCHEMA ? name->schema : name->name, -1,
                            SQLITE_TRANSIENT);
        return SQLITE_OK;
    }
    const int rc = connect_row(cursor);
    if (rc) {
        return rc;
    }
    if (cursor->found.table) {
        return hx_info_value(cursor->found.table, columns[column], column == COLUMN_STATE, context);
    }
    if (column == COLUMN_STATE) {
        sqlite3_result_text(context, cursor->error, -1, SQLITE_TRANSIENT);
    }
    return SQLITE_OK;
}

static const hx_tvf tables_function = {
    .name = "hannoy_tables",
    .declaration = "CREATE TABLE x(schema TEXT, name TEXT, state TEXT, rows INTEGER, pending "
                   "INTEGER, bytes INTEGER, scans_since TEXT, linker TEXT, sidecar TEXT)",
    .first_argument = COLUMN_COUNT,
    .cost = 1000,
    .rows = 10,
    .first_rowid = 1,
    .cursor_bytes = sizeof(tables_cursor),
    .filter = tables_filter,
    .column = tables_column,
    .end = tables_end,
};

int hx_tables_register(hx_connection *connection) {
    return hx_tvf_register(hx_connection_db(connection), &tables_function,
                           hx_connection_ref(connection), hx_connection_unref);
}
