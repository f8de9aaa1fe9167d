/*
** Interface to size_signal_posix.c and size_signal_windows.c: the signal of a file that becomes too
** long.
*/
#ifndef HNY_SIZE_SIGNAL_H
#define HNY_SIZE_SIGNAL_H

#include <stdbool.h>
#include <stdint.h>

/*
** A file that grows beyond RLIMIT_FSIZE costs the process its life by default: SIGXFSZ.  Between
** these two calls, on one thread, it is the error EFBIG instead.  Windows has no such limit.
*/
typedef struct hny__size_signal {
    bool held;
    uint64_t mask[16]; /* a sigset_t: of the thread before */
} hny__size_signal;

void hny__size_signal_hold(hny__size_signal *signal);
void hny__size_signal_release(hny__size_signal *signal);

#endif
