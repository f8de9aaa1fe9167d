/*
** Interface to mark.c: the type of a vector as the subtype of its BLOB.
**
** Functions set it on their results and tables on their vectors.  SQLite passes it to an enclosing
** function, to an INSERT and to a search, and drops it in a subquery or a sort.  The numbers are
** sqlite-vec's (it has none for float16), so that its functions and ours work together in one
** connection.
*/
#ifndef HX_MARK_H
#define HX_MARK_H

#include <stdint.h>

#include "hannoy.h"
#include "sqlite_api.h"

/* The type of a BLOB's mark; 0 without a mark. */
uint8_t hx_mark_read(sqlite3_value *value);

/* Marks the result of a function or a column, a BLOB of this type. */
void hx_mark_result(sqlite3_context *context, uint8_t type);

#endif
