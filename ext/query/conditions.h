/*
** Interface to conditions.c: conditions that a search applies itself: comparisons of filter
** columns, and sets of rows.
**
** xBestIndex chooses the constraints and the order in which xFilter gets their values; xFilter
** makes the engine's filter of them.  SQLite checks each of them again, so a row that a filter
** passes by mistake is never returned; but it is counted in k.  Rows that the engine is unsure of
** (two texts with the same first eight bytes) are therefore looked up.
**
** A value is compared as SQLite compares it: with a numeric column as a number if it looks like
** one, with a text column as a text.  (SQLite does the latter only with a value that has no type of
** its own.  A text column that is compared with a numeric column is compared as texts here, so
** '042' = 42 is not found.)
*/
#ifndef HX_CONDITIONS_H
#define HX_CONDITIONS_H

#include <stdbool.h>

#include "hannoy.h"
#include "sqlite_api.h"

typedef struct hx_shadow hx_shadow;
typedef struct hx_conditions hx_conditions;

/*
** Takes the constraints of `info` that a search can apply.  `words` are for EXPLAIN QUERY PLAN, as
** in ", filter lang= year>="; `codes` gets letters and digits that hx_conditions_new reads.
*/
void hx_conditions_plan(hx_shadow *shadow, sqlite3_index_info *info, sqlite3_str *words,
                        sqlite3_str *codes);

/*
** The conditions of `codes`, up to the first character that is no letter or digit, for the values
** in argv.  An SQLite code, with its sentence in the table.
*/
int hx_conditions_new(hx_shadow *shadow, const char *codes, sqlite3_value **argv,
                      hx_conditions **out);
void hx_conditions_free(hx_conditions *conditions); /* NULL is fine */

const hny_filter *hx_conditions_filter(const hx_conditions *conditions); /* NULL for NULL */

/* The row that a value names: by its rowid, or as the text that is its key; *found false: none. */
int hx_conditions_rowid(hx_shadow *shadow, bool key, sqlite3_value *value, int64_t *id,
                        bool *found);

/* Must a row that passed the engine's filter be looked up?  NULL: no. */
bool hx_conditions_unsure(const hx_conditions *conditions);

/* Looks it up in the content. */
int hx_conditions_check(hx_shadow *shadow, const hx_conditions *conditions, int64_t rowid,
                        bool *passes);

#endif
