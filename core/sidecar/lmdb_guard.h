/*
** Interface to guard.c: LMDB's assertions as error codes.
**
** LMDB 0.9 trusts its file, and asserts what it then cannot but find.  Of a damaged file an assertion
** may fail, which would end the host's process.  A guarded call is left by a longjmp instead, and
** returns HNY__ASSERTED.  A read transaction can be ended after that as always.  A write transaction
** cannot: its cursors may be on a stack that is gone, so neither it nor they may be touched any more,
** and env.c abandons the environment.
*/
#ifndef HNY_LMDB_GUARD_H
#define HNY_LMDB_GUARD_H

#include <lmdb.h>
#include <setjmp.h>

#define HNY__ASSERTED (-29999) /* none of LMDB's codes */

typedef struct hny__lmdb_guard hny__lmdb_guard;
struct hny__lmdb_guard {
    jmp_buf at;
    hny__lmdb_guard *outer;
};

/* To be called once an environment is made: its assertions leave the guarded call that they are in. */
int hny__lmdb_guard_watch(MDB_env *mdb);

void hny__lmdb_guard_enter(hny__lmdb_guard *guard);
void hny__lmdb_guard_leave(const hny__lmdb_guard *guard);

/* The value of an LMDB call, or HNY__ASSERTED.  _setjmp saves no signal mask: that is a system call. */
#define HNY__GUARDED(call)                                                                         \
    __extension__({                                                                                \
        hny__lmdb_guard guard_;                                                                    \
        hny__lmdb_guard_enter(&guard_);                                                            \
        const int guarded_ = _setjmp(guard_.at) ? HNY__ASSERTED : (call);                          \
        hny__lmdb_guard_leave(&guard_);                                                            \
        guarded_;                                                                                  \
    })

#endif
