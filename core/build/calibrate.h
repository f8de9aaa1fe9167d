/*
** Interface to calibrate.c: measuring how much effort a search takes for a recall.
**
** Some of a build's new nodes are linked last.  Before they are, they are queries that the graph
** has not seen, of the distribution that it holds.  Their exact neighbours are found by a scan.
** The shares of them that searches find, classic ones for a grid of ef and adaptive ones for a
** grid of stretches and each class of crowding, are the curves of the table's record, which
** graph/effort.h reads.
*/
#ifndef HNY_CALIBRATE_H
#define HNY_CALIBRATE_H

#include "build/workers.h"
#include "graph/new_node.h"

/*
** How many of this many new nodes should be the sample; 0: a calibration is not worth it, or the
** present curves will do.
*/
uint32_t hny__calibrate_sample(const hny__table_record *record, uint64_t new_nodes);

/*
** Measures with these nodes, which are not linked yet, and sets the curves of the graph's record.
*/
int hny__calibrate(hny__worker_pool *pool, const hny__new_node *sample, uint32_t count);

#endif
