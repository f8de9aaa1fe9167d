/*
** Interface to mutable_graph.c: the graph while a build changes it, and the tools of its threads.
**
** Level 0 is one plane of nodes, a node a slot.  All levels above it share a second plane: a row
** of it is one slot on one level, and knows its owner (the slot), its level and the row below it.
** So both planes are stored, locked and repaired by the same code.
**
** A node that a build changes is copied to memory once, with the ranks of its links; all others
** are read from the map.  Links are guarded by striped locks, of which a thread holds one at a
** time.
**
** Slack pruning.  In memory a list may grow beyond its length on disk (HNY__LINK_SLACK), so that
** one selection serves many added links, and is cut to that length when the build ends.  The paper
** prunes at each link added beyond the limit.
**
** The spanning tree.  No node of level 0 can become unreachable: all of them are joined by a tree,
** whose edges are links marked HNY__TREE on both ends.  A new node attaches itself to a near node
** with a free place (insert.c), selection never drops a tree link, deleted nodes keep theirs, and
** consolidation closes the tree over the nodes that it removes.  So a search that goes on long
** enough reaches every row, whatever the data are: copies of one vector, clusters far apart.
*/
#ifndef HNY_MUTABLE_GRAPH_H
#define HNY_MUTABLE_GRAPH_H

#include <pthread.h>
#include <roaring/roaring.h>
#include <stdatomic.h>

#include "base/memory.h"
#include "graph/beam_search.h"
#include "graph/select_neighbors.h"

#define HNY__STRIPES 1024

/* A node in memory. */
typedef struct hny__node {
    uint32_t count;
    uint32_t ranked;  /* are the ranks known? */
    uint32_t links[]; /* plane->capacity link words, then as many ranks */
} hny__node;

/* All nodes of level 0, or all rows above it. */
typedef struct hny__plane {
    hny__family family; /* HNY__LINKS or HNY__UPPER */
    const hny__layout *layout;
    uint32_t rows;       /* with those of this build */
    uint32_t base_rows;  /* of the published state */
    uint32_t max_links;  /* of a node on disk */
    uint32_t capacity;   /* links of a node in memory */
    hny__node ***blocks; /* block -> row in it -> node; NULL: unchanged */
    pthread_mutex_t *stripes;
} hny__plane;

/* What an upper row says of itself, if this build sets it. */
typedef struct hny__upper {
    uint32_t owner, down;
    uint8_t level;
    bool set;
} hny__upper;

typedef struct hny__graph {
    hny__env *env;
    hny__view shared;         /* for all workers */
    hny__table_record record; /* to be published */
    hny__geometry geometry;
    uint32_t m, ef_construction;
    hny__plane planes[2]; /* [0] level 0, [1] above */
    hny__upper **uppers;  /* block of upper rows -> row in it; NULL: as published */
    hny__entry entry;
    const roaring_bitmap_t *deleted_slots; /* by this build */
    const roaring_bitmap_t *new_slots;     /* free slots that this build uses again */
    const struct hny__copies *copies;
    uint32_t base_slots; /* of the published state, linked or not */
    bool has_deleted;    /* are there deleted nodes at all? */
    /* Of the present run of workers: */
    atomic_bool stop; /* a worker failed, or the host interrupts */
    atomic_uint next; /* the next task */
    atomic_ulong done;
} hny__graph;

/* The tools of one thread. */
typedef struct hny__worker {
    hny__graph *graph;
    hny__view view;
    hny__beam beam;
    hny__arena arena; /* of the nodes that it made; lives as long as the graph */
    int8_t *numbers;  /* of the node that is linked: see hny__scorer_of_row */
    hny__candidate *candidates;
    size_t candidates_capacity;
    int status; /* sticky */
} hny__worker;

/* For graph->record, whose other members the caller has set.  HNY_OK or HNY_NOMEM. */
int hny__graph_init(hny__graph *graph, const hny__table_record *base, bool has_base);
void hny__graph_free(hny__graph *graph); /* also after a failed init */

/* ----------------------------------------------------------------------------------- workers -- */

void hny__worker_init(hny__worker *worker, hny__graph *graph);
void hny__worker_free(hny__worker *worker);

/* Pins the worker's view and prepares its beam; hny__worker_end releases them. */
int hny__worker_begin(hny__worker *worker, hny_interrupt interrupt);
void hny__worker_end(hny__worker *worker);

/* The first failure that the worker met, or HNY_OK. */
int hny__worker_status(const hny__worker *worker);

/* Makes space for candidates.  HNY_OK or HNY_NOMEM. */
int hny__worker_reserve(hny__worker *worker, size_t candidates);

/* ------------------------------------------------------------------------------------- nodes -- */

/* Sets an upper row; only while no worker runs. */
int hny__graph_set_upper(hny__graph *graph, uint32_t row, hny__upper upper);

/* The owner, the row below and the level of an upper row. */
int hny__graph_upper(hny__worker *worker, uint32_t row, uint32_t *owner, uint32_t *down,
                     uint8_t *level);

/* The code row of a node, or NULL with the worker's status set. */
const uint8_t *hny__graph_row(hny__worker *worker, const hny__plane *plane, uint32_t node);

/* Is a slot deleted, at the boundary that this build publishes? */
bool hny__graph_hidden(hny__worker *worker, uint32_t slot);

/* ------------------------------------------------------------------------------------- links -- */

/* These may run on several threads.  `links` has space for plane->capacity words. */

/* Copies a node's link words; returns their number, 0 also with the worker's status set. */
uint32_t hny__graph_links(hny__worker *worker, hny__plane *plane, uint32_t node, uint32_t *links);

/* Replaces a node's links by at most plane->capacity candidates. */
int hny__graph_set_links(hny__worker *worker, hny__plane *plane, uint32_t node,
                         const hny__candidate *candidates, size_t count);

/*
** Adds a link, and prunes the list if it is full.  With HNY__TREE in `link`, the node must have
** fewer than `max_tree_links` tree links.  A link that exists only gains the mark.  Returns 1:
** done, 0: too many tree links, or a status.
*/
int hny__graph_add_link(hny__worker *worker, hny__plane *plane, uint32_t node, uint32_t link,
                        float rank, uint32_t max_tree_links);

/* Removes a link if it exists. */
int hny__graph_remove_link(hny__worker *worker, hny__plane *plane, uint32_t node, uint32_t target);

/* Sets or clears the tree mark of a link if it exists. */
int hny__graph_mark_link(hny__worker *worker, hny__plane *plane, uint32_t node, uint32_t target,
                         bool tree);

/* Cuts the lists of a block's nodes to their length on disk. */
int hny__graph_trim_block(hny__worker *worker, hny__plane *plane, uint32_t block);

#endif
