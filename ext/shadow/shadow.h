/*
** Interface to shadow.c: the part of a table that is stored in the database: its name, columns and
** configuration, and the prepared statements on its shadow tables.
**
**     v_content    the rows (content.h); missing if they are in a table of the user's
**     v_log        the changes that the sidecar may lack (log.h)
**     v_config     options and state (config.h)
*/
#ifndef HX_SHADOW_H
#define HX_SHADOW_H

#include <stdbool.h>
#include <stddef.h>

#include "schema/arguments.h"
#include "schema/declaration.h"
#include "shadow/config.h"
#include "shadow/log.h"
#include "shadow/schema_state.h"
#include "shadow/statements.h"
#include "sqlite_api.h"
#include "values/comparable.h"

struct hx_shadow {
    sqlite3_vtab vtab; /* SQLite's part, first; its zErrMsg has the sentence of a failure */
    sqlite3 *db;
    char *schema; /* as SQLite named it: main, temp or that of an ATTACH */
    char *name;
    hx_columns columns;
    hx_arguments arguments; /* of the CREATE statement, as they were written */
    unsigned cursors;       /* that are open */
    unsigned readers;       /* the same on all objects of the table, when a write began */
    bool stale;             /* columns were added or dropped: SQLite will connect another object */
    hx_config config;
    hx_sql sql;
    bool stepping;      /* a statement of `sql` is being stepped (statements.h) */
    unsigned *depth;    /* nested steps of the connection; NULL: `own_depth` */
    unsigned own_depth; /* without a connection */
    hx_log_seen seen;
    hx_schema_state schema_state;
    int encoding; /* SQLITE_UTF8, SQLITE_UTF16LE or SQLITE_UTF16BE */
    hx_comparable comparables[HNY_MAX_ATTRIBUTES]; /* how filter columns are compared */
    size_t vector_bytes[HX_MAX_VECTORS];           /* of a stored vector */
    char *vector_label[HX_MAX_VECTORS];    /* in sentences: "vector", of several "vector title" */
    unsigned char *parsed[HX_MAX_VECTORS]; /* scratch: parsed from a content table of the user's */
};

/*
** Fills *shadow, which must be zeroed, and takes over *columns.  `options`: of each vector.
** After a failure (SQLITE_NOMEM) the caller must still call hx_shadow_free.
*/
int hx_shadow_init(hx_shadow *shadow, sqlite3 *db, const char *schema, const char *name,
                   const hx_options *options, hx_columns *columns);
void hx_shadow_free(hx_shadow *shadow);

/* The functions below return an SQLite code and leave its sentence in the table (error.h). */

/* Create, drop and rename the shadow tables. */
int hx_shadow_create(hx_shadow *shadow);
int hx_shadow_drop(hx_shadow *shadow);
int hx_shadow_rename(hx_shadow *shadow, const char *name);

/* False if ROLLBACK TO has undone the CREATE. */
bool hx_shadow_exists(hx_shadow *shadow);

/* xShadowName: is `suffix` that of a shadow table? */
int hx_shadow_name(const char *suffix);

#endif
