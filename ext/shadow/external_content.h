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

#include <stdint.h>

typedef struct hx_shadow hx_shadow;

/* At CREATE: can this table be a content table? */
int hx_external_content_check(hx_shadow *shadow);

/* Creates and drops the triggers; `number` is the table's (config.h). */
int hx_external_content_attach(hx_shadow *shadow, uint32_t number);
int hx_external_content_detach(hx_shadow *shadow);

#endif
