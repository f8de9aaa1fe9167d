/* A node that a build is about to link: what staging, insertion and publication hand on. */
#ifndef HNY_NEW_NODE_H
#define HNY_NEW_NODE_H

#include <stdint.h>

/* A slot that has its codes but no links yet. */
typedef struct hny__new_node {
    uint32_t slot;
    uint32_t ordinal; /* position of its row in the order of arrival: seeds the level */
    uint32_t upper;   /* its row on its top level; HNY__NONE on level 0 */
    uint32_t level;
    uint32_t link_order; /* nodes of one level are linked in ascending link_order */
    uint32_t original;   /* insertion found a node with the same codes: its slot; else HNY__NONE */
    uint64_t hash;       /* hny__codes_hash */
} hny__new_node;

#endif
