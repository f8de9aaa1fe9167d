/* Whether xUpdate was called by a trigger; the contract is in direct.h. */
#include "change/direct.h"

#include <string.h>

#include "shadow/error.h"
#include "shadow/shadow.h"

/*
** Does this row of EXPLAIN update our table?  The opcode's p4 is "vtab:" and the address of its
** sqlite3_vtab.
*/
static bool is_our_update(sqlite3_stmt *explain, const char *vtab) {
    const char *const opcode = (const char *)sqlite3_column_text(explain, 1);
    const char *const p4 = (const char *)sqlite3_column_text(explain, 5);
    return opcode && p4 && strcmp(opcode, "VUpdate") == 0 && strcmp(p4, vtab) == 0;
}

/* EXPLAIN lists the main program first.  Those of triggers follow, and begin at address 0 again. */
static bool updates_directly(sqlite3_stmt *explain, const char *vtab) {
    int last = -1;
    while (sqlite3_step(explain) == SQLITE_ROW) {
        const int address = sqlite3_column_int(explain, 0);
        if (address <= last) {
            return false;
        }
        if (is_our_update(explain, vtab)) {
            return true;
        }
        last = address;
    }
    return false;
}

/* Where EXPLAIN is not available, every statement counts as direct. */
static int explain_statement(hx_shadow *shadow, sqlite3_stmt *stmt, const char *vtab, bool *out) {
    sqlite3_stmt *explain = NULL;
    char *const text = sqlite3_mprintf("EXPLAIN %s", sqlite3_sql(stmt));
    if (!text) {
        return SQLITE_NOMEM;
    }
    const int rc = sqlite3_prepare_v2(shadow->db, text, -1, &explain, NULL);
    sqlite3_free(text);
    *out = rc != SQLITE_OK || updates_directly(explain, vtab);
    sqlite3_finalize(explain);
    return rc == SQLITE_NOMEM ? rc : SQLITE_OK;
}

/*
** One of the statements that are running has called xUpdate, in its main program or in a trigger.
*/
int hx_direct(hx_shadow *shadow, bool *out) {
    char *const vtab = sqlite3_mprintf("vtab:%p", (void *)&shadow->vtab);
    int rc = vtab ? SQLITE_OK : SQLITE_NOMEM;
    *out = false;
    for (sqlite3_stmt *stmt = sqlite3_next_stmt(shadow->db, NULL); stmt && !*out && rc == SQLITE_OK;
         stmt = sqlite3_next_stmt(shadow->db, stmt)) {
        if (sqlite3_stmt_busy(stmt) && !sqlite3_stmt_readonly(stmt)) {
            rc = explain_statement(shadow, stmt, vtab, out);
        }
    }
    sqlite3_free(vtab);
    return rc;
}
