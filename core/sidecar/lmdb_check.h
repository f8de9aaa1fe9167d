/*
** Interface to inspect.c: may LMDB be let loose on a file?  It trusts its file: 13 of 60 damaged ones
** aborted the process.  What can be checked without it is checked here, before it opens the file: both
** meta pages, that the file is as long as they say, the roots of both trees, and the first page of the
** list of free pages, from which it would take a wild number for a size.
*/
#ifndef HNY_LMDB_CHECK_H
#define HNY_LMDB_CHECK_H

#include <stdint.h>

/* A file of so many bytes: HNY_OK, HNY_VERSION (another format of LMDB's) or HNY_CORRUPT. */
int hny__lmdb_check(int fd, uint64_t size);

#endif
