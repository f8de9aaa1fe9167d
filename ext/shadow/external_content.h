/*
** Interface to external.c: a table over one that is already there.
**
** Triggers on that table tell of each row that changes, by an INSERT into the hidden column `item` of
** ours: within the same transaction, and also where defensive mode forbids to write shadow tables.
** A row that REPLACE deletes for another unique column fires none; so a row that the index returns is
** looked up before it is returned, and left out where it is gone.
**
** All functions return an SQLite code and leave its sentence in the table (error.h).
*/
#ifndef HX_EXTERNAL_CONTENT_H
#define HX_EXTERNAL_CONTENT_H

#include <stdint.h>

typedef struct hx_shadow hx_shadow;

/* May the table of the user's be used?  For CREATE; later it may change as it likes. */
int hx_external_content_check(hx_shadow *shadow);

/* Creates the triggers of the table with this number, and drops them again. */
int hx_external_content_attach(hx_shadow *shadow, uint32_t number);
int hx_external_content_detach(hx_shadow *shadow);

#endif
