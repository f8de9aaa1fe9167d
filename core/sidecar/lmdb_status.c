/* LMDB's codes as statuses. */
#include "sidecar/lmdb_status.h"

#include "base/os_file.h"
#include "hannoy.h"
#include "sidecar/lmdb_guard.h"

int hny__lmdb_status(int code) {
    switch (code) {
    case MDB_SUCCESS:
        return HNY_OK;
    case MDB_NOTFOUND:
        return HNY_MISSING;
    case MDB_VERSION_MISMATCH:
        return HNY_VERSION;
    case MDB_PANIC:
        return HNY_BROKEN;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_CURSOR_FULL:
    case MDB_INCOMPATIBLE:
    case MDB_BAD_TXN:
    case HNY__ASSERTED:
        return HNY_CORRUPT;
    default:
        return hny__os_status(code); /* LMDB passes on what system calls failed with */
    }
}
