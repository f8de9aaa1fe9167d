/*
** Interface to rowid_map.c: the map from rowids to slots.
**
** It is a tree of nodes in the sidecar, in which each node has a check of its children, and the
** table's record one of the root: an older version of a node does not pass for a newer one.  It
** decides which rows exist and which slot is a row's newest, so a search returns a row only if the
** map has it (hny__view_confirm).
*/
#ifndef HNY_ROWID_MAP_H
#define HNY_ROWID_MAP_H

#include "sidecar/records.h"
#include "sidecar/view.h"

/* In a pinned view.  HNY_MISSING: there is no such rowid. */
int hny__rowid_map_find(hny__view *view, int64_t rowid, hny__row_ref *out);

/*
** The leaf that has a rowid if any has; only the nodes above it are read.  HNY_MISSING: there is
** none.
*/
int hny__rowid_map_leaf(hny__view *view, int64_t rowid, uint32_t *number);

/* Prefetches what hny__rowid_map_find will read, as far as blocks are resolved. */
void hny__rowid_map_prefetch(const hny__view *view, int64_t rowid);

/*
** Calls `visit` for all rowids of a pinned view, ascending; stops at its first failure.
** HNY_CORRUPT also if they do not ascend.
*/
int hny__rowid_map_each(hny__view *view, int (*visit)(void *arg, const hny__row_ref *ref),
                        void *arg);

/*
** In a write transaction: applies `refs`, which ascend, to the map of a record.  A slot of
** HNY__NONE removes the rowid.  Changes the record's members of the map.
*/
int hny__rowid_map_update(hny__txn *txn, hny__table_record *record, const hny__row_ref *refs,
                          size_t count);

#endif
