/* Room on the disk, on POSIX; the contract is in disk.h. */
#define _GNU_SOURCE /* fallocate */
#include "base/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/status.h"

/* The file system's own figure, which does not know the quota of a user. */
static int compare_free(const struct statvfs *st, uint64_t bytes) {
    return (uint64_t)st->f_bavail >= bytes / st->f_frsize + 1 ? HNY_OK : HNY_FULL;
}

static int compare_free_beside(const char *path, uint64_t bytes) {
    struct statvfs st;
    return statvfs(path, &st) ? HNY_OK : compare_free(&st, bytes);
}

static int compare_free_of_file(int fd, uint64_t bytes) {
    struct statvfs st;
    return fstatvfs(fd, &st) ? HNY_OK : compare_free(&st, bytes);
}

/* Takes the bytes without writing them.  posix_fallocate() writes where this is not possible. */
static int allocate(int fd, uint64_t bytes) {
#ifdef __linux__
    int rc;
    do {
        rc = fallocate(fd, 0, 0, (off_t)bytes);
    } while (rc && errno == EINTR);
    return rc ? errno : 0;
#else
    (void)fd;
    (void)bytes;
    return EOPNOTSUPP;
#endif
}

int hny__disk_hold(const char *beside, uint64_t bytes, hny__os_file *file) {
    hny__os_file scratch;
    *file = HNY__OS_NO_FILE;
    if (bytes == 0) {
        return HNY_OK;
    }
    int rc = hny__os_scratch_file(beside, &scratch);
    if (rc) {
        return rc == HNY_IO ? compare_free_beside(beside ? beside : ".", bytes) : rc;
    }
    const int error = allocate((int)scratch, bytes);
    rc = error == EOPNOTSUPP || error == ENOSYS || error == EFBIG
             ? compare_free_of_file((int)scratch, bytes)
             : hny__os_status(error);
    if (error) {
        hny__os_file_close(scratch);
    } else {
        *file = scratch;
    }
    return rc;
}

#define LITTLE ((uint64_t)1 << 20)

static bool is_at_limit(const char *path) {
    struct rlimit limit;
    struct stat st;
    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
           stat(path, &st) == 0 && (uint64_t)st.st_size + LITTLE > limit.rlim_cur;
}

bool hny__disk_is_full(const char *beside) {
    hny__os_file held;
    const int rc = hny__disk_hold(beside, LITTLE, &held);
    if (held != HNY__OS_NO_FILE) {
        hny__os_file_close(held);
    }
    return rc == HNY_FULL || is_at_limit(beside);
}
