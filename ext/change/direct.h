/*
** Interface to direct.c: whether a statement of the application itself writes to a table.
**
** hannoy_build is SQLITE_DIRECTONLY: triggers and views of the schema cannot call it.  Commands
** follow the same rule, but SQLite has no such flag for the values of a column.
*/
#ifndef HX_DIRECT_H
#define HX_DIRECT_H

#include <stdbool.h>

typedef struct hx_shadow hx_shadow;

/* Within xUpdate.  *out: it was not called by a trigger.  An SQLite code, with its sentence. */
int hx_direct(hx_shadow *shadow, bool *out);

#endif
