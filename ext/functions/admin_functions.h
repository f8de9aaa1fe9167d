/*
** Interface to functions.c: the SQL functions that are about the extension and its tables.
*/
#ifndef HX_FUNCTIONS_H
#define HX_FUNCTIONS_H

#include "connection.h"

/* Registers hannoy_build, hannoy_version and knn_match on the hub's connection. */
int hx_functions_register(hx_hub *hub);

#endif
