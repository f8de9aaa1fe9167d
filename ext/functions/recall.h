/*
** Interface to recall.c: how many of the nearest rows a table's own settings find.
*/
#ifndef HX_RECALL_H
#define HX_RECALL_H

#include <stdbool.h>
#include <stdint.h>

typedef struct hx_shadow hx_shadow;

/*
** Searches for the 10 nearest neighbours of so many of the table's rows, spread evenly over the rowids,
** as any statement would, and exactly: *recall is the share of the exact answers that is found, by
** distance, so that of rows that are equally near any will do.  *any false: there was nothing to find.
** An SQLite code, with its sentence in the table.
*/
int hx_measure_recall(hx_shadow *shadow, int64_t queries, double *recall, bool *any);

#endif
