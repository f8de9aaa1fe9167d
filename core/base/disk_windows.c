/* Room on the disk, on Windows; the contract is in disk.h. */
#include "base/disk.h"

#include <stdlib.h>
#include <string.h>

#include "base/wide_text_windows.h"
#include "hannoy.h"

/* Bytes that this user may still write beside a file; UINT64_MAX: it is not known. */
static uint64_t free_beside(const char *path) {
    char *const folder = path ? strdup(path) : NULL;
    ULARGE_INTEGER bytes;
    if (folder) {
        folder[hny__os_name(folder) - folder] = 0;
    }
    wchar_t *const wide = folder && *folder ? hny__wide_text(folder) : NULL;
    const BOOL known = GetDiskFreeSpaceExW(wide, &bytes, NULL, NULL);
    free(wide);
    free(folder);
    return known ? bytes.QuadPart : UINT64_MAX;
}

int hny__disk_hold(const char *beside, uint64_t bytes, hny__os_file *file) {
    hny__os_file scratch;
    *file = HNY__OS_NO_FILE;
    if (bytes == 0) {
        return HNY_OK;
    }
    if (free_beside(beside) < bytes) {
        return HNY_FULL;
    }
    int rc = hny__os_scratch_file(beside, &scratch);
    if (rc) {
        return rc == HNY_IO ? HNY_OK : rc;
    }
    rc = hny__os_file_allocate(scratch, bytes);
    if (rc) {
        hny__os_file_close(scratch);
    } else {
        *file = scratch;
    }
    return rc;
}

#define LITTLE ((uint64_t)1 << 20)

bool hny__disk_is_full(const char *beside) {
    return free_beside(beside) < LITTLE;
}
