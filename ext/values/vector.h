/*
** Interface to vector.c: reads a user's value as the bytes that a table stores for a vector.
**
** A value is a BLOB of the table's own type (little-endian), a BLOB of float32, or JSON text such
** as '[0.12, -3.5e-2]'.  Values of another type than the table's are converted from float32:
**
**   float32   unchanged
**   float16   rounded to the nearest, ties to even
**   int8      under cosine scaled, each vector by itself, to x * 127 / max |x|, rounded to the
**             nearest, ties away from zero; under other metrics, and where shape.metric is 0 (a
**             vector by itself), only whole numbers from -128 to 127 are accepted
**   bit       x > 0 is a set bit, bit i % 8 of byte i / 8
**
** Stored numbers are finite, and the bits of the last byte beyond the last dimension are zero.
*/
#ifndef HX_VECTOR_H
#define HX_VECTOR_H

#include <stdbool.h>

#include "hannoy.h"
#include "sqlite_api.h"

/*
** Reads a value for a table.  A BLOB whose mark (mark.h) is of another type than the table's is
** refused, but for float32, which is converted.
**
** Writes hny_vector_bytes(shape) bytes to `out`, which need not be aligned.  `what` names the value
** in sentences: "vector" or "query".  Returns SQLITE_OK with *error NULL; SQLITE_MISMATCH for a
** value that is neither a BLOB nor text, or SQLITE_ERROR for one that is not a vector of this
** shape, with *error a sentence for sqlite3_free(); or SQLITE_NOMEM.  On failure `out` is
** undefined.
*/
int hx_vector_parse(hny_shape shape, sqlite3_value *value, const char *what, void *out,
                    char **error);

/* The same, whatever the mark of a BLOB says. */
int hx_vector_read(hny_shape shape, sqlite3_value *value, const char *what, void *out,
                   char **error);

/*
** The dimensions of a value without a table.  A BLOB is taken as `type`, with 8 dimensions a byte
** for bits.  *dim is 1 .. HNY_MAX_DIM; failures are as above.  hx_vector_read may still refuse the
** value, but not for its length.
*/
int hx_vector_measure(uint8_t type, sqlite3_value *value, const char *what, uint32_t *dim,
                      char **error);

#endif
