/*
** Interface to hostile_sql.c: random statements that make a schema hostile, and statements that use
** it.  They come from a grammar, so most of them parse, and many are refused for what they mean.
*/
#ifndef SQL_TESTS_HOSTILE_SQL_H
#define SQL_TESTS_HOSTILE_SQL_H

#include "common.h"

/*
** Commands within triggers and views set ef to this, and no other statement does.  They are to be
** refused, so no configuration ever has it.
*/
#define HOSTILE_EF "77777"

/* The tables that the grammar knows of, and some rows. */
extern const char *const hostile_setup[];

/*
** A statement for sqlite3_free(), from a rule of the grammar:
**
**     hostile    creates or changes what lies beneath a table: triggers, views, columns, indexes
**     edit       changes sqlite_schema itself; the schema is read again afterwards
**     use        reads or writes, as a host does
**     open       reads, as a cursor that stays open
**     mode       a PRAGMA
*/
char *hostile_sql(const char *start, rng *r);

#endif
