/*
** Interface to tables.c: SELECT * FROM hannoy_tables().
*/
#ifndef HX_TABLES_H
#define HX_TABLES_H

#include "connection.h"

/* Registers the table-valued function on the connection's connection. */
int hx_tables_register(hx_connection *connection);

#endif
