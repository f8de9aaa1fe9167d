/* Interface to consolidate.c: tombstones out of the graph. */
#ifndef HNY_CONSOLIDATE_H
#define HNY_CONSOLIDATE_H

#include "build/workers.h"

/*
** Takes the tombstones out of the graph: their neighbours are joined and pruned (FreshDiskANN, Singh
** et al. 2021, algorithm 4), the spanning tree is closed over the gaps, the entry point moves to a
** live node.  Runs before a build links its new nodes.  In: the slots that are tombstones, those of
** this build included.  Out: `tombs` holds the slots that are free now, `uppers` the upper rows.
** A tombstone stays where the tree around it cannot be closed within the nodes' room.
*/
int hny__consolidate(hny__team *team, roaring_bitmap_t *tombs, roaring_bitmap_t *uppers);

#endif
