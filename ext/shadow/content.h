/*
** Interface to content.c: the rows of a table, in the shadow table v_content:
**
**     id INTEGER PRIMARY KEY, c0, c1, …, key TEXT NOT NULL UNIQUE, vector BLOB NOT NULL, x0, x1, …
**
** With several vectors the columns are vector, v1, v2, …; each may be NULL, for a row without
** it.  c0, c1, … are the filter columns, `key` is the text key if the table has one, x0, x1, …
** are the columns that are only stored.  Filter columns come before the vector: a long vector
** fills overflow pages, and a column after it costs reading them.
**
** With content= the rows are in a table of the user's instead (external_content.h).
**
** All functions return an SQLite code and leave its sentence in the table (error.h).  A value of
** v_content that is not a vector of the table's shape is SQLITE_CORRUPT_VTAB: it was not written by
** this module.  In a table of the user's such a value counts as NULL.
*/
#ifndef HX_CONTENT_H
#define HX_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hannoy.h"
#include "schema/declaration.h"
#include "sqlite_api.h"

typedef struct hx_shadow hx_shadow;

/*
** Called for each row with one of its vectors.  `vector` and `attributes` are valid during the
** call; `vector` is NULL if there is no such row, or the row lacks the vector.
*/
typedef int (*hx_visit)(void *arg, int64_t id, const void *vector, const hny_attribute *attributes);

/*
** All rows that have the vector, or those of a list, absent ones included; stops if `visit` returns
** an error.
*/
int hx_content_each(hx_shadow *shadow, int vector, hx_visit visit, void *arg);
int hx_content_each_of(hx_shadow *shadow, int vector, const int64_t *ids, size_t count,
                       hx_visit visit, void *arg);

/*
** One row with all its vectors.  `vectors` is NULL if there is no such row; in a table of the
** user's a row without any vector is none.
*/
typedef int (*hx_visit_row)(void *arg, int64_t id, const void *const *vectors,
                            const hny_attribute *attributes);
int hx_content_row(hx_shadow *shadow, int64_t id, hx_visit_row visit, void *arg);

/*
** In a table of the user's: SQLITE_CORRUPT_VTAB at the first value that is neither vector nor
** NULL.
*/
int hx_content_check(hx_shadow *shadow, int vector);

/* *out: there is a row with this id. */
int hx_content_exists(hx_shadow *shadow, int64_t id, bool *out);

/* Copies a vector of a row to `out`. */
int hx_content_get(hx_shadow *shadow, int vector, int64_t id, void *out, bool *found);

/*
** Updates a digest of all rows: their rowids, their vectors as they are stored, and the values of
** filter columns as they are compared.  Equal rows have the same digest on every machine.
*/
int hx_content_digest(hx_shadow *shadow, uint64_t *digest);

int hx_content_count(hx_shadow *shadow, int64_t *out);

/* Counts the rows that have this vector. */
int hx_content_count_having(hx_shadow *shadow, int vector, int64_t *out);

/* Counts up to `limit` only. */
int hx_content_count_to(hx_shadow *shadow, int64_t limit, int64_t *out);

/* The row with this text key. */
int hx_content_find(hx_shadow *shadow, sqlite3_value *key, int64_t *id, bool *found);
int hx_content_find_number(hx_shadow *shadow, int64_t key, int64_t *id, bool *found);

/* The value of a filter column, the place-th, as an attribute of its row. */
int hx_content_attribute(const hx_shadow *shadow, int place, sqlite3_value *value,
                         hny_attribute *out);

/* Creates the table. */
int hx_content_create(hx_shadow *shadow);

/*
** Changes its columns: one that the table already has in shadow->columns is added, and the rows get
** its default; one that shadow->columns no longer has is dropped.
*/
int hx_content_add_column(hx_shadow *shadow, const hx_column *column);
int hx_content_drop_column(hx_shadow *shadow, hx_role role, int place);

/*
** Writes.  *existed: there was a row to change.  `vectors` are the stored bytes, NULL for a vector
** that the row lacks; `columns` are the values of all visible columns.  An update keeps the columns
** for which sqlite3_value_nochange() is true, vectors among them.
*/
int hx_content_insert(hx_shadow *shadow, sqlite3_value *id, const void *const *vectors,
                      sqlite3_value **columns, bool replace);
int hx_content_update(hx_shadow *shadow, int64_t id, const void *const *vectors,
                      sqlite3_value **columns, bool *existed);
int hx_content_move(hx_shadow *shadow, int64_t id, int64_t to, bool *existed);
int hx_content_delete(hx_shadow *shadow, int64_t id, bool *existed);

#endif
