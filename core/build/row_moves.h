/*
** Interface to row_moves.c: rows that get other slots, so that free ones are used again.
**
** Rows that are appended get slots at the end of the table, since the unlinked rows are its last
** slots.  In a table whose rows are replaced again and again the free slots before them would
** become ever more.  So once a third of the slots are free, the linker links rows in free slots,
** and then moves the end of the table down over the slots that these rows have left.
*/
#ifndef HNY_ROW_MOVES_H
#define HNY_ROW_MOVES_H

#include "build/state.h"

/* Is a third of the slots free? */
static inline bool hny__is_sparse(const hny__table_record *table) {
    return table->free_slots > table->live / 2;
}

/*
** For a build that only links, before it does: moves the rows that it is to link to free slots, if
** there are enough.  Takes the builder's lock, and releases it: their codes are copied to slots
** that no state refers to.  The base of the build is the newest state then.
*/
int hny__moves_plan(hny_build *build);

/*
** For such a build that is about to be published: `deleted` are the slots whose rows others have
** deleted since.  The slots that these rows were to get are added: deleted nodes are in them.
*/
void hny__moves_rebase(hny_build *build, roaring_bitmap_t *deleted);

/* Where the row of a slot is until the build is published. */
uint32_t hny__moves_source(const hny_build *build, uint32_t slot);

/*
** In the transaction that publishes: copies the rows, again if PRAGMA secure_delete has overwritten
** the free slots, and notes where the map will find them.
*/
int hny__moves_write(hny_build *build, hny__txn *txn);

/*
** For a build of changes, before it is published: moves the unlinked rows over free slots right
** before them, if those are as many.  *lowered: the table has fewer slots then.
*/
int hny__moves_lower(hny_build *build, bool *lowered);

#endif
