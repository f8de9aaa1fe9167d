/*
** Interface to control_groups_posix.c: the folders of this process's control groups.
**
** A file like /proc/self/cgroup names the groups, and their folders are below a mount point like
** /sys/fs/cgroup.  A container sees its own group as the highest one, and may see a name that is
** not below the mount point.
*/
#ifndef HNY_CONTROL_GROUPS_H
#define HNY_CONTROL_GROUPS_H

#include <stdbool.h>

/*
** Calls `visit` with the folders of the groups that have this controller, of version 2 and of
** version 1, and of all groups above them.  Not all of them need exist.
*/
void hny__control_groups_each(const char *groups, const char *mount, const char *controller,
                              void (*visit)(void *arg, const char *folder), void *arg);

#define HNY__GROUP_LINE 64

/* The first line of a file in a folder, cut to fit. */
bool hny__control_group_line(const char *folder, const char *name, char line[HNY__GROUP_LINE]);

#endif
