#include "sidecar/lmdb_guard.h"

#include <pthread.h>

/*
** The guarded call that a thread is in: LMDB's handler is told the environment, but not by whom.  Not a
** _Thread_local: in a library that is loaded at run time LeakSanitizer fails on those.
*/
static pthread_key_t innermost;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int made; /* without the key an assertion ends the process, as LMDB has it */

static void make_key(void) {
    made = pthread_key_create(&innermost, NULL) == 0;
}

void hny__lmdb_guard_enter(hny__lmdb_guard *guard) {
    if (!made) {
        return;
    }
    guard->outer = pthread_getspecific(innermost);
    pthread_setspecific(innermost, guard);
}

void hny__lmdb_guard_leave(const hny__lmdb_guard *guard) {
    if (made) {
        pthread_setspecific(innermost, guard->outer);
    }
}

static void leave(MDB_env *mdb, const char *assertion) {
    hny__lmdb_guard *const guard = made ? pthread_getspecific(innermost) : NULL;
    (void)mdb;
    (void)assertion;
    if (guard) {
        _longjmp(guard->at, 1);
    }
}

int hny__lmdb_guard_watch(MDB_env *mdb) {
    pthread_once(&once, make_key);
    return mdb_env_set_assert(mdb, leave);
}
