/*
** Interface to functions.c: the SQL functions that are about the extension and its tables.
*/
#ifndef HX_ADMIN_FUNCTIONS_H
#define HX_ADMIN_FUNCTIONS_H

#include "connection.h"

/* Registers hannoy_build, hannoy_version and knn_match on the connection's connection. */
int hx_admin_functions_register(hx_connection *connection);

#endif
