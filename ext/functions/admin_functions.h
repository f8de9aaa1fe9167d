/*
** Interface to admin_functions.c: the SQL functions about the extension and its tables.
*/
#ifndef HX_ADMIN_FUNCTIONS_H
#define HX_ADMIN_FUNCTIONS_H

#include "connection.h"

/* Registers hannoy_build, hannoy_check, hannoy_recall, hannoy_version and knn_match. */
int hx_admin_functions_register(hx_connection *connection);

#endif
