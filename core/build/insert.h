/* Interface to link.c: new nodes into the graph. */
#ifndef HNY_LINK_H
#define HNY_LINK_H

#include "build/workers.h"

/* A slot that has its code but no links yet. */
typedef struct hny__birth {
    uint32_t slot;
    uint32_t arrival; /* its number among all rows as they came */
    uint32_t upper;   /* its row on its top level; HNY__NONE on level 0 */
    uint32_t level;
    uint32_t turn; /* the order in which those of a level are linked */
} hny__birth;

/*
** The level of a row: l or above with probability m^-l, from a generator seeded by the table and
** its arrival, so that a build repeats, and tables of the same rows differ by their codes alone.
*/
uint32_t hny__link_level(uint32_t table, uint32_t arrival, uint32_t m);

/* Links all of them, highest level first and then in turn; reorders `births`. */
int hny__link_all(hny__team *team, hny__birth *births, uint32_t count);

/* Tree links a new node may find on the node that it hangs itself onto. */
static inline uint32_t hny__tree_room(const hny__graph *graph) {
    return graph->m;
}

#endif
