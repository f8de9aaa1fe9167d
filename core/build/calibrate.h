/*
** Interface to calibrate.c: how much effort a search takes for a recall, measured on the graph itself.
**
** Some of a build's new nodes are linked last.  Before they are, they are queries that the graph has
** never seen, from the very distribution that it holds: their exact neighbours are found by a scan,
** and the shares of them that searches find, classic ones for a grid of ef and adaptive ones for a
** grid of stretches, are curves that the table's record keeps.  A query for a recall takes the
** least stretch that reaches it; a query that names an ef takes the stretch that finds as much as a
** classic walk with this ef would, for less work.
*/
#ifndef HNY_CALIBRATE_H
#define HNY_CALIBRATE_H

#include "build/insert.h"

/*
** How many of `births` new nodes should wait, so that the curve can be measured; 0: it is not worth
** it, or the present one will do.
*/
uint32_t hny__calibrate_sample(const hny__table_record *record, uint64_t new_nodes);

/* Measures with these nodes, not linked yet, and notes the curve in the graph's record. */
int hny__calibrate(hny__worker_pool *pool, const hny__new_node *sample, uint32_t count);

#endif
