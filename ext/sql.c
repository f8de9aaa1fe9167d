#include "sql.h"

#include <stdarg.h>

#include "error.h"
#include "table.h"

static const char *const texts[HX_SQL_COUNT] = {
#define HX_SQL_TEXT(name, text) text,
    HX_SQL_MAP(HX_SQL_TEXT)
#undef HX_SQL_TEXT
};

static int prepare(hx_table *table, hx_sql_id id, sqlite3_stmt **out) {
    char *const text = sqlite3_mprintf(texts[id], table->schema, table->name);
    if (!text) return SQLITE_NOMEM;
    const int rc = sqlite3_prepare_v3(table->db, text, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
    sqlite3_free(text);
    return rc == SQLITE_OK ? rc : hx_fail_sql(table, rc);
}

int hx_sql_get(hx_table *table, hx_sql_id id, sqlite3_stmt **out) {
    int rc = SQLITE_OK;
    if (!table->sql.kept[id]) rc = prepare(table, id, &table->sql.kept[id]);
    *out = table->sql.kept[id];
    return rc;
}

int hx_sql_step(hx_table *table, sqlite3_stmt *stmt) {
    const int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) return rc;
    hx_sql_done(stmt);
    return rc == SQLITE_DONE ? rc : hx_fail_sql(table, rc);
}

int hx_sql_run(hx_table *table, sqlite3_stmt *stmt) {
    const int rc = hx_sql_step(table, stmt);
    if (rc == SQLITE_ROW) hx_sql_done(stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

void hx_sql_done(sqlite3_stmt *stmt) {
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
}

int hx_sql_integer(hx_table *table, sqlite3_stmt *stmt, sqlite3_int64 *out) {
    const int rc = hx_sql_step(table, stmt);
    *out = 0;
    if (rc == SQLITE_ROW) {
        *out = sqlite3_column_int64(stmt, 0);
        hx_sql_done(stmt);
    }
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int hx_sql_borrow(hx_table *table, hx_sql_id id, hx_loan *loan) {
    sqlite3_stmt *stmt;
    const int rc = hx_sql_get(table, id, &stmt);
    if (rc) return rc;
    table->sql.kept[id] = NULL;
    *loan = (hx_loan){stmt, id, table->sql.generation};
    return SQLITE_OK;
}

void hx_sql_return(hx_table *table, hx_loan *loan) {
    if (!loan->stmt) return;
    if (loan->generation == table->sql.generation && !table->sql.kept[loan->id]) {
        hx_sql_done(loan->stmt);
        table->sql.kept[loan->id] = loan->stmt;
    } else {
        sqlite3_finalize(loan->stmt);
    }
    loan->stmt = NULL;
}

void hx_sql_drop(hx_table *table) {
    for (int id = 0; id < HX_SQL_COUNT; id++) {
        sqlite3_finalize(table->sql.kept[id]);
        table->sql.kept[id] = NULL;
    }
    table->sql.generation++;
}

int hx_sql_exec(hx_table *table, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *const text = sqlite3_vmprintf(format, arguments);
    va_end(arguments);
    if (!text) return SQLITE_NOMEM;
    const int rc = sqlite3_exec(table->db, text, NULL, NULL, NULL);
    sqlite3_free(text);
    return rc == SQLITE_OK ? rc : hx_fail_sql(table, rc);
}
