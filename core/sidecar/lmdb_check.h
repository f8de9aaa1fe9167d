/*
** Interface to lmdb_check.c: validates what LMDB takes on trust, before it opens a file.  Without
** this, 13 of 60 damaged files aborted the process.  Checked are both meta pages, the length of
** the file, the roots of both trees, and the first page of the free list, whose sizes LMDB would
** use unchecked.
*/
#ifndef HNY_LMDB_CHECK_H
#define HNY_LMDB_CHECK_H

#include <stdint.h>

/* For a file of `size` bytes: HNY_OK, HNY_CORRUPT, or HNY_VERSION for another format of LMDB. */
int hny__lmdb_check(int fd, uint64_t size);

#endif
