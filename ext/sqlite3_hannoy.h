/*
** For programs that have the extension linked in (libhannoy.a): before the first connection is
** opened,
**
**     sqlite3_auto_extension((void (*)(void))sqlite3_hannoy_init);
**
** or for one connection, sqlite3_hannoy_init(db, &error, NULL).
*/
#ifndef SQLITE3_HANNOY_H
#define SQLITE3_HANNOY_H

#include <sqlite3.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sqlite3_api_routines;

/*
** Registers the module and the functions; a second time it does nothing.  SQLITE_OK, or a code with
** a sentence in *error for sqlite3_free().  `api` is NULL where the extension is linked in.  SQLite
** calls it so when it loads hannoy.so, and is answered with SQLITE_OK_LOAD_PERMANENTLY.
*/
int sqlite3_hannoy_init(sqlite3 *db, char **error, const struct sqlite3_api_routines *api);

#ifdef __cplusplus
}
#endif

#endif
