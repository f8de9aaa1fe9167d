/*
** Interface to effort.c: how hard a search must try for a recall, read from the table's curves.
**
** An effort is a classic beam width (`ef`), or a width and the stretch of the distance-adaptive
** stop (beam_search.h).  A build measures, on nodes that are not linked yet, which recall each
** point of a grid of efforts reaches, and keeps that in the table's record (build/calibrate.h).  A
** search for a recall takes the smallest stretch that reaches it.  A search that names an ef takes
** the stretch that finds as much as a classic search with that ef, for fewer distances, and at the
** top of the curves both: so recall never falls as ef or the wanted recall rises.
**
** Crowding.  The stretch that a query needs depends on how many rows are nearly as near as its
** nearest ones.  That differs tenfold within a table, and more for queries unlike its rows.  A
** first, small search measures it: the number of nodes met whose distance is at most
** HNY__CROWD_REACH times that of the last neighbour wanted, an estimate of the local intrinsic
** dimension (Amsaleg et al. 2015, "Estimating local intrinsic dimensionality", KDD).  Queries fall
** into classes of crowding, and each class has curves of its own.  Of 90,000 WordNet vectors, one
** stretch for all found 0.969 of the neighbours with 693 distances a query, and 0.88 for queries of
** another kind; four classes found 0.972 with 739 distances, and 0.96.  Classes by the distance of
** the nearest rows, which differs from kind to kind, did not carry over.
**
** A query that is far more crowded than the table's own is in a class beyond them, such as one into
** a region whose rows were deleted: its nearest rows lie around the hole, all about as far.  It has
** no curve, and keeps a number of nodes more.  Around holes of 60 rows and more in clusters of 100,
** searches found 0.68 to 0.92 of the neighbours without that, and 0.96 to 1 with it.
*/
#ifndef HNY_EFFORT_H
#define HNY_EFFORT_H

#include <stdbool.h>

#include "sidecar/format.h"

typedef struct hny__effort {
    uint32_t ef;   /* visible nodes that are kept at least */
    uint32_t near; /* the stretch is of the near-th nearest node's rank; 1 .. ef */
    float stretch; /* 1 or more; 0: the classic search, which keeps ef nodes */
} hny__effort;

static inline hny__effort hny__classic_effort(uint32_t ef) {
    return (hny__effort){ef, ef, 0};
}

/* The classes of crowding of a plan: those of the record, and the one beyond them. */
#define HNY__PLAN_CLASSES (HNY__CROWD_CLASSES + 1)

/* The first effort of a search, and the one that it goes on with. */
typedef struct hny__effort_plan {
    hny__effort first;
    float reach;                            /* of hny__beam_measure_crowding; 0: not measured */
    float crowding[HNY__PLAN_CLASSES - 1];  /* the largest of each class but the last */
    hny__effort efforts[HNY__PLAN_CLASSES]; /* of each class, ascending */
} hny__effort_plan;

#define HNY__CROWD_REACH 1.14 /* of distances */

/* The curves are of the 10 nearest and of the 100 nearest; other k are interpolated. */
#define HNY__CURVE_K_NEAR 10
#define HNY__CURVE_K_FAR  100

/* A curve that reaches this recall is not measured any further. */
#define HNY__CURVE_TOP 0.995

/* Nor is one that has reached this recall and does not rise any more. */
#define HNY__CURVE_PLATEAU 0.98

/* The ef of point `i` of the classic curves, 0 <= i < HNY__CURVE; ascending. */
uint32_t hny__curve_ef(int i);

/* The effort that point `i` of a curve is measured with, for the k nearest. */
hny__effort hny__curve_effort(const hny__table_record *record, bool adaptive, uint32_t k, int i);

/* The share of a table's own queries whose class of crowding is this or a lower one. */
double hny__crowd_class_end(int crowd);

/* The effort after which the crowding of a query is measured, and the reach of that. */
hny__effort hny__crowding_effort(const hny__table_record *record, uint64_t k);
float hny__crowding_reach(const hny__table_record *record);

/* The same effort for all queries. */
hny__effort_plan hny__uniform_plan(hny__effort effort);

/*
** The effort for the k nearest: as good as a classic search with `ef`, or if that is 0, for this
** recall.  Without curves, and with an ef of all rows, it is the classic search itself, which then
** finds all that can be reached.
*/
hny__effort_plan hny__effort_for(const hny__table_record *record, uint64_t k, uint32_t ef,
                                 double recall);

/* The ef of a classic search that would reach this recall. */
uint32_t hny__ef_for(const hny__table_record *record, uint64_t k, double recall);

#endif
