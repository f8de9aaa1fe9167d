/*
** What env_registry.c, env_txn.c and records.c share: an environment and a transaction as LMDB has
** them.  No other file looks inside.
*/
#ifndef HNY_ENV_STATE_H
#define HNY_ENV_STATE_H

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "sidecar/env.h"

struct hny__env {
    hny__env *next;
    unsigned refs;
    pid_t pid; /* a child of fork must not touch its parent's environments */
    dev_t dev, lock_dev;
    ino_t ino, lock_ino;
    char *lock;             /* path of the lock file */
    bool anonymous;         /* private: already unlinked, no path leads to it */
    bool readonly;          /* this user may not write the file */
    bool unlocked;          /* on a read-only file system: there is no lock file */
    int fd, lock_fd;        /* of both files, for fstat(); lock_fd -1: use its path */
    atomic_bool broken;     /* LMDB has given up on it; all users must close it */
    atomic_bool damaged;    /* a record or block in it failed its checks */
    atomic_ullong min_size; /* the file had this many bytes; fewer now: it was truncated */
    MDB_env *mdb;
    MDB_dbi dbi;
    pthread_rwlock_t map_lock; /* read: a transaction is live. write: the map moves */
    atomic_uint moves;         /* of the map so far: pointers into it are valid for one count */
    pthread_mutex_t progress_lock;
    hny_progress progress;
};

struct hny__txn {
    hny__env *env;
    MDB_txn *mdb; /* NULL: not begun yet */
    int failure;  /* the first code of LMDB's other than MDB_NOTFOUND that a call returned */
};

/* Raises env->min_size to `size`.  Safe from several threads. */
void hny__env_raise_min_size(hny__env *env, unsigned long long size);

#endif
