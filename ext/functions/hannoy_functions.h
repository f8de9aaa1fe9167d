/*
** Interface to hannoy_functions.c: SQL functions of vectors under hannoy's names.
**
**   hannoy_distance(a, b, metric [, type])   REAL, as a table with this metric and type returns it
**   hannoy_vector(vector [, type])           JSON -> a BLOB of the type; a BLOB is checked
**   hannoy_json(vector [, type])             -> JSON text; hannoy_vector restores the same bytes
**   hannoy_normalize(vector [, type])        x / length, rounded once; float32 and float16 only
**   hannoy_bits(vector [, type])             a BLOB: bit i % 8 of byte i / 8 is set where x[i] > 0
**
** A vector is a BLOB or a JSON array of 1 to 65536 numbers (argument.h); names of metrics and types
** are those of CREATE VIRTUAL TABLE.  A NULL argument gives NULL.  Any other value is refused with
** a sentence that names the function and the argument: SQLITE_MISMATCH for an integer or a real,
** else SQLITE_ERROR.
*/
#ifndef HX_HANNOY_FUNCTIONS_H
#define HX_HANNOY_FUNCTIONS_H

#include "functions/argument.h"

int hx_hannoy_functions_register(sqlite3 *db);

/* Shared with vec_functions.c: a new vector, or a code with *error a sentence or NULL. */

/* Scales to length 1, within the type's precision; a zero vector stays.  Not for int8 and bit. */
int hx_vector_normalize(const hx_vector *vector, const char *name, hx_vector *out, char **error);

/* Sets the result to the normalised vector or an error; frees the vector's bytes. */
void hx_result_normalized(sqlite3_context *context, hx_vector vector);

/* A bit vector: which numbers are above 0. */
int hx_vector_bits(const hx_vector *vector, hx_vector *out);

#endif
