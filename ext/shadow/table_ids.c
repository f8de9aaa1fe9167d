#include "shadow/table_ids.h"

#include "shadow/error.h"
#include "shadow/shadow.h"

typedef struct numbers {
    uint32_t *at;
    size_t count, room;
} numbers;

static int add_number(numbers *list, uint32_t number) {
    if (list->count == list->room) {
        const size_t room = list->room ? 2 * list->room : 16;
        uint32_t *const at = sqlite3_realloc64(list->at, room * sizeof *at);
        if (!at) return SQLITE_NOMEM;
        list->at = at;
        list->room = room;
    }
    list->at[list->count++] = number;
    return SQLITE_OK;
}

/*
** The number in name_config.  The list of names is generous, so a table that has no such
** configuration is another module's, or one that is being created, and is passed over.
*/
static int read_number(hx_shadow *shadow, const char *name, numbers *list) {
    sqlite3_stmt *stmt;
    char *const text = sqlite3_mprintf(
        "SELECT value FROM \"%w\".\"%w_config\" WHERE key = 'table' AND value BETWEEN 1 AND %u",
        shadow->schema, name, UINT32_MAX);
    if (!text) return SQLITE_NOMEM;
    int rc = sqlite3_prepare_v2(shadow->db, text, -1, &stmt, NULL);
    sqlite3_free(text);
    if (rc == SQLITE_ERROR) return SQLITE_OK;
    if (rc) return hx_fail_sql(shadow, rc);
    rc = sqlite3_step(stmt);
    const int added =
        rc == SQLITE_ROW ? add_number(list, (uint32_t)sqlite3_column_int64(stmt, 0)) : SQLITE_OK;
    rc = sqlite3_finalize(stmt);
    return rc ? hx_fail_sql(shadow, rc) : added;
}

int hx_table_ids_all(hx_shadow *shadow, uint32_t **out, size_t *count) {
    numbers list = {NULL, 0, 0};
    sqlite3_stmt *stmt = NULL;
    char *const text = sqlite3_mprintf("SELECT name FROM \"%w\".sqlite_master WHERE type = 'table'"
                                       " AND rootpage = 0 AND sql LIKE '%%hannoy%%'",
                                       shadow->schema);
    if (!text) return SQLITE_NOMEM;
    int rc = sqlite3_prepare_v2(shadow->db, text, -1, &stmt, NULL);
    sqlite3_free(text);
    if (rc) return hx_fail_sql(shadow, rc);
    while (!rc && sqlite3_step(stmt) == SQLITE_ROW)
        rc = read_number(shadow, (const char *)sqlite3_column_text(stmt, 0), &list);
    const int ended = sqlite3_finalize(stmt);
    if (!rc && ended) rc = hx_fail_sql(shadow, ended);
    if (rc) {
        sqlite3_free(list.at);
        return rc;
    }
    *out = list.at;
    *count = list.count;
    return SQLITE_OK;
}

int hx_table_ids_next(hx_shadow *shadow, uint32_t *out) {
    uint32_t *list, largest = 0;
    size_t count;
    const int rc = hx_table_ids_all(shadow, &list, &count);
    if (rc) return rc;
    for (size_t i = 0; i < count; i++) largest = list[i] > largest ? list[i] : largest;
    sqlite3_free(list);
    if (largest == UINT32_MAX)
        return hx_fail(shadow, SQLITE_FULL,
                       "hannoy: all %u table numbers of this database are used", largest);
    *out = largest + 1;
    return SQLITE_OK;
}
