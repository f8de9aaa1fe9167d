/* The numbers of all hannoy tables of a schema; the contract is in table_ids.h. */
#include "shadow/table_ids.h"

#include "shadow/error.h"
#include "shadow/shadow.h"

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

/*
** Adds the numbers in name_config.  A table without one is skipped: it belongs to another module,
** or is being created.
*/
static int read_table_ids(hx_shadow *shadow, const char *name, id_list *list) {
    sqlite3_stmt *stmt;
    int rc = hx_sql_query(
        shadow, &stmt,
        sqlite3_mprintf("SELECT value FROM \"%w\".\"%w_config\" WHERE (key = 'table' OR key GLOB "
                        "'table.*') AND value BETWEEN 1 AND %u",
                        shadow->schema, name, UINT32_MAX));
    if (!stmt && rc == SQLITE_ERROR) {
        hx_forgive(shadow);
        return SQLITE_OK;
    }
    while (rc == SQLITE_ROW) {
        rc = add_table_id(list, (uint32_t)sqlite3_column_int64(stmt, 0));
        if (rc == SQLITE_OK) {
            rc = hx_sql_next(shadow, stmt);
        }
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int hx_table_ids_all(hx_shadow *shadow, uint32_t **out, size_t *count) {
    id_list list = {NULL, 0, 0};
    sqlite3_stmt *stmt = NULL;
    int rc = hx_sql_query(shadow, &stmt,
                          sqlite3_mprintf("SELECT name FROM \"%w\".sqlite_master WHERE type = "
                                          "'table' AND rootpage = 0 AND sql LIKE '%%hannoy%%'",
                                          shadow->schema));
    while (rc == SQLITE_ROW) {
        rc = read_table_ids(shadow, (const char *)sqlite3_column_text(stmt, 0), &list);
        if (rc == SQLITE_OK) {
            rc = hx_sql_next(shadow, stmt);
        }
    }
    sqlite3_finalize(stmt);
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
