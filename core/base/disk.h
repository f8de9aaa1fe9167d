/* Interface to disk_posix.c and disk_windows.c: room on the disk. */
#ifndef HNY_DISK_H
#define HNY_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/os_file.h"

/*
** Holds so many bytes of the disk of the file `beside`, or for NULL of the folder for temporary
** files, until *file is closed: a file without a name takes them.  *file is HNY__OS_NO_FILE where
** that is not possible; then the bytes are only known to be free.  HNY_FULL: there are not so many.
*/
int hny__disk_hold(const char *beside, uint64_t bytes, hny__os_file *file);

/* Is there so little room beside this file that a write may have failed for it? */
bool hny__disk_is_full(const char *beside);

#endif
