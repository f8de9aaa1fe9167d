/*
** Interface to schema_state.c: what a table depends on in the schema around it.
**
** Shadow tables must have no triggers: they would run inside each write and could change what it
** writes.  A content table (external_content.h) must have ours; a tool that makes the table again
** (SQLite's 12-step ALTER, Django, Alembic, .dump) loses them.  Both are read again when SQLite has
** prepared a kept statement again, which it does after every change of the schema, rolled back ones
** included.
*/
#ifndef HX_SCHEMA_STATE_H
#define HX_SCHEMA_STATE_H

#include <stdbool.h>

#include "sqlite_api.h"

typedef struct hx_shadow hx_shadow;

typedef struct hx_schema_state {
    bool known;          /* the rest is filled in */
    int prepared;        /* how often SQLite had prepared HX_SQL_LOG_TIP again by then */
    unsigned generation; /* of the statements (statements.h) by then */
    bool tables;         /* shadow tables and content table are tables */
    int version;         /* of the schema by then */
    char *trigger;       /* a trigger on a shadow table; NULL: there is none */
    bool unfollowed;     /* triggers of the content table are missing, changed or disabled */
    bool was_disabled;   /* triggers were disabled in this connection at some time */
    char *rowid; /* a name of the content table's rowid; NULL: not known, or no content table */
} hx_schema_state;

/*
** Brings shadow->schema_state up to date.  Call right after HX_SQL_LOG_TIP was stepped, which
** shows changes of the schema.  An SQLite code, with its sentence in the table (error.h).  May
** finalize the statements of the table.
*/
int hx_schema_state_read(hx_shadow *shadow);

/* The same before a write: SQLITE_ERROR with a sentence if a shadow table has a trigger. */
int hx_schema_state_check(hx_shadow *shadow);

/*
** Does the log name every change of the rows?  Not while triggers of the content table are
** missing.
*/
bool hx_schema_state_followed(const hx_shadow *shadow);

/*
** SQLITE_ERROR with a sentence if a view or a virtual table is in the place of a shadow table or of
** the content table.
*/
int hx_schema_state_tables(hx_shadow *shadow);

void hx_schema_state_free(hx_schema_state *state);

#endif
