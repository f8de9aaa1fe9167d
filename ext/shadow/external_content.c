/* Content tables: checks and triggers; the contract is in external_content.h. */
#include "shadow/external_content.h"

#include <string.h>

#include "shadow/error.h"
#include "shadow/shadow.h"
#include "shadow/table_columns.h"

/* ------------------------------------------------------------------------------------ checks -- */

static const char *source_name(const hx_shadow *shadow) {
    return shadow->columns.source.table;
}

/* A plain table, neither a view nor a virtual table. */
static int check_kind(hx_shadow *shadow) {
    sqlite3_stmt *stmt = NULL;
    int rc = hx_sql_query(
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
static int check_source_key(hx_shadow *shadow) {
    const char *const rowid = shadow->columns.source.rowid;
    char *key;
    int rc = hx_table_rowid_column(shadow, source_name(shadow), &key);
    if (rc) {
        return rc;
    }
    if (!key) {
        rc = hx_fail(shadow, SQLITE_ERROR,
                     "hannoy: %s has no INTEGER PRIMARY KEY that is its rowid (one with DESC, or "
                     "WITHOUT ROWID, is not), so VACUUM may renumber its rows; add one",
                     source_name(shadow));
    } else if (rowid && sqlite3_stricmp(rowid, key) != 0) {
        rc = hx_fail(shadow, SQLITE_ERROR,
                     "hannoy: content_rowid must be the INTEGER PRIMARY KEY of %s, which is %s and "
                     "not %s",
                     source_name(shadow), key, rowid);
    }
    sqlite3_free(key);
    return rc;
}

static int check_source_column(hx_shadow *shadow, const char *name) {
    bool found;
    const int rc = hx_table_has_columns(shadow, source_name(shadow), &name, 1, &found);
    return rc || found
               ? rc
               : hx_fail(shadow, SQLITE_ERROR, "hannoy: %s has no column %s; name one that it has",
                         source_name(shadow), name);
}

int hx_external_content_check(hx_shadow *shadow) {
    const hx_columns *const columns = &shadow->columns;
    int rc = check_kind(shadow);
    if (rc == SQLITE_OK) {
        rc = check_source_key(shadow);
    }
    for (int i = 0; i < columns->vectors && rc == SQLITE_OK; i++) {
        rc = check_source_column(shadow, hx_columns_source(columns, i));
    }
    for (int i = 0; i < columns->count && rc == SQLITE_OK; i++) {
        if (columns->at[i].stored >= 0) {
            rc = check_source_column(shadow, columns->at[i].name);
        }
    }
    return rc;
}

/* ------------------------------------------------------------------------------------- rowid -- */

/* Is there a column of this name that is not the rowid? */
static int is_shadowed(hx_shadow *shadow, const char *name, const char *key, bool *out) {
    *out = false;
    return sqlite3_stricmp(name, key) == 0
               ? SQLITE_OK
               : hx_table_has_columns(shadow, source_name(shadow), &name, 1, out);
}

/*
** A name that survives a rename of the key column, unless columns of the user's have all of
** them.  With content_rowid= it is that one.
*/
int hx_external_content_rowid(hx_shadow *shadow, char **out) {
    static const char *const names[] = {"rowid", "_rowid_", "oid"};
    const char *const given = shadow->columns.source.rowid;
    char *key;
    int rc = hx_table_rowid_column(shadow, source_name(shadow), &key);
    *out = NULL;
    if (rc || !key) {
        return rc;
    }
    bool shadowed = true;
    const char *name = given ? given : key;
    for (int i = 0; !given && shadowed && rc == SQLITE_OK && i < 3; i++) {
        rc = is_shadowed(shadow, names[i], key, &shadowed);
        if (!shadowed) {
            name = names[i];
        }
    }
    if (rc == SQLITE_OK && (!given || sqlite3_stricmp(given, key) == 0)) {
        *out = sqlite3_mprintf("%s", name);
        if (!*out) {
            rc = SQLITE_NOMEM;
        }
    }
    sqlite3_free(key);
    return rc;
}

const char *hx_external_content_rowid_name(const hx_shadow *shadow) {
    const char *const given = shadow->columns.source.rowid;
    if (shadow->schema_state.rowid) {
        return shadow->schema_state.rowid;
    }
    return given ? given : "rowid";
}

/* ---------------------------------------------------------------------------------- triggers -- */

static const char *const events[] = {"insert", "update", "delete"};
enum { INSERT_EVENT, UPDATE_EVENT, DELETE_EVENT, EVENT_COUNT };

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

/* Compares values: applications often set columns to the value that they have. */
static void append_update(const hx_shadow *shadow, const char *rowid, sqlite3_str *text) {
    const char *const item = hx_hidden_name(&shadow->columns, HX_ITEM);
    sqlite3_str_appendf(text, " WHEN old.\"%w\" IS NOT new.\"%w\"", rowid, rowid);
    append_indexed(shadow, text, " OR old.\"%w\" IS NOT new.\"%w\"");
    sqlite3_str_appendf(text,
                        " BEGIN INSERT INTO \"%w\"(\"%w\") VALUES (new.\"%w\"); INSERT INTO "
                        "\"%w\"(\"%w\") SELECT old.\"%w\" WHERE old.\"%w\" IS NOT new.\"%w\"; "
                        "END",
                        shadow->name, item, rowid, shadow->name, item, rowid, rowid, rowid);
}

/* The text of a trigger from its name on, for sqlite3_free(); NULL: out of memory. */
static char *trigger_text(const hx_shadow *shadow, int event) {
    const char *const rowid = hx_external_content_rowid_name(shadow);
    sqlite3_str *const text = sqlite3_str_new(shadow->db);
    sqlite3_str_appendf(text, "hannoy_%u_%s AFTER %s ON \"%w\"", shadow->config.vectors[0].number,
                        events[event], events[event], source_name(shadow));
    if (event == UPDATE_EVENT) {
        append_update(shadow, rowid, text);
    } else {
        sqlite3_str_appendf(text, " BEGIN INSERT INTO \"%w\"(\"%w\") VALUES (%s.\"%w\"); END",
                            shadow->name, hx_hidden_name(&shadow->columns, HX_ITEM),
                            event == INSERT_EVENT ? "new" : "old", rowid);
    }
    return sqlite3_str_finish(text);
}

static int create_trigger(hx_shadow *shadow, int event) {
    char *const text = trigger_text(shadow, event);
    const int rc =
        text ? hx_sql_exec(shadow, "CREATE TRIGGER \"%w\".%s", shadow->schema, text) : SQLITE_NOMEM;
    sqlite3_free(text);
    return rc;
}

/* IF EXISTS would do, if it could run in xCreate (table_columns.h). */
static int drop_trigger(hx_shadow *shadow, const char *event) {
    const unsigned number = shadow->config.vectors[0].number;
    bool exists;
    const int rc =
        hx_sql_ask(shadow, &exists,
                   sqlite3_mprintf("SELECT 1 FROM \"%w\".sqlite_schema WHERE type = 'trigger' AND "
                                   "lower(name) = 'hannoy_%u_%s'",
                                   shadow->schema, number, event));
    return rc || !exists ? rc
                         : hx_sql_exec(shadow, "DROP TRIGGER \"%w\".hannoy_%u_%s", shadow->schema,
                                       number, event);
}

static int drop_triggers(hx_shadow *shadow) {
    int rc = SQLITE_OK;
    for (int i = 0; i < EVENT_COUNT && rc == SQLITE_OK; i++) {
        rc = drop_trigger(shadow, events[i]);
    }
    return rc;
}

int hx_external_content_attach(hx_shadow *shadow) {
    int rc = drop_triggers(shadow);
    for (int i = 0; i < EVENT_COUNT && rc == SQLITE_OK; i++) {
        rc = create_trigger(shadow, i);
    }
    return rc;
}

/* If the configuration cannot be read the triggers stay; they then raise an error that says so. */
int hx_external_content_detach(hx_shadow *shadow) {
    hny_boundary trim;
    int rc = hx_config_read(shadow, &trim);
    if (rc == SQLITE_NOMEM) {
        return rc;
    }
    if (rc) {
        hx_forgive(shadow);
        return SQLITE_OK;
    }
    return drop_triggers(shadow);
}

static int has_trigger(hx_shadow *shadow, int event, bool *out) {
    char *const text = trigger_text(shadow, event);
    const int rc =
        text ? hx_sql_ask(
                   shadow, out,
                   sqlite3_mprintf("SELECT 1 FROM \"%w\".sqlite_schema WHERE type = 'trigger' AND "
                                   "lower(tbl_name) = lower(%Q) AND sql = 'CREATE TRIGGER ' || %Q",
                                   shadow->schema, source_name(shadow), text))
             : SQLITE_NOMEM;
    sqlite3_free(text);
    return rc;
}

int hx_external_content_followed(hx_shadow *shadow, bool *out) {
    int rc = SQLITE_OK;
    *out = true;
    for (int i = 0; i < EVENT_COUNT && *out && rc == SQLITE_OK; i++) {
        rc = has_trigger(shadow, i, out);
    }
    return rc;
}

int hx_external_content_repair(hx_shadow *shadow) {
    hx_log log;
    int rc = hx_columns_external(&shadow->columns) ? hx_log_read(shadow, &log) : SQLITE_OK;
    if (rc || hx_schema_state_followed(shadow)) {
        return rc;
    }
    rc = hx_external_content_check(shadow);
    if (rc == SQLITE_OK) {
        rc = hx_log_restart(shadow);
    }
    if (rc == SQLITE_OK) {
        rc = hx_external_content_attach(shadow);
    }
    if (rc == SQLITE_OK) {
        shadow->schema_state.was_disabled = false;
    }
    return rc ? rc : hx_log_read(shadow, &log);
}
