/* Transactions of an environment, and the map that grows under them. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sidecar/env_state.h"
#include "sidecar/lmdb_guard.h"
#include "sidecar/lmdb_status.h"

static void break_if_panicked(hny__env *env, int code) {
    if (code == MDB_PANIC) {
        atomic_store(&env->broken, true);
    }
}

/*
** After an assertion in a write transaction, which keeps LMDB's lock: the environment is never
** closed, since that would unmap a locked mutex that the thread's list of robust mutexes points
** to.  The next build replaces the file and its lock file, so nobody waits for that lock.
*/
static void abandon(hny__env *env) {
    atomic_store(&env->broken, true);
    hny__env_ref(env);
}

void hny__env_raise_min_size(hny__env *env, unsigned long long size) {
    unsigned long long seen = atomic_load(&env->min_size);
    while (seen < size && !atomic_compare_exchange_weak(&env->min_size, &seen, size)) {
    }
}

uint64_t hny__env_bytes(const hny__env *env) {
    MDB_envinfo info;
    MDB_stat stat;
    mdb_env_info(env->mdb, &info);
    mdb_env_stat(env->mdb, &stat);
    return ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize;
}

void hny__env_drop_dead_readers(hny__env *env) {
    int dead;
    mdb_reader_check(env->mdb, &dead);
}

static int grow_map(hny__env *env, size_t size) {
    pthread_rwlock_wrlock(&env->map_lock);
    const int code = mdb_env_set_mapsize(env->mdb, size);
    atomic_fetch_add(&env->moves, 1);
    pthread_rwlock_unlock(&env->map_lock);
    return hny__lmdb_status(code);
}

/* ----------------------------------------------------------------------------------- reading -- */

/* The file must be as long as its meta page says: access beyond its end is a SIGBUS. */
static int check_length(hny__env *env) {
    struct stat st;
    const uint64_t used = hny__env_bytes(env);
    if (used <= atomic_load(&env->min_size)) {
        return HNY_OK;
    }
    if (fstat(env->fd, &st)) {
        return HNY_IO;
    }
    if ((uint64_t)st.st_size < used) {
        return HNY_CORRUPT;
    }
    hny__env_raise_min_size(env, used);
    return HNY_OK;
}

static int begin_or_renew(hny__txn *txn) {
    txn->failure = 0;
    return txn->mdb ? mdb_txn_renew(txn->mdb)
                    : mdb_txn_begin(txn->env->mdb, NULL, MDB_RDONLY, &txn->mdb);
}

int hny__env_begin_read(hny__env *env, hny__txn **txn) {
    if (!*txn) {
        *txn = calloc(1, sizeof **txn);
        if (!*txn) {
            return HNY_NOMEM;
        }
        (*txn)->env = env;
    }
    pthread_rwlock_rdlock(&env->map_lock);
    int code = begin_or_renew(*txn);
    if (code == MDB_MAP_RESIZED) {
        pthread_rwlock_unlock(&env->map_lock);
        if (grow_map(env, 0)) {
            return HNY_IO;
        }
        pthread_rwlock_rdlock(&env->map_lock);
        code = begin_or_renew(*txn);
    }
    break_if_panicked(env, code);
    int rc = hny__lmdb_status(code);
    if (!rc) {
        rc = check_length(env);
        if (!rc) {
            return HNY_OK;
        }
        mdb_txn_reset((*txn)->mdb);
    }
    pthread_rwlock_unlock(&env->map_lock);
    return rc;
}

void hny__env_end_read(hny__env *env, hny__txn *txn) {
    mdb_txn_reset(txn->mdb);
    pthread_rwlock_unlock(&env->map_lock);
}

void hny__txn_free(hny__txn *txn) {
    /*
    ** An inherited transaction's reader slot is the parent's: to abort it here would free it
    ** there.
    */
    if (txn && txn->mdb && !hny__env_inherited(txn->env)) {
        mdb_txn_abort(txn->mdb);
    }
    free(txn);
}

size_t hny__txn_id(const hny__txn *txn) {
    return mdb_txn_id(txn->mdb);
}

/* ----------------------------------------------------------------------------------- writing -- */

/*
** LMDB leaves pages at the end of the file unwritten when a transaction both took and freed them.
** The file is made as long as its meta page says, so that a shorter one is always a damaged one.
*/
static void extend_file(hny__env *env) {
    struct stat st;
    const uint64_t used = hny__env_bytes(env);
    if (fstat(env->fd, &st)) {
        return;
    }
    if ((uint64_t)st.st_size < used && ftruncate(env->fd, (off_t)used)) {
        return;
    }
    hny__env_raise_min_size(env, used);
}

/* *code: what LMDB failed with, 0 if it did not. */
static int write_once(hny__env *env, hny__write_body body, void *arg, int *code) {
    hny__txn txn = {.env = env};
    *code = mdb_txn_begin(env->mdb, NULL, 0, &txn.mdb);
    if (*code) {
        return hny__lmdb_status(*code);
    }
    const int rc = body(arg, &txn);
    *code = txn.failure;
    if (!rc && !*code) {
        *code = HNY__GUARDED(mdb_txn_commit(txn.mdb));
    } else if (*code != HNY__ASSERTED) {
        mdb_txn_abort(txn.mdb);
    }
    if (*code == HNY__ASSERTED) {
        abandon(env);
    }
    return rc ? rc : hny__lmdb_status(*code);
}

/* Enlarges the map after a write that it was too small for. */
static int enlarge_map(hny__env *env, int code) {
    MDB_envinfo info;
    if (code == MDB_MAP_RESIZED) {
        return grow_map(env, 0);
    }
    mdb_env_info(env->mdb, &info);
    return grow_map(env, info.me_mapsize + info.me_mapsize / 2);
}

int hny__env_write(hny__env *env, hny__write_body body, void *arg) {
    if (env->readonly) {
        return HNY_IO;
    }
    int code, rc = write_once(env, body, arg, &code);
    while (code == MDB_MAP_RESIZED || code == MDB_MAP_FULL) {
        rc = enlarge_map(env, code);
        if (rc) {
            return rc;
        }
        rc = write_once(env, body, arg, &code);
    }
    break_if_panicked(env, code);
    if (rc == HNY_CORRUPT) {
        hny__env_set_damaged(env);
    }
    if (!rc) {
        extend_file(env);
    }
    return rc;
}
