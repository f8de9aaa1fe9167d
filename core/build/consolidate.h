/* Interface to consolidate.c: deleted nodes out of the graph. */
#ifndef HNY_CONSOLIDATE_H
#define HNY_CONSOLIDATE_H

#include "build/workers.h"

/*
** Takes the deleted nodes out of the graph: their neighbours are joined and pruned (FreshDiskANN, Singh
** et al. 2021, algorithm 4), the spanning tree is closed over the gaps, the entry point moves to a
** live node.  Runs before a build links its new nodes.  In: the slots that are deleted nodes, those of
** this build included.  Out: `tombs` holds the slots that are free now, `uppers` the upper rows.
** A deleted node stays where the tree around it cannot be closed within the nodes' room.
*/
int hny__consolidate(hny__worker_pool *pool, roaring_bitmap_t *deleted_ids,
                     roaring_bitmap_t *uppers);

#endif
