/*
** Interface to connection.c: what the hannoy tables of one connection have in common.
**
** SQLite hands a module's client data to each table it connects; ours is the connection.  It knows the
** connected tables, for functions that are given a name, and holds one sidecar handle a schema.
** Used under the connection's mutex only.
*/
#ifndef HX_CONNECTION_H
#define HX_CONNECTION_H

#include "hannoy.h"
#include "sqlite_api.h"

typedef struct hx_table hx_table;
typedef struct hx_connection hx_connection;

/* Reference-counted: each registration with SQLite and each table holds one. */
int hx_connection_new(sqlite3 *db, hx_connection **out);
hx_connection *hx_connection_ref(hx_connection *connection);
void hx_connection_unref(void *connection);
sqlite3 *hx_connection_db(const hx_connection *connection);

/*
** The sidecar of an attached schema, a reference for the caller, given back by hx_connection_release.  For
** a database without a file it is private and lives as long as the connection: VACUUM and schema
** changes disconnect tables that come back.
*/
int hx_connection_sidecar(hx_connection *connection, const char *schema, hny_sidecar **out);
void hx_connection_release(hx_connection *connection, hny_sidecar *sidecar);

void hx_connection_add(hx_connection *connection, hx_table *table);
void hx_connection_remove(hx_connection *connection, hx_table *table);

/*
** A table found by its name for as long as the anchor lasts: a prepared statement, without which a
** schema change seen in a nested statement could disconnect it.
*/
typedef struct hx_found {
    hx_table *table;
    sqlite3_stmt *anchor;
} hx_found;

/*
** Finds a hannoy table, makes SQLite connect it if it is not; schema NULL: as SQLite looks for a
** name, temp first, then main, then the attached ones.  On failure *error is a sentence for
** sqlite3_free(), or NULL with SQLITE_NOMEM.
*/
int hx_connection_find(hx_connection *connection, const char *schema, const char *name,
                       hx_found *out, char **error);
void hx_found_release(hx_found *found);

#endif
