/* Interface to prune.c: which of many candidates a node keeps as neighbours. */
#ifndef HNY_SELECT_NEIGHBORS_H
#define HNY_SELECT_NEIGHBORS_H

#include "vector/row.h"

typedef struct hny__candidate {
    float rank;         /* from the node */
    uint32_t link;      /* link word: HNY__TREE links are always kept */
    const uint8_t *row; /* its code row */
} hny__candidate;

/* By rank, then by node. */
void hny__candidates_sort(hny__candidate *candidates, size_t count);

/*
** Neighbour selection by heuristic (Malkov & Yashunin 2018, algorithm 4): of `count` candidates,
** sorted, a candidate is kept unless one kept before it is nearer to it than the node is.  With
** `fill`, places that stay empty go to the nearest ones that were dropped (keepPrunedConnections).
** At most `max` are kept, in out[0 .. max), which must not overlap the candidates; all tree links
** are among them, and there must not be more of those than `max`.
*/
size_t hny__select_neighbors(const hny__row_format *code, const hny__candidate *candidates,
                             size_t count, size_t max, int fill, hny__candidate *out);

#endif
