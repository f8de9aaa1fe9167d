#include "entry.h"

#include "names.h"

#include "ext_sqlite3_hannoy.h"

/*
** Of SQLite.  Weak, since cgo links each package by itself first, where there is no SQLite.  All
** other calls go through the pointer that SQLite hands over to an automatic extension.
*/
#pragma weak sqlite3_auto_extension

/* sqlite3_auto_extension takes any code but SQLITE_OK for a failure. */
static int register_in(sqlite3 *db, char **error, const struct sqlite3_api_routines *api) {
    const int rc = sqlite3_hannoy_init(db, error, api);
    return rc == SQLITE_OK_LOAD_PERMANENTLY ? SQLITE_OK : rc;
}

int hannoy_auto(void) {
    if (!sqlite3_auto_extension) {
        return HANNOY_NO_SQLITE;
    }
    return sqlite3_auto_extension((void (*)(void))register_in);
}
