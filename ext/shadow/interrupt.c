#include "shadow/interrupt.h"

#include "shadow/error.h"
#include "table.h"

/*
** A nested statement is stopped before its first step where an interrupt is pending; 90 ns.
** sqlite3_is_interrupted tells the same, but calling it crashes before SQLite 3.41.
*/
bool hx_interrupted(hx_table *table) {
    sqlite3_stmt *stmt;
    if (hx_sql_get(table, HX_SQL_POLL, &stmt) != SQLITE_OK) return false;
    const int rc = sqlite3_step(stmt);
    sqlite3_reset(stmt);
    return rc == SQLITE_INTERRUPT;
}

static int check(void *table) {
    return hx_interrupted(table);
}

hny_interrupt hx_interrupt(hx_table *table) {
    return (hny_interrupt){check, table};
}
