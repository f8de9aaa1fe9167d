/*
** Interface to argument.c: vectors as arguments and results of SQL functions.
**
** A vector is a BLOB or JSON text; NULL is no vector.  The type of a BLOB is that of the function's
** type argument; else that of the BLOB's mark (mark.h); else float32.
*/
#ifndef HX_ARGUMENT_H
#define HX_ARGUMENT_H

#include <stdbool.h>

#include "sqlite_api.h"
#include "values/vector.h"

/* A function that is the same for all connections; it is its own user data. */
typedef struct hx_function {
    const char *name;
    int argc;
    void (*call)(sqlite3_context *context, int argc, sqlite3_value **argv);
    int flags;              /* beside SQLITE_DETERMINISTIC and SQLITE_INNOCUOUS */
    uint8_t detail;         /* metric or type, where functions differ by it */
    const char *vectors[2]; /* their names in sentences */
} hx_function;

#define HX_ONE_VECTOR(name)                                                                        \
    { "vector of " name, NULL }
#define HX_TWO_VECTORS(name)                                                                       \
    { "first vector of " name, "second vector of " name }

/* Newer than SQLite 3.38 and 3.40, which ignore it. */
#ifndef SQLITE_RESULT_SUBTYPE
#define SQLITE_RESULT_SUBTYPE 0x001000000
#endif

int hx_function_register(sqlite3 *db, const hx_function *function);
const hx_function *hx_function_of(sqlite3_context *context);

/* A checked vector without a table. */
typedef struct hx_vector {
    hny_shape shape; /* metric 0 */
    uint8_t *bytes;  /* hny_vector_bytes(shape) of them, aligned, for sqlite3_free() */
} hx_vector;

/* How to read a value. */
typedef struct hx_reading {
    const char *what; /* in sentences: "vector of hannoy_json" */
    uint8_t type;     /* 0: that of the mark, float32 without a mark */
    bool recast;      /* true: a mark of another type is ignored; false: it is an error */
} hx_reading;

/*
** SQLITE_OK, or a code with *error a sentence for sqlite3_free() (NULL with SQLITE_NOMEM); *out is
** written only on success.
*/
int hx_argument_read(const hx_reading *reading, sqlite3_value *value, hx_vector *out, char **error);

/* Reads a type argument, not NULL, of the function `name`; returns as above. */
int hx_argument_type(sqlite3_value *value, const char *name, uint8_t *type, char **error);

bool hx_argument_any_null(int argc, sqlite3_value **argv);

/* Allocates a vector of this type; false: out of memory. */
bool hx_vector_new(uint8_t type, uint32_t dim, hx_vector *out);

/* Sets the result to a marked vector, whose bytes are taken over. */
void hx_result_vector(sqlite3_context *context, hx_vector vector);

/* Sets the result to this text, marked as JSON; finishes and frees `text`. */
void hx_result_json(sqlite3_context *context, sqlite3_str *text);

#endif
