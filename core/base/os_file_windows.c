/* Files on Windows; the contracts are in os_file.h. */
#include "base/os_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/wide_text_windows.h"
#include "hannoy.h"

#define MOST_BYTES ((size_t)1 << 30) /* of one call, which counts them in a DWORD */

/* LMDB passes on codes of GetLastError(), and some of errno.h; no number has two meanings here. */
int hny__os_status(int error) {
    switch (error) {
    case 0:
        return HNY_OK;
    case ENOMEM:
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
    case ERROR_COMMITMENT_LIMIT:
        return HNY_NOMEM;
    case ENOSPC:
    case EFBIG:
    case ERROR_DISK_FULL:
    case ERROR_HANDLE_DISK_FULL:
    case ERROR_FILE_TOO_LARGE:
    case ERROR_DISK_QUOTA_EXCEEDED:
        return HNY_FULL;
    default:
        return HNY_IO;
    }
}

/* The status of a call that returns whether it did. */
static int status_of_call(BOOL done) {
    const int rc = done ? HNY_OK : hny__os_status((int)GetLastError());
    return !done && rc == HNY_OK ? HNY_IO : rc;
}

static HANDLE handle_of(hny__os_file file) {
    return (HANDLE)file;
}

/* -------------------------------------------------------------------------------- open files -- */

int hny__os_file_info(hny__os_file file, hny__os_info *info) {
    BY_HANDLE_FILE_INFORMATION by_handle;
    FILE_STANDARD_INFO standard;
    if (!GetFileInformationByHandle(handle_of(file), &by_handle) ||
        !GetFileInformationByHandleEx(handle_of(file), FileStandardInfo, &standard,
                                      sizeof standard)) {
        return HNY_IO;
    }
    *info = (hny__os_info){by_handle.dwVolumeSerialNumber,
                           (uint64_t)by_handle.nFileIndexHigh << 32 | by_handle.nFileIndexLow,
                           (uint64_t)standard.EndOfFile.QuadPart,
                           standard.DeletePending ? 0 : by_handle.nNumberOfLinks};
    return HNY_OK;
}

static OVERLAPPED place_of_offset(uint64_t offset) {
    return (OVERLAPPED){.Offset = (DWORD)offset, .OffsetHigh = (DWORD)(offset >> 32)};
}

int64_t hny__os_file_read(hny__os_file file, void *to, size_t bytes, uint64_t offset) {
    size_t got = 0;
    while (got < bytes) {
        OVERLAPPED place = place_of_offset(offset + got);
        const size_t left = bytes - got;
        DWORD done = 0;
        if (!ReadFile(handle_of(file), (uint8_t *)to + got,
                      (DWORD)(left < MOST_BYTES ? left : MOST_BYTES), &done, &place) &&
            GetLastError() != ERROR_HANDLE_EOF) {
            return HNY_IO;
        }
        if (done == 0) {
            break;
        }
        got += done;
    }
    return (int64_t)got;
}

int hny__os_file_write(hny__os_file file, const void *from, size_t bytes, uint64_t offset) {
    size_t put = 0;
    while (put < bytes) {
        OVERLAPPED place = place_of_offset(offset + put);
        const size_t left = bytes - put;
        DWORD done = 0;
        const int rc = status_of_call(WriteFile(handle_of(file), (const uint8_t *)from + put,
                                                (DWORD)(left < MOST_BYTES ? left : MOST_BYTES),
                                                &done, &place));
        if (rc || done == 0) {
            return rc ? rc : HNY_IO;
        }
        put += done;
    }
    return HNY_OK;
}

int hny__os_file_resize(hny__os_file file, uint64_t bytes) {
    FILE_END_OF_FILE_INFO end = {.EndOfFile = {.QuadPart = (LONGLONG)bytes}};
    return status_of_call(
        SetFileInformationByHandle(handle_of(file), FileEndOfFileInfo, &end, sizeof end));
}

int hny__os_file_sync(hny__os_file file) {
    return status_of_call(FlushFileBuffers(handle_of(file)));
}

/* A file that is not sparse has room for all of its bytes. */
int hny__os_file_allocate(hny__os_file file, uint64_t bytes) {
    return hny__os_file_resize(file, bytes);
}

void hny__os_file_close(hny__os_file file) {
    CloseHandle(handle_of(file));
}

/* ------------------------------------------------------------------------------------- locks -- */

/* A locked byte cannot be read or written by others, so it is one that no file has. */
static OVERLAPPED place_of_lock(unsigned number) {
    return place_of_offset(((uint64_t)1 << 62) + number);
}

int hny__os_file_lock(hny__os_file file, unsigned number, bool shared) {
    OVERLAPPED place = place_of_lock(number);
    const DWORD flags = LOCKFILE_FAIL_IMMEDIATELY | (shared ? 0 : LOCKFILE_EXCLUSIVE_LOCK);
    if (LockFileEx(handle_of(file), flags, 0, 1, 0, &place)) {
        return HNY_OK;
    }
    const DWORD error = GetLastError();
    return error == ERROR_LOCK_VIOLATION || error == ERROR_IO_PENDING ? HNY_BUSY : HNY_IO;
}

/* A lock that is taken as a try would keep a build from it. */
bool hny__os_file_is_locked(hny__os_file file, unsigned number) {
    (void)file;
    (void)number;
    return false;
}

/* Windows would do so when the handle is closed, but not at once. */
void hny__os_file_unlock(hny__os_file file) {
    for (unsigned number = 0; number < HNY__OS_LOCKS; number++) {
        OVERLAPPED place = place_of_lock(number);
        (void)UnlockFileEx(handle_of(file), 0, 1, 0, &place);
    }
}

/* ------------------------------------------------------------------------------------- paths -- */

bool hny__os_is_writable(const char *path) {
    const HANDLE file = hny__open_shared(path, GENERIC_WRITE, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL);
    if (file == INVALID_HANDLE_VALUE) {
        return false;
    }
    CloseHandle(file);
    return true;
}

int hny__os_remove(const char *path) {
    wchar_t *const wide = hny__wide_text(path);
    const BOOL done = wide && DeleteFileW(wide);
    const DWORD error = wide ? GetLastError() : ERROR_INVALID_NAME;
    free(wide);
    if (done) {
        return HNY_OK;
    }
    return error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND ? HNY_MISSING : HNY_IO;
}

int hny__os_remove_folder(const char *path) {
    wchar_t *const wide = hny__wide_text(path);
    const BOOL done = wide && RemoveDirectoryW(wide);
    free(wide);
    return done ? HNY_OK : HNY_IO;
}

int hny__os_rename(const char *from, const char *to) {
    wchar_t *const wide_from = hny__wide_text(from), *const wide_to = hny__wide_text(to);
    const BOOL done =
        wide_from && wide_to &&
        MoveFileExW(wide_from, wide_to, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH);
    free(wide_from);
    free(wide_to);
    return done ? HNY_OK : HNY_IO;
}

/* LMDB opens its file so that others may neither remove nor replace it. */
bool hny__os_replaces_open_files(void) {
    return false;
}

const char *hny__os_name(const char *path) {
    const char *name = path;
    for (const char *p = path; *p; p++) {
        if (*p == '/' || *p == '\\' || *p == ':') {
            name = p + 1;
        }
    }
    return name;
}

/* A whole path of Windows, as UTF-8. */
static char *full_path(const wchar_t *wide) {
    const DWORD units = GetFullPathNameW(wide, 0, NULL, NULL);
    wchar_t *const full = units ? malloc(units * sizeof *full) : NULL;
    const DWORD got = full ? GetFullPathNameW(wide, units, full, NULL) : 0;
    char *const path = got && got < units ? hny__narrow_text(full) : NULL;
    free(full);
    return path;
}

int hny_folder_resolve(const char *folder, char **path) {
    if (!*folder) {
        *path = strdup("");
        return *path ? HNY_OK : HNY_NOMEM;
    }
    *path = NULL;
    wchar_t *const wide = hny__wide_text(folder);
    const DWORD attributes = wide ? GetFileAttributesW(wide) : INVALID_FILE_ATTRIBUTES;
    if (attributes != INVALID_FILE_ATTRIBUTES && attributes & FILE_ATTRIBUTE_DIRECTORY) {
        *path = full_path(wide);
    }
    free(wide);
    return *path ? HNY_OK : HNY_MISSING;
}

/* --------------------------------------------------------------------------- temporary files -- */

static char *temporary_folder(void) {
    wchar_t folder[MAX_PATH + 1];
    const DWORD units = GetTempPathW(MAX_PATH + 1, folder);
    return units > 0 && units <= MAX_PATH ? hny__narrow_text(folder) : strdup(".\\");
}

/* Different for each call of this process, and mostly for those of others. */
static unsigned long random_number(void) {
    static volatile LONG calls;
    LARGE_INTEGER now;
    QueryPerformanceCounter(&now);
    const uint64_t seed = (uint64_t)now.QuadPart + ((uint64_t)GetCurrentProcessId() << 32) +
                          (uint64_t)InterlockedIncrement(&calls) * UINT64_C(0x9e3779b97f4a7c15);
    return (unsigned long)((seed * UINT64_C(0xbf58476d1ce4e5b9)) >> 32);
}

#define NAME_TRIES 100

/* The caller frees *path. */
static int make_temporary_file(const char *beside, DWORD flags, hny__os_file *file, char **path) {
    char *const first = beside ? strdup(beside) : temporary_folder();
    const size_t size = first ? strlen(first) + sizeof "hannoy-00000000" : 0;
    HANDLE made = INVALID_HANDLE_VALUE;
    *file = HNY__OS_NO_FILE;
    *path = first ? malloc(size) : NULL;
    int rc = *path ? HNY_BUSY : HNY_NOMEM;
    for (int i = 0; rc == HNY_BUSY && i < NAME_TRIES; i++) {
        snprintf(*path, size, "%s%s-%08lx", first, beside ? "" : "hannoy", random_number());
        made = hny__open_shared(*path, GENERIC_READ | GENERIC_WRITE | DELETE, CREATE_NEW, flags);
        rc = made != INVALID_HANDLE_VALUE          ? HNY_OK
             : GetLastError() == ERROR_FILE_EXISTS ? HNY_BUSY
                                                   : status_of_call(FALSE);
    }
    free(first);
    if (rc) {
        free(*path);
        *path = NULL;
        return rc == HNY_BUSY ? HNY_IO : rc;
    }
    *file = (hny__os_file)made;
    return HNY_OK;
}

int hny__os_scratch_file(const char *beside, hny__os_file *file) {
    const DWORD flags = FILE_ATTRIBUTE_TEMPORARY | FILE_FLAG_DELETE_ON_CLOSE;
    char *path;
    const int rc = make_temporary_file(beside, flags, file, &path);
    free(path);
    return rc;
}

int hny__os_temporary_file(char **path) {
    hny__os_file file;
    const int rc = make_temporary_file(NULL, FILE_ATTRIBUTE_NORMAL, &file, path);
    if (!rc) {
        hny__os_file_close(file);
    }
    return rc;
}

/* --------------------------------------------------------------------- environment variables -- */

char *hny__os_variable(const char *name) {
    wchar_t *const wide = hny__wide_text(name);
    const DWORD units = wide ? GetEnvironmentVariableW(wide, NULL, 0) : 0;
    wchar_t *const value = units ? malloc(units * sizeof *value) : NULL;
    const DWORD got = value ? GetEnvironmentVariableW(wide, value, units) : 0;
    char *const narrow = value && got < units ? hny__narrow_text(value) : NULL;
    free(value);
    free(wide);
    return narrow;
}
