/* The columns of a plain table; the contract is in table_columns.h. */
#include "shadow/table_columns.h"

#include "shadow/error.h"
#include "shadow/shadow.h"

/* Steps PRAGMA schema.name(table); SQLITE_ROW, SQLITE_DONE or an error. */
static int list_table(hx_shadow *shadow, const char *name, const char *table, sqlite3_stmt **out) {
    return hx_sql_query(shadow, out,
                        sqlite3_mprintf("PRAGMA \"%w\".%s(\"%w\")", shadow->schema, name, table));
}

static const char *listed_text(sqlite3_stmt *stmt, int column) {
    const char *const text = (const char *)sqlite3_column_text(stmt, column);
    return text ? text : "";
}

static int end_list(sqlite3_stmt *stmt, int rc) {
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int hx_table_has_columns(hx_shadow *shadow, const char *table, const char *const *names, int count,
                         bool *out) {
    sqlite3_stmt *stmt;
    int found = 0, rc;
    for (rc = list_table(shadow, "table_xinfo", table, &stmt); rc == SQLITE_ROW;
         rc = hx_sql_next(shadow, stmt)) {
        for (int i = 0; i < count; i++) {
            found += sqlite3_stricmp(listed_text(stmt, 1), names[i]) == 0;
        }
    }
    *out = found == count;
    return end_list(stmt, rc);
}

static int has_key_index(hx_shadow *shadow, const char *table, bool *out) {
    sqlite3_stmt *stmt;
    int rc;
    *out = false;
    for (rc = list_table(shadow, "index_list", table, &stmt); rc == SQLITE_ROW;
         rc = hx_sql_next(shadow, stmt)) {
        *out |= sqlite3_stricmp(listed_text(stmt, 3), "pk") == 0;
    }
    return end_list(stmt, rc);
}

/* The only column of the primary key, if its type is INTEGER. */
static int read_integer_key(hx_shadow *shadow, const char *table, char **out) {
    sqlite3_stmt *stmt;
    int columns = 0, rc;
    bool integer = false;
    char *name = NULL;
    for (rc = list_table(shadow, "table_info", table, &stmt); rc == SQLITE_ROW;
         rc = hx_sql_next(shadow, stmt)) {
        if (sqlite3_column_int(stmt, 5) == 0) {
            continue;
        }
        columns++;
        integer = sqlite3_stricmp(listed_text(stmt, 2), "INTEGER") == 0;
        sqlite3_free(name);
        name = sqlite3_mprintf("%s", listed_text(stmt, 1));
        if (!name) {
            rc = SQLITE_NOMEM;
            break;
        }
    }
    rc = end_list(stmt, rc);
    if (rc || columns != 1 || !integer) {
        sqlite3_free(name);
        name = NULL;
    }
    *out = name;
    return rc;
}

int hx_table_rowid_column(hx_shadow *shadow, const char *table, char **out) {
    bool indexed;
    *out = NULL;
    const int rc = has_key_index(shadow, table, &indexed);
    return rc || indexed ? rc : read_integer_key(shadow, table, out);
}
