/*
** Interface to row_check.c: a condition that the engine cannot decide, evaluated by SQLite on the
** stored row.
**
** An xFilter argument has lost the affinity that its expression has in the statement, and SQLite
** compares by that: '01' = 1 is true if 1 is a column of type INTEGER, and false if it is a
** literal. So a comparison can have several *readings*.  A row passes if it passes under any of
** them, since SQLite checks it again; it counts in k if it passes under the likely one.
*/
#ifndef HX_ROW_CHECK_H
#define HX_ROW_CHECK_H

#include <stdbool.h>

#include "query/constraints.h"
#include "schema/declaration.h"
#include "sqlite_api.h"
#include "values/comparable.h"

typedef struct hx_shadow hx_shadow;
typedef struct hx_row_check hx_row_check;

/* How both sides are seen. */
typedef struct hx_reading {
    hx_affinity left, right;
    bool counts;
} hx_reading;

#define HX_MAX_READINGS 3

/*
** The readings of a comparison between a column and a value.  `untyped`: the value is a literal or
** a parameter, which as a rule have no affinity.  Returns how many there are, at most
** HX_MAX_READINGS.
*/
int hx_readings_of(hx_affinity column, sqlite3_value *value, bool untyped, hx_reading *readings);

/*
** SQLite does not say by which collation it compares for <> and IS NOT.  Texts that differ by any
** collation differ by BINARY, so those rows pass; rows that differ by `collation` count.
**
** A check of "column op value", op HX_CODE_EQ or another comparison, by a collation.  An SQLite
** code, with its sentence in the table.
*/
int hx_row_check_new(hx_shadow *shadow, const hx_column *column, char code, const char *collation,
                     sqlite3_value *value, bool untyped, hx_row_check **out);

/* A check of "column IN set"; the attributes are of the members, by this collation. */
int hx_row_check_new_set(hx_shadow *shadow, const hx_column *column, hx_collation collation,
                         const hny_attribute *members, size_t count, hx_row_check **out);

void hx_row_check_free(hx_row_check *check); /* NULL is fine */

/* The column that is checked. */
const hx_column *hx_row_check_column(const hx_row_check *check);

/* Evaluates the check on a stored value. */
int hx_row_check_run(hx_shadow *shadow, const hx_row_check *check, sqlite3_value *stored,
                     bool *passes, bool *counts);

#endif
