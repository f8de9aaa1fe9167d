/*
** Interface to env.c: the LMDB environments of this process.
**
** A process may open an LMDB file once only: closing one of two handles drops the locks of both, and
** the readers of other processes lose their pages (seen: every byte under a live reader changed).
** So there is one registry, keyed by the file's (device, inode), reference-counted and aware of
** forks; it is the only mutable global state of core beside the kernel table.
*/
#ifndef HNY_ENV_H
#define HNY_ENV_H

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "hannoy.h"

typedef struct hny__env hny__env;
struct hny__env {
    hny__env *next;
    unsigned refs;
    pid_t pid;       /* a child of fork must not touch its parent's environments */
    uint64_t serial; /* never used twice in a process */
    dev_t dev, lock_dev;
    ino_t ino, lock_ino;
    char *lock;               /* path of the lock file */
    int anonymous;            /* private: already unlinked, no path leads to it */
    int readonly;             /* the file may not be written by this user */
    int unlocked;             /* nor its file system, so there is no lock file */
    int fd, lock_fd;          /* to look at both files by; lock_fd -1: by its path */
    atomic_int broken;        /* LMDB gave up on it; everybody lets go */
    atomic_int damaged;       /* a record or block in it is not what it should be */
    atomic_ullong least_size; /* the file had this many bytes; fewer now: somebody truncated it */
    MDB_env *mdb;
    MDB_dbi dbi;
    pthread_rwlock_t map_lock; /* read: a transaction is live. write: the map moves */
    atomic_uint moves;         /* how often it did: pointers into it hold for one number of them */
    pthread_mutex_t progress_lock;
    hny_progress progress;
};

/*
** Opens the file at `path`, or a private temporary one for path NULL.  Without `create`, a missing
** or empty file is HNY_MISSING and nothing is made.  A file that LMDB must not be let loose on is
** HNY_CORRUPT or HNY_VERSION.  `model` names the file whose mode and owner a new one takes.
*/
int hny__env_open(const char *path, const char *model, int create, hny__env **out);
hny__env *hny__env_ref(hny__env *env);
void hny__env_unref(hny__env *env);
int hny__env_inherited(const hny__env *env); /* from the parent of a fork: hands off */

/* Is this still the file at `path`, whole and ours?  HNY_OK, or why it must be let go. */
int hny__env_current(hny__env *env, const char *path);

/*
** The same as far as the open files tell, which takes a third of the time: one that was moved away, with
** its name left to it, goes unnoticed, and is as good to read from as ever.
*/
int hny__env_usable(hny__env *env);

/*
** Is what was read from this transaction's state what was committed?  0 where somebody took the lock file
** away meanwhile (lock.h), or the sidecar lies where it cannot be locked and others have gone on.
*/
int hny__env_intact(hny__env *env, size_t txn_id);

/* Unlinks an unusable sidecar and its lock file, unless a build holds it or it changed meanwhile. */
int hny__env_discard(const char *path);

/* A read transaction, new (*txn NULL) or renewed.  Ended on the same thread by hny__env_end_read. */
int hny__env_begin_read(hny__env *env, MDB_txn **txn);
void hny__env_end_read(hny__env *env, MDB_txn *txn);

/*
** Runs `body` in a write transaction and commits it durably.  Where the map is full it grows and
** body runs again, so body must only read what it writes from.
*/
typedef int (*hny__write_body)(void *arg, MDB_txn *txn, MDB_dbi dbi);
int hny__env_write(hny__env *env, hny__write_body body, void *arg);

/* LMDB's or errno's code -> hny_status. */
int hny__env_status(int rc);

void hny__env_progress(hny__env *env, uint32_t table, const char *phase, uint64_t done,
                       uint64_t total);

#endif
