/*
** Interface to argument.c: vectors as arguments and results of SQL functions.
**
** A vector is a BLOB or JSON text, and NULL has no vector.  The type of a BLOB is the one that the
** function is told; else the one that the BLOB is marked with; else float32.  A mark is the subtype
** that these functions put on their results: SQLite hands it from one function to the one around it
** and forgets it in a column, a subquery or a sort.  The numbers are sqlite-vec's (it has none for
** float16), so that its functions and ours understand each other in one connection.
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
    const char *vectors[2]; /* what sentences call its vectors */
} hx_function;

#define HX_ONE_VECTOR(name)                                                                        \
    { "vector of " name, NULL }
#define HX_TWO_VECTORS(name)                                                                       \
    { "first vector of " name, "second vector of " name }

/* Newer than SQLite 3.38 and 3.40, which pass over them. */
#ifndef SQLITE_RESULT_SUBTYPE
#define SQLITE_RESULT_SUBTYPE 0x001000000
#endif

int hx_function_register(sqlite3 *db, const hx_function *function);
const hx_function *hx_function_of(sqlite3_context *context);

/* A vector by itself, checked. */
typedef struct hx_vector {
    hny_shape shape; /* metric 0 */
    uint8_t *bytes;  /* hny_vector_bytes(shape) of them, aligned, for sqlite3_free() */
} hx_vector;

/* How a value is to be read. */
typedef struct hx_reading {
    const char *what; /* in sentences: "vector of hannoy_json" */
    uint8_t type;     /* 0: whatever it is marked with, float32 if it is not marked */
    bool recast;      /* a mark of another type than `type` does not count, or is an error */
    hx_json_dialect dialect;
} hx_reading;

/*
** SQLITE_OK, or a code with *error a sentence for sqlite3_free() (NULL with SQLITE_NOMEM); *out is
** written only on success.
*/
int hx_argument_read(const hx_reading *reading, sqlite3_value *value, hx_vector *out, char **error);

/* The type that a BLOB is marked with; 0 without. */
uint8_t hx_argument_mark(sqlite3_value *value);

/* The type named by a value that is not NULL, for the function `name`; returns as above. */
int hx_argument_type(sqlite3_value *value, const char *name, uint8_t *type, char **error);

bool hx_argument_any_null(int argc, sqlite3_value **argv);

/* Room for a vector of this type; false: no memory. */
bool hx_vector_new(uint8_t type, uint32_t dim, hx_vector *out);

/* The result of the function, whose bytes are taken over, with its mark. */
void hx_result_vector(sqlite3_context *context, hx_vector vector);

/* The result is this text, which is finished and freed, marked as JSON. */
void hx_result_json(sqlite3_context *context, sqlite3_str *text);

#endif
