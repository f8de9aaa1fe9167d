/*
** Interface to comparable.c: a value as SQLite's comparisons see it.
**
** Before SQLite compares, it applies an affinity to both sides; texts are then compared by a
** collation, and BINARY compares the bytes that the database's encoding has.  Attributes made here
** (hny_attribute) compare as such values do.
*/
#ifndef HX_COMPARABLE_H
#define HX_COMPARABLE_H

#include <stdbool.h>

#include "hannoy.h"
#include "sqlite_api.h"

typedef enum hx_affinity { HX_AFFINITY_NONE, HX_AFFINITY_TEXT, HX_AFFINITY_NUMERIC } hx_affinity;

typedef enum hx_collation {
    HX_COLLATION_BINARY,
    HX_COLLATION_NOCASE,
    HX_COLLATION_RTRIM,
    HX_COLLATION_OTHER /* of the host's: there are no attributes that compare so */
} hx_collation;

/* How values are compared. */
typedef struct hx_comparable {
    hx_affinity affinity;
    hx_collation collation;
    int encoding; /* of the database: SQLITE_UTF8, SQLITE_UTF16LE or SQLITE_UTF16BE */
} hx_comparable;

/* Of a column's type: TEXT, INTEGER, REAL, NUMERIC or BLOB. */
hx_affinity hx_affinity_of_type(const char *type);

hx_collation hx_collation_of_name(const char *name);

/* The attribute of a value.  SQLITE_OK or SQLITE_NOMEM. */
int hx_comparable_attribute(hx_comparable how, sqlite3_value *value, hny_attribute *out);

/* Binds a value with an affinity applied. */
int hx_affinity_bind(hx_affinity affinity, sqlite3_value *value, sqlite3_stmt *stmt, int parameter);

/* Is the value an integer or a real? */
static inline bool hx_value_is_number(sqlite3_value *value) {
    const int type = sqlite3_value_type(value);
    return type == SQLITE_INTEGER || type == SQLITE_FLOAT;
}

#endif
