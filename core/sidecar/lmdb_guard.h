/*
** Interface to lmdb_guard.c: LMDB's assertions as error codes.
**
** LMDB 0.9 trusts its file and asserts what it expects to find there.  A damaged file can make an
** assertion fail, which would abort the host's process.  A guarded call is left by longjmp instead
** and returns HNY__ASSERTED.  A read transaction can then be ended as usual.  A write transaction
** cannot: its cursors may be on a stack that is gone, so neither it nor they may be used again,
** and env_txn.c abandons the environment.
*/
#ifndef HNY_LMDB_GUARD_H
#define HNY_LMDB_GUARD_H

#include <lmdb.h>

#include "base/os_jump.h"

#define HNY__ASSERTED (-29999) /* not one of LMDB's codes */

typedef struct hny__lmdb_guard hny__lmdb_guard;
struct hny__lmdb_guard {
    jmp_buf target;
    hny__lmdb_guard *outer;
};

/* To be called for each environment: its assertions then leave the guarded call they fail in. */
int hny__lmdb_guard_watch(MDB_env *mdb);

void hny__lmdb_guard_enter(hny__lmdb_guard *guard);
void hny__lmdb_guard_leave(const hny__lmdb_guard *guard);

/* The value of an LMDB call, or HNY__ASSERTED. */
#define HNY__GUARDED(call)                                                                         \
    __extension__({                                                                                \
        hny__lmdb_guard guard_;                                                                    \
        hny__lmdb_guard_enter(&guard_);                                                            \
        const int guarded_ = HNY__OS_SET_JUMP(guard_.target) ? HNY__ASSERTED : (call);             \
        hny__lmdb_guard_leave(&guard_);                                                            \
        guarded_;                                                                                  \
    })

#endif
