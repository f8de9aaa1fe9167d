/*
** Interface to table.c: one connected hannoy table, and SQLite's methods on it.
**
** Each folder uses its own part of it: shadow/ the shadow, query/ the views, change/ the writer.
*/
#ifndef HX_TABLE_H
#define HX_TABLE_H

#include "change/writer.h"
#include "connection.h"
#include "query/index_view.h"
#include "shadow/shadow.h"
#include "sqlite_api.h"

struct hx_table {
    hx_shadow shadow; /* first: its first member is SQLite's sqlite3_vtab */
    hx_view *views;   /* one for each vector */
    hx_writer writer;
    hx_last last; /* of a search on any of the vectors */
    hny_sidecar *sidecar;
    hx_connection *connection;
    hx_table *next; /* in the connection */
};

/* Methods of sqlite3_module; `aux` is the hx_connection. */
int hx_table_create(sqlite3 *db, void *aux, int argc, const char *const *argv, sqlite3_vtab **out,
                    char **error);
int hx_table_connect(sqlite3 *db, void *aux, int argc, const char *const *argv, sqlite3_vtab **out,
                     char **error);
int hx_table_disconnect(sqlite3_vtab *vtab);
int hx_table_destroy(sqlite3_vtab *vtab);
int hx_table_rename(sqlite3_vtab *vtab, const char *name);
int hx_table_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out);
int hx_table_filter(sqlite3_vtab_cursor *cursor, int plan, const char *words, int argc,
                    sqlite3_value **argv);
int hx_table_update(sqlite3_vtab *vtab, int argc, sqlite3_value **argv, sqlite3_int64 *rowid);
int hx_table_begin(sqlite3_vtab *vtab);
int hx_table_sync(sqlite3_vtab *vtab);
int hx_table_done(sqlite3_vtab *vtab); /* xCommit and xRollback */
int hx_table_integrity(sqlite3_vtab *vtab, const char *schema, const char *name, int quick,
                       char **fault);

/*
** Compares the indexes of all vectors with the rows (integrity_check.h).  *fault: a sentence about
** the first fault for sqlite3_free(), or NULL.  An error leaves its sentence in the table.
*/
int hx_table_check(hx_table *table, char **fault);

#endif
