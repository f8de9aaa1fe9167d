/*
** Interface to graph.c: the graph while a build changes it.
**
** A node that the build changes is copied into memory once, with the ranks of its links; all others
** are read from the map.  Lists are guarded by striped locks, one held at a time; a list may
** outgrow its place on disk by some slack, so that it is pruned once for many links added
** (PERFORMANCE §1), and is cut to size when the build ends.
**
** Nothing on level 0 can become unreachable.  All nodes there are joined by a spanning tree whose
** edges are links marked HNY__TREE on both ends: a new node hangs itself onto a near node that has
** room, pruning never drops such a link, deleted nodes keep theirs, and consolidation closes the gap
** that a removed node leaves.  A search therefore meets every row if it only goes on long enough,
** whatever the data look like: copies of one vector, clusters far apart.
*/
#ifndef HNY_BUILD_GRAPH_H
#define HNY_BUILD_GRAPH_H

#include <roaring/roaring.h>

#include <pthread.h>
#include <stdatomic.h>

#include "base/memory.h"
#include "graph/beam_search.h"
#include "graph/select_neighbors.h"

#define HNY__STRIPES 1024

/* A node held in memory. */
typedef struct hny__node {
    uint32_t count;
    uint32_t ranked;  /* are the ranks known? */
    uint32_t links[]; /* plane->room link words, then as many ranks */
} hny__node;

/* All nodes of level 0, or all rows above it. */
typedef struct hny__plane {
    hny__family family; /* HNY__LINKS or HNY__UPPER */
    const hny__layout *layout;
    uint32_t rows;       /* with those of this build */
    uint32_t base_rows;  /* that the published state has */
    uint32_t max;        /* links a node may have on disk */
    uint32_t room;       /* and in memory */
    hny__node ***blocks; /* block -> row in it -> node; NULL: unchanged */
    pthread_mutex_t *stripes;
} hny__plane;

/* What an upper row says of itself, where this build says it. */
typedef struct hny__upper {
    uint32_t owner, down;
    uint8_t level;
    uint8_t set;
} hny__upper;

typedef struct hny__graph {
    hny__env *env;
    hny__view shared;         /* for all workers */
    hny__table_record record; /* as it will be published */
    hny__geometry geometry;
    uint32_t m, ef_construction;
    hny__plane planes[2]; /* [0] level 0, [1] above */
    hny__upper **uppers;  /* block of upper rows -> row in it; NULL: as published */
    hny__entry entry;
    const roaring_bitmap_t *deleted_slots; /* slots deleted by this build */
    const roaring_bitmap_t *new_slots;     /* slots allotted by it */
    uint32_t base_slots;                   /* slots that the published state has, linked or not */
    int hiding;                            /* are there deleted nodes at all? */
    atomic_int stop;                       /* a worker failed, or the host wants its thread back */
    atomic_uint next;                      /* the next of a list of pieces of work */
    atomic_ulong done;
} hny__graph;

/* One thread's tools. */
typedef struct hny__worker {
    hny__graph *graph;
    hny__view view;
    hny__beam beam;
    hny__arena arena; /* of the nodes it made; lives as long as the graph */
    int8_t *numbers;  /* of the node that is being linked: see query.h */
    hny__candidate *candidates;
    size_t candidates_capacity;
    int status; /* sticky */
} hny__worker;

int hny__graph_init(hny__graph *graph, const hny__table_record *base, int has_base);
void hny__graph_free(hny__graph *graph);

/* Room for slots and upper rows below graph->record's counts; before any worker runs. */
int hny__graph_size(hny__graph *graph);

void hny__worker_init(hny__worker *worker, hny__graph *graph);
void hny__worker_free(hny__worker *worker);

/* The worker's view and walk, for the phase that needs them. */
int hny__worker_begin(hny__worker *worker, hny_interrupt interrupt);
void hny__worker_end(hny__worker *worker);

/* The first failure that the worker met, or HNY_OK. */
int hny__worker_status(const hny__worker *worker);

/* Room for candidates; nonzero: out of memory. */
int hny__worker_reserve(hny__worker *worker, size_t candidates);

/* Sets and tells what an upper row is; set only while no worker runs. */
int hny__graph_set_upper(hny__graph *graph, uint32_t row, hny__upper upper);
int hny__graph_upper(hny__worker *worker, uint32_t row, uint32_t *owner, uint32_t *down,
                     uint8_t *level);

/* The code row of a node of a plane, or NULL with the worker's status set. */
const uint8_t *hny__graph_row(hny__worker *worker, const hny__plane *plane, uint32_t node);

/* A copy of a node's link words; their number. */
uint32_t hny__graph_links(hny__worker *worker, hny__plane *plane, uint32_t node, uint32_t *links);

/* Replaces a node's list by at most plane->room candidates. */
int hny__graph_set(hny__worker *worker, hny__plane *plane, uint32_t node,
                   const hny__candidate *candidates, size_t count);

/*
** Adds a link, pruning the list where it is full.  With HNY__TREE in `link` the node must have
** fewer than `tree_max` tree links, or nothing is done.  A link that is there already only gains
** the mark.  Returns 1: done, 0: refused, or a negative status.
*/
int hny__graph_add(hny__worker *worker, hny__plane *plane, uint32_t node, uint32_t link, float rank,
                   uint32_t tree_max);

/* Removes a link, if it is there. */
int hny__graph_remove(hny__worker *worker, hny__plane *plane, uint32_t node, uint32_t target);

/* Sets or clears the tree mark of a link that the node has. */
int hny__graph_mark(hny__worker *worker, hny__plane *plane, uint32_t node, uint32_t target,
                    int tree);

/* Cuts the lists of a block's nodes to what has room on disk. */
int hny__graph_trim(hny__worker *worker, hny__plane *plane, uint32_t block);

/* Is a slot deleted, at the boundary to come? */
bool hny__graph_hidden(hny__worker *worker, uint32_t slot);

#endif
