/* Threads and processes, on POSIX; the contracts are in os_thread.h. */
#define _GNU_SOURCE /* gettid in syscall.h */
#include "base/os_thread.h"

#include <signal.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/syscall.h>
#endif

#define NICENESS 10

int hny__os_thread_start(pthread_t *thread, void *(*main)(void *), void *arg) {
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    const int rc = pthread_create(thread, NULL, main, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc;
}

/* Only Linux has a niceness of a thread. */
void hny__os_thread_yields(void) {
#if defined(__linux__) && defined(SYS_gettid)
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICENESS);
#endif
}

bool hny__os_threads_end_first(void) {
    return false;
}

void hny__os_watch_forks(void (*before)(void), void (*parent)(void), void (*child)(void)) {
    (void)pthread_atfork(before, parent, child);
}

int64_t hny__os_process(void) {
    return getpid();
}

void hny__os_sleep(unsigned milliseconds) {
    const struct timespec time = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000000};
    nanosleep(&time, NULL);
}

uint64_t hny__os_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
