/*
** Interface to cursor.c: a plan into rows.  Methods of sqlite3_module.
*/
#ifndef HX_CURSOR_H
#define HX_CURSOR_H

#include "sqlite_api.h"

typedef struct hx_view hx_view;

/* Of the table that these views are of, one for each vector. */
int hx_cursor_open(hx_view *views, sqlite3_vtab_cursor **out);
int hx_cursor_close(sqlite3_vtab_cursor *cursor);
int hx_cursor_filter(sqlite3_vtab_cursor *cursor, int plan, const char *words, int argc,
                     sqlite3_value **argv);
int hx_cursor_next(sqlite3_vtab_cursor *cursor);
int hx_cursor_eof(sqlite3_vtab_cursor *cursor);
int hx_cursor_column(sqlite3_vtab_cursor *cursor, sqlite3_context *context, int column);
int hx_cursor_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *out);

#endif
