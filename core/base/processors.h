/*
** Interface to processors_posix.c and processors_windows.c: how many threads this process can run
** at a time.
*/
#ifndef HNY_PROCESSORS_H
#define HNY_PROCESSORS_H

#include <stdbool.h>

/*
** The processors that this thread may run on, as taskset and containers restrict them, and no more
** than the quota of its control groups, rounded up.  At least 1.
*/
unsigned hny__processors(void);

/*
** On POSIX, for its body and tests.  The quota of the groups that the file `groups` names
** (/proc/self/cgroup) and those above them, whose folders are below `mount` (/sys/fs/cgroup), in
** processors, rounded up.  0: there is none.
*/
unsigned hny__processors_quota(const char *groups, const char *mount);

/* Has this 64-bit ARM processor the instructions for dot products of bytes? */
bool hny__processor_has_dots(void);

#endif
