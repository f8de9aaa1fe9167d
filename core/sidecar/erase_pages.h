/*
** Interface to erase_pages.c: overwriting the pages that a file does not use.
**
** LMDB never changes a page that a committed state has: what is replaced or deleted stays in the
** file, in a free page, until another value happens to be written there.
*/
#ifndef HNY_ERASE_PAGES_H
#define HNY_ERASE_PAGES_H

#include "sidecar/env.h"

/*
** In a write transaction, under the builder's lock: overwrites the free pages that no reader can
** have, with zeros, and makes that durable.  These are the pages that LMDB would write to, so
** *complete is false if a reader has a state before the newest.  Pages that the transaction before
** this one freed are left out: a reader without a place in the lock file may have them.
*/
int hny__erase_free_pages(hny__txn *txn, bool *complete);

/*
** After a commit: of the pages that are known to be zeros, those that are still free stay so.
** Reading all free pages of a large file at each build would cost more than writing the few that
** are new.
*/
void hny__erase_follow(hny__env *env);

#endif
