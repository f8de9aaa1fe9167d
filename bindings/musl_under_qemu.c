/*
** Put before musl by LD_PRELOAD, where qemu emulates a processor: LMDB asks for robust mutexes,
** musl asks the kernel first whether it has them, and qemu answers no.  Everything else of such a
** mutex is musl's own.  No process is killed in the SQL tests, the one case that the kernel
** takes care of.
*/
#include <errno.h>
#include <pthread.h>

#define MUSL_ROBUST 4U /* of musl's pthread_mutexattr_setrobust.c */

int pthread_mutexattr_setrobust(pthread_mutexattr_t *attributes, int robust) {
    if (robust != PTHREAD_MUTEX_STALLED && robust != PTHREAD_MUTEX_ROBUST) {
        return EINVAL;
    }
    attributes->__attr &= ~MUSL_ROBUST;
    if (robust == PTHREAD_MUTEX_ROBUST) {
        attributes->__attr |= MUSL_ROBUST;
    }
    return 0;
}
