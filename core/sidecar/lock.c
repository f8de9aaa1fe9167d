#define _GNU_SOURCE /* F_OFD_SETLK */
#include "sidecar/lock.h"

#include "base/status.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* --------------------------------------------------------------------------- the builder's lock -- */

/* Shared, for whom the file is not to be written: builds are kept away all the same. */
static int lock_file(const char *path, int shared, int *fd) {
    struct flock lock = {.l_type = shared ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET};
    struct stat mine, there;
    *fd = -1;
    const int opened = open(path, (shared ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    if (opened < 0) {
        return errno == ENOENT ? HNY_MISSING : HNY_IO;
    }
    int rc = HNY_OK;
    if (fcntl(opened, F_OFD_SETLK, &lock)) {
        rc = errno == EAGAIN || errno == EACCES ? HNY_BUSY : HNY_IO;
    } else if (fstat(opened, &mine) || stat(path, &there) || mine.st_ino != there.st_ino ||
               mine.st_dev != there.st_dev) {
        rc = HNY_BUSY; /* replaced between open and lock: whoever did it is at work */
    }
    if (rc) {
        close(opened);
        return rc;
    }
    *fd = opened;
    return HNY_OK;
}

int hny__lock_take(const char *path, int *fd) {
    *fd = -1;
    return path ? lock_file(path, 0, fd) : HNY_OK;
}

void hny__lock_release(int fd) {
    if (fd >= 0) {
        close(fd);
    }
}

/* -------------------------------------------------------------------------------- the lock file -- */

/* LMDB 0.9 on a 64-bit machine: a header of 128 bytes, with the first reader in it. */
#define LMDB_BYTES (128 + 64 * (HNY__MAX_READERS - 1))

/* Less than a reader's 64 bytes, so that LMDB, which counts its readers by the file's size, sees none. */
typedef struct owner {
    char mark[8];
    uint64_t inode; /* of the data file */
} owner;

static const char owner_mark[8] = "hannoy1";

char *hny__lockfile_name(const char *path) {
    const size_t size = strlen(path);
    char *const out = malloc(size + sizeof "-lock");
    if (out) {
        memcpy(out, path, size);
        memcpy(out + size, "-lock", sizeof "-lock");
    }
    return out;
}

void hny__copy_owner(int fd, const char *model) {
    struct stat st;
    if (!model || stat(model, &st)) {
        return;
    }
    if (fchmod(fd, st.st_mode & 0666)) {
        return;
    }
    if (geteuid() == 0 && fchown(fd, st.st_uid, st.st_gid)) {
        return;
    }
}

/* Not of one that this process has open: to close a second descriptor drops the locks of the first. */
static int names(const char *lock, ino_t inode) {
    owner found;
    const int fd = open(lock, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    const ssize_t got = pread(fd, &found, sizeof found, LMDB_BYTES);
    close(fd);
    return got == (ssize_t)sizeof found && memcmp(found.mark, owner_mark, sizeof owner_mark) == 0 &&
           found.inode == inode;
}

/* With all its bytes: LMDB would map it sparse, and a full disk would then be a SIGBUS. */
static int fill(int fd, ino_t inode) {
    owner made = {.inode = inode};
    memcpy(made.mark, owner_mark, sizeof owner_mark);
    if (hny__errno_status(posix_fallocate(fd, 0, LMDB_BYTES)) == HNY_FULL) {
        return HNY_FULL;
    }
    const ssize_t put = pwrite(fd, &made, sizeof made, LMDB_BYTES);
    if (put < 0) {
        return hny__errno_status(errno);
    }
    return put == (ssize_t)sizeof made ? HNY_OK : HNY_IO;
}

static int make(const char *lock, ino_t inode, const char *model) {
    if (unlink(lock) && errno != ENOENT) {
        return HNY_IO;
    }
    const int fd = open(lock, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) {
        return hny__errno_status(errno);
    }
    const int rc = fill(fd, inode);
    hny__copy_owner(fd, model);
    close(fd);
    if (rc) {
        unlink(lock);
    }
    return rc;
}

static int make_locked(const char *lock, const char *path, ino_t inode, int held,
                       const char *model) {
    int fd;
    int rc = lock_file(path, access(path, W_OK) != 0, &fd);
    if (rc) {
        return rc;
    }
    /* Somebody else may have made it in between. */
    if (held || !names(lock, inode)) {
        rc = make(lock, inode, model);
    }
    hny__lock_release(fd);
    return rc;
}

/* Of many processes that start together one makes it, in a tenth of a millisecond; the others wait for that. */
#define TRIES 4

int hny__lockfile_ready(const char *lock, const char *path, ino_t inode, int held,
                        const char *model) {
    const struct timespec millisecond = {0, 1000000};
    int rc = HNY_BUSY;
    for (int i = 0; rc == HNY_BUSY && i < TRIES; i++) {
        if (i > 0) {
            nanosleep(&millisecond, NULL);
        }
        rc = !held && names(lock, inode) ? HNY_OK : make_locked(lock, path, inode, held, model);
    }
    return rc;
}
