/*
** Interface to consolidate.c: removing deleted nodes from the graph.
**
** Nodes with deleted neighbours get those neighbours' live neighbours as candidates, and select
** among them and their own (Singh et al. 2021, "FreshDiskANN", arXiv 2105.09613, algorithm 4).
** Departures:
**
**   1. Free places are filled with pruned candidates.  Of GloVe vectors with half the nodes
**      deleted, recall was 0.968 without that and 0.979 with it, as high as with the deleted nodes
**      still there.
**   2. The spanning tree is closed first over each cavity, a maximal set of deleted nodes that are
**      joined by tree links.  Where the nodes around it have no free places, the cavity stays.
**   3. It runs when a fifth of the nodes are deleted (publish decides), not at each deletion: until
**      then searches pass through them.
*/
#ifndef HNY_CONSOLIDATE_H
#define HNY_CONSOLIDATE_H

#include "build/workers.h"

/*
** Removes deleted nodes, before a build links its new ones: repairs their neighbours' links,
** closes the spanning tree, and moves the entry point to a live node.  In: `deleted_ids`, the
** slots of deleted nodes, those of this build included.  Out: `deleted_ids`, the slots that are
** free now, and `freed_uppers`, the upper rows that are.
*/
int hny__consolidate(hny__worker_pool *pool, roaring_bitmap_t *deleted_ids,
                     roaring_bitmap_t *freed_uppers);

#endif
