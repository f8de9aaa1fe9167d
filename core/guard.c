#include "guard.h"

/* The guarded call that the thread is in: LMDB's handler is told the environment, but not by whom. */
static _Thread_local hny__guard *innermost;

void hny__guard_enter(hny__guard *guard) {
    guard->outer = innermost;
    innermost = guard;
}

void hny__guard_leave(const hny__guard *guard) {
    innermost = guard->outer;
}

static void leave(MDB_env *mdb, const char *assertion) {
    (void)mdb;
    (void)assertion;
    if (innermost) _longjmp(innermost->at, 1);
}

int hny__guard_watch(MDB_env *mdb) {
    return mdb_env_set_assert(mdb, leave);
}
