/*
** Interface to query_set.c: query vectors of a user, which stand for those that a table will get.
**
** A value holds them in one of three forms: a JSON array of vectors, a BLOB of the table's vectors
** one behind another, or a SELECT, as text, whose one column gives them.  A NULL among them is no
** query.
*/
#ifndef HX_QUERY_SET_H
#define HX_QUERY_SET_H

#include <stdbool.h>
#include <stddef.h>

#include "sqlite_api.h"

typedef struct hx_shadow hx_shadow;

typedef struct hx_query_set {
    unsigned char *vectors; /* as the table stores them, one behind another */
    size_t bytes;           /* of each */
    size_t count, capacity;
} hx_query_set;

/* Whether a value has one of the forms, by its type and its beginning. */
bool hx_query_set_is(sqlite3_value *value);

/*
** Reads the queries for one vector of a table, whose configuration is loaded.  Runs a SELECT of the
** user's, so only for callers that no schema can make.  An SQLite code, with its sentence in the
** table.  The caller frees *out, also after a failure.
*/
int hx_query_set_read(hx_shadow *shadow, int vector, sqlite3_value *value, hx_query_set *out);
void hx_query_set_free(hx_query_set *set);

#endif
