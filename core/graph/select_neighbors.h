/*
** Interface to select_neighbors.c: which of many candidates a node keeps as neighbours.
**
** This is SELECT-NEIGHBORS-HEURISTIC (algorithm 4) of Malkov & Yashunin 2018, arXiv 1603.09320: a
** candidate is kept unless a neighbour kept before it is nearer to it than the node is.  It is what
** later work calls robust pruning with alpha = 1.  Departures from the paper:
**
**   1. Distances are ranks of codes, those that a build links on.  Selection on int8 codes gave
**      graphs whose recall was within 0.004 of graphs on float32, in a third of the time
**      (384-dimensional WordNet vectors).
**   2. Tree links (build/mutable_graph.h) are always kept, in their place in the order.  They count
**      towards `max`, and later candidates must be diverse to them too.
**   3. keepPrunedConnections is the caller's choice (`fill`).  Lists that overflow and lists that
**      are repaired after deletions are filled: repaired without filling, a graph of GloVe vectors
**      that had lost half its nodes found 0.968, and filled 0.979.  The own list of a new node is
**      not filled (build/insert.h).
**   4. extendCandidates is not used.  Consolidation joins lists before it selects.
**   5. Candidates of one rank are ordered by node, so that a build by one thread is repeatable.
*/
#ifndef HNY_SELECT_NEIGHBORS_H
#define HNY_SELECT_NEIGHBORS_H

#include <stdbool.h>

#include "vector/row.h"

typedef struct hny__candidate {
    float rank;         /* from the node */
    uint32_t link;      /* link word: HNY__TREE links are always kept */
    const uint8_t *row; /* its code row */
} hny__candidate;

/* Ascending by rank, then by node. */
void hny__candidates_sort(hny__candidate *candidates, size_t count);

/*
** Selects at most `max` of `count` sorted candidates into out[0 .. max), which must not overlap the
** candidates, and returns their number.  With `fill`, free places go to the nearest candidates that
** were not diverse.  HNY__TOO_MANY_TREE_LINKS: more than `max` candidates are tree links, which
** only a damaged sidecar has; nothing is selected.  `max` is at most HNY__MAX_LINKS.
*/
#define HNY__TOO_MANY_TREE_LINKS SIZE_MAX
size_t hny__select_neighbors(const hny__row_format *format, const hny__candidate *candidates,
                             size_t count, size_t max, bool fill, hny__candidate *out);

#endif
