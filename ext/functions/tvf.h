/*
** Interface to tvf.c: what table-valued functions have in common.
**
** Such a function is an eponymous virtual table without xCreate: it exists in every connection, and
** no table of it can be made.  Its arguments are the last columns, HIDDEN, which SQLite fills from
** f(a, b).  Its rows are numbered from 0.
*/
#ifndef HX_TVF_H
#define HX_TVF_H

#include <stdbool.h>
#include <stddef.h>

#include "sqlite_api.h"

#define HX_TVF_ARGUMENTS 2 /* the maximum of a function */

typedef struct hx_tvf hx_tvf;

/* The first member of a function's own cursor. */
typedef struct hx_tvf_cursor {
    sqlite3_vtab_cursor base; /* SQLite's part, first */
    const hx_tvf *tvf;
    void *context; /* of hx_tvf_register */
    sqlite3_int64 row, count;
} hx_tvf_cursor;

struct hx_tvf {
    const char *name;
    const char *declaration; /* for sqlite3_declare_vtab */
    int first_argument;      /* number of the first hidden column */
    bool innocuous;          /* may be used in views and triggers of a schema that is not trusted */
    double cost;             /* for the planner */
    sqlite3_int64 rows;      /* the same */
    int first_rowid;
    size_t cursor_bytes;

    /* Begins a call with the arguments given, and sets count.  An SQLite code (hx_tvf_fail). */
    int (*filter)(hx_tvf_cursor *cursor, int argc, sqlite3_value **argv);
    int (*column)(hx_tvf_cursor *cursor, sqlite3_context *context, int column);
    /* Releases what filter acquired; called at the last row, before each filter and at close. */
    void (*end)(hx_tvf_cursor *cursor);
};

/* Registers it.  `destroy`, which may be NULL, frees `context`, also after a failure. */
int hx_tvf_register(sqlite3 *db, const hx_tvf *tvf, void *context, void (*destroy)(void *));

/* Sets the sentence, which is taken over, and returns rc; SQLITE_NOMEM without a sentence. */
int hx_tvf_fail(hx_tvf_cursor *cursor, int rc, char *sentence);

#endif
