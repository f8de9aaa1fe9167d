/* Interface to link.c: new nodes into the graph. */
#ifndef HNY_INSERT_H
#define HNY_INSERT_H

#include "build/workers.h"
#include "graph/new_node.h"

/*
** The level of a row: l or above with probability m^-l, from a generator seeded by the table and
** its arrival, so that a build repeats, and tables of the same rows differ by their codes alone.
*/
uint32_t hny__insert_draw_level(uint32_t table, uint32_t ordinal, uint32_t m);

/* Links all of them, highest level first and then in turn; reorders `births`. */
int hny__insert_all(hny__worker_pool *pool, hny__new_node *new_nodes, uint32_t count);

/* Tree links a new node may find on the node that it hangs itself onto. */
static inline uint32_t hny__tree_capacity(const hny__graph *graph) {
    return graph->m;
}

#endif
