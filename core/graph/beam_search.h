/*
** Interface to walk.c: the beam search over one level of a graph, and the descent to it (Malkov &
** Yashunin 2018, algorithms 2 and 5).  A query and a build walk alike; they differ in where links
** come from, and that is the source.
**
** How far a walk goes is its *effort*.  The classic one keeps the ef nearest nodes.  The adaptive one
** keeps whatever is no farther than the ef-th nearest, stretched by some factor (Al-Jazzazi & al.
** 2025, "Distance adaptive beam search"): where many nodes are about as near as the best, as for
** queries unlike anything in the table, it goes on, and where few are it ends sooner.  At a recall of
** 0.95 that takes 10 to 25 % fewer distances on WordNet and GloVe vectors, and where a fixed ef
** chosen for queries like the table's own found 0.69 for queries of another kind, it finds 0.83.
**
** The pool is one array sorted by rank (a linear pool: faster than two heaps up to an ef of some
** 500, PERFORMANCE §2).  Hidden nodes, those deleted or masked, are walked through but do not count
** towards ef and are not results, so a mask costs speed and never recall.
*/
#ifndef HNY_BEAM_SEARCH_H
#define HNY_BEAM_SEARCH_H

#include "sidecar/view.h"
#include "vector/query_scorer.h"

/* A node of the level walked on (a slot, or an upper row) and its rank. */
typedef struct hny__found {
    float rank;
    uint32_t node; /* in the pool, the two top bits are the walk's own */
} hny__found;

typedef struct hny__source {
    void *arg;
    /*
    ** A row's link words and their number, at most HNY__MAX_LINKS: where they are, or copied to
    ** `room`; 0 also where they cannot be had.  They are not checked.
    */
    const uint32_t *(*links)(void *arg, hny__family family, uint32_t row, uint32_t *room,
                             uint32_t *count);
    /* The links of this row will be asked for soon. */
    void (*ahead)(void *arg, hny__family family, uint32_t row);
    /* The slot of an upper row, its row one level below and its level; nonzero: failed. */
    int (*upper)(void *arg, uint32_t row, uint32_t *owner, uint32_t *down, uint8_t *level);
    int (*hidden)(void *arg, uint32_t slot); /* NULL: none is */
} hny__source;

/* Where a walk begins. */
typedef struct hny__entry {
    uint32_t slot;  /* HNY__NONE: the graph is empty */
    uint32_t upper; /* its row on `level`; HNY__NONE on level 0 */
    uint32_t level;
} hny__entry;

typedef struct hny__effort {
    uint32_t ef;
    float stretch; /* of the ef-th nearest node's rank, 1 or more; 0: the classic walk */
} hny__effort;

typedef struct hny__beam {
    hny__view *view; /* codes are read from it */
    hny__source source;
    hny_interrupt interrupt;
    int status; /* sticky, beside the view's */
    uint32_t steps;

    hny__found *pool;
    size_t count, room;
    size_t visible; /* how many of count are not hidden */
    size_t edge;    /* the place of the ef-th of those, once there are as many */

    uint64_t distances; /* computed so far; the owner's to reset */
    uint64_t most;      /* after so many the walk gives up; 0: never */
} hny__beam;

/* Before walks of a state of the view.  HNY_OK or HNY_NOMEM. */
int hny__beam_prepare(hny__beam *walk);
void hny__beam_free(hny__beam *walk);

/*
** From the entry point greedily down to `level` (which must not lie above the entry's).  *out is
** the node found there and its rank: an upper row, or on level 0 a slot.
*/
int hny__beam_descend(hny__beam *walk, const hny__scorer *query, const hny__entry *entry,
                      uint32_t level, hny__found *out);

/* Has the walk given up? */
static inline int hny__beam_gave_up(const hny__beam *walk) {
    return walk->most && walk->distances > walk->most;
}

/*
** The nearest visible nodes that a walk from `start` meets, as many as the effort keeps, in the
** pool, nearest first, with the hidden ones met among them.
*/
int hny__beam_search(hny__beam *walk, hny__family family, const hny__scorer *query,
                     hny__found start, hny__effort effort);

/* After a beam on level 0: adds what is nearest of the slots that are not linked yet. */
int hny__beam_scan_unlinked(hny__beam *walk, const hny__scorer *query, hny__effort effort);

/* The next visible result from position *at on; 0 when there is none. */
int hny__beam_next(const hny__beam *walk, size_t *at, hny__found *out);

/* The same over all that were met, hidden ones too. */
hny__found hny__beam_any(const hny__beam *walk, size_t at);

#endif
