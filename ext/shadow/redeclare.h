/*
** Interface to redeclare.c: another CREATE VIRTUAL TABLE statement for a table that exists.
**
** The statement is in sqlite_schema, where it takes part in the transaction.  SQLite reads it anew
** after the change of the schema that the caller makes next (an ALTER TABLE or CREATE TRIGGER), in
** this and all other connections, and connects the table with the new columns.
*/
#ifndef HX_REDECLARE_H
#define HX_REDECLARE_H

#include "schema/arguments.h"

typedef struct hx_shadow hx_shadow;

/* An SQLite code, with its sentence in the table (error.h). */
int hx_redeclare(hx_shadow *shadow, const hx_arguments *arguments);

/* Makes SQLite read the schema of this connection again. */
int hx_redeclare_forget(hx_shadow *shadow);

#endif
