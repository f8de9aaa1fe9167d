/*
** Interface to recall.c: the recall that a table's own settings reach.
*/
#ifndef HX_RECALL_H
#define HX_RECALL_H

#include <stdbool.h>
#include <stdint.h>

#include "query/query_set.h"

/* All functions return an SQLite code, with its sentence in the table. */

/*
** Of one vector.  Searches for the 10 nearest neighbours of this many of the table's rows, spread
** evenly over the rowids, once with the table's settings and once exactly.  *recall is the share of
** the exact results that the search finds, compared by distance, so that rows at the same distance
** are interchangeable.  *any false: there was nothing to find.
*/
int hx_measure_recall(hx_shadow *shadow, int vector, int64_t queries, double *recall, bool *any);

/* Queries of a user, of which the 10 nearest are known. */
typedef struct hx_recall {
    hx_shadow *shadow;
    const char *vector;        /* its name */
    const hx_query_set *set;   /* borrowed */
    struct hx_nearest *truths; /* of each query */
    int64_t wanted;            /* neighbours of all of them */
} hx_recall;

/* Finds the neighbours, by exact scans.  The caller frees *out, also after a failure. */
int hx_recall_init(hx_recall *out, hx_shadow *shadow, int vector, const hx_query_set *set);
void hx_recall_free(hx_recall *recall);

/* The share that the table's present settings find of them; 1 if there are none. */
int hx_recall_measure(hx_recall *recall, double *out);

#endif
