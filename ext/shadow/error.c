/* Errors and their sentences; the contract is in error.h. */
#include "shadow/error.h"

#include <stdarg.h>

#include "shadow/shadow.h"

void hx_forgive(hx_shadow *shadow) {
    sqlite3_free(shadow->vtab.zErrMsg);
    shadow->vtab.zErrMsg = NULL;
}

int hx_fail_with(hx_shadow *shadow, int rc, char *sentence) {
    hx_forgive(shadow);
    shadow->vtab.zErrMsg = sentence;
    return sentence ? rc : SQLITE_NOMEM;
}

int hx_fail(hx_shadow *shadow, int rc, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *const sentence = sqlite3_vmprintf(format, arguments);
    va_end(arguments);
    return hx_fail_with(shadow, rc, sentence);
}

/* A later call on the connection may have replaced the sentence, by "not an error" for example. */
const char *hx_sql_sentence(sqlite3 *db, int rc) {
    return (sqlite3_errcode(db) & 0xff) == (rc & 0xff) ? sqlite3_errmsg(db) : sqlite3_errstr(rc);
}

int hx_fail_sql(hx_shadow *shadow, int rc) {
    hx_fail_with(shadow, rc, sqlite3_mprintf("%s", hx_sql_sentence(shadow->db, rc)));
    return rc;
}

/*
** IO and FULL become plain errors.  SQLite rolls back the user's whole transaction on
** SQLITE_IOERR and SQLITE_FULL; a failure of the sidecar, which holds derived data, must not do
** that.
*/
int hx_status_code(int status) {
    switch (status) {
    case HNY_OK:
        return SQLITE_OK;
    case HNY_NOMEM:
        return SQLITE_NOMEM;
    case HNY_BUSY:
        return SQLITE_BUSY;
    case HNY_INTERRUPT:
        return SQLITE_INTERRUPT;
    case HNY_CORRUPT:
        return SQLITE_CORRUPT_VTAB;
    default:
        return SQLITE_ERROR;
    }
}

int hx_fail_status(hx_shadow *shadow, int status) {
    return hx_fail(shadow, hx_status_code(status), "hannoy: %s", hny_strerror(status));
}

void hx_result_sentence(sqlite3_context *context, int rc, char *sentence) {
    if (rc == SQLITE_NOMEM) {
        sqlite3_result_error_nomem(context);
    } else {
        if (sentence) {
            sqlite3_result_error(context, sentence, -1);
        }
        sqlite3_result_error_code(context, rc);
    }
    sqlite3_free(sentence);
}

void hx_result_failure(sqlite3_context *context, hx_shadow *shadow, int rc) {
    hx_result_sentence(context, rc, shadow->vtab.zErrMsg);
    shadow->vtab.zErrMsg = NULL;
}
