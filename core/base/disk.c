/* Room on the disk; the contract is in disk.h. */
#define _GNU_SOURCE /* fallocate */
#include "base/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/os.h"
#include "base/status.h"

/* The file system's own figure, which does not know the quota of a user. */
static int compare_free(const char *path, uint64_t bytes) {
    struct statvfs st;
    if (statvfs(path, &st)) {
        return HNY_OK;
    }
    return (uint64_t)st.f_bavail >= bytes / st.f_frsize + 1 ? HNY_OK : HNY_FULL;
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

int hny__disk_hold(const char *beside, uint64_t bytes, int *fd) {
    char *path;
    *fd = -1;
    if (bytes == 0) {
        return HNY_OK;
    }
    const int opened = hny__temporary_file(beside, &path);
    if (opened < 0) {
        return opened == HNY_IO ? compare_free(beside ? beside : ".", bytes) : opened;
    }
    const int error = allocate(opened, bytes);
    const int rc = error == EOPNOTSUPP || error == ENOSYS || error == EFBIG
                       ? compare_free(path, bytes)
                       : hny__errno_status(error);
    unlink(path);
    free(path);
    if (error) {
        close(opened);
    } else {
        *fd = opened;
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
    int fd;
    const int rc = hny__disk_hold(beside, LITTLE, &fd);
    if (fd >= 0) {
        close(fd);
    }
    return rc == HNY_FULL || is_at_limit(beside);
}

/* ------------------------------------------------------------------------- file size limit -- */

static void set_of_signal(sigset_t *set) {
    sigemptyset(set);
    sigaddset(set, SIGXFSZ);
}

static bool is_pending(void) {
    sigset_t pending;
    return sigpending(&pending) == 0 && sigismember(&pending, SIGXFSZ) == 1;
}

/* If it is blocked and pending already, there is nothing to change: that is the host's. */
void hny__size_signal_hold(hny__size_signal *held) {
    sigset_t set;
    set_of_signal(&set);
    held->held = !is_pending() && pthread_sigmask(SIG_BLOCK, &set, &held->mask) == 0;
}

void hny__size_signal_release(hny__size_signal *held) {
    const struct timespec now = {0, 0};
    sigset_t set;
    if (!held->held) {
        return;
    }
    held->held = false;
    set_of_signal(&set);
    while (is_pending() && sigtimedwait(&set, NULL, &now) == SIGXFSZ) {
    }
    pthread_sigmask(SIG_SETMASK, &held->mask, NULL);
}
