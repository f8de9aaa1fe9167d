/*
** Interface to place_posix.c and place_windows.c: what is at the paths of a sidecar and its lock
** file.
**
** Other users may write in the folder of a database.  A symbolic link that they make there is never
** followed, since this process may be allowed to write where they are not.  A pipe, a socket or a
** device is never opened.  Statuses of what is found: HNY_OK for a regular file, HNY_MISSING,
** HNY_LINK, HNY_FOLDER, HNY_PIPE, HNY_SOCKET, HNY_DEVICE, HNY_NAME (no file can have this name),
** HNY_IO.
*/
#ifndef HNY_PLACE_H
#define HNY_PLACE_H

#include <stdbool.h>

#include "base/os_file.h"

/* What is at a path?  *info is valid if there is anything. */
int hny__place_look(const char *path, hny__os_info *info);

/* Opens a regular file.  *file is HNY__OS_NO_FILE unless HNY_OK is returned. */
int hny__place_open(const char *path, bool writes, hny__os_file *file);

/*
** Holds a regular file without opening it: closing any other descriptor would drop the locks that
** LMDB has on its lock file.  Not all of POSIX can; there *file is HNY__OS_NO_FILE and *info that
** of the path.
*/
int hny__place_hold(const char *path, hny__os_file *file, hny__os_info *info);

/* Creates a file that only this user can read.  HNY_BUSY: there is something at the path. */
int hny__place_create(const char *path, hny__os_file *file);

/*
** Gives a file that is open or held the group and mode of the file `model`, and for root its
** owner, as SQLite does for -wal files.  The owner can always write it.  Without the right to give
** it that group, its own group gets the rights of all others.  For model NULL nothing; nothing on
** Windows either, where a file takes its rights from the folder.
*/
void hny__place_own(hny__os_file file, const char *model);

/* Can only this user and root make files in the folder of `path`? */
bool hny__place_is_ours(const char *path);

/*
** A path that leads to two files that are held, in a folder that only this user can change: *path
** to `data`, *path + "-lock" to `lock`.  Functions that follow links, as LMDB's, can then open them
** whatever others do in the files' folder.  HNY_IO: not possible here.  hny__place_unlink ends it.
*/
int hny__place_link(hny__os_file data, hny__os_file lock, char **path);
void hny__place_unlink(char *path);

#endif
