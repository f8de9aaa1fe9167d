/*
** Interface to lock.c: who may build, and the file by which LMDB keeps readers and writers apart.
**
** LMDB's writers know the readers of a data file, and all know its newest transaction, by the lock file
** alone.  Users delete, copy and put back either file under processes that have both open.  Then two lock
** files belong to one data file, or one to two, and a writer reuses pages that are being read, with nobody
** the wiser: deleted rows came out, at distances of other rows.  Therefore
**
** - a lock file names, behind LMDB's bytes, the inode of its data file: one that names another, or none,
**   is replaced;
** - it is made under the builder's lock, so never while somebody writes by an older one that was removed;
** - a reader whose state may have been written over asks, before it believes what it read, whether its
**   lock file still has a name (hny__env_intact): without that another may have been made.
*/
#ifndef HNY_LOCK_H
#define HNY_LOCK_H

#include <sys/types.h>

#define HNY__MAX_READERS 1024 /* LMDB's 126 are few for pools of connections; 64 bytes each */

/*
** The builder's lock: an open-file-description lock on the data file, which a build elsewhere, in
** this process or another, makes fail with HNY_BUSY at once.  *fd is -1 for no path, a private file.
*/
int hny__lock_take(const char *path, int *fd);
void hny__lock_release(int fd);

/* The lock file of a data file, to be freed; NULL: out of memory. */
char *hny__lockfile_name(const char *path);

/*
** Sees to it that the data file `path`, with this inode, has a lock file of its own, and one that is safe
** to be mapped.  `held`: this process has the one that is there open, for another data file.  `model`: whose
** mode and owner a new one takes, or NULL.  HNY_BUSY where a new one is needed and a build is at work.
*/
int hny__lockfile_ready(const char *lock, const char *path, ino_t inode, int held,
                        const char *model);

/* Gives a new file, where it can, the mode and owner of another, as a -wal file has its database's. */
void hny__copy_owner(int fd, const char *model);

#endif
