#define _GNU_SOURCE /* O_PATH */
#include "sidecar/env.h"

#include "base/temporary.h"
#include "sidecar/format.h"
#include "sidecar/lmdb_check.h"
#include "sidecar/lmdb_guard.h"
#include "sidecar/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static struct {
    pthread_mutex_t lock;
    hny__env *first;
    uint64_t serial;
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER};

int hny__env_status(int rc) {
    switch (rc) {
    case 0:
        return HNY_OK;
    case MDB_NOTFOUND:
        return HNY_MISSING;
    case ENOMEM:
        return HNY_NOMEM;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return HNY_FULL;
    case MDB_READERS_FULL:
        return HNY_READERS;
    case MDB_VERSION_MISMATCH:
        return HNY_VERSION;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_PANIC:
    case MDB_CURSOR_FULL:
    case MDB_INCOMPATIBLE:
    case MDB_BAD_TXN:
    case HNY__ASSERTED:
        return HNY_CORRUPT;
    default:
        return HNY_IO;
    }
}

/* ----------------------------------------------------------------------- looking at the file -- */

static int inspect_path(const char *path, const struct stat *st) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? HNY_MISSING : HNY_IO;
    const int rc = hny__lmdb_check(fd, (uint64_t)st->st_size);
    close(fd);
    return rc;
}

/* Before the first transaction: is the database in it a sidecar of this format? */
static int inspect_record(hny__env *env) {
    hny__key at = hny__key_make(0, HNY__KIND_FILE, 0);
    MDB_val key = {at.size, at.bytes}, value;
    hny__file_record record;
    MDB_txn *txn;
    MDB_stat stat;
    int rc = mdb_txn_begin(env->mdb, NULL, MDB_RDONLY, &txn);
    if (rc) return hny__env_status(rc);
    rc = mdb_dbi_open(txn, NULL, 0, &env->dbi);
    if (!rc) rc = mdb_stat(txn, env->dbi, &stat);
    if (!rc && stat.ms_entries > 0) {
        rc = HNY__GUARDED(mdb_get(txn, env->dbi, &key, &value));
        rc = rc ? HNY_CORRUPT : hny__file_record_read(value.mv_data, value.mv_size, &record);
    } else {
        rc = hny__env_status(rc);
    }
    mdb_txn_abort(txn);
    return rc;
}

/* --------------------------------------------------------------------------- opening, closing -- */

/* Address space is all that a large map costs, but phones and sandboxes ration that too. */
static const size_t map_sizes[] = {(size_t)1 << 40, (size_t)1 << 36, (size_t)1 << 33,
                                   (size_t)1 << 31};

static int open_mdb(hny__env *env, const char *path, mode_t mode) {
    const unsigned flags =
        MDB_NOSUBDIR | MDB_NOTLS | MDB_NORDAHEAD | (env->readonly ? MDB_RDONLY : 0u);
    int rc = ENOMEM;
    for (size_t i = 0; i < sizeof map_sizes / sizeof *map_sizes && rc == ENOMEM; i++) {
        rc = mdb_env_create(&env->mdb);
        if (rc) break;
        rc = mdb_env_set_mapsize(env->mdb, map_sizes[i]);
        if (!rc) rc = mdb_env_set_maxreaders(env->mdb, HNY__MAX_READERS);
        if (!rc) rc = hny__lmdb_guard_watch(env->mdb);
        if (!rc) rc = mdb_env_open(env->mdb, path, flags, mode);
        if (rc) {
            mdb_env_close(env->mdb);
            env->mdb = NULL;
        }
    }
    return hny__env_status(rc);
}

/*
** O_PATH, which Linux has: to close a descriptor that was opened for more would drop the locks that LMDB
** has on the file.
*/
static int look_at(const char *path) {
#ifdef O_PATH
    return open(path, O_PATH | O_CLOEXEC);
#else
    (void)path;
    return -1;
#endif
}

/* What LMDB opened must be what was made ready for it; else somebody is putting files in its place. */
static int remember_data(hny__env *env, ino_t inode) {
    struct stat st;
    if (mdb_env_get_fd(env->mdb, &env->fd) || fstat(env->fd, &st)) return HNY_IO;
    env->dev = st.st_dev;
    env->ino = st.st_ino;
    atomic_store(&env->least_size, (unsigned long long)st.st_size);
    return st.st_ino == inode ? HNY_OK : HNY_BUSY;
}

static int lock_file_is(const hny__env *env, const struct stat *st) {
    return st->st_dev == env->lock_dev && st->st_ino == env->lock_ino;
}

static int lock_file_same(const hny__env *env) {
    struct stat st;
    return env->unlocked || (stat(env->lock, &st) == 0 && lock_file_is(env, &st));
}

/* Before LMDB opens it, which does not tell what it opened: one path that is twice the same never changed. */
static int remember_lock(hny__env *env) {
    struct stat st;
    if (env->unlocked) return HNY_OK;
    env->lock_fd = look_at(env->lock);
    if (env->lock_fd >= 0 ? fstat(env->lock_fd, &st) : stat(env->lock, &st)) return HNY_BUSY;
    env->lock_dev = st.st_dev;
    env->lock_ino = st.st_ino;
    return HNY_OK;
}

static void env_free(hny__env *env) {
    if (env->mdb) mdb_env_close(env->mdb);
    if (env->lock_fd >= 0) close(env->lock_fd);
    free(env->lock);
    pthread_rwlock_destroy(&env->map_lock);
    pthread_mutex_destroy(&env->progress_lock);
    free(env);
}

static hny__env *env_alloc(void) {
    hny__env *const env = calloc(1, sizeof *env);
    if (!env) return NULL;
    pthread_rwlock_init(&env->map_lock, NULL);
    pthread_mutex_init(&env->progress_lock, NULL);
    env->refs = 1;
    env->lock_fd = -1;
    env->pid = getpid();
    env->serial = ++registry.serial;
    return env;
}

/* Does an environment of this process hold this lock file? */
static int lock_held(const char *lock) {
    struct stat st;
    if (stat(lock, &st)) return 0;
    for (const hny__env *env = registry.first; env; env = env->next) {
        if (!hny__env_inherited(env) && lock_file_is(env, &st)) return 1;
    }
    return 0;
}

/* Where nothing can be written LMDB opens no lock file: it may be written from elsewhere. */
static int on_readonly_system(const char *path) {
    struct statvfs st;
    return statvfs(path, &st) == 0 && (st.f_flag & ST_RDONLY);
}

/* The data file, which is there; the lock file is made ready before. */
static int open_both(hny__env *env, const char *path, ino_t inode) {
    int rc = remember_lock(env);
    if (!rc) rc = open_mdb(env, path, 0644);
    if (!rc) rc = remember_data(env, inode);
    if (!rc && !lock_file_same(env)) rc = HNY_BUSY;
    return rc;
}

static int open_file(const char *path, const char *model, ino_t inode, int fresh, hny__env **out) {
    hny__env *const env = env_alloc();
    if (!env) return HNY_NOMEM;
    env->readonly = !fresh && access(path, W_OK) != 0;
    env->unlocked = env->readonly && on_readonly_system(path);
    env->lock = hny__lockfile_name(path);
    int rc = env->lock ? HNY_OK : HNY_NOMEM;
    if (!rc && !env->unlocked) {
        rc = hny__lockfile_ready(env->lock, path, inode, lock_held(env->lock), model);
    }
    if (!rc) rc = open_both(env, path, inode);
    if (!rc && fresh) hny__copy_owner(env->fd, model);
    if (!rc) rc = inspect_record(env);
    if (rc) env_free(env);
    if (!rc) *out = env;
    return rc;
}

static int make_file(const char *path, struct stat *st) {
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return hny__env_status(errno);
    const int failed = fstat(fd, st);
    close(fd);
    return failed ? HNY_IO : HNY_OK;
}

/* Unlinked as soon as LMDB holds it, so that not even a kill leaves anything behind. */
static int open_private(hny__env **out) {
    struct stat st;
    char *path;
    const int fd = hny__temporary_file(NULL, &path);
    if (fd < 0) return fd;
    const int failed = fstat(fd, &st);
    close(fd);
    char *const lock = hny__lockfile_name(path);
    int rc = lock ? HNY_OK : HNY_NOMEM;
    if (!rc) rc = failed ? HNY_IO : open_file(path, NULL, st.st_ino, 1, out);
    unlink(path);
    if (lock) unlink(lock);
    if (!rc) (*out)->anonymous = 1;
    free(lock);
    free(path);
    return rc;
}

int hny__env_inherited(const hny__env *env) {
    return env->pid != getpid();
}

static int same_file(const hny__env *env, const struct stat *st) {
    return !hny__env_inherited(env) && env->dev == st->st_dev && env->ino == st->st_ino;
}

static int long_enough(const hny__env *env, const struct stat *st) {
    return (unsigned long long)st->st_size >= atomic_load(&env->least_size);
}

static hny__env *registered(const struct stat *st) {
    for (hny__env *env = registry.first; env; env = env->next) {
        if (!env->anonymous && same_file(env, st) && lock_file_same(env)) return env;
    }
    return NULL;
}

static int open_registered(const char *path, const char *model, int create, hny__env **out) {
    struct stat st;
    const int missing = stat(path, &st) != 0;
    if (missing && errno != ENOENT) return HNY_IO;
    if (!missing && !S_ISREG(st.st_mode)) return HNY_CORRUPT;
    const int fresh = missing || st.st_size == 0;
    if (fresh && !create) return HNY_MISSING;
    if (!fresh) {
        hny__env *const env = registered(&st);
        if (env) {
            /* Broken, or truncated under those who have it: to open it again would be no better. */
            if (atomic_load(&env->broken) || !long_enough(env, &st)) return HNY_CORRUPT;
            env->refs++;
            *out = env;
            return HNY_OK;
        }
        const int rc = inspect_path(path, &st);
        if (rc) return rc;
    }
    const int rc = missing ? make_file(path, &st) : HNY_OK;
    return rc ? rc : open_file(path, model, st.st_ino, fresh, out);
}

int hny__env_open(const char *path, const char *model, int create, hny__env **out) {
    pthread_mutex_lock(&registry.lock);
    int rc = path ? open_registered(path, model, create, out) : open_private(out);
    if (!rc && (*out)->refs == 1) {
        (*out)->next = registry.first;
        registry.first = *out;
    }
    pthread_mutex_unlock(&registry.lock);
    return rc;
}

hny__env *hny__env_ref(hny__env *env) {
    pthread_mutex_lock(&registry.lock);
    env->refs++;
    pthread_mutex_unlock(&registry.lock);
    return env;
}

void hny__env_unref(hny__env *env) {
    if (!env || hny__env_inherited(env)) return;
    pthread_mutex_lock(&registry.lock);
    if (--env->refs == 0) {
        hny__env **at = &registry.first;
        while (*at != env) at = &(*at)->next;
        *at = env->next;
        env_free(env);
    }
    pthread_mutex_unlock(&registry.lock);
}

int hny__env_current(hny__env *env, const char *path) {
    struct stat st;
    if (hny__env_inherited(env)) return HNY_MISSING;
    if (atomic_load(&env->broken)) return HNY_CORRUPT;
    if (env->anonymous) return HNY_OK;
    if (stat(path, &st) || !same_file(env, &st) || !lock_file_same(env)) return HNY_MISSING;
    return long_enough(env, &st) ? HNY_OK : HNY_CORRUPT;
}

/* Has a lock file that was opened a name still? */
static int lock_file_named(const hny__env *env) {
    struct stat st;
    if (env->lock_fd < 0) return lock_file_same(env);
    return fstat(env->lock_fd, &st) == 0 && st.st_nlink > 0;
}

int hny__env_usable(hny__env *env) {
    struct stat st;
    if (hny__env_inherited(env)) return HNY_MISSING;
    if (atomic_load(&env->broken)) return HNY_CORRUPT;
    if (env->anonymous) return HNY_OK;
    if (fstat(env->fd, &st) || st.st_nlink == 0 || !lock_file_named(env)) return HNY_MISSING;
    return long_enough(env, &st) ? HNY_OK : HNY_CORRUPT;
}

/*
** Transaction n takes pages that n - 2 and those before it let go, unless a reader it knows of has them:
** what n - 2 committed is whole while n is at work.  So with no more than one behind ours nothing of ours
** was written over, by whomever.
*/
int hny__env_intact(hny__env *env, size_t txn_id) {
    MDB_envinfo info;
    if (env->anonymous) return 1;
    mdb_env_info(env->mdb, &info);
    if (info.me_last_txnid <= txn_id + 1) return 1;
    return !env->unlocked && lock_file_named(env);
}

/* ------------------------------------------------------------------------------- setting aside -- */

/* A folder, say, that stands in the sidecar's place: gone if it is empty, else left alone. */
static int discard_other(const char *path) {
    return rmdir(path) ? HNY_IO : HNY_OK;
}

int hny__env_discard(const char *path) {
    struct stat st;
    int fd;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) return discard_other(path);
    int rc = hny__lock_take(path, &fd);
    if (rc) return rc == HNY_MISSING ? HNY_OK : rc;
    char *const lock = hny__lockfile_name(path);
    if (!lock) {
        rc = HNY_NOMEM;
    } else if ((unlink(lock) && errno != ENOENT) || unlink(path)) {
        rc = HNY_IO;
    }
    free(lock);
    hny__lock_release(fd);
    return rc;
}

/* -------------------------------------------------------------------------------- transactions -- */

static void break_if_panicked(hny__env *env, int rc) {
    if (rc == MDB_PANIC) atomic_store(&env->broken, 1);
}

/*
** After an assertion in a write transaction, which keeps LMDB's lock: the environment is never closed,
** since that would unmap a locked mutex which the thread's list of those leads to.  The file is replaced
** by the next build, and its lock file with it, so nobody waits for that lock.
*/
static void abandon(hny__env *env) {
    atomic_store(&env->broken, 1);
    hny__env_ref(env);
}

/* Never smaller, whichever thread comes last. */
static void raise_least_size(hny__env *env, unsigned long long size) {
    unsigned long long seen = atomic_load(&env->least_size);
    while (seen < size && !atomic_compare_exchange_weak(&env->least_size, &seen, size)) {
    }
}

static unsigned long long used_bytes(hny__env *env, MDB_stat *stat) {
    MDB_envinfo info;
    mdb_env_info(env->mdb, &info);
    mdb_env_stat(env->mdb, stat);
    return ((unsigned long long)info.me_last_pgno + 1) * stat->ms_psize;
}

/* The file must be as long as its meta page says, or a touch behind its end kills the process. */
static int check_length(hny__env *env) {
    MDB_stat stat;
    struct stat st;
    const unsigned long long used = used_bytes(env, &stat);
    if (used <= atomic_load(&env->least_size)) return HNY_OK;
    if (fstat(env->fd, &st)) return HNY_IO;
    if ((unsigned long long)st.st_size < used) return HNY_CORRUPT;
    raise_least_size(env, used);
    return HNY_OK;
}

static int grow(hny__env *env, size_t size) {
    pthread_rwlock_wrlock(&env->map_lock);
    const int rc = mdb_env_set_mapsize(env->mdb, size);
    atomic_fetch_add(&env->moves, 1);
    pthread_rwlock_unlock(&env->map_lock);
    return hny__env_status(rc);
}

static int begin_read(hny__env *env, MDB_txn **txn) {
    if (*txn) return mdb_txn_renew(*txn);
    return mdb_txn_begin(env->mdb, NULL, MDB_RDONLY, txn);
}

int hny__env_begin_read(hny__env *env, MDB_txn **txn) {
    pthread_rwlock_rdlock(&env->map_lock);
    int rc = begin_read(env, txn);
    if (rc == MDB_MAP_RESIZED) {
        pthread_rwlock_unlock(&env->map_lock);
        if (grow(env, 0)) return HNY_IO;
        pthread_rwlock_rdlock(&env->map_lock);
        rc = begin_read(env, txn);
    }
    break_if_panicked(env, rc);
    int status = hny__env_status(rc);
    if (!status) {
        status = check_length(env);
        if (!status) return HNY_OK;
        mdb_txn_reset(*txn);
    }
    pthread_rwlock_unlock(&env->map_lock);
    return status;
}

void hny__env_end_read(hny__env *env, MDB_txn *txn) {
    mdb_txn_reset(txn);
    pthread_rwlock_unlock(&env->map_lock);
}

/*
** LMDB leaves pages at the end of the file unwritten when a transaction both took and freed them.
** The file is made as long as its meta page says, so that a shorter one is always a damaged one.
*/
static void fill_length(hny__env *env) {
    MDB_stat stat;
    struct stat st;
    const unsigned long long used = used_bytes(env, &stat);
    if (fstat(env->fd, &st)) return;
    if ((unsigned long long)st.st_size < used && ftruncate(env->fd, (off_t)used)) return;
    raise_least_size(env, used);
}

static int write_once(hny__env *env, hny__write_body body, void *arg) {
    MDB_txn *txn;
    int rc = mdb_txn_begin(env->mdb, NULL, 0, &txn);
    if (rc) return rc;
    rc = body(arg, txn, env->dbi);
    if (rc == HNY__ASSERTED) {
        abandon(env);
    } else if (rc) {
        mdb_txn_abort(txn);
    } else {
        rc = HNY__GUARDED(mdb_txn_commit(txn));
        if (rc == HNY__ASSERTED) abandon(env);
    }
    return rc;
}

int hny__env_write(hny__env *env, hny__write_body body, void *arg) {
    if (env->readonly) return HNY_IO;
    int rc;
    for (;;) {
        MDB_envinfo info;
        rc = write_once(env, body, arg);
        mdb_env_info(env->mdb, &info);
        if (rc == MDB_MAP_RESIZED) {
            rc = grow(env, 0);
        } else if (rc == MDB_MAP_FULL) {
            rc = grow(env, info.me_mapsize + info.me_mapsize / 2);
        } else {
            break;
        }
        if (rc) return rc;
    }
    break_if_panicked(env, rc);
    if (rc == HNY_CORRUPT) atomic_store(&env->damaged, 1);
    if (!rc) fill_length(env);
    /* Bodies return hny_status codes beside LMDB's; the two ranges are far apart. */
    return rc < 0 && rc > -1000 ? rc : hny__env_status(rc);
}

/* ------------------------------------------------------------------------------------ progress -- */

void hny__env_progress(hny__env *env, uint32_t table, const char *phase, uint64_t done,
                       uint64_t total) {
    pthread_mutex_lock(&env->progress_lock);
    env->progress = (hny_progress){table, phase, done, total};
    pthread_mutex_unlock(&env->progress_lock);
}
