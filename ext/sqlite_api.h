/*
** The only include of sqlite3ext.h.  In a loaded extension every call of SQLite goes through the
** API pointer that the host passes to the entry point.  module.c defines that pointer, the others
** declare it.
*/
#ifndef HX_SQLITE_API_H
#define HX_SQLITE_API_H

#include <sqlite3ext.h>
#ifdef HX_DEFINES_SQLITE_API
SQLITE_EXTENSION_INIT1
#else
SQLITE_EXTENSION_INIT3
#endif

#endif
