/* Does the host want deleted data overwritten?  The contract is in secure_delete.h. */
#include "shadow/secure_delete.h"

#include "shadow/error.h"
#include "shadow/shadow.h"

#define SECURE_DELETE_ON 1 /* 0: off; 2: fast */

int hx_secure_delete(hx_shadow *shadow, bool *out) {
    sqlite3_stmt *stmt = NULL;
    const int rc =
        hx_sql_query(shadow, &stmt, sqlite3_mprintf("PRAGMA \"%w\".secure_delete", shadow->schema));
    *out = rc != SQLITE_ROW || sqlite3_column_int(stmt, 0) == SECURE_DELETE_ON;
    sqlite3_finalize(stmt);
    if (rc != SQLITE_ROW && rc != SQLITE_NOMEM) {
        hx_forgive(shadow);
    }
    return rc == SQLITE_NOMEM ? rc : SQLITE_OK;
}
