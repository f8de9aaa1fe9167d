/* The guard that turns failed assertions of LMDB into error codes. */
#include "sidecar/lmdb_guard.h"

#include <pthread.h>
#include <stdbool.h>

/*
** The guarded call that a thread is in: LMDB passes its handler the environment, but nothing of the
** caller.  Not _Thread_local, which LeakSanitizer fails on in a library that is loaded at run time.
*/
static pthread_key_t innermost;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static bool has_key; /* without it an assertion aborts the process, as LMDB does by default */

static void create_key(void) {
    has_key = pthread_key_create(&innermost, NULL) == 0;
}

void hny__lmdb_guard_enter(hny__lmdb_guard *guard) {
    if (!has_key) {
        return;
    }
    guard->outer = pthread_getspecific(innermost);
    pthread_setspecific(innermost, guard);
}

void hny__lmdb_guard_leave(const hny__lmdb_guard *guard) {
    if (has_key) {
        pthread_setspecific(innermost, guard->outer);
    }
}

static void leave_guarded_call(MDB_env *mdb, const char *assertion) {
    hny__lmdb_guard *const guard = has_key ? pthread_getspecific(innermost) : NULL;
    (void)mdb;
    (void)assertion;
    if (guard) {
        HNY__OS_JUMP(guard->target);
    }
}

int hny__lmdb_guard_watch(MDB_env *mdb) {
    pthread_once(&key_once, create_key);
    return mdb_env_set_assert(mdb, leave_guarded_call);
}
