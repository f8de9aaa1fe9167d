/*
** Interface to lock.c: the builder's lock, and LMDB's lock file.
**
** By the lock file alone LMDB's writers know the readers of a data file, and all processes its
** newest transaction.  Users delete, copy and restore either file while processes have both open.
** Then two lock files belong to one data file, or one to two, and a writer reuses pages that are
** being read, undetected: deleted rows were returned, with distances of other rows.  Therefore
**
** - a lock file has the inode of its data file behind LMDB's bytes; one with another inode, or
**   none, is replaced;
** - it is created under the builder's lock, so never while a build writes by an older one that was
**   removed;
** - a reader whose state may have been overwritten checks, before it uses what it read, whether its
**   lock file still has a name (hny__txn_intact): if not, another one may have been created.
*/
#ifndef HNY_LOCK_H
#define HNY_LOCK_H

#include <stdbool.h>

#include "base/os_file.h"

/* LMDB's default of 126 is few for connection pools; 64 bytes each. */
#define HNY__MAX_READERS 1023

/*
** The builder's lock is held by a build that writes, the linker's by one that changes links or
** deletes a graph.
*/
typedef enum hny__lock_kind { HNY__LOCK_BUILDER, HNY__LOCK_LINKER, HNY__LOCK_KINDS } hny__lock_kind;

/*
** Takes one: a lock on the data file (os_file.h).  HNY_BUSY at once if a build in this
** process or another one has it; *file is HNY__OS_NO_FILE then.
*/
int hny__lock_take(const char *path, hny__lock_kind kind, hny__os_file *file);
void hny__lock_release(hny__os_file file);

/* Has another process this lock?  False where that cannot be known: os_file.h. */
bool hny__lock_is_elsewhere(const char *path, hny__lock_kind kind);

/*
** Before a fork, handlers run in the reverse order of their registration: mutexes under which locks
** are taken must have theirs registered after this call.
*/
void hny__lock_watch_forks(void);

/* The path of the lock file of a data file.  The caller frees it.  NULL: out of memory. */
char *hny__lockfile_name(const char *path);

/*
** Makes sure that the data file `path`, with this inode, has a lock file of its own that is safe
** to map.  `held`: this process has the existing one open for another data file.  A new one takes
** the mode and owner of the file `model` (NULL: none).  HNY_BUSY if a new one is needed and a
** build runs.  Other statuses as in place.h.
*/
int hny__lockfile_ready(const char *lock, const char *path, uint64_t inode, bool held,
                        const char *model);

#endif
