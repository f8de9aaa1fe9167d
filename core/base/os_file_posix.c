/* Files on POSIX; the contracts are in os_file.h. */
#define _GNU_SOURCE /* mkostemp, F_OFD_SETLK */
#include "base/os_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"
#include "base/temporary_name_posix.h"

int hny__os_status(int error) {
    switch (error) {
    case 0:
        return HNY_OK;
    case ENOMEM:
        return HNY_NOMEM;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return HNY_FULL;
    default:
        return HNY_IO;
    }
}

/* The status of a call that returns 0, or -1 and sets errno. */
static int status_of_call(int result) {
    return result ? hny__os_status(errno) : HNY_OK;
}

/* -------------------------------------------------------------------------------- open files -- */

int hny__os_file_info(hny__os_file file, hny__os_info *info) {
    struct stat st;
    if (fstat((int)file, &st)) {
        return HNY_IO;
    }
    *info = (hny__os_info){(uint64_t)st.st_dev, (uint64_t)st.st_ino, (uint64_t)st.st_size,
                           (uint64_t)st.st_nlink};
    return HNY_OK;
}

int64_t hny__os_file_read(hny__os_file file, void *to, size_t bytes, uint64_t offset) {
    size_t got = 0;
    while (got < bytes) {
        const ssize_t done =
            pread((int)file, (uint8_t *)to + got, bytes - got, (off_t)(offset + got));
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done < 0) {
            return HNY_IO;
        }
        if (done == 0) {
            break;
        }
        got += (size_t)done;
    }
    return (int64_t)got;
}

int hny__os_file_write(hny__os_file file, const void *from, size_t bytes, uint64_t offset) {
    size_t put = 0;
    while (put < bytes) {
        const ssize_t done =
            pwrite((int)file, (const uint8_t *)from + put, bytes - put, (off_t)(offset + put));
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return done < 0 ? hny__os_status(errno) : HNY_IO;
        }
        put += (size_t)done;
    }
    return HNY_OK;
}

int hny__os_file_resize(hny__os_file file, uint64_t bytes) {
    return status_of_call(ftruncate((int)file, (off_t)bytes));
}

/* On macOS fsync() leaves the bytes in the disk's own cache; F_FULLFSYNC fails on some volumes. */
int hny__os_file_sync(hny__os_file file) {
#ifdef F_FULLFSYNC
    return fcntl((int)file, F_FULLFSYNC) == 0 ? HNY_OK : status_of_call(fsync((int)file));
#else
    return status_of_call(fdatasync((int)file));
#endif
}

int hny__os_file_allocate(hny__os_file file, uint64_t bytes) {
#ifdef __APPLE__
    static const uint8_t zeros[4096];
    int rc = HNY_OK;
    for (uint64_t at = 0; at < bytes && !rc; at += sizeof zeros) {
        const size_t left = bytes - at < sizeof zeros ? (size_t)(bytes - at) : sizeof zeros;
        rc = hny__os_file_write(file, zeros, left, at);
    }
    return rc;
#else
    return hny__os_status(posix_fallocate((int)file, 0, (off_t)bytes));
#endif
}

void hny__os_file_close(hny__os_file file) {
    close((int)file);
}

/* ------------------------------------------------------------------------------------- locks -- */

/* Bytes that stand for a lock; the file need not have them. */
typedef struct lock_range {
    off_t first, length;
} lock_range;

static const lock_range lock_ranges[HNY__OS_LOCKS] = {{0, (off_t)1 << 62}, {(off_t)1 << 62, 1}};

static struct flock flock_of(unsigned number, bool shared) {
    return (struct flock){.l_type = shared ? F_RDLCK : F_WRLCK,
                          .l_whence = SEEK_SET,
                          .l_start = lock_ranges[number].first,
                          .l_len = lock_ranges[number].length};
}

int hny__os_file_lock(hny__os_file file, unsigned number, bool shared) {
    struct flock lock = flock_of(number, shared);
    if (fcntl((int)file, F_OFD_SETLK, &lock) == 0) {
        return HNY_OK;
    }
    return errno == EAGAIN || errno == EACCES ? HNY_BUSY : HNY_IO;
}

bool hny__os_file_is_locked(hny__os_file file, unsigned number) {
    struct flock lock = flock_of(number, false);
    return fcntl((int)file, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

void hny__os_file_unlock(hny__os_file file) {
    struct flock lock = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
    (void)fcntl((int)file, F_OFD_SETLK, &lock);
}

/* ------------------------------------------------------------------------------------- paths -- */

bool hny__os_is_writable(const char *path) {
    return access(path, W_OK) == 0;
}

int hny__os_remove(const char *path) {
    return unlink(path) == 0 ? HNY_OK : errno == ENOENT ? HNY_MISSING : HNY_IO;
}

int hny__os_remove_folder(const char *path) {
    return rmdir(path) ? HNY_IO : HNY_OK;
}

int hny__os_rename(const char *from, const char *to) {
    return rename(from, to) ? HNY_IO : HNY_OK;
}

bool hny__os_replaces_open_files(void) {
    return true;
}

const char *hny__os_name(const char *path) {
    const char *const slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

int hny_folder_resolve(const char *folder, char **path) {
    struct stat st;
    *path = *folder ? realpath(folder, NULL) : strdup("");
    if (!*path) {
        return errno == ENOMEM ? HNY_NOMEM : HNY_MISSING;
    }
    if (*folder && (stat(*path, &st) || !S_ISDIR(st.st_mode))) {
        free(*path);
        *path = NULL;
        return HNY_MISSING;
    }
    return HNY_OK;
}

/* --------------------------------------------------------------------------- temporary files -- */

static int make_temporary_file(const char *beside, hny__os_file *file, char **path) {
    *file = HNY__OS_NO_FILE;
    *path = hny__temporary_name(beside);
    if (!*path) {
        return HNY_NOMEM;
    }
    const int fd = mkostemp(*path, O_CLOEXEC);
    if (fd >= 0) {
        *file = fd;
        return HNY_OK;
    }
    const int rc = hny__os_status(errno);
    free(*path);
    *path = NULL;
    return rc;
}

int hny__os_scratch_file(const char *beside, hny__os_file *file) {
    char *path;
    const int rc = make_temporary_file(beside, file, &path);
    if (!rc) {
        unlink(path);
        free(path);
    }
    return rc;
}

int hny__os_temporary_file(char **path) {
    hny__os_file file;
    const int rc = make_temporary_file(NULL, &file, path);
    if (!rc) {
        hny__os_file_close(file);
    }
    return rc;
}

/* --------------------------------------------------------------------- environment variables -- */

char *hny__os_variable(const char *name) {
    const char *const value = getenv(name);
    return value ? strdup(value) : NULL;
}
