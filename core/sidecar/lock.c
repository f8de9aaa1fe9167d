/* The builder's lock, and the lock file that belongs to a data file. */
#include "sidecar/lock.h"

#include <stdlib.h>
#include <string.h>

#include "base/os_thread.h"
#include "base/place.h"
#include "hannoy.h"

/* ------------------------------------------------------------------------ the builder's lock -- */

/* A shared lock, for files that this user cannot write, excludes builds as well. */
static int lock_data_file(const char *path, bool shared, hny__lock_kind kind, hny__os_file *file) {
    hny__os_info opened_file, current;
    hny__os_file opened;
    *file = HNY__OS_NO_FILE;
    int rc = hny__place_open(path, !shared, &opened);
    if (rc) {
        return rc;
    }
    rc = hny__os_file_lock(opened, kind, shared);
    if (!rc && (hny__os_file_info(opened, &opened_file) || hny__place_look(path, &current) ||
                !hny__os_is_same_file(&opened_file, &current))) {
        rc = HNY_BUSY; /* replaced between open and lock by another build */
    }
    if (rc) {
        hny__os_file_close(opened);
        return rc;
    }
    *file = opened;
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
    hny__os_file files[MOST_LOCKS];
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
        hny__os_file_close(held_locks.files[i]);
    }
    held_locks.count = 0;
    pthread_mutex_unlock(&held_locks.mutex);
}

static void watch_forks_of_locks(void) {
    hny__os_watch_forks(lock_held_locks, unlock_held_locks, close_inherited_locks);
}

static pthread_once_t lock_forks_once = PTHREAD_ONCE_INIT;

void hny__lock_watch_forks(void) {
    pthread_once(&lock_forks_once, watch_forks_of_locks);
}

static void forget_held_lock(hny__os_file file) {
    for (unsigned i = 0; i < held_locks.count; i++) {
        if (held_locks.files[i] == file) {
            held_locks.files[i] = held_locks.files[--held_locks.count];
            break;
        }
    }
}

int hny__lock_take(const char *path, hny__lock_kind kind, hny__os_file *file) {
    hny__lock_watch_forks();
    pthread_mutex_lock(&held_locks.mutex);
    int rc = held_locks.count < MOST_LOCKS ? lock_data_file(path, false, kind, file) : HNY_BUSY;
    if (!rc) {
        held_locks.files[held_locks.count++] = *file;
    }
    pthread_mutex_unlock(&held_locks.mutex);
    return rc;
}

/*
** Closing is not enough: a child that was forked meanwhile has the descriptor, too, and would keep
** the lock until it ends.
*/
void hny__lock_release(hny__os_file file) {
    if (file != HNY__OS_NO_FILE) {
        pthread_mutex_lock(&held_locks.mutex);
        forget_held_lock(file);
        hny__os_file_unlock(file);
        hny__os_file_close(file);
        pthread_mutex_unlock(&held_locks.mutex);
    }
}

/*
** A descriptor that holds the lock sees none of another; one that holds the other kind of lock sees
** it.
*/
static bool is_lock_ours(const hny__os_info *file, hny__lock_kind kind) {
    for (unsigned i = 0; i < held_locks.count; i++) {
        hny__os_info info;
        if (!hny__os_file_info(held_locks.files[i], &info) && hny__os_is_same_file(&info, file) &&
            !hny__os_file_is_locked(held_locks.files[i], kind)) {
            return true;
        }
    }
    return false;
}

bool hny__lock_is_elsewhere(const char *path, hny__lock_kind kind) {
    hny__os_file file;
    hny__os_info info;
    if (hny__place_open(path, false, &file)) {
        return false;
    }
    hny__lock_watch_forks();
    pthread_mutex_lock(&held_locks.mutex);
    const bool elsewhere = hny__os_file_is_locked(file, kind) && !hny__os_file_info(file, &info) &&
                           !is_lock_ours(&info, kind);
    pthread_mutex_unlock(&held_locks.mutex);
    hny__os_file_close(file);
    return elsewhere;
}

/* ----------------------------------------------------------------------------- the lock file -- */

/*
** LMDB 0.9: a header in two parts and the readers, in lines of 64 bytes.  The first part has mark,
** format, last transaction, number of readers and a mutex, of 40 bytes on x86-64 and 48 on AArch64
** (glibc); the second one has a mutex.  Where LMDB has the names of semaphores instead, this may be
** a line too many, of which it makes one more reader.
*/
#define LMDB_LINE       64
#define LMDB_HEAD_LINES ((24 + sizeof(pthread_mutex_t) + LMDB_LINE - 1) / LMDB_LINE + 1)
#define LMDB_BYTES      ((int64_t)(LMDB_LINE * (LMDB_HEAD_LINES + HNY__MAX_READERS)))

/* Smaller than a reader's 64 bytes: LMDB derives the number of readers from the file's size. */
typedef struct lock_owner {
    char mark[8];
    uint64_t inode; /* of the data file, or the number that Windows gives it */
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
static int check_owner(const char *lock, uint64_t inode) {
    lock_owner found;
    hny__os_file file;
    const int rc = hny__place_open(lock, false, &file);
    if (rc) {
        return rc == HNY_IO ? HNY_MISSING : rc;
    }
    const int64_t got = hny__os_file_read(file, &found, sizeof found, LMDB_BYTES);
    hny__os_file_close(file);
    const bool ours = got == (int64_t)sizeof found &&
                      memcmp(found.mark, lock_mark, sizeof lock_mark) == 0 && found.inode == inode;
    return ours ? HNY_OK : HNY_MISSING;
}

/* Allocates all bytes: LMDB maps the file, and with a sparse one a full disk would be a SIGBUS. */
static int fill_lock_file(hny__os_file file, uint64_t inode) {
    lock_owner made = {.inode = inode};
    memcpy(made.mark, lock_mark, sizeof lock_mark);
    if (hny__os_file_allocate(file, LMDB_BYTES) == HNY_FULL) {
        return HNY_FULL;
    }
    return hny__os_file_write(file, &made, sizeof made, LMDB_BYTES);
}

static int create_lock_file(const char *lock, uint64_t inode, const char *model) {
    hny__os_file file;
    if (hny__os_remove(lock) == HNY_IO) {
        return HNY_IO;
    }
    int rc = hny__place_create(lock, &file);
    if (rc) {
        return rc;
    }
    rc = fill_lock_file(file, inode);
    hny__place_own(file, model);
    hny__os_file_close(file);
    if (rc) {
        (void)hny__os_remove(lock);
    }
    return rc;
}

static int create_under_lock(const char *lock, const char *path, uint64_t inode, bool held,
                             const char *model) {
    hny__os_file file;
    int rc = lock_data_file(path, !hny__os_is_writable(path), HNY__LOCK_BUILDER, &file);
    if (rc) {
        return rc;
    }
    /* Another process may have created it in the meantime. */
    rc = held ? HNY_MISSING : check_owner(lock, inode);
    if (rc == HNY_MISSING) {
        rc = create_lock_file(lock, inode, model);
    }
    hny__lock_release(file);
    return rc;
}

/*
** When many processes start together, one creates the file in a tenth of a millisecond; the others
** retry until then.
*/
#define MAX_TRIES 4

int hny__lockfile_ready(const char *lock, const char *path, uint64_t inode, bool held,
                        const char *model) {
    int rc = HNY_BUSY;
    for (int i = 0; rc == HNY_BUSY && i < MAX_TRIES; i++) {
        if (i > 0) {
            hny__os_sleep(1);
        }
        rc = held ? HNY_MISSING : check_owner(lock, inode);
        if (rc == HNY_MISSING) {
            rc = create_under_lock(lock, path, inode, held, model);
        }
    }
    return rc;
}
