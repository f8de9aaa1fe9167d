/*
** Interface to error.c: how a failure reaches the user.
**
** ext/ returns SQLite's codes.  The sentence that goes with one is kept in the virtual table's
** zErrMsg, whence SQLite takes it; functions take it from there themselves.
*/
#ifndef HX_ERROR_H
#define HX_ERROR_H

#include "sqlite_api.h"

typedef struct hx_shadow hx_shadow;

/* Sets the sentence (sqlite3_mprintf's format) and returns rc, or SQLITE_NOMEM. */
int hx_fail(hx_shadow *shadow, int rc, const char *format, ...);

/* The same with a sentence that is already made, which is taken over; NULL: out of memory. */
int hx_fail_with(hx_shadow *shadow, int rc, char *sentence);

/* After a call of SQLite failed with rc: passes on its code and its own sentence. */
int hx_fail_sql(hx_shadow *shadow, int rc);

/* After a call of the engine failed: its code translated, its sentence prefixed. */
int hx_fail_status(hx_shadow *shadow, int status);
int hx_status_code(int status);

/* Drops the sentence of a failure that goes no further. */
void hx_forgive(hx_shadow *shadow);

/* Reports rc and a sentence, which is freed, as the result of an SQL function; NULL: none. */
void hx_result_sentence(sqlite3_context *context, int rc, char *sentence);

/* Reports rc and the table's sentence as the result of an SQL function. */
void hx_result_failure(sqlite3_context *context, hx_shadow *shadow, int rc);

#endif
