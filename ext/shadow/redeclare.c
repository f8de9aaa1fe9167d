/* Changes the statement that declares a table; the contract is in redeclare.h. */
#include "shadow/redeclare.h"

#include "shadow/error.h"
#include "shadow/shadow.h"

static char *statement_text(const hx_shadow *shadow, const hx_arguments *arguments) {
    sqlite3_str *const text = sqlite3_str_new(shadow->db);
    sqlite3_str_appendf(text, "CREATE VIRTUAL TABLE \"%w\" USING hannoy(", shadow->name);
    for (int i = 0; i < arguments->count; i++) {
        sqlite3_str_appendf(text, "%s%s", i ? ", " : "", arguments->items[i]);
    }
    sqlite3_str_appendchar(text, 1, ')');
    return sqlite3_str_finish(text);
}

static int write_statement(hx_shadow *shadow, const char *text) {
    return hx_sql_exec(shadow,
                       "UPDATE \"%w\".sqlite_schema SET sql = %Q WHERE type = 'table' AND "
                       "rootpage = 0 AND name = %Q COLLATE NOCASE",
                       shadow->schema, text, shadow->name);
}

static int rename_value(hx_shadow *shadow, const char *from, const char *to) {
    return hx_sql_exec(shadow, "ALTER TABLE \"%w\".\"%w_config\" RENAME COLUMN %s TO %s",
                       shadow->schema, shadow->name, from, to);
}

/* SQLite 3.34 does not know RESET.  It reads the schema again after it has renamed a column. */
int hx_redeclare_forget(hx_shadow *shadow) {
    if (sqlite3_libversion_number() >= 3037000) {
        return hx_sql_exec(shadow, "PRAGMA writable_schema = RESET");
    }
    const int rc = rename_value(shadow, "value", "renamed");
    return rc ? rc : rename_value(shadow, "renamed", "value");
}

/* With the rights to write sqlite_schema for as long as it takes. */
int hx_redeclare(hx_shadow *shadow, const hx_arguments *arguments) {
    sqlite3 *const db = shadow->db;
    int defensive = 0, writable = 0;
    char *const text = statement_text(shadow, arguments);
    if (!text) {
        return SQLITE_NOMEM;
    }
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, -1, &defensive);
    sqlite3_db_config(db, SQLITE_DBCONFIG_WRITABLE_SCHEMA, -1, &writable);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_WRITABLE_SCHEMA, 1, NULL);
    int rc = write_statement(shadow, text);
    const int forgotten = hx_redeclare_forget(shadow);
    sqlite3_db_config(db, SQLITE_DBCONFIG_WRITABLE_SCHEMA, writable, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, defensive, NULL);
    sqlite3_free(text);
    return rc ? rc : forgotten;
}
