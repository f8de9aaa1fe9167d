/* Interface to free_memory_posix.c and free_memory_windows.c: how much memory files may take. */
#ifndef HNY_FREE_MEMORY_H
#define HNY_FREE_MEMORY_H

#include <stdint.h>

/*
** Bytes that the page cache could take without others being pushed out of memory, but for other
** files: of the machine, and of this process's control groups.  0: it is not known.
*/
uint64_t hny__free_memory(void);

/*
** On POSIX, for its body and tests.  The same of the groups alone, as hny__control_groups_each
** finds them; UINT64_MAX: no limit.
*/
uint64_t hny__free_memory_of_groups(const char *groups, const char *mount);

#endif
