/* Interface to lmdb_status.c: statuses of LMDB's codes. */
#ifndef HNY_LMDB_STATUS_H
#define HNY_LMDB_STATUS_H

/* The status of what an LMDB call returned: 0, one of its codes, errno's, or HNY__ASSERTED. */
int hny__lmdb_status(int code);

#endif
