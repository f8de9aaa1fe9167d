/*
** Interface to vector.c: a user's value into the bytes that a table stores for a vector.
**
** Accepted are a BLOB of the table's own type (little-endian), a BLOB of float32, and JSON text
** such as '[0.12, -3.5e-2]'.  What is not of the table's type already is converted from float32:
**
**   float32   as it is
**   float16   rounded to the nearest, ties to even
**   int8      under cosine scaled, each vector by itself, to x * 127 / max |x|, rounded to the
**             nearest, ties away from zero; else (also where shape.metric is 0, for a vector by
**             itself) only whole numbers from -128 to 127 are taken
**   bit       x > 0 is a set bit, bit i % 8 of byte i / 8
**
** Whatever is stored is finite, and the bits of the last byte beyond the last dimension are zero.
*/
#ifndef HX_VECTOR_H
#define HX_VECTOR_H

#include <sqlite3ext.h>

#include "hannoy.h"
#include "values/json.h"

/*
** Writes hny_vector_bytes(shape) bytes to `out`, which need not be aligned.  `what` names the value
** in sentences: "vector" or "query".  SQLITE_OK with *error NULL; or SQLITE_MISMATCH for a value
** that is neither a BLOB nor text, SQLITE_ERROR for one that is no vector of this shape, with
** *error a sentence for sqlite3_free(); or SQLITE_NOMEM.  On failure `out` holds nothing of use.
*/
int hx_vector_parse(hny_shape shape, sqlite3_value *value, const char *what, void *out,
                    char **error);

/*
** The same with a choice of what JSON may look like; hx_vector_parse is strict.
*/
int hx_vector_read(hny_shape shape, sqlite3_value *value, const char *what, hx_json_dialect dialect,
                   void *out, char **error);

/*
** How many dimensions a value has that no table tells the length of: a BLOB is taken to be of
** `type`, one of bits to have 8 a byte.  1 .. HNY_MAX_DIM, or a failure as above.  What is measured
** may still be refused when it is read, but not for its length.
*/
int hx_vector_measure(uint8_t type, sqlite3_value *value, const char *what, hx_json_dialect dialect,
                      uint32_t *dim, char **error);

#endif
