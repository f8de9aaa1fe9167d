/* A jump out of a call, which restores registers and nothing else. */
#ifndef HNY_OS_JUMP_H
#define HNY_OS_JUMP_H

#include <setjmp.h>

/*
** POSIX's _setjmp does not save the signal mask, which would be a system call.  On Windows longjmp
** would run the handlers of all frames in between, which LMDB's have none of, unless setjmp was
** given no frame.
*/
#ifdef _WIN32
#define HNY__OS_SET_JUMP(target) _setjmp((target), NULL)
#define HNY__OS_JUMP(target)     longjmp((target), 1)
#else
#define HNY__OS_SET_JUMP(target) _setjmp(target)
#define HNY__OS_JUMP(target)     _longjmp((target), 1)
#endif

#endif
