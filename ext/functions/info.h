/*
** Interface to info.c: SELECT key, value FROM hannoy_info('v' [, 'schema']).
*/
#ifndef HX_INFO_H
#define HX_INFO_H

#include <stdbool.h>

#include "connection.h"

/* Registers the table-valued function on the connection's connection. */
int hx_info_register(hx_connection *connection);

/*
** Sets the result to the value of a key of a whole table.  If the table cannot be read it is NULL,
** or with `report` the sentence that says why.  SQLITE_OK or SQLITE_NOMEM.
*/
int hx_info_value(hx_table *table, const char *key, bool report, sqlite3_context *context);

#endif
