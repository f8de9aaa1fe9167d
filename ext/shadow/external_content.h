/*
** Interface to external_content.c: a table whose rows are in a table of the user's (content=).
**
** Triggers on the content table log each row that changes, by an INSERT into the hidden column
** `item`: in the same transaction, and in defensive mode too, which forbids triggers to write
** shadow tables.  REPLACE deletes a row that conflicts on another unique column without firing
** triggers.  A row that the index returns is therefore looked up in the content table, and
** skipped if it is gone.
**
** All functions return an SQLite code and leave its sentence in the table (error.h).
*/
#ifndef HX_EXTERNAL_CONTENT_H
#define HX_EXTERNAL_CONTENT_H

#include <stdbool.h>

typedef struct hx_shadow hx_shadow;

/* At CREATE and before a repair: can this table be a content table? */
int hx_external_content_check(hx_shadow *shadow);

/* Creates the triggers, dropping what has their names, and drops them.  Need shadow->config. */
int hx_external_content_attach(hx_shadow *shadow);
int hx_external_content_detach(hx_shadow *shadow);

/* *out: the triggers are as hx_external_content_attach creates them. */
int hx_external_content_followed(hx_shadow *shadow, bool *out);

/*
** Of a content table: if the triggers are missing, changed or were disabled, creates them and
** restarts the log (log.h).
*/
int hx_external_content_repair(hx_shadow *shadow);

/*
** A name of the rowid, for sqlite3_free(): one that no other column has.  NULL: it has no such
** key.
*/
int hx_external_content_rowid(hx_shadow *shadow, char **out);

/* The name as it was last read, quoted by the caller. */
const char *hx_external_content_rowid_name(const hx_shadow *shadow);

#endif
