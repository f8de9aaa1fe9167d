/*
** Interface to beam_search.c: the search of one level of the graph and the descent to it.
**
** This is SEARCH-LAYER (algorithm 2) and the descent of K-NN-SEARCH (algorithm 5) of Malkov &
** Yashunin, "Efficient and robust approximate nearest neighbor search using hierarchical navigable
** small world graphs" (IEEE TPAMI 2020, arXiv 1603.09320).  Queries and builds run the same code;
** they differ in where links come from (hny__source).  Departures from the paper:
**
**   1. Quantised ranks.  A beam orders nodes by ranks of their codes (vector/row.h,
**      vector/query_scorer.h), not by distances of vectors.  Memory is what a search costs, and a
**      code has a quarter of the bytes or less.  The caller measures the best nodes again on finer
**      codes or vectors (read/search.c).  On 384-dimensional WordNet vectors, int8 codes reached a
**      recall of 0.98 at ef 59 with exact reranking of 14 nodes; without it they needed ef 71.
**   2. Distance-adaptive stop.  A classic beam keeps the ef nearest nodes.  An adaptive one keeps
**      every node no farther than a near one, stretched by a factor (Al-Jazzazi et al. 2025,
**      "Distance adaptive beam search", arXiv 2505.15636), and at most HNY__MAX_KEPT.  At a recall
**      of 0.95 that takes 10 to 25 % fewer distances on WordNet and GloVe vectors.  For queries
**      unlike the table's rows, a fixed ef chosen for queries like them found 0.69, and the
**      adaptive stop found 0.83.  A search begins with a small factor and goes on with the one that
**      its query needs (hny__beam_search_by_plan); graph/effort.h relates effort and recall.
**   3. One pool.  Candidates and results are one array sorted by rank, with a flag for expanded
**      nodes, in place of the paper's two heaps: 171 us a query against 220 on GloVe vectors with
**      ef 160.  Up to an ef of some 500 it is the faster of the two.
**   4. Batches.  The links of the two nearest unexpanded nodes are followed at once (BEAM_WIDTH in
**      beam_search.c).  Unvisited neighbours are collected first, their codes are prefetched
**      together, and then all are ranked: 107 us a query against 171 with no prefetch, on the same
**      data.
**   5. Hidden nodes.  Deleted, masked and filtered nodes are expanded like any other, but they do
**      not count towards ef and are not results.  A mask costs speed and never recall.  They wait
**      for that in a heap of their own: in the pool each insertion moved them, so that a query
**      into 150,000 deleted nodes took seconds.
**   6. Visited nodes are marked in one byte a node that belongs to the view and is reused, not in a
**      set that is made for each search.  A hash set made a query 1.4 to 2 times slower.
**   7. A search may give up after a number of distances (max_distances); a filtered search then
**      scans instead.
**   8. Inner products.  Under dot the graph is built and searched by the product itself (Morozov &
**      Babenko, "Non-metric similarity graphs for maximum inner product search", NeurIPS 2018),
**      which is no metric.  Of 19,500 WordNet vectors of log-normal lengths (sigma 0.5), hnswlib
**      found 0.96 of the 10 nearest at ef 40 that way; with one more dimension, which reduces
**      products to euclidean distances, it found 0.08, and in a graph of cosines 0.27.
**
** A beam belongs to one thread.  Functions return 0 or a negative hny_status.
*/
#ifndef HNY_BEAM_SEARCH_H
#define HNY_BEAM_SEARCH_H

#include <stdbool.h>

#include "graph/effort.h"
#include "sidecar/asks.h"
#include "sidecar/view.h"
#include "vector/query_scorer.h"

/* A node of the searched level (a slot, or an upper row) and its rank. */
typedef struct hny__found {
    float rank;
    uint32_t node; /* in the pool the top bit is a flag of the beam */
} hny__found;

/* Where a beam reads links. */
typedef struct hny__source {
    void *arg;
    /*
    ** A row's link words and their number, at most HNY__MAX_LINKS: a pointer to where they lie, or
    ** to a copy in `buffer`.  *count is 0 also where they cannot be read.  They are not validated.
    */
    const uint32_t *(*links)(void *arg, hny__family family, uint32_t row, uint32_t *buffer,
                             uint32_t *count);
    /* Prefetches the links of a row that is likely to be expanded next. */
    void (*prefetch)(void *arg, hny__family family, uint32_t row);
    /* The slot of an upper row, its row one level below and its level; nonzero: failed. */
    int (*upper)(void *arg, uint32_t row, uint32_t *owner, uint32_t *down, uint8_t *level);
    bool (*hidden)(void *arg, uint32_t slot); /* NULL: no node is hidden */
} hny__source;

/* Where a search begins. */
typedef struct hny__entry {
    uint32_t slot;  /* HNY__NONE: the graph is empty */
    uint32_t upper; /* its row on `level`; HNY__NONE on level 0 */
    uint32_t level;
} hny__entry;

typedef struct hny__beam {
    hny__view *view; /* codes are read from it */
    hny__source source;
    hny__asks *asks;      /* pages are asked for before they are read (look_ahead.h); NULL: not */
    bool asks_attributes; /* the source's `hidden` reads attributes */
    hny_interrupt interrupt;
    int status;     /* sticky, beside the view's */
    uint32_t steps; /* counts calls between two polls of `interrupt` */

    hny__found *pool; /* the nearest nodes that are not hidden, ascending by rank */
    size_t count, capacity;
    hny__found *hidden; /* hidden nodes that are not expanded, the nearest one on top */
    size_t hidden_count, hidden_capacity;
    size_t hidden_met;         /* in the present search */
    hny__found nearest_hidden; /* of all that were reached; node HNY__NONE: none */

    /* Nodes that a search which may be widened has met and does not keep, in no order. */
    bool keeps_rest;
    hny__found *rest;
    size_t rest_count, rest_capacity;

    uint64_t distances;     /* computed so far; the owner resets it */
    uint64_t max_distances; /* after so many the search gives up; 0: no limit */
} hny__beam;

/* Call before searches of a new state of the view.  HNY_OK or HNY_NOMEM. */
int hny__beam_prepare(hny__beam *beam);
void hny__beam_free(hny__beam *beam);

/*
** Greedy descent from the entry point to `level`, which must not lie above the entry's.  *out is
** the node found there and its rank: an upper row, or on level 0 a slot.
*/
int hny__beam_descend(hny__beam *beam, const hny__scorer *scorer, const hny__entry *entry,
                      uint32_t level, hny__found *out);

/* Has the last search exceeded max_distances?  Then its pool is incomplete. */
static inline bool hny__beam_gave_up(const hny__beam *beam) {
    return beam->max_distances && beam->distances > beam->max_distances;
}

/*
** Searches a level from `start`.  The pool then holds the nearest visible nodes that were reached,
** as many as the effort keeps, ascending by rank.
*/
int hny__beam_search(hny__beam *beam, hny__family family, const hny__scorer *scorer,
                     hny__found start, hny__effort effort);

/*
** Searches level 0 with the first effort of the plan, and goes on with that of the query's class.
** *effort is the one that the search ended with.
*/
int hny__beam_search_by_plan(hny__beam *beam, const hny__scorer *scorer, hny__found start,
                             const hny__effort_plan *plan, hny__effort *effort);

/* Searches level 0 with an effort, and measures the crowding of the query (effort.h). */
int hny__beam_measure_crowding(hny__beam *beam, const hny__scorer *scorer, hny__found start,
                               hny__effort effort, float reach, float *out);

/*
** After a search of level 0: adds the nearest of the slots that are not linked yet.  Their
** distances are not among those that the search may take.
*/
int hny__beam_scan_unlinked(hny__beam *beam, const hny__scorer *scorer, hny__effort effort);

/* The node of the pool at *position, which moves on; false: there is none. */
bool hny__beam_next(const hny__beam *beam, size_t *position, hny__found *out);

/* The nearest node that the last search reached, hidden or not; false: there is none. */
bool hny__beam_nearest(const hny__beam *beam, hny__found *out);

#endif
