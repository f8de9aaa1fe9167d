/*
** Interface to os_thread_posix.c and os_thread_windows.c: threads and processes, and their time.
**
** Mutexes, conditions and clocks are those of POSIX on every system: on Windows they are in
** winpthreads, which the library has inside.
*/
#ifndef HNY_OS_THREAD_H
#define HNY_OS_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/*
** Starts a thread that gets no signals: they are for the host's own threads.  0, or a code of
** errno.h.
*/
int hny__os_thread_start(pthread_t *thread, void *(*main)(void *), void *arg);

/* Others come before the calling thread from now on, where the system has that. */
void hny__os_thread_yields(void);

/*
** Are the other threads gone, wherever they were, when a destructor of the library runs?  Then it
** must not take a lock.
*/
bool hny__os_threads_end_first(void);

/* Runs these around each fork; the last one in the child. */
void hny__os_watch_forks(void (*before)(void), void (*parent)(void), void (*child)(void));

/* The number of this process. */
int64_t hny__os_process(void);

void hny__os_sleep(unsigned milliseconds);

/* Nanoseconds of a clock that is never set. */
uint64_t hny__os_nanoseconds(void);

#endif
