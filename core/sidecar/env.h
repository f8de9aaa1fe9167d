/*
** Interface to env_registry.c and env_txn.c: the LMDB environments of this process, and their
** transactions.
**
** A process may open an LMDB file only once: closing one of two handles drops the locks of both,
** and readers in other processes lose their pages (seen: every byte under a live reader changed).
** Therefore there is one registry, keyed by the file's (device, inode), reference-counted and
** aware of forks; beside the kernel table it is the only mutable global state of core.
*/
#ifndef HNY_ENV_H
#define HNY_ENV_H

#include <stdbool.h>

#include "hannoy.h"
#include "sidecar/lock.h"

typedef struct hny__env hny__env;
typedef struct hny__txn hny__txn;

/* ------------------------------------------------------------------------------ the registry -- */

/*
** Opens the file at `path`, or a private temporary one for path NULL.  Without `create`, a missing
** or empty file is HNY_MISSING and nothing is created.  HNY_CORRUPT or HNY_VERSION: the file fails
** the checks of lmdb_check.h.  Both files take the mode and owner of the file `model`.  Other
** statuses as in place.h.
*/
int hny__env_open(const char *path, const char *model, bool create, hny__env **out);
hny__env *hny__env_ref(hny__env *env);
void hny__env_unref(hny__env *env);

/* Does it belong to the parent of a fork?  Then it must not be used or closed here. */
bool hny__env_inherited(const hny__env *env);

/* Is this still the file at `path`, whole and ours?  HNY_OK, or why it must be closed. */
int hny__env_current(const hny__env *env, const char *path);

/*
** The same by the open descriptors alone, in a third of the time: it does not detect a renamed
** file; reading from that is still safe.
*/
int hny__env_usable(const hny__env *env);

/*
** Do builds spare what a pinned read transaction reads?  Not if the lock file was replaced
** meanwhile (lock.h), or if none is used.
*/
bool hny__env_holds_readers(const hny__env *env);

/*
** Unlinks an unusable sidecar and its lock file, or an empty folder in its place.  Under the
** builder's lock it looks again first: `judged` is the file that was found damaged while it was
** open, NULL if it could not be opened.  HNY_OK also if the file is sound or another one now.
** HNY_BUSY: a build runs.
*/
int hny__env_discard(const char *path, const char *model, const hny__os_info *judged);

/* Gives both files the mode and owner that `model` has now. */
void hny__env_follow(const hny__env *env, const char *model);

/* The data file that it has open. */
int hny__env_info(const hny__env *env, hny__os_info *out);

bool hny__env_readonly(const hny__env *env);

/* What excludes other builds; all zero: not held. */
typedef struct hny__lock {
    bool held;
    hny__os_file file; /* at `path`; a private one is locked within the process */
} hny__lock;

/*
** Takes a lock (lock.h) of the environment's file, which is at `path`, NULL for a private one.
** HNY_BUSY at once if another build has it; other statuses as hny__lock_take.
*/
int hny__env_lock(hny__env *env, const char *path, hny__lock_kind kind, hny__lock *out);
void hny__env_unlock(hny__env *env, hny__lock_kind kind, hny__lock *lock);

/* A record or block failed its checks: the next build replaces the file. */
void hny__env_set_damaged(hny__env *env);
bool hny__env_damaged(const hny__env *env);

/* Bytes of all pages in use. */
uint64_t hny__env_bytes(const hny__env *env);

/* The pages of the file, and those in use by its newest state. */
int hny__env_pages(const hny__env *env, uint64_t *pages, uint64_t *used);

/* Frees the reader slots of processes that ended without doing so. */
void hny__env_drop_dead_readers(hny__env *env);

/* Of the build that has this lock. */
void hny__env_set_progress(hny__env *env, hny__lock_kind kind, uint32_t table, const char *phase,
                           uint64_t done, uint64_t total);
hny_progress hny__env_progress(hny__env *env, hny__lock_kind kind);

/* ------------------------------------------------------------------------------ transactions -- */

/*
** Begins a read transaction, new (*txn NULL) or again.  After a failure it is not begun, and may be
** tried again or freed.  It pins the newest state, unless LMDB has no place for another reader.
*/
int hny__env_begin_read(hny__env *env, hny__txn **txn);
void hny__env_end_read(hny__txn *txn);

/* Frees a read transaction that was ended.  Its environment must be open still.  NULL is fine. */
void hny__txn_free(hny__txn *txn);

/* Checks LMDB's own pages of the state that a read transaction sees: as lmdb_check.h. */
int hny__txn_check_pages(const hny__txn *txn);

/* The number of the state that a read transaction sees; each commit raises it. */
size_t hny__txn_id(const hny__txn *txn);

/*
** Is everything that was read from that state as it was committed?  False if others may have
** written over it: it was not pinned, or hny__env_holds_readers is false.
*/
bool hny__txn_intact(const hny__txn *txn);

/*
** Runs `body` in a write transaction and commits it durably.  If the map is full, it is enlarged
** and body runs again from the start, so body must not depend on what an earlier run of it
** changed.  Body returns at once when a call on the transaction fails, with its status.
*/
typedef int (*hny__write_body)(void *arg, hny__txn *txn);
int hny__env_write(hny__env *env, hny__write_body body, void *arg);

#endif
