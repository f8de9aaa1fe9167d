/* Whether a database file is encrypted; the contract is in encryption.h. */
#include "shadow/encryption.h"

#include <string.h>

static const char magic[16] = "SQLite format 3";

typedef enum file_start { START_UNKNOWN, START_EMPTY, START_PLAIN, START_OTHER } file_start;

static file_start read_start(sqlite3_file *file) {
    char bytes[sizeof magic];
    const int rc = file->pMethods->xRead(file, bytes, sizeof bytes, 0);
    if (rc == SQLITE_IOERR_SHORT_READ) {
        return START_EMPTY;
    }
    if (rc) {
        return START_UNKNOWN;
    }
    return memcmp(bytes, magic, sizeof magic) == 0 ? START_PLAIN : START_OTHER;
}

/*
** Opens the file once more by SQLite's own layer for files: to close it after any other open would
** drop the locks of all connections of this process.  The layer of a connection may decrypt.
*/
static file_start start_of_file(const char *name) {
    sqlite3_vfs *const vfs = sqlite3_vfs_find("unix");
    const int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB;
    file_start start = START_UNKNOWN;
    int opened = 0;
    if (!vfs) {
        return START_UNKNOWN;
    }
    sqlite3_file *const file = sqlite3_malloc(vfs->szOsFile);
    if (!file) {
        return START_UNKNOWN;
    }
    memset(file, 0, (size_t)vfs->szOsFile);
    if (vfs->xOpen(vfs, name, file, flags, &opened) == SQLITE_OK) {
        start = read_start(file);
    }
    if (file->pMethods) {
        file->pMethods->xClose(file);
    }
    sqlite3_free(file);
    return start;
}

/* A cipher is part of the library, or a layer of its own over SQLite's. */
static bool can_encrypt(sqlite3 *db, const char *schema) {
    char *layer = NULL;
    sqlite3_file_control(db, schema, SQLITE_FCNTL_VFSNAME, &layer);
    const bool own = layer && strncmp(layer, "unix", 4) != 0;
    sqlite3_free(layer);
    return own || sqlite3_compileoption_used("HAS_CODEC");
}

bool hx_database_is_encrypted(sqlite3 *db, const char *schema) {
    const char *const name = sqlite3_db_filename(db, schema);
    if (!name || !*name) {
        return false;
    }
    switch (start_of_file(name)) {
    case START_OTHER:
        return true;
    case START_EMPTY:
        return can_encrypt(db, schema);
    default:
        return false;
    }
}
