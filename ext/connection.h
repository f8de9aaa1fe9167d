/*
** Interface to connection.c: the state that all hannoy tables of one connection share.
**
** It is the client data that SQLite passes to xCreate and xConnect.  It lists the connected
** tables, for functions that take a table name, and holds one sidecar handle a schema.  SQLite
** holds the connection's mutex during every call.
*/
#ifndef HX_CONNECTION_H
#define HX_CONNECTION_H

#include <stdbool.h>

#include "hannoy.h"
#include "sqlite_api.h"
#include "values/names.h"

typedef struct hx_table hx_table;
typedef struct hx_connection hx_connection;

/* Reference-counted: each registration with SQLite and each table holds a reference. */
int hx_connection_new(sqlite3 *db, hx_connection **out);

/*
** The connection of this database handle, not referenced; NULL: there is none.  One is registered
** once the module and all functions are.  An authorizer can keep SQL from telling so.
*/
hx_connection *hx_connection_of(sqlite3 *db);
void hx_connection_set_registered(hx_connection *connection);
bool hx_connection_is_registered(const hx_connection *connection);

hx_connection *hx_connection_ref(hx_connection *connection);
void hx_connection_unref(void *connection);
sqlite3 *hx_connection_db(const hx_connection *connection);

/* The number of nested steps of statements of its tables (statements.h). */
unsigned *hx_connection_depth(hx_connection *connection);

/*
** The sidecar of a schema, as a reference that hx_connection_release gives back.  A private one
** lives as long as the connection, because VACUUM and schema changes disconnect tables and connect
** them again.  HX_PLACE_AUTO is private for a database without a file, and for one that is
** encrypted, whose vectors are not to be in another file in the clear.
*/
int hx_connection_sidecar(hx_connection *connection, const char *schema, hx_place place,
                          hny_sidecar **out);
void hx_connection_release(hx_connection *connection, hny_sidecar *sidecar);

/*
** The folder of the sidecars of this connection: NULL for the one that the environment says, or
** beside the database; "" for beside the database.  Moves no file.  SQLITE_OK or SQLITE_NOMEM.
*/
int hx_connection_move(hx_connection *connection, const char *folder);
const char *hx_connection_folder(const hx_connection *connection);

void hx_connection_add(hx_connection *connection, hx_table *table);
void hx_connection_remove(hx_connection *connection, hx_table *table);

/*
** The open cursors of a table.  After a change of the schema they may be those of an earlier object
** of it.
*/
unsigned hx_connection_readers(const hx_connection *connection, const hx_table *table);

/*
** A table that was found by its name.  The anchor is a prepared statement on it: as long as it
** exists, a schema change that a nested statement detects does not disconnect the table.
*/
typedef struct hx_found {
    hx_table *table;
    sqlite3_stmt *anchor;
} hx_found;

/*
** Finds a hannoy table and connects it if necessary.  If `schema` is NULL all schemas are
** searched in SQLite's order: temp, main, then the attached ones.  On failure *error is a
** sentence for sqlite3_free(), or NULL with SQLITE_NOMEM.
*/
int hx_connection_find(hx_connection *connection, const char *schema, const char *name,
                       hx_found *out, char **error);
void hx_found_release(hx_found *found);

#endif
