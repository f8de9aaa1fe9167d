/*
** Interface to shadow.c: a table as the database has it: its name, its columns, its configuration and
** the statements on its shadow tables.  All that speaks SQL for a table needs this and no more.
*/
#ifndef HX_SHADOW_H
#define HX_SHADOW_H

#include <stdbool.h>
#include <stddef.h>

#include "schema/declaration.h"
#include "shadow/config.h"
#include "shadow/log.h"
#include "shadow/statements.h"
#include "sqlite_api.h"

struct hx_shadow {
    sqlite3_vtab vtab; /* SQLite's part, first; its zErrMsg has the sentence of a failure */
    sqlite3 *db;
    char *schema; /* as SQLite named it: main, temp or that of an ATTACH */
    char *name;
    hx_columns columns;
    hx_config config;
    hx_sql sql;
    hx_log_seen seen;
    size_t vector_bytes;   /* of a stored vector */
    unsigned char *parsed; /* a vector that was read from a content table of the user's */
};

/*
** Fills *shadow for a table of this name; takes over *columns.  After a failure, SQLITE_NOMEM, it is
** to be freed all the same.
*/
int hx_shadow_init(hx_shadow *shadow, sqlite3 *db, const char *schema, const char *name,
                   const hx_options *options, hx_columns *columns);
void hx_shadow_free(hx_shadow *shadow);

/* All that follow return an SQLite code and leave its sentence in the table (error.h). */

/* Creates the shadow tables; drops them; gives them the names of a table that is renamed. */
int hx_shadow_create(hx_shadow *shadow);
int hx_shadow_drop(hx_shadow *shadow);
int hx_shadow_rename(hx_shadow *shadow, const char *name);

/* Do the shadow tables exist?  After ROLLBACK TO undid a CREATE they do not. */
bool hx_shadow_exists(hx_shadow *shadow);

/* Is `suffix` that of a shadow table (xShadowName)? */
int hx_shadow_name(const char *suffix);

#endif
