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

/*
** From 3.38 on SQLite hands over all values of an IN at once, and the value of a literal when it
** plans.  Whether it does is asked for at run time; a library that is built with older headers does
** without.
*/
#if SQLITE_VERSION_NUMBER >= 3038000
#define HX_HAS_VTAB_IN (sqlite3_libversion_number() >= 3038000)
#else
#define HX_HAS_VTAB_IN                         false
#define sqlite3_vtab_in(info, position, all)   ((void)(info), (void)(position), 0)
#define sqlite3_vtab_in_first(argument, value) ((void)(argument), (void)(value), SQLITE_MISUSE)
#define sqlite3_vtab_in_next(argument, value)  ((void)(argument), (void)(value), SQLITE_MISUSE)
#define sqlite3_vtab_rhs_value(info, position, value)                                              \
    ((void)(info), (void)(position), (void)(value), SQLITE_NOTFOUND)
#endif

#endif
