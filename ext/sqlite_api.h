/*
** SQLite as a loaded extension sees it: every call goes through the API pointer that the host hands
** to the entry point in module.c.
*/
#ifndef HX_SQLITE_API_H
#define HX_SQLITE_API_H

#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT3

#endif
