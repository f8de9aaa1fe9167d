/*
** Interface to vector_functions.c: SQL functions of vectors, under hannoy's names.
**
**   hannoy_distance(a, b, metric [, type])   REAL, as a table with this metric and type returns it
**   hannoy_vector(vector [, type])           JSON -> a BLOB of the type; a BLOB is checked
**   hannoy_json(vector [, type])             -> JSON text that hannoy_vector reads back, byte for byte
**   hannoy_normalize(vector [, type])        x / length, rounded once; float32 and float16 only
**   hannoy_bits(vector [, type])             a BLOB: bit i % 8 of byte i / 8 is set where x[i] > 0
**
** A vector is a BLOB or a JSON array of 1 to 65536 numbers (argument.h); names of metrics and types
** are those of CREATE VIRTUAL TABLE.  NULL among the arguments gives NULL.  Whatever is no vector is
** refused with a sentence that names the function, and where there are two, which of them it is:
** SQLITE_MISMATCH for an integer or a real, else SQLITE_ERROR.
*/
#ifndef HX_HANNOY_FUNCTIONS_H
#define HX_HANNOY_FUNCTIONS_H

#include "functions/argument.h"

int hx_hannoy_functions_register(sqlite3 *db);

/* What both spellings have in common: a new vector, or a code with *error a sentence or NULL. */

/* Of length 1, as far as the type tells; of length 0 where the vector is.  Not of int8 or bits. */
int hx_vector_normalize(const hx_vector *vector, const char *name, hx_vector *out, char **error);

/* The result of the function is that, or its error; the vector's bytes are freed. */
void hx_result_normalized(sqlite3_context *context, hx_vector vector);

/* Which numbers are above 0, as bits. */
int hx_vector_bits(const hx_vector *vector, hx_vector *out);

#endif
