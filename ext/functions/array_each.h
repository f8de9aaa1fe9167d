/*
** Interface to array_each.c: the elements of a vector as rows.
**
**   SELECT key, value FROM hannoy_each(vector [, type])
**
** key, which is the rowid, counts from 0; value is a REAL, or an INTEGER for int8 and bit vectors.
** The type is given and the vector refused as by the functions (hannoy_functions.h); NULL has no
** rows.
**
**   SELECT rowid, value FROM vec_each(vector)
**
** is sqlite-vec's.  As there, the type is the one that a BLOB is marked with, and the bits of a
** byte come highest first, unlike in vec_to_json.
*/
#ifndef HX_ARRAY_EACH_H
#define HX_ARRAY_EACH_H

#include "sqlite_api.h"

/* Registers hannoy_each, and vec_each unless the connection has it. */
int hx_array_each_register(sqlite3 *db);

#endif
