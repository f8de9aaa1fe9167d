/* The builder's lock, and the lock file that belongs to a data file. */
#define _GNU_SOURCE /* F_OFD_SETLK */
#include "sidecar/lock.h"

#include "base/status.h"
#include "sidecar/place.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ------------------------------------------------------------------------ the builder's lock -- */

/* Bytes of the data file that stand for a lock; the file need not have them.  By hny__lock_kind. */
typedef struct lock_range {
    off_t first, length;
} lock_range;

static const lock_range lock_ranges[HNY__LOCK_KINDS] = {{0, (off_t)1 << 62}, {(off_t)1 << 62, 1}};

/* A shared lock, for files that this user cannot write, excludes builds as well. */
static int lock_data_file(const char *path, bool shared, hny__lock_kind kind, int *fd) {
    struct flock lock = {.l_type = shared ? F_RDLCK : F_WRLCK,
                         .l_whence = SEEK_SET,
                         .l_start = lock_ranges[kind].first,
                         .l_len = lock_ranges[kind].length};
    struct stat opened_file, current;
    int opened;
    *fd = -1;
    int rc = hny__place_open(path, shared ? O_RDONLY : O_RDWR, &opened);
    if (rc) {
        return rc;
    }
    if (fcntl(opened, F_OFD_SETLK, &lock)) {
        rc = errno == EAGAIN || errno == EACCES ? HNY_BUSY : HNY_IO;
    } else if (fstat(opened, &opened_file) || lstat(path, &current) ||
               opened_file.st_ino != current.st_ino || opened_file.st_dev != current.st_dev) {
        rc = HNY_BUSY; /* replaced between open and lock by another build */
    }
    if (rc) {
        close(opened);
        return rc;
    }
    *fd = opened;
    return HNY_OK;
}

/*
** Descriptors that hold a lock.  The lock lasts until it is released or all copies of the
** descriptor are closed: a child of a fork closes those that it inherits, or it would hold the lock
** of a parent that has died, for good.
*/
#define MOST_LOCKS 64

static struct {
    pthread_mutex_t mutex;
    int fds[MOST_LOCKS];
    unsigned count;
} held_locks = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void lock_held_locks(void) {
    pthread_mutex_lock(&held_locks.mutex);
}

static void unlock_held_locks(void) {
    pthread_mutex_unlock(&held_locks.mutex);
}

static void close_inherited_locks(void) {
    for (unsigned i = 0; i < held_locks.count; i++) {
        close(held_locks.fds[i]);
    }
    held_locks.count = 0;
    pthread_mutex_unlock(&held_locks.mutex);
}

static void watch_forks_of_locks(void) {
    (void)pthread_atfork(lock_held_locks, unlock_held_locks, close_inherited_locks);
}

static pthread_once_t lock_forks_once = PTHREAD_ONCE_INIT;

static void forget_held_lock(int fd) {
    for (unsigned i = 0; i < held_locks.count; i++) {
        if (held_locks.fds[i] == fd) {
            held_locks.fds[i] = held_locks.fds[--held_locks.count];
            break;
        }
    }
}

int hny__lock_take(const char *path, hny__lock_kind kind, int *fd) {
    pthread_once(&lock_forks_once, watch_forks_of_locks);
    pthread_mutex_lock(&held_locks.mutex);
    int rc = held_locks.count < MOST_LOCKS ? lock_data_file(path, false, kind, fd) : HNY_BUSY;
    if (!rc) {
        held_locks.fds[held_locks.count++] = *fd;
    }
    pthread_mutex_unlock(&held_locks.mutex);
    return rc;
}

/*
** Closing is not enough: a child that was forked meanwhile has the descriptor, too, and would keep
** the lock until it ends.
*/
void hny__lock_release(int fd) {
    struct flock lock = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
    if (fd >= 0) {
        pthread_mutex_lock(&held_locks.mutex);
        forget_held_lock(fd);
        (void)fcntl(fd, F_OFD_SETLK, &lock);
        close(fd);
        pthread_mutex_unlock(&held_locks.mutex);
    }
}

/* ----------------------------------------------------------------------------- the lock file -- */

/* LMDB 0.9 on a 64-bit machine: a header of 128 bytes that includes the first reader. */
#define LMDB_BYTES (128 + 64 * (HNY__MAX_READERS - 1))

/* Smaller than a reader's 64 bytes: LMDB derives the number of readers from the file's size. */
typedef struct lock_owner {
    char mark[8];
    uint64_t inode; /* of the data file */
} lock_owner;

static const char lock_mark[8] = "hannoy1";

char *hny__lockfile_name(const char *path) {
    const size_t size = strlen(path);
    char *const out = malloc(size + sizeof "-lock");
    if (out) {
        memcpy(out, path, size);
        memcpy(out + size, "-lock", sizeof "-lock");
    }
    return out;
}

/*
** Does the lock file belong to this inode?  Not for a file that this process has open: closing a
** second descriptor drops the locks of the first.  HNY_OK, HNY_MISSING if it does not or there is
** none, or what is in its place.
*/
static int check_owner(const char *lock, ino_t inode) {
    lock_owner found;
    int fd;
    const int rc = hny__place_open(lock, O_RDONLY, &fd);
    if (rc) {
        return rc == HNY_IO ? HNY_MISSING : rc;
    }
    const ssize_t got = pread(fd, &found, sizeof found, LMDB_BYTES);
    close(fd);
    const bool ours = got == (ssize_t)sizeof found &&
                      memcmp(found.mark, lock_mark, sizeof lock_mark) == 0 && found.inode == inode;
    return ours ? HNY_OK : HNY_MISSING;
}

/* Allocates all bytes: LMDB maps the file, and with a sparse one a full disk would be a SIGBUS. */
static int fill_lock_file(int fd, ino_t inode) {
    lock_owner made = {.inode = inode};
    memcpy(made.mark, lock_mark, sizeof lock_mark);
    if (hny__errno_status(posix_fallocate(fd, 0, LMDB_BYTES)) == HNY_FULL) {
        return HNY_FULL;
    }
    const ssize_t put = pwrite(fd, &made, sizeof made, LMDB_BYTES);
    if (put < 0) {
        return hny__errno_status(errno);
    }
    return put == (ssize_t)sizeof made ? HNY_OK : HNY_IO;
}

static int create_lock_file(const char *lock, ino_t inode, const char *model) {
    if (unlink(lock) && errno != ENOENT) {
        return HNY_IO;
    }
    int fd, rc = hny__place_create(lock, &fd);
    if (rc) {
        return rc;
    }
    rc = fill_lock_file(fd, inode);
    hny__place_own(fd, model);
    close(fd);
    if (rc) {
        unlink(lock);
    }
    return rc;
}

static int create_under_lock(const char *lock, const char *path, ino_t inode, bool held,
                             const char *model) {
    int fd;
    int rc = lock_data_file(path, access(path, W_OK) != 0, HNY__LOCK_BUILDER, &fd);
    if (rc) {
        return rc;
    }
    /* Another process may have created it in the meantime. */
    rc = held ? HNY_MISSING : check_owner(lock, inode);
    if (rc == HNY_MISSING) {
        rc = create_lock_file(lock, inode, model);
    }
    hny__lock_release(fd);
    return rc;
}

/*
** When many processes start together, one creates the file in a tenth of a millisecond; the others
** retry until then.
*/
#define MAX_TRIES 4

int hny__lockfile_ready(const char *lock, const char *path, ino_t inode, bool held,
                        const char *model) {
    const struct timespec millisecond = {0, 1000000};
    int rc = HNY_BUSY;
    for (int i = 0; rc == HNY_BUSY && i < MAX_TRIES; i++) {
        if (i > 0) {
            nanosleep(&millisecond, NULL);
        }
        rc = held ? HNY_MISSING : check_owner(lock, inode);
        if (rc == HNY_MISSING) {
            rc = create_under_lock(lock, path, inode, held, model);
        }
    }
    return rc;
}
