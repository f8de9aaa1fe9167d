/*
** SQLite as a loaded extension sees it: every call goes through the API pointer that the host hands
** to the entry point in module.c.
*/
#ifndef HX_HOST_H
#define HX_HOST_H

#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT3

#endif
