/* Transactions of an environment, and the map that grows under them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/disk.h"
#include "base/os_map.h"
#include "sidecar/env_state.h"
#include "sidecar/erase_pages.h"
#include "sidecar/lmdb_check.h"
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
    hny__meta meta;
    return hny__env_newest_meta(env, &meta) ? 0 : (meta.last_page + 1) * meta.page_size;
}

static uint64_t pages_of_tree(const hny__tree *tree) {
    return tree->branches + tree->leaves + tree->overflow;
}

int hny__env_pages(const hny__env *env, uint64_t *pages, uint64_t *used) {
    const uint64_t meta_pages = 2;
    hny__meta meta;
    const int rc = hny__env_newest_meta(env, &meta);
    if (!rc) {
        *pages = meta.last_page + 1;
        *used = meta_pages + pages_of_tree(&meta.main) + pages_of_tree(&meta.free);
    }
    return rc;
}

void hny__env_drop_dead_readers(hny__env *env) {
    int dead;
    mdb_reader_check(env->mdb, &dead);
}

/* Size 0: as large as another process made it.  LMDB gives up its old map before it asks. */
static int resize_map(hny__env *env, size_t size) {
    if (size && !hny__os_has_address_space(size)) {
        return HNY_NOMEM;
    }
    pthread_rwlock_wrlock(&env->map_lock);
    const int code = mdb_env_set_mapsize(env->mdb, size);
    if (code && code != EINVAL) {
        atomic_store(&env->broken, true); /* LMDB has no map now */
    }
    pthread_rwlock_unlock(&env->map_lock);
    return hny__lmdb_status(code);
}

/* ----------------------------------------------------------------------------------- reading -- */

/* Begins or renews; LMDB reads its meta page in its own map for that. */
static int pin_in_map(hny__txn *txn) {
    hny__env *const env = txn->env;
    pthread_rwlock_rdlock(&env->map_lock);
    const int code =
        txn->mdb ? mdb_txn_renew(txn->mdb) : mdb_txn_begin(env->mdb, NULL, MDB_RDONLY, &txn->mdb);
    pthread_rwlock_unlock(&env->map_lock);
    return code;
}

/* Processes that ended without giving back their places may have left none. */
static int pin_state(hny__txn *txn) {
    int dead = 0, code = pin_in_map(txn);
    if (code == MDB_READERS_FULL && mdb_reader_check(txn->env->mdb, &dead) == 0 && dead > 0) {
        code = pin_in_map(txn);
    }
    return code;
}

/*
** LMDB has no place for this reader: all are taken, or a process with the same number, in another
** PID namespace, has the file open.
*/
static bool is_without_place(int code) {
    return code == MDB_READERS_FULL || code == EAGAIN || code == EACCES;
}

#define UNPINNED_READS 64 /* of a transaction, before it asks for a place again */

/*
** The newest state, not pinned: hny__txn_intact tells whether builds may have overwritten it.  The
** transaction of LMDB that could not be begun is none.
*/
static int begin_unpinned(hny__txn *txn, size_t *id) {
    hny__meta meta;
    const int rc = hny__env_newest_meta(txn->env, &meta);
    txn->unpinned = rc ? 0 : txn->unpinned % UNPINNED_READS + 1;
    *id = rc ? 0 : (size_t)meta.txn;
    return rc;
}

/* The file must be as long as its meta page says: access beyond its end is a SIGBUS. */
static int check_length(hny__env *env, uint64_t used) {
    hny__os_info info;
    if (used <= atomic_load(&env->min_size)) {
        return HNY_OK;
    }
    if (hny__os_file_info(env->file, &info)) {
        return HNY_IO;
    }
    if (info.bytes < used) {
        return HNY_CORRUPT;
    }
    hny__env_raise_min_size(env, used);
    return HNY_OK;
}

/*
** Reads the meta page of the pinned state.  HNY_BUSY: two transactions were committed meanwhile,
** and the second one has written its own there.
*/
static int read_state(hny__txn *txn, size_t id) {
    hny__env *const env = txn->env;
    const uint8_t *const page =
        atomic_load(&env->mapping)->base + (id & 1) * (size_t)env->page_size;
    uint8_t bytes[HNY__META_BYTES], again[HNY__META_BYTES];
    memcpy(bytes, page, sizeof bytes);
    atomic_thread_fence(memory_order_acquire);
    memcpy(again, page, sizeof again);
    hny__pages *const pages = &txn->pages;
    const int rc = hny__meta_read(bytes, &pages->meta);
    if (memcmp(bytes, again, sizeof bytes) != 0 || (!rc && pages->meta.txn != id)) {
        return HNY_BUSY;
    }
    return !rc && pages->meta.page_size != env->page_size ? HNY_CORRUPT : rc;
}

/* Fills txn->pages for a state that is pinned, or that a write transaction starts from. */
static int find_pages(hny__txn *txn, size_t id) {
    hny__env *const env = txn->env;
    if (id == txn->id) {
        return HNY_OK;
    }
    txn->id = HNY__NO_STATE;
    int rc = read_state(txn, id);
    if (rc) {
        return rc;
    }
    const uint64_t used = (txn->pages.meta.last_page + 1) * env->page_size;
    rc = check_length(env, used);
    if (!rc) {
        rc = hny__env_map(env, used);
    }
    if (!rc) {
        txn->pages.base = atomic_load(&env->mapping)->base;
        txn->id = id;
    }
    return rc;
}

#define STATE_TRIES 64

/* Pins the newest state, if LMDB has a place for it, and finds its number. */
static int begin_state(hny__txn *txn, size_t *id) {
    if (txn->unpinned && txn->unpinned < UNPINNED_READS) {
        return begin_unpinned(txn, id);
    }
    int code = pin_state(txn);
    if (code == MDB_MAP_RESIZED) {
        if (resize_map(txn->env, 0)) {
            return HNY_IO;
        }
        code = pin_state(txn);
    }
    if (is_without_place(code) && !txn->mdb) {
        return begin_unpinned(txn, id);
    }
    txn->unpinned = 0;
    break_if_panicked(txn->env, code);
    if (code) {
        return hny__lmdb_status(code);
    }
    *id = mdb_txn_id(txn->mdb);
    return HNY_OK;
}

static void end_state(hny__txn *txn) {
    if (!txn->unpinned) {
        mdb_txn_reset(txn->mdb);
    }
}

#define STATE_TRIES 64

static int begin_or_renew(hny__txn *txn) {
    int rc = HNY_BUSY;
    for (int i = 0; i < STATE_TRIES && rc == HNY_BUSY; i++) {
        size_t id;
        rc = begin_state(txn, &id);
        if (rc) {
            return rc;
        }
        rc = find_pages(txn, id);
        if (rc) {
            end_state(txn);
        }
    }
    /* Nobody commits so often: the meta page has another number than the lock file. */
    return rc == HNY_BUSY ? HNY_CORRUPT : rc;
}

int hny__env_begin_read(hny__env *env, hny__txn **txn) {
    if (!*txn) {
        *txn = calloc(1, sizeof **txn);
        if (!*txn) {
            return HNY_NOMEM;
        }
        (*txn)->env = env;
        (*txn)->id = HNY__NO_STATE;
    }
    (*txn)->failure = 0;
    return begin_or_renew(*txn);
}

void hny__env_end_read(hny__txn *txn) {
    if (!hny__env_inherited(txn->env)) {
        end_state(txn);
    }
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
    return txn->id;
}

/*
** Transaction n reuses pages that n - 2 and earlier ones freed, unless a reader it knows of has
** them.  So if at most one transaction was committed after ours, none of our pages was overwritten.
*/
bool hny__txn_intact(const hny__txn *txn) {
    const hny__env *const env = txn->env;
    hny__meta meta;
    if (hny__env_newest_meta(env, &meta)) {
        return false;
    }
    return meta.txn <= txn->id + 1 || (!txn->unpinned && hny__env_holds_readers(env));
}

int hny__txn_check_pages(const hny__txn *txn) {
    return hny__lmdb_check_pages(&txn->pages);
}

/* ----------------------------------------------------------------------------------- writing -- */

/*
** LMDB leaves pages at the end of the file unwritten when a transaction both took and freed them.
** The file is made as long as its meta page says, so that a shorter one is always a damaged one.
*/
static void extend_file(hny__env *env) {
    hny__os_info info;
    const uint64_t used = hny__env_bytes(env);
    if (hny__os_file_info(env->file, &info)) {
        return;
    }
    if (info.bytes < used && hny__os_file_resize(env->file, used)) {
        return;
    }
    hny__env_raise_min_size(env, used);
}

/* Gives back what a write that failed has added to the file. */
static void shorten_file(hny__env *env) {
    hny__os_info info;
    const uint64_t used = hny__env_bytes(env);
    if (used && !hny__os_file_info(env->file, &info) && info.bytes > used) {
        (void)hny__os_file_resize(env->file, used);
    }
}

/*
** LMDB follows what its pages say when it writes.  All are checked before the first write of this
** process: those that come later are its own, or another process's that did the same.
*/
static int verify_before_write(hny__env *env) {
    hny__txn *txn = NULL;
    if (atomic_load(&env->verified)) {
        return HNY_OK;
    }
    int rc = hny__env_begin_read(env, &txn);
    if (!rc) {
        rc = hny__txn_check_pages(txn);
        hny__env_end_read(txn);
    }
    hny__txn_free(txn);
    if (!rc) {
        atomic_store(&env->verified, true);
    }
    return rc;
}

/* *code: what LMDB failed with, 0 if it did not. */
static int write_once(hny__env *env, hny__write_body body, void *arg, int *code) {
    hny__txn txn = {.env = env, .writes = true, .id = HNY__NO_STATE};
    *code = mdb_txn_begin(env->mdb, NULL, 0, &txn.mdb);
    if (*code) {
        return hny__lmdb_status(*code);
    }
    txn.failure = mdb_dbi_open(txn.mdb, NULL, 0, &env->dbi);
    int rc = hny__lmdb_status(txn.failure);
    if (!rc) {
        rc = find_pages(&txn, mdb_txn_id(txn.mdb) - 1);
    }
    if (!rc) {
        rc = body(arg, &txn);
    }
    *code = txn.failure;
    if (!rc && !*code) {
        *code = HNY__GUARDED(mdb_txn_commit(txn.mdb));
    } else if (*code != HNY__ASSERTED) {
        mdb_txn_abort(txn.mdb);
    }
    if (*code == HNY__ASSERTED) {
        abandon(env);
    }
    if (*code == EIO && hny__disk_is_full(env->lock)) {
        *code = ENOSPC; /* LMDB's word for a write that was cut short is EIO */
    }
    return rc ? rc : hny__lmdb_status(*code);
}

/* Enlarges the map after a write that it was too small for. */
static int enlarge_map(hny__env *env, int code) {
    MDB_envinfo info;
    if (code == MDB_MAP_RESIZED) {
        return resize_map(env, 0);
    }
    mdb_env_info(env->mdb, &info);
    const size_t size = info.me_mapsize;
    const int rc = resize_map(env, 2 * size);
    return rc == HNY_NOMEM ? resize_map(env, size + size / 8) : rc;
}

int hny__env_write(hny__env *env, hny__write_body body, void *arg) {
    if (env->readonly) {
        return HNY_IO;
    }
    int code = 0, rc = verify_before_write(env);
    if (!rc) {
        rc = write_once(env, body, arg, &code);
    }
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
        hny__erase_follow(env);
    } else if (rc == HNY_FULL) {
        shorten_file(env);
    }
    return rc;
}
