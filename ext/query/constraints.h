/*
** Interface to constraints.c: which constraints of xBestIndex a search applies itself, and how the
** cursor learns of them.
**
** SQLite checks each of them again, so a row that passes by mistake is never returned; but it may
** be counted in k.
*/
#ifndef HX_CONSTRAINTS_H
#define HX_CONSTRAINTS_H

#include <stdbool.h>

#include "sqlite_api.h"

typedef struct hx_shadow hx_shadow;

/*
** The plan writes a code for each argument of xFilter: a letter; for a condition on a column also !
** if the value is a literal, and the column's number in decimal; if the comparison is by another
** collation than the column's, also *, the length of its name, a colon and the name.  Codes are
** part of what EXPLAIN QUERY PLAN shows, so that they survive a copy of the string.
*/
enum {
    HX_CODE_LITERAL = '!',
    HX_CODE_COLLATION = '*',
    HX_CODE_EQ = 'e',
    HX_CODE_NE = 'n',
    HX_CODE_LT = 'a',
    HX_CODE_LT_OR_BLOB = 'p',
    HX_CODE_LE = 'b',
    HX_CODE_GT = 'c',
    HX_CODE_GE = 'd',
    HX_CODE_IS = 'i',
    HX_CODE_IS_NOT = 'j',
    HX_CODE_IS_NULL = 'z',
    HX_CODE_NOT_NULL = 'y',
    HX_CODE_LIKE = 'l',
    HX_CODE_GLOB = 'g',
    HX_CODE_REGEXP = 'x',
    HX_CODE_IN = 's',
    /* sets of rows */
    HX_CODE_ROWID = 'r',
    HX_CODE_ROWIDS = 'R',
    HX_CODE_KEY = 'k',
    HX_CODE_KEYS = 'K',
    /* bounds of the distance */
    HX_CODE_ABOVE = 'G',
    HX_CODE_FROM = 'H', /* the bound itself passes */
    HX_CODE_BELOW = 'L',
    HX_CODE_TO = 'M' /* the bound itself passes */
};

/*
** Takes the bounds of the distance, the conditions on columns and the sets of rows that a search
** can apply; `bounded`: the search has a k.  `words` are for EXPLAIN QUERY PLAN, as in ", filter
** lang= year>=".  Raises the cost where a constraint has no value in this join order.
**
** "rowid = x" is not taken if there is a k.  In a join x is a column of another table, and k counts
** rows before the join; a constant x cannot be told from one that SQLite derived from a join.
*/
void hx_constraints_plan(hx_shadow *shadow, sqlite3_index_info *info, bool bounded,
                         sqlite3_str *words, sqlite3_str *codes);

/* Is the value of a constraint a literal?  False before SQLite 3.38. */
bool hx_constraint_is_literal(sqlite3_index_info *info, int position);

/* Hands the value of a constraint to xFilter as its next argument. */
void hx_constraint_take(sqlite3_index_info *info, int position, bool omit);

#endif
