/*
** Interface to table.c: one connected hannoy table, and its shadow tables.
*/
#ifndef HX_TABLE_H
#define HX_TABLE_H

#include "change/autobuild.h"
#include "connection.h"
#include "hannoy.h"
#include "query/knn.h"
#include "query/snapshot.h"
#include "query/vector_cache.h"
#include "schema/declaration.h"
#include "shadow/config.h"
#include "shadow/statements.h"
#include "sqlite_api.h"

struct hx_table {
    sqlite3_vtab base; /* SQLite's part, first */
    hx_connection *hub;
    hx_table *next; /* in the hub */
    sqlite3 *db;
    char *schema; /* as SQLite named it: main, temp or that of an ATTACH */
    char *name;
    hx_sql sql;
    hx_columns columns;
    hx_config config;
    size_t vector_bytes;   /* of a stored vector */
    unsigned char *row;    /* one vector, being written */
    unsigned char *parsed; /* one that was read from a table of the user's */
    hny_sidecar *sidecar;
    hny_reader *reader; /* made by hx_table_reader */
    hx_log_seen seen;
    hx_snapshot snapshot;
    hx_vector_cache recent;
    hx_autobuild commit;
    hx_last last;
};

/* Methods of sqlite3_module; `aux` is the connection's hub. */
int hx_table_create(sqlite3 *db, void *aux, int argc, const char *const *argv, sqlite3_vtab **out,
                    char **error);
int hx_table_connect(sqlite3 *db, void *aux, int argc, const char *const *argv, sqlite3_vtab **out,
                     char **error);
int hx_table_disconnect(sqlite3_vtab *vtab);
int hx_table_destroy(sqlite3_vtab *vtab);
int hx_table_rename(sqlite3_vtab *vtab, const char *name);
int hx_table_shadow_name(const char *suffix);

/* Makes table->reader if there is none yet; needs table->config to be loaded. */
int hx_table_reader(hx_table *table);
void hx_table_drop_reader(hx_table *table);

/* Do the shadow tables exist?  After ROLLBACK TO undid a CREATE they do not. */
bool hx_table_exists(hx_table *table);

#endif
