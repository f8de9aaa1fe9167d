/* Threads and processes, on Windows; the contracts are in os_thread.h. */
#include "base/os_thread.h"

#include <time.h>
#include <windows.h>

int hny__os_thread_start(pthread_t *thread, void *(*main)(void *), void *arg) {
    return pthread_create(thread, NULL, main, arg);
}

void hny__os_thread_yields(void) {
    (void)SetThreadPriority(GetCurrentThread(), THREAD_PRIORITY_BELOW_NORMAL);
}

/* ExitProcess() ends them before it tells libraries that they are unloaded. */
bool hny__os_threads_end_first(void) {
    return true;
}

/* There are no forks. */
void hny__os_watch_forks(void (*before)(void), void (*parent)(void), void (*child)(void)) {
    (void)before;
    (void)parent;
    (void)child;
}

int64_t hny__os_process(void) {
    return GetCurrentProcessId();
}

void hny__os_sleep(unsigned milliseconds) {
    Sleep(milliseconds);
}

uint64_t hny__os_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
