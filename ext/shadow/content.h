/*
** Interface to content.c: the shadow table v_content, the truth:
**
**     (id INTEGER PRIMARY KEY, c0, c1, … , key TEXT NOT NULL UNIQUE, vector BLOB NOT NULL, x0, x1, …)
**
** with a column for each that is filtered by, the key if it is a text, and those that are only kept.
** What stands behind a long vector lies on pages of its own, and filters are not to pay for that.
**
** All functions return an SQLite code and leave its sentence in the table (error.h).  A row that
** holds anything but a vector of the table's shape is SQLITE_CORRUPT_VTAB: somebody wrote it past
** us.  In a table of the user's (external.h) it is no row, whatever it holds instead.
*/
#ifndef HX_CONTENT_H
#define HX_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hannoy.h"
#include "sqlite_api.h"

typedef struct hx_shadow hx_shadow;

/*
** Called for each row; `vector`, valid during the call as the row's attributes are, is NULL where there is
** no such row.
*/
typedef int (*hx_visit)(void *arg, int64_t id, const void *vector, const hny_attribute *attributes);

/* All rows, or those of a list (absent ones too), until `visit` returns anything but SQLITE_OK. */
int hx_content_each(hx_shadow *shadow, hx_visit visit, void *arg);
int hx_content_each_of(hx_shadow *shadow, const int64_t *ids, size_t count, hx_visit visit,
                       void *arg);

/* In a table of the user's: SQLITE_CORRUPT_VTAB at the first row that has no vector but is not NULL. */
int hx_content_check(hx_shadow *shadow);

/* Copies the vector of a row to `out`. */
int hx_content_get(hx_shadow *shadow, int64_t id, void *out, bool *found);

int hx_content_count(hx_shadow *shadow, int64_t *out);

/* The same, but counts no further than `limit`. */
int hx_content_count_to(hx_shadow *shadow, int64_t limit, int64_t *out);

/* The row whose key is this text; *found false: there is none. */
int hx_content_find(hx_shadow *shadow, sqlite3_value *key, int64_t *id, bool *found);

/* A value as a attribute of its row. */
hny_attribute hx_attribute_of(sqlite3_value *value);

/* Creates the table. */
int hx_content_create(hx_shadow *shadow);

/*
** Writes.  *existed: there was a row to change.  `columns` are the values of all columns that the table
** shows.  An update leaves those that sqlite3_value_nochange() names as they are, and the vector if it
** is NULL.
*/
int hx_content_insert(hx_shadow *shadow, sqlite3_value *id, const void *vector,
                      sqlite3_value **columns, bool replace);
int hx_content_update(hx_shadow *shadow, int64_t id, const void *vector, sqlite3_value **columns,
                      bool *existed);
int hx_content_move(hx_shadow *shadow, int64_t id, int64_t to, bool *existed);
int hx_content_delete(hx_shadow *shadow, int64_t id, bool *existed);

#endif
