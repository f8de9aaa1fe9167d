/*
** Interface to numeric.c: SQL values as the numbers that they mean.
**
** Hosts bind numbers in the type that their language has: JavaScript 3 as REAL, PHP and shells as
** TEXT.  As for LIMIT, a REAL without a fraction and a TEXT that is a number mean that number.
*/
#ifndef HX_NUMERIC_H
#define HX_NUMERIC_H

#include <stdbool.h>
#include <stdint.h>

#include "sqlite_api.h"

/*
** The type that a value has by numeric affinity: SQLITE_INTEGER or SQLITE_FLOAT for a TEXT that is
** a number.  sqlite3_value_int64() or _double() reads it.  SQLITE_OK or SQLITE_NOMEM.
*/
int hx_value_numeric_type(sqlite3_value *value, int *out);

/*
** Reads a whole number.  *is false: it is none.  SQLITE_OK or SQLITE_NOMEM.  The value keeps its
** type.
*/
int hx_value_integer(sqlite3_value *value, int64_t *out, bool *is);

/* Reads any number; the same. */
int hx_value_real(sqlite3_value *value, double *out, bool *is);

#endif
