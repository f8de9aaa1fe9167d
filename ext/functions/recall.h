/*
** Interface to recall.c: the recall that a table's own settings reach.
*/
#ifndef HX_RECALL_H
#define HX_RECALL_H

#include <stdbool.h>
#include <stdint.h>

typedef struct hx_shadow hx_shadow;

/*
** Of one vector.  Searches for the 10 nearest neighbours of this many of the table's rows, spread
** evenly over the rowids, once with the table's settings and once exactly.  *recall is the share of
** the exact results that the search finds, compared by distance, so that rows at the same distance
** are interchangeable.  *any false: there was nothing to find.  An SQLite code, with its sentence
** in the table.
*/
int hx_measure_recall(hx_shadow *shadow, int vector, int64_t queries, double *recall, bool *any);

#endif
