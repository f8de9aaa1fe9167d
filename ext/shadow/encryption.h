/* Interface to encryption.c: whether a database file is encrypted. */
#ifndef HX_ENCRYPTION_H
#define HX_ENCRYPTION_H

#include <stdbool.h>

#include "sqlite_api.h"

/*
** Does the file not begin as SQLite's do?  An empty one, as before the first COMMIT, counts as
** encrypted if this connection can encrypt.  False for databases without a file.
*/
bool hx_database_is_encrypted(sqlite3 *db, const char *schema);

#endif
