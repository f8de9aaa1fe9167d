/*
** Interface to effort.c: how hard a search must try for a recall, read from the table's curves.
**
** An effort is a classic beam width (`ef`), or a base width and the stretch of the
** distance-adaptive stop (beam_search.h).  A build measures, on nodes that are not linked yet,
** which recall each point of a grid of efforts reaches, and keeps the result in the table's record
** (build/calibrate.h).  A search for a recall takes the smallest stretch that reaches it.  A search
** that names an ef takes the stretch that finds as much as a classic search with that ef, for fewer
** distances.
*/
#ifndef HNY_EFFORT_H
#define HNY_EFFORT_H

#include <stdbool.h>

#include "sidecar/format.h"

typedef struct hny__effort {
    uint32_t ef;
    float stretch; /* of the ef-th nearest node's rank, 1 or more; 0: the classic search */
} hny__effort;

/* The curves are of the 10 nearest and of the 100 nearest; other k are interpolated. */
#define HNY__CURVE_K_NEAR 10
#define HNY__CURVE_K_FAR  100

/* A curve that reaches this recall is not measured any further. */
#define HNY__CURVE_TOP 0.995

/* The ef of point `i` of the classic curves, 0 <= i < HNY__CURVE; ascending. */
uint32_t hny__curve_ef(int i);

/* The effort that point `i` of a curve is measured with, for the k nearest. */
hny__effort hny__curve_effort(const hny__table_record *record, bool adaptive, uint32_t k, int i);

/*
** The effort for the k nearest: as good as a classic search with `ef`, or if that is 0, for this
** recall.  Without curves, and for an ef beyond them, it is the classic search itself.
*/
hny__effort hny__effort_for(const hny__table_record *record, uint64_t k, uint32_t ef,
                            double recall);

/* The ef of a classic search that would reach this recall. */
uint32_t hny__ef_for(const hny__table_record *record, uint64_t k, double recall);

#endif
