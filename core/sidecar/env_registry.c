/* The registry of open environments: opening, sharing, checking and closing sidecar files. */
#include "base/disk.h"
#include "base/os_map.h"
#include "base/os_thread.h"
#include "base/place.h"
#include "base/status.h"
#include "sidecar/env_state.h"
#include "sidecar/lmdb_check.h"
#include "sidecar/lmdb_guard.h"
#include "sidecar/lmdb_status.h"
#include "sidecar/lock.h"
#include "sidecar/records.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct {
    pthread_mutex_t lock;
    hny__env *first;
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER};

/*
** A fork waits until no thread uses the registry: the child would have the mutex locked for good,
** and the list as it was in the midst of a change.
*/
static void lock_registry(void) {
    pthread_mutex_lock(&registry.lock);
}

static void unlock_registry(void) {
    pthread_mutex_unlock(&registry.lock);
}

static void watch_forks(void) {
    hny__lock_watch_forks();
    hny__os_watch_forks(lock_registry, unlock_registry, unlock_registry);
}

static pthread_once_t forks_once = PTHREAD_ONCE_INIT;

/* ---------------------------------------------------------------------------------- checking -- */

static int check_data_file(const char *path, uint64_t *used) {
    hny__os_file file;
    int rc = hny__place_open(path, false, &file);
    if (rc) {
        return rc;
    }
    rc = hny__lmdb_check_metas(file, used);
    hny__os_file_close(file);
    return rc;
}

/* HNY_OK if the file is empty or a sidecar of this format. */
static int check_file_record(hny__env *env) {
    hny__txn *txn = NULL;
    hny__file_record record;
    int rc = hny__env_begin_read(env, &txn);
    if (!rc) {
        const bool empty = txn->pages.meta.main.entries == 0;
        rc = empty ? HNY_OK : hny__get_file_record(txn, &record);
        hny__env_end_read(txn);
    }
    hny__txn_free(txn);
    return rc == HNY_MISSING ? HNY_CORRUPT : rc;
}

/* Maps the file, of which LMDB has written the meta pages. */
static int map_env(hny__env *env) {
    MDB_stat stat;
    mdb_env_stat(env->mdb, &stat);
    env->page_size = stat.ms_psize;
    return hny__env_map(env, 2 * (uint64_t)env->page_size);
}

/* -------------------------------------------------------------------------- opening, closing -- */

#define LEAST_SPARE ((size_t)1 << 20)

size_t hny__env_spare(void) {
    const size_t most = (size_t)1 << 30, room = hny__os_map_room();
    const size_t share = room ? room & ~(LEAST_SPARE - 1) : most;
    return share < LEAST_SPARE ? LEAST_SPARE : share < most ? share : most;
}

/*
** The data file has `used` of its `bytes` in use.  On Windows LMDB makes it as long as its map, so
** that most files have some to spare already and need not grow.
*/
static int open_mdb(hny__env *env, const char *path, uint64_t used, uint64_t bytes) {
    const unsigned flags =
        MDB_NOSUBDIR | MDB_NOTLS | MDB_NORDAHEAD | (env->readonly ? MDB_RDONLY | MDB_NOLOCK : 0u);
    int rc = ENOMEM;
    for (size_t spare = hny__env_spare(); hny__os_status(rc) == HNY_NOMEM; spare /= 8) {
        if (spare < LEAST_SPARE) {
            spare = LEAST_SPARE;
        }
        rc = mdb_env_create(&env->mdb);
        if (rc) {
            break;
        }
        rc = mdb_env_set_mapsize(env->mdb, used + spare / 2 > bytes ? used + spare : bytes);
        if (!rc) {
            rc = mdb_env_set_maxreaders(env->mdb, HNY__MAX_READERS);
        }
        if (!rc) {
            rc = hny__lmdb_guard_watch(env->mdb);
        }
        if (!rc) {
            rc = mdb_env_open(env->mdb, path, flags, 0644);
        }
        if (rc) {
            mdb_env_close(env->mdb);
            env->mdb = NULL;
        }
        if (hny__os_status(rc) == HNY_NOMEM && spare == LEAST_SPARE) {
            return HNY_IO; /* queries do without the sidecar */
        }
    }
    return rc == EIO && hny__disk_is_full(path) ? HNY_FULL : hny__lmdb_status(rc);
}

/* LMDB must have opened the file that was prepared; else another process is replacing it. */
static int record_data_file(hny__env *env, uint64_t inode) {
    mdb_filehandle_t file;
    if (mdb_env_get_fd(env->mdb, &file)) {
        return HNY_IO;
    }
    env->file = (hny__os_file)file;
    if (hny__os_file_info(env->file, &env->data_info)) {
        return HNY_IO;
    }
    atomic_store(&env->min_size, env->data_info.bytes);
    return env->data_info.number == inode ? HNY_OK : HNY_BUSY;
}

static bool is_lock_file(const hny__env *env, const hny__os_info *info) {
    return hny__os_is_same_file(info, &env->lock_info);
}

static bool is_lock_file_current(const hny__env *env) {
    hny__os_info info;
    return env->readonly || (!hny__place_look(env->lock, &info) && is_lock_file(env, &info));
}

/*
** Records the lock file before LMDB opens it by its path.  LMDB does not tell which file it
** opened: if the path leads to the same file afterwards, it is that one.
*/
static int record_lock_file(hny__env *env) {
    if (env->readonly) {
        return HNY_OK;
    }
    const int rc = hny__place_hold(env->lock, &env->lock_file, &env->lock_info);
    return rc == HNY_MISSING ? HNY_BUSY : rc;
}

static void env_free(hny__env *env) {
    hny__env_unmap(env);
    if (env->mdb) {
        mdb_env_close(env->mdb);
    }
    if (env->lock_file != HNY__OS_NO_FILE) {
        hny__os_file_close(env->lock_file);
    }
    if (env->private_path) {
        (void)hny__os_remove(env->private_path);
        (void)hny__os_remove(env->lock);
    }
    if (env->erased) {
        roaring_bitmap_free(env->erased);
    }
    free(env->private_path);
    free(env->lock);
    pthread_rwlock_destroy(&env->map_lock);
    pthread_mutex_destroy(&env->mapping_lock);
    pthread_mutex_destroy(&env->progress_lock);
    free(env);
}

static hny__env *env_alloc(void) {
    hny__env *const env = calloc(1, sizeof *env);
    if (!env) {
        return NULL;
    }
    pthread_rwlock_init(&env->map_lock, NULL);
    pthread_mutex_init(&env->mapping_lock, NULL);
    pthread_mutex_init(&env->progress_lock, NULL);
    env->refs = 1;
    env->lock_file = HNY__OS_NO_FILE;
    env->process = hny__os_process();
    return env;
}

/* Has an environment of this process this lock file open? */
static bool is_lock_file_open(const char *lock) {
    hny__os_info info;
    if (hny__place_look(lock, &info)) {
        return false;
    }
    for (const hny__env *env = registry.first; env; env = env->next) {
        if (!hny__env_inherited(env) && is_lock_file(env, &info)) {
            return true;
        }
    }
    return false;
}

/* LMDB follows links; in a folder where others may make them it gets a path of our own. */
static int open_mdb_safely(hny__env *env, const char *path, uint64_t used, uint64_t bytes,
                           hny__os_file data) {
    char *linked = NULL;
    if (env->anonymous || hny__place_is_ours(path) ||
        hny__place_link(data, env->lock_file, &linked)) {
        return open_mdb(env, path, used, bytes);
    }
    const int rc = open_mdb(env, linked, used, bytes);
    hny__place_unlink(linked);
    /* Without /proc, or where links are forbidden, the paths remain: both were looked at. */
    return rc == HNY_IO ? open_mdb(env, path, used, bytes) : rc;
}

/* Opens the data file, of which `used` bytes are in use, and its lock file; both exist. */
static int open_files(hny__env *env, const char *path, uint64_t inode, uint64_t used) {
    hny__os_file data;
    hny__os_info info;
    int rc = hny__place_hold(path, &data, &info);
    if (rc) {
        return rc == HNY_MISSING ? HNY_BUSY : rc;
    }
    rc = info.number == inode ? record_lock_file(env) : HNY_BUSY;
    if (!rc) {
        rc = open_mdb_safely(env, path, used, info.bytes, data);
    }
    if (!rc) {
        rc = record_data_file(env, inode);
    }
    if (!rc && !is_lock_file_current(env)) {
        rc = HNY_BUSY;
    }
    if (data != HNY__OS_NO_FILE) {
        hny__os_file_close(data);
    }
    return rc;
}

/*
** A user who may not write the file, or has it on a read-only file system, reads it without the
** lock file, which LMDB would want to write.  Builds may then overwrite what is being read;
** hny__txn_intact notices.
*/
static int open_env(const char *path, const char *model, const hny__os_info *info, uint64_t used,
                    bool anonymous, hny__env **out) {
    hny__env *const env = env_alloc();
    if (!env) {
        return HNY_NOMEM;
    }
    env->anonymous = anonymous;
    env->readonly = used > 0 && !hny__os_is_writable(path);
    env->lock = hny__lockfile_name(path);
    int rc = env->lock ? HNY_OK : HNY_NOMEM;
    if (!rc && !env->readonly) {
        rc =
            hny__lockfile_ready(env->lock, path, info->number, is_lock_file_open(env->lock), model);
    }
    if (!rc) {
        rc = open_files(env, path, info->number, used);
    }
    if (!rc) {
        hny__env_follow(env, model);
        rc = map_env(env);
    }
    if (!rc) {
        rc = check_file_record(env);
    }
    if (rc) {
        env_free(env);
    }
    if (!rc) {
        *out = env;
    }
    return rc;
}

void hny__env_follow(const hny__env *env, const char *model) {
    if (!env->readonly) {
        hny__place_own(env->file, model);
    }
    if (env->lock_file != HNY__OS_NO_FILE) {
        hny__place_own(env->lock_file, model);
    }
}

/* No file is created whose lock file could not be. */
static int check_lock_place(const char *path) {
    hny__os_info info;
    char *const lock = hny__lockfile_name(path);
    if (!lock) {
        return HNY_NOMEM;
    }
    const int rc = hny__place_look(lock, &info);
    free(lock);
    return rc == HNY_MISSING ? HNY_OK : rc;
}

/* Another process may have created it in the meantime. */
static int create_file(const char *path, const char *model, hny__os_info *info) {
    hny__os_file file;
    int rc = hny__place_create(path, &file);
    if (rc == HNY_BUSY) {
        return hny__place_look(path, info);
    }
    if (rc) {
        return rc;
    }
    hny__place_own(file, model);
    rc = hny__os_file_info(file, info);
    hny__os_file_close(file);
    return rc;
}

static int remove_both_files(const char *path) {
    char *const lock = hny__lockfile_name(path);
    int rc = HNY_OK;
    if (!lock) {
        rc = HNY_NOMEM;
    } else if (hny__os_remove(lock) == HNY_IO || hny__os_remove(path)) {
        rc = HNY_IO;
    }
    free(lock);
    return rc;
}

/*
** Removed as soon as LMDB has opened them, so that nothing is left even after a kill.  What the
** system does not remove while it is open is removed when it is closed.
*/
static void remove_private(hny__env *env, const char *path) {
    if (hny__os_remove(path) == HNY_IO || hny__os_remove(env->lock) == HNY_IO) {
        env->private_path = strdup(path);
    }
}

static int open_private(hny__env **out) {
    hny__os_info info;
    char *path;
    int rc = hny__os_temporary_file(&path);
    if (rc) {
        return rc;
    }
    rc = hny__place_look(path, &info);
    if (!rc) {
        rc = open_env(path, NULL, &info, 0, true, out);
    }
    if (rc) {
        (void)remove_both_files(path);
    } else {
        remove_private(*out, path);
    }
    free(path);
    return rc;
}

bool hny__env_inherited(const hny__env *env) {
    return env->process != hny__os_process();
}

static bool is_same_file(const hny__env *env, const hny__os_info *info) {
    return !hny__env_inherited(env) && hny__os_is_same_file(info, &env->data_info);
}

static bool is_long_enough(const hny__env *env, const hny__os_info *info) {
    return info->bytes >= atomic_load(&env->min_size);
}

/*
** A process may have a file by a path that it can write and by one that it cannot.  Two
** environments for it are safe, since one of them never opens the lock file; but a build needs the
** other.
*/
static hny__env *find_registered(const hny__os_info *info, bool writable) {
    for (hny__env *env = registry.first; env; env = env->next) {
        if (!env->anonymous && is_same_file(env, info) && is_lock_file_current(env) &&
            !(writable && env->readonly)) {
            return env;
        }
    }
    return NULL;
}

/* LMDB refuses the environment: because of damage that a call met, or after a failed write. */
static int broken_status(const hny__env *env) {
    return atomic_load(&env->damaged) ? HNY_CORRUPT : HNY_BROKEN;
}

static int open_existing(const char *path, const char *model, const hny__os_info *info,
                         hny__env **out) {
    hny__env *const env = find_registered(info, hny__os_is_writable(path));
    if (env) {
        /* A second environment on the same file would drop the first one's locks. */
        if (atomic_load(&env->broken)) {
            return broken_status(env);
        }
        if (!is_long_enough(env, info)) {
            return HNY_CORRUPT;
        }
        env->refs++;
        *out = env;
        return HNY_OK;
    }
    uint64_t used;
    const int rc = check_data_file(path, &used);
    return rc ? rc : open_env(path, model, info, used, false, out);
}

static int open_registered(const char *path, const char *model, bool create, hny__env **out) {
    hny__os_info info;
    int rc = hny__place_look(path, &info);
    if (!rc && info.bytes > 0) {
        return open_existing(path, model, &info, out);
    }
    /* An empty file with another name is a stranger's: it is not written to. */
    if (!rc && create && info.names > 1) {
        rc = hny__os_remove(path) ? HNY_IO : HNY_MISSING;
    }
    if (!rc || rc == HNY_MISSING) {
        const int other = check_lock_place(path);
        rc = other ? other : !create ? HNY_MISSING : rc;
    }
    if (create && rc == HNY_MISSING) {
        rc = create_file(path, model, &info);
    }
    return rc ? rc : open_env(path, model, &info, 0, false, out);
}

int hny__env_open(const char *path, const char *model, bool create, hny__env **out) {
    pthread_once(&forks_once, watch_forks);
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
    if (!env || hny__env_inherited(env)) {
        return;
    }
    pthread_mutex_lock(&registry.lock);
    if (--env->refs == 0) {
        hny__env **link = &registry.first;
        while (*link != env) {
            link = &(*link)->next;
        }
        *link = env->next;
        env_free(env);
    }
    pthread_mutex_unlock(&registry.lock);
}

int hny__env_current(const hny__env *env, const char *path) {
    hny__os_info info;
    if (hny__env_inherited(env)) {
        return HNY_MISSING;
    }
    if (atomic_load(&env->broken)) {
        return broken_status(env);
    }
    if (env->anonymous) {
        return HNY_OK;
    }
    if (hny__place_look(path, &info) || !is_same_file(env, &info) || !is_lock_file_current(env)) {
        return HNY_MISSING;
    }
    return is_long_enough(env, &info) ? HNY_OK : HNY_CORRUPT;
}

/* Has the lock file that was opened still a name? */
static bool has_lock_file_name(const hny__env *env) {
    hny__os_info info;
    if (env->lock_file == HNY__OS_NO_FILE) { /* none, or it cannot be held */
        return is_lock_file_current(env);
    }
    return !hny__os_file_info(env->lock_file, &info) && info.names > 0;
}

int hny__env_usable(const hny__env *env) {
    hny__os_info info;
    if (hny__env_inherited(env)) {
        return HNY_MISSING;
    }
    if (atomic_load(&env->broken)) {
        return broken_status(env);
    }
    if (env->anonymous) {
        return HNY_OK;
    }
    if (hny__os_file_info(env->file, &info) || info.names == 0 || !has_lock_file_name(env)) {
        return HNY_MISSING;
    }
    return is_long_enough(env, &info) ? HNY_OK : HNY_CORRUPT;
}

bool hny__env_holds_readers(const hny__env *env) {
    return env->anonymous || (!env->readonly && has_lock_file_name(env));
}

/* -------------------------------------------------------------------------------- discarding -- */

/*
** Under the builder's lock: is the file still the one that was judged?  Another process may have
** replaced it, or may have committed while it was looked at.
*/
static int look_again(const char *path, const char *model, const hny__os_info *judged,
                      hny__os_file file) {
    hny__os_info info;
    hny__env *env;
    if (judged) {
        const bool same = !hny__os_file_info(file, &info) && hny__os_is_same_file(&info, judged);
        return same ? HNY_CORRUPT : HNY_OK;
    }
    const int rc = hny__env_open(path, model, false, &env);
    if (!rc) {
        hny__env_unref(env);
    }
    return rc;
}

int hny__env_discard(const char *path, const char *model, const hny__os_info *judged) {
    hny__os_file file;
    int rc = hny__lock_take(path, HNY__LOCK_BUILDER, &file);
    if (rc == HNY_FOLDER && !hny__os_remove_folder(path)) {
        return HNY_OK;
    }
    if (rc) {
        return rc == HNY_MISSING ? HNY_OK : rc;
    }
    rc = look_again(path, model, judged, file);
    if (hny__status_replaces(rc)) {
        rc = remove_both_files(path);
    }
    hny__lock_release(file);
    return rc == HNY_MISSING ? HNY_OK : rc;
}

int hny__env_lock(hny__env *env, const char *path, hny__lock_kind kind, hny__lock *out) {
    *out = (hny__lock){.file = HNY__OS_NO_FILE};
    if (path) {
        const int rc = hny__lock_take(path, kind, &out->file);
        out->held = rc == HNY_OK;
        return rc;
    }
    out->held = !atomic_exchange(&env->locked[kind], true);
    return out->held ? HNY_OK : HNY_BUSY;
}

void hny__env_unlock(hny__env *env, hny__lock_kind kind, hny__lock *lock) {
    if (lock->held && lock->file != HNY__OS_NO_FILE) {
        hny__lock_release(lock->file);
    } else if (lock->held) {
        atomic_store(&env->locked[kind], false);
    }
    lock->held = false;
}

int hny__env_info(const hny__env *env, hny__os_info *out) {
    return hny__os_file_info(env->file, out);
}

/* ------------------------------------------------------------------------------------- state -- */

bool hny__env_readonly(const hny__env *env) {
    return env->readonly;
}

void hny__env_set_damaged(hny__env *env) {
    atomic_store(&env->damaged, true);
}

bool hny__env_damaged(const hny__env *env) {
    return atomic_load(&env->damaged);
}

void hny__env_set_progress(hny__env *env, hny__lock_kind kind, uint32_t table, const char *phase,
                           uint64_t done, uint64_t total) {
    pthread_mutex_lock(&env->progress_lock);
    env->progress[kind] = (hny_progress){table, phase, done, total};
    pthread_mutex_unlock(&env->progress_lock);
}

hny_progress hny__env_progress(hny__env *env, hny__lock_kind kind) {
    pthread_mutex_lock(&env->progress_lock);
    const hny_progress progress = env->progress[kind];
    pthread_mutex_unlock(&env->progress_lock);
    return progress;
}
