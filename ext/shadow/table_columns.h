/*
** Interface to table_columns.c: the columns of a plain table in the schema of a hannoy table, which
** need not be ours.
**
** These run in xCreate, where SQLite does not hold the table that is being created (3.40).  A
** statement that names a table, trigger or column that is not there, or one of another schema,
** compares the schemas in memory with the files.  One that another connection has changed is
** forgotten then, with all tables of temp; SQLite would go on to use a freed one.  The table-valued
** functions of PRAGMA belong to main, so only its statements are used here.
**
** All functions return an SQLite code and leave its sentence in the table (error.h).
*/
#ifndef HX_TABLE_COLUMNS_H
#define HX_TABLE_COLUMNS_H

#include <stdbool.h>

typedef struct hx_shadow hx_shadow;

/* *out: the table has a column of each of these names.  A table that does not exist has none. */
int hx_table_has_columns(hx_shadow *shadow, const char *table, const char *const *names, int count,
                         bool *out);

/*
** The INTEGER PRIMARY KEY that is another name of the rowid, for sqlite3_free(); *out NULL: there
** is none.  INTEGER PRIMARY KEY DESC is none, and has an index of its own, as the key of a table
** WITHOUT ROWID has.
*/
int hx_table_rowid_column(hx_shadow *shadow, const char *table, char **out);

#endif
