/* Interface to disk.c: room on the disk. */
#ifndef HNY_DISK_H
#define HNY_DISK_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/*
** Holds so many bytes of the disk of the file `beside`, or for NULL of the folder for temporary
** files, until *fd is closed: a file without a name takes them.  *fd is -1 where that is not
** possible; then the bytes are only known to be free.  HNY_FULL: there are not so many.
*/
int hny__disk_hold(const char *beside, uint64_t bytes, int *fd);

/* Is there so little room beside this file that a write may have failed for it? */
bool hny__disk_is_full(const char *beside);

/*
** A file that grows beyond RLIMIT_FSIZE costs the process its life by default: SIGXFSZ.  Between
** these two calls, on one thread, it is the error EFBIG instead.
*/
typedef struct hny__size_signal {
    bool held;
    sigset_t mask; /* of the thread before */
} hny__size_signal;

void hny__size_signal_hold(hny__size_signal *signal);
void hny__size_signal_release(hny__size_signal *signal);

#endif
