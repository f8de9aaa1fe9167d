/*
** Interface to copies.c: rows whose codes are equal share one node of the graph.
**
** Linked one by one, thousands of equal rows are each other's only neighbours and fill every beam
** that comes near: a row among copies of five others was found neither by its own vector nor with
** an ef of 200.  So of rows with the same code and residual code one is linked, and the others, its
** copies, are joined to it by a ring of words, one for each slot (format.c).  A search ranks a node
** once and returns its rows.
**
** Rings change while no worker runs.  Functions return HNY_OK or a status.
*/
#ifndef HNY_COPIES_H
#define HNY_COPIES_H

#include "build/state.h"

typedef struct hny__copies {
    uint32_t *words;            /* of all linked slots (HNY__COPY); NULL: there are no rings */
    bool *changed;              /* by block of words */
    uint32_t slots;             /* with those of this build */
    uint32_t count;             /* of copies */
    roaring_bitmap_t *promoted; /* copies that are to be linked; NULL: none */
} hny__copies;

/* Queues a row of the base for linking. */
int hny__copies_add_node(hny_build *build, uint32_t slot);

/*
** Reads the rings of the base and drops deleted rows from them.  Deleted copies are added to
** `freed`, since the graph does not need them.  Where the node is deleted, a copy takes its place
** and is queued for linking.  `copies` is all zero.
*/
int hny__copies_open(hny__copies *copies, hny_build *build, roaring_bitmap_t *freed);
void hny__copies_close(hny__copies *copies); /* also of one that is all zero */

/* Makes copies of the new nodes whose codes another one has; they are no longer to be linked. */
int hny__copies_of_new_nodes(hny__copies *copies, hny_build *build);

/* Makes space for rings, where there were none.  Before the first hny__copies_join. */
int hny__copies_make(hny__copies *copies, const hny_build *build);

/* Makes `slot`, which is not linked, a copy of `node`, with all rows of its ring. */
int hny__copies_join(hny__copies *copies, uint32_t node, uint32_t slot);

/* Is the slot a copy, or still to be linked in the place of a deleted node? */
static inline bool hny__copies_unlinked(const hny__copies *copies, uint32_t slot) {
    return copies->words && ((copies->words[slot] & HNY__COPY) ||
                             (copies->promoted && roaring_bitmap_contains(copies->promoted, slot)));
}

/* Writes the blocks that are new or changed; to be called with build->record.copies set. */
int hny__copies_write(const hny__copies *copies, const hny_build *build, hny__txn *txn);

#endif
