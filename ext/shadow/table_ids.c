/* The numbers of all hannoy tables of a schema; the contract is in table_ids.h. */
#include "shadow/table_ids.h"

#include <stdio.h>
#include <string.h>

#include "shadow/error.h"
#include "shadow/shadow.h"
#include "shadow/table_columns.h"

typedef struct id_list {
    uint32_t *items;
    size_t count, capacity;
} id_list;

static int add_table_id(id_list *list, uint32_t number) {
    if (list->count == list->capacity) {
        const size_t capacity = list->capacity ? 2 * list->capacity : 16;
        uint32_t *const items = sqlite3_realloc64(list->items, capacity * sizeof *items);
        if (!items) {
            return SQLITE_NOMEM;
        }
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = number;
    return SQLITE_OK;
}

/* ------------------------------------------------------------------------ of one table -- */

#define REMARK "/* index "

char *hx_table_ids_remark(uint32_t first, int count) {
    return sqlite3_mprintf(REMARK "%u, of %d */", first, count);
}

/* Adds the numbers that the text of CREATE TABLE name_config has.  *found: it has some. */
static int parse_remark(const char *sql, id_list *list, bool *found) {
    unsigned first = 0;
    int count = 0, rc = SQLITE_OK;
    const char *const remark = sql ? strstr(sql, REMARK) : NULL;
    *found = remark && sscanf(remark, REMARK "%u, of %d */", &first, &count) == 2 && first > 0 &&
             count > 0 && count <= HX_MAX_VECTORS;
    for (int i = 0; *found && i < count && rc == SQLITE_OK; i++) {
        rc = add_table_id(list, first + (uint32_t)i);
    }
    return rc;
}

/* Adds the numbers in a table name_config, which may be another module's. */
static int read_table_ids(hx_shadow *shadow, const char *name, id_list *list) {
    static const char *const columns[] = {"key", "value"};
    char *const config = sqlite3_mprintf("%s_config", name);
    bool ours = false;
    int rc = config ? hx_table_has_columns(shadow, config, columns, 2, &ours) : SQLITE_NOMEM;
    sqlite3_free(config);
    if (rc || !ours) {
        return rc;
    }
    sqlite3_stmt *stmt;
    rc = hx_sql_query(
        shadow, &stmt,
        sqlite3_mprintf("SELECT value FROM \"%w\".\"%w_config\" WHERE (key = 'table' OR key GLOB "
                        "'table.*') AND value BETWEEN 1 AND %u",
                        shadow->schema, name, UINT32_MAX));
    while (rc == SQLITE_ROW) {
        rc = add_table_id(list, (uint32_t)sqlite3_column_int64(stmt, 0));
        if (rc == SQLITE_OK) {
            rc = hx_sql_next(shadow, stmt);
        }
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* ------------------------------------------------------------------------------ of all -- */

/*
** A row of the schema: a table of ours, or before it its name_config.  *unread is the last
** name_config without numbers in the text.  A table that is being created has no name_config yet.
*/
static int add_schema_row(hx_shadow *shadow, sqlite3_stmt *stmt, char **unread, id_list *list) {
    const char *const name = (const char *)sqlite3_column_text(stmt, 0);
    bool found;
    if (!name) {
        return SQLITE_NOMEM;
    }
    if (!sqlite3_column_int(stmt, 1)) {
        return *unread && sqlite3_stricmp(*unread, name) == 0 ? read_table_ids(shadow, name, list)
                                                              : SQLITE_OK;
    }
    const int rc = parse_remark((const char *)sqlite3_column_text(stmt, 2), list, &found);
    if (rc || found) {
        return rc;
    }
    sqlite3_free(*unread);
    *unread = sqlite3_mprintf("%s", name);
    return *unread ? SQLITE_OK : SQLITE_NOMEM;
}

/*
** The numbers are also in the text of the schema, since a statement for each table takes time in
** proportion to the tables at each CREATE and build: 50 seconds in all for 1,000 tables.  Tables of
** older versions have none there.
*/
int hx_table_ids_all(hx_shadow *shadow, uint32_t **out, size_t *count) {
    id_list list = {NULL, 0, 0};
    char *unread = NULL;
    sqlite3_stmt *stmt = NULL;
    int rc = hx_sql_query(
        shadow, &stmt,
        sqlite3_mprintf("SELECT iif(rootpage = 0, name, substr(name, 1, length(name) - 7)), "
                        "rootpage > 0, sql FROM \"%w\".sqlite_master WHERE type = 'table' AND "
                        "iif(rootpage = 0, sql LIKE '%%hannoy%%', name LIKE '%%!_config' ESCAPE "
                        "'!') ORDER BY 1 COLLATE NOCASE, 2 DESC",
                        shadow->schema));
    while (rc == SQLITE_ROW) {
        rc = add_schema_row(shadow, stmt, &unread, &list);
        if (rc == SQLITE_OK) {
            rc = hx_sql_next(shadow, stmt);
        }
    }
    sqlite3_finalize(stmt);
    sqlite3_free(unread);
    if (rc != SQLITE_DONE) {
        sqlite3_free(list.items);
        return rc;
    }
    *out = list.items;
    *count = list.count;
    return SQLITE_OK;
}

int hx_table_ids_next(hx_shadow *shadow, int count, uint32_t *out) {
    uint32_t *list, largest = 0;
    size_t used;
    const int rc = hx_table_ids_all(shadow, &list, &used);
    if (rc) {
        return rc;
    }
    for (size_t i = 0; i < used; i++) {
        largest = list[i] > largest ? list[i] : largest;
    }
    sqlite3_free(list);
    if (largest > UINT32_MAX - (uint32_t)count) {
        return hx_fail(shadow, SQLITE_FULL,
                       "hannoy: all %u table numbers of this database are used", UINT32_MAX);
    }
    *out = largest + 1;
    return SQLITE_OK;
}
