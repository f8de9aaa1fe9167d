/*
** Interface to loss.c: an index that searches cannot use, why, and since when.
**
** Answers stay right and become slow, so operators have to be told: by hannoy_info, and by one
** sentence in sqlite3_log().
*/
#ifndef HX_LOSS_H
#define HX_LOSS_H

#include <stdbool.h>

#include "sqlite_api.h"

typedef struct hx_view hx_view;

typedef struct hx_loss {
    sqlite3_int64 since; /* Unix time at which this connection noticed it; 0: the index is used */
    bool logged;
} hx_loss;

/*
** The sentence that says why queries look at every row, for sqlite3_free().  *out NULL: the index
** is of use, or only too far behind.  SQLITE_OK or SQLITE_NOMEM.
*/
int hx_loss_reason(const hx_view *view, char **out);

/*
** To be called when a snapshot was computed or discarded.  Logs when an index is lost that was
** there: a table that was never built is none.  An SQLite code, with its sentence in the table
** (error.h).
*/
int hx_loss_update(hx_view *view);

#endif
