/*
** Interface to where.c: conditions that a search takes over from SQLite: comparisons of filter columns,
** and sets of rows.
**
** xBestIndex writes down which constraints it takes and in what order xFilter gets their values;
** xFilter makes the engine's filter of them.  SQLite checks every one of them again, so what a filter
** lets through by mistake is never returned; it would only be counted in k.  So that it is not, rows
** that the engine is unsure of (two texts with the same first eight bytes) are looked up.
**
** A value is compared as SQLite would compare it: what is compared with a numeric column is taken for
** a number where it looks like one, what is compared with a text column for a text.  (SQLite does the
** latter only with a value that has no type of its own.  A text column that is compared with a numeric
** column is compared as texts here, so '042' = 42 is not found.)
*/
#ifndef HX_CONDITIONS_H
#define HX_CONDITIONS_H

#include <stdbool.h>

#include "hannoy.h"
#include "sqlite_api.h"

typedef struct hx_shadow hx_shadow;
typedef struct hx_conditions hx_conditions;

/*
** Takes what can be taken of `info`.  The words are for EXPLAIN QUERY PLAN, ", filter lang= year>=";
** `codes` gets a byte string that hx_conditions_new understands, without a NUL in it.
*/
void hx_conditions_plan(hx_shadow *shadow, sqlite3_index_info *info, sqlite3_str *words,
                        sqlite3_str *codes);

/*
** What the codes say, of the values that follow in argv.  *out NULL: no condition.  An SQLite code,
** with its sentence in the table.
*/
int hx_conditions_new(hx_shadow *shadow, const char *codes, sqlite3_value **argv,
                      hx_conditions **out);
void hx_conditions_free(hx_conditions *where); /* NULL is fine */

const hny_filter *hx_conditions_filter(const hx_conditions *where); /* NULL for NULL */

/* The row that a value names: by its rowid, or as the text that is its key; *found false: none. */
int hx_conditions_rowid(hx_shadow *shadow, bool key, sqlite3_value *value, int64_t *id,
                        bool *found);

/* Has a row that passed the engine's filter to be looked up?  NULL: no. */
bool hx_conditions_unsure(const hx_conditions *where);

/* Looks it up in the content. */
int hx_conditions_check(hx_shadow *shadow, const hx_conditions *where, int64_t rowid, bool *passes);

#endif
