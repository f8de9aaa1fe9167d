/*
** What env_registry.c, env_txn.c, records.c and erase_pages.c share: an environment and a
** transaction as LMDB has them.  No other file looks inside.
*/
#ifndef HNY_ENV_STATE_H
#define HNY_ENV_STATE_H

#include <lmdb.h>
#include <pthread.h>
#include <roaring/roaring.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "sidecar/env.h"
#include "sidecar/pages.h"

/*
** The data file in memory, for readers; LMDB has a map of its own, for writes.  It may end behind
** the file.  When the file outgrows it a larger one is made, and the older ones stay until the
** environment is closed, so pointers into any of them stay valid.
*/
typedef struct hny__mapping {
    struct hny__mapping *older;
    uint8_t *base;
    size_t size;
} hny__mapping;

struct hny__env {
    hny__env *next;
    unsigned refs;
    int64_t process; /* a child of fork must not touch its parent's environments */
    hny__os_info data_info, lock_info; /* of both files, as they were opened */
    char *lock;                        /* path of the lock file */
    char *private_path;                /* of a private file, which is removed when it is closed */
    bool anonymous;                    /* private: no other environment is on it */
    bool readonly;                     /* this user may not write the file; no lock file is used */
    hny__os_file file, lock_file;      /* lock_file HNY__OS_NO_FILE: use its path */
    atomic_bool broken;                /* LMDB has given up on it; all users must close it */
    atomic_bool damaged;               /* a record or block in it failed its checks */
    atomic_ullong min_size; /* the file had this many bytes; fewer now: it was truncated */
    atomic_bool locked[HNY__LOCK_KINDS]; /* a private file's */
    MDB_env *mdb;
    MDB_dbi dbi; /* of write transactions */
    uint32_t page_size;
    pthread_rwlock_t map_lock; /* of LMDB's map.  read: it is used.  write: it moves */
    _Atomic(hny__mapping *) mapping;
    pthread_mutex_t mapping_lock; /* taken to replace it */
    atomic_bool verified;         /* LMDB's pages were checked, or there were none */
    roaring_bitmap_t *erased;     /* free pages that are zeros (erase_pages.h); NULL: none known */
    size_t erased_at;             /* in this state */
    pthread_mutex_t progress_lock;
    hny_progress progress[HNY__LOCK_KINDS];
};

#define HNY__NO_STATE SIZE_MAX

struct hny__txn {
    hny__env *env;
    MDB_txn *mdb;      /* NULL: not begun yet, or unpinned */
    unsigned unpinned; /* its state is not pinned: for so many reads in turn; 0: it is */
    int failure;       /* the first code of LMDB's other than MDB_NOTFOUND that a call returned */
    bool writes;       /* it sees its own changes, by LMDB's functions */
    size_t id;         /* of the state in `pages` */
    hny__pages pages;
};

/*
** What to map beyond a file: maps grow when a write needs more.  Address space is limited on
** phones, in sandboxes, and where hundreds of files are open.
*/
size_t hny__env_spare(void);

/* Makes a mapping of at least `bytes`.  HNY_OK, HNY_NOMEM or HNY_IO. */
int hny__env_map(hny__env *env, uint64_t bytes);
void hny__env_unmap(hny__env *env);

/* The newest meta page, as it is now.  HNY_OK, or why there is none. */
int hny__env_newest_meta(const hny__env *env, hny__meta *out);

/* Raises env->min_size to `size`.  Safe from several threads. */
void hny__env_raise_min_size(hny__env *env, unsigned long long size);

#endif
