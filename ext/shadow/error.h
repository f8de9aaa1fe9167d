/*
** Interface to error.c: errors and their sentences.
**
** Functions of ext/ return SQLite codes.  The sentence of an error is in the virtual table's
** zErrMsg, where SQLite reads it after a failed method.  SQL functions pass it on with
** hx_result_failure.
*/
#ifndef HX_ERROR_H
#define HX_ERROR_H

#include "sqlite_api.h"

typedef struct hx_shadow hx_shadow;

/* Sets the sentence (sqlite3_mprintf's format) and returns rc, or SQLITE_NOMEM. */
int hx_fail(hx_shadow *shadow, int rc, const char *format, ...);

/* Takes over a finished sentence; NULL means out of memory. */
int hx_fail_with(hx_shadow *shadow, int rc, char *sentence);

/* SQLite's sentence about a call that failed with rc, valid until the next call. */
const char *hx_sql_sentence(sqlite3 *db, int rc);

/* After an SQLite call failed with rc: sets SQLite's sentence and returns rc. */
int hx_fail_sql(hx_shadow *shadow, int rc);

/* After an engine call failed: sets the status's sentence and returns its SQLite code. */
int hx_fail_status(hx_shadow *shadow, int status);
int hx_status_code(int status);

/* Drops the sentence of an error that is handled. */
void hx_forgive(hx_shadow *shadow);

/* Reports rc and a sentence (NULL: none) as the result of an SQL function.  Frees the sentence. */
void hx_result_sentence(sqlite3_context *context, int rc, char *sentence);

/* Reports rc and the table's sentence as the result of an SQL function. */
void hx_result_failure(sqlite3_context *context, hx_shadow *shadow, int rc);

#endif
