/* Interface to secure_delete.c: does the host want deleted data overwritten? */
#ifndef HX_SECURE_DELETE_H
#define HX_SECURE_DELETE_H

#include "shadow/statements.h"

/*
** PRAGMA secure_delete of the table's database.  `fast` counts as off, since it overwrites what
** costs no more writes; so does the index, whenever LMDB uses a page again.  Where an authorizer
** keeps the pragma from us, it counts as on.  SQLITE_OK, or SQLITE_NOMEM with its sentence in the
** table.
*/
int hx_secure_delete(hx_shadow *shadow, bool *out);

#endif
