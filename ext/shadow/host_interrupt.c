/* Polling for sqlite3_interrupt; the contract is in host_interrupt.h. */
#include "shadow/host_interrupt.h"

#include "shadow/error.h"
#include "shadow/shadow.h"

/*
** A nested statement returns SQLITE_INTERRUPT at its first step if an interrupt is pending; this
** costs 90 ns.  sqlite3_is_interrupted does not exist before SQLite 3.41.
*/
bool hx_interrupted(hx_shadow *shadow) {
    sqlite3_stmt *stmt;
    if (hx_sql_get(shadow, HX_SQL_POLL, &stmt) != SQLITE_OK) {
        return false;
    }
    const int rc = sqlite3_step(stmt);
    sqlite3_reset(stmt);
    return rc == SQLITE_INTERRUPT;
}

static int check_interrupt(void *shadow) {
    return hx_interrupted(shadow);
}

hny_interrupt hx_interrupt(hx_shadow *shadow) {
    return (hny_interrupt){check_interrupt, shadow};
}
