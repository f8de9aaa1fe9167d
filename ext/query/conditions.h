/*
** Interface to conditions.c: the conditions of a search, from the arguments of xFilter.
**
** The engine's filter decides most of them from attributes.  What it cannot decide (two texts with
** the same first eight bytes, LIKE, columns that are only stored, a text compared with a number) is
** checked on the stored rows, so that k counts rows that pass.  Without a k that is left to SQLite.
*/
#ifndef HX_CONDITIONS_H
#define HX_CONDITIONS_H

#include <stdbool.h>

#include "hannoy.h"
#include "sqlite_api.h"

typedef struct hx_shadow hx_shadow;
typedef struct hx_conditions hx_conditions;

/*
** The conditions of `codes` (constraints.h), up to the first character that is not part of one, for
** the values in argv.  `bounded`: the search has a k.  An SQLite code, with its sentence in the
** table.
*/
int hx_conditions_new(hx_shadow *shadow, const char *codes, sqlite3_value **argv, bool bounded,
                      hx_conditions **out);
void hx_conditions_free(hx_conditions *conditions); /* NULL is fine */

const hny_filter *hx_conditions_filter(const hx_conditions *conditions); /* NULL for NULL */

/* The row that a value names: by its rowid, or as the text that is its key; *found false: none. */
int hx_conditions_rowid(hx_shadow *shadow, bool key, sqlite3_value *value, int64_t *id,
                        bool *found);

/* Does the engine decide conditions by attributes? */
bool hx_conditions_by_attributes(const hx_conditions *conditions);

/* The same decision, by the attributes of the stored row; *out false also if there is no row. */
int hx_conditions_test(hx_shadow *shadow, const hx_conditions *conditions, int64_t rowid,
                       bool *out);

/* Must a row that passed the engine's filter be checked?  NULL: no. */
bool hx_conditions_unsure(const hx_conditions *conditions);

/* May the check reject many of the rows that passed?  Then a search for k rows does not find k. */
bool hx_conditions_selective(const hx_conditions *conditions);

/* Checks a stored row.  *counts: it is one of the k rows.  A row may pass without counting. */
int hx_conditions_check(hx_shadow *shadow, const hx_conditions *conditions, int64_t rowid,
                        bool *passes, bool *counts);

#endif
