/*
** Interface to info.c: SELECT key, value FROM hannoy_info('v' [, 'schema']).
*/
#ifndef HX_INFO_H
#define HX_INFO_H

#include "connection.h"

/* Registers the table-valued function on the connection's connection. */
int hx_info_register(hx_connection *connection);

#endif
