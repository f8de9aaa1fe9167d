/* HNSW's insertion, for all new nodes of a build; the contract is in insert.h. */
#include "build/insert.h"

#include <stdlib.h>

#include "build/calibrate.h"

#define MAX_LEVEL 15

static uint64_t mix_bits(uint64_t x) {
    /* splitmix64's finalizer (Steele, Lea & Flood 2014) */
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

uint32_t hny__insert_draw_level(uint32_t table, uint32_t ordinal, uint32_t m) {
    uint64_t state = (uint64_t)table << 32 | ordinal;
    uint32_t level = 0;
    while (level < MAX_LEVEL) {
        state += 0x9e3779b97f4a7c15u;
        if (mix_bits(state) >= UINT64_MAX / m) {
            break;
        }
        level++;
    }
    return level;
}

/* ------------------------------------------------------------------------- the spanning tree -- */

/* These return 1: attached, 0: the parent has no free place for a tree link, or a status. */

static int add_child(hny__worker *worker, uint32_t parent, uint32_t child, float rank) {
    return hny__graph_add_link(worker, &worker->graph->planes[0], parent, child | HNY__TREE, rank,
                               worker->graph->m);
}

/* Attaches `slot` to `parent`, to which it has a link. */
static int attach_to_neighbor(hny__worker *worker, uint32_t slot, uint32_t parent, float rank) {
    hny__plane *const plane = &worker->graph->planes[0];
    const int rc = hny__graph_mark_link(worker, plane, slot, parent, true);
    if (rc) {
        return rc;
    }
    const int done = add_child(worker, parent, slot, rank);
    return done ? done : hny__graph_mark_link(worker, plane, slot, parent, false);
}

/* Attaches `slot` to `parent`, to which it has no link. */
static int attach_to_other(hny__worker *worker, uint32_t slot, uint32_t parent, float rank) {
    hny__plane *const plane = &worker->graph->planes[0];
    const int added =
        hny__graph_add_link(worker, plane, slot, parent | HNY__TREE, rank, UINT32_MAX);
    if (added < 0) {
        return added;
    }
    const int done = add_child(worker, parent, slot, rank);
    return done ? done : hny__graph_remove_link(worker, plane, slot, parent);
}

/* A breadth-first traversal of tree links. */
typedef struct tree_traversal {
    roaring_bitmap_t *visited;
    uint32_t *queue;
    size_t first, count, capacity;
} tree_traversal;

static int push_tree_node(tree_traversal *t, uint32_t node) {
    if (!roaring_bitmap_add_checked(t->visited, node)) {
        return HNY_OK;
    }
    const int rc = hny__grow((void **)&t->queue, &t->capacity, t->count, sizeof *t->queue);
    if (!rc) {
        t->queue[t->count++] = node;
    }
    return rc;
}

static int push_tree_neighbors(hny__worker *worker, tree_traversal *t, uint32_t node) {
    uint32_t links[HNY__MAX_LINKS];
    const uint32_t count = hny__graph_links(worker, &worker->graph->planes[0], node, links);
    int rc = HNY_OK;
    for (uint32_t i = 0; i < count && !rc; i++) {
        if (links[i] & HNY__TREE) {
            rc = push_tree_node(t, HNY__NODE(links[i]));
        }
    }
    return rc;
}

/*
** Attaches `slot` to the first node with a free place, breadth-first over the tree links from
** `start`.  One exists: leaves have one tree link.
*/
static int attach_anywhere(hny__worker *worker, uint32_t slot, uint32_t start) {
    const hny__row_format *const format = &worker->graph->geometry.quantizer.format;
    const hny__plane *const plane = &worker->graph->planes[0];
    tree_traversal t = {.visited = roaring_bitmap_create()};
    int done = t.visited ? push_tree_node(&t, start) : HNY_NOMEM;
    while (!done && t.first < t.count) {
        const uint32_t node = t.queue[t.first++];
        done = push_tree_neighbors(worker, &t, node);
        if (done) {
            break;
        }
        const uint8_t *const a = hny__graph_row(worker, plane, node);
        const uint8_t *const b = hny__graph_row(worker, plane, slot);
        done = a && b ? attach_to_other(worker, slot, node, hny__row_rank(format, a, b))
                      : hny__worker_status(worker);
    }
    free(t.queue);
    if (t.visited) {
        roaring_bitmap_free(t.visited);
    }
    return done ? done : HNY_CORRUPT;
}

/* ----------------------------------------------------------------------- choosing neighbours -- */

/* The neighbours that a node gets on one level. */
typedef struct level_links {
    hny__plane *plane;
    uint32_t node;
    size_t count;
    hny__candidate kept[HNY__MAX_M];
} level_links;

/* Adds a node to the worker's candidates, which have space for it. */
static void add_candidate(hny__worker *worker, const hny__plane *plane, uint32_t node,
                          hny__found found, size_t *count) {
    const uint8_t *const row = hny__graph_row(worker, plane, found.node);
    if (row && found.node != node) {
        worker->candidates[(*count)++] = (hny__candidate){found.rank, found.node, row};
    }
}

/*
** The beam's pool as candidates, in worker->candidates; returns their number.  A deleted node is a
** candidate only if there are no others.
*/
static size_t candidates_of_pool(hny__worker *worker, const hny__plane *plane, uint32_t node) {
    const hny__beam *const beam = &worker->beam;
    size_t position = 0, count = 0;
    hny__found found;
    if (hny__worker_reserve(worker, beam->count + 1)) {
        worker->status = HNY_NOMEM;
    }
    while (!worker->status && hny__beam_next(beam, &position, &found)) {
        add_candidate(worker, plane, node, found, &count);
    }
    if (!worker->status && beam->count == 0 && hny__beam_nearest(beam, &found)) {
        add_candidate(worker, plane, node, found, &count);
    }
    return count;
}

/*
** Chooses a node's neighbours on one level.  *nearest: where the search begins, and then the
** nearest node that it found.  *candidates: how many of worker->candidates it found.
*/
static int choose_neighbors(hny__worker *worker, level_links *chosen, const hny__scorer *scorer,
                            hny__found *nearest, size_t *candidates) {
    hny__graph *const graph = worker->graph;
    const hny__effort effort = hny__classic_effort(graph->ef_construction);
    const int rc = hny__beam_search(&worker->beam, chosen->plane->family, scorer, *nearest, effort);
    if (rc) {
        return rc;
    }
    if (!hny__beam_nearest(&worker->beam, nearest)) {
        return HNY_CORRUPT;
    }
    *candidates = candidates_of_pool(worker, chosen->plane, chosen->node);
    if (hny__worker_status(worker)) {
        return hny__worker_status(worker);
    }
    chosen->count = hny__select_neighbors(&graph->geometry.quantizer.format, worker->candidates,
                                          *candidates, graph->m, false, chosen->kept);
    return HNY_OK;
}

/*
** Chooses neighbours on all levels that the node shares with the graph, 0 ..  *top, from the entry
** point down.  *candidates: how many of worker->candidates were found on level 0.
*/
static int choose_on_all_levels(hny__worker *worker, const hny__new_node *node, level_links *chosen,
                                uint32_t *top, size_t *candidates) {
    hny__graph *const graph = worker->graph;
    const hny__entry entry = graph->entry;
    const uint8_t *const code = hny__graph_row(worker, &graph->planes[0], node->slot);
    uint32_t owner, down, row = node->upper;
    uint8_t level;
    hny__found nearest;
    hny__scorer scorer;
    if (!code) {
        return hny__worker_status(worker);
    }
    hny__scorer_of_row(&scorer, &graph->geometry.quantizer, code, worker->numbers);
    *top = node->level < entry.level ? node->level : entry.level;
    int rc = hny__beam_descend(&worker->beam, &scorer, &entry, *top, &nearest);
    for (uint32_t l = node->level; l > 0 && !rc; l--) {
        /* Above the entry point's level there are no nodes to link to. */
        if (l <= *top) {
            chosen[l].plane = &graph->planes[1];
            chosen[l].node = row;
            rc = choose_neighbors(worker, &chosen[l], &scorer, &nearest, candidates);
            if (!rc) {
                rc = hny__graph_upper(worker, nearest.node, &owner, &down, &level);
            }
            if (!rc) {
                nearest.node = l == 1 ? owner : down;
            }
        }
        if (!rc) {
            rc = hny__graph_upper(worker, row, &owner, &down, &level);
        }
        row = down;
    }
    if (rc) {
        return rc;
    }
    chosen[0].plane = &graph->planes[0];
    chosen[0].node = node->slot;
    return choose_neighbors(worker, &chosen[0], &scorer, &nearest, candidates);
}

/* ---------------------------------------------------------------------------------- one node -- */

static bool is_chosen(const level_links *chosen, uint32_t node) {
    for (size_t i = 0; i < chosen->count; i++) {
        if (chosen->kept[i].link == node) {
            return true;
        }
    }
    return false;
}

/*
** Attaches a node to the nearest one with a free place: one of its neighbours, else another
** candidate, else any node of the tree.
*/
static int join_tree(hny__worker *worker, const level_links *chosen,
                     const hny__candidate *candidates, size_t count) {
    const uint32_t slot = chosen->node;
    int done = 0;
    /* A search in a graph that is not empty returns at least the entry point. */
    if (count == 0) {
        return HNY_CORRUPT;
    }
    for (size_t i = 0; i < chosen->count && done == 0; i++) {
        done = attach_to_neighbor(worker, slot, chosen->kept[i].link, chosen->kept[i].rank);
    }
    for (size_t i = 0; i < count && done == 0; i++) {
        if (is_chosen(chosen, candidates[i].link)) {
            continue;
        }
        done = attach_to_other(worker, slot, candidates[i].link, candidates[i].rank);
    }
    if (done == 0) {
        done = attach_anywhere(worker, slot, candidates[0].link);
    }
    return done < 0 ? done : HNY_OK;
}

/* Adds a link to the node to each of its neighbours. */
static int add_reverse_links(hny__worker *worker, const level_links *chosen) {
    for (size_t i = 0; i < chosen->count; i++) {
        const hny__candidate *const kept = &chosen->kept[i];
        const int done =
            hny__graph_add_link(worker, chosen->plane, kept->link, chosen->node, kept->rank, 0);
        if (done < 0) {
            return done;
        }
    }
    return HNY_OK;
}

#define ORIGINALS 8 /* nearest candidates whose codes are compared */

/*
** The node that has the same codes, if it is among the nearest candidates; else HNY__NONE.  Under
** dot it need not be near, and then both are nodes.
*/
static uint32_t find_original(hny__worker *worker, uint32_t slot, size_t candidates) {
    hny__view *const view = &worker->view;
    for (size_t i = 0; i < candidates && i < ORIGINALS && !view->status; i++) {
        const uint32_t other = worker->candidates[i].link;
        if (hny__view_same_codes(view, slot, other) && !hny__graph_hidden(worker, other)) {
            return other;
        }
    }
    return HNY__NONE;
}

static int insert_node(hny__worker *worker, hny__new_node *node) {
    level_links chosen[MAX_LEVEL + 1];
    uint32_t top = 0;
    size_t candidates = 0;
    int rc = choose_on_all_levels(worker, node, chosen, &top, &candidates);
    node->original = rc ? HNY__NONE : find_original(worker, node->slot, candidates);
    if (node->original != HNY__NONE) {
        return HNY_OK;
    }
    for (uint32_t l = 0; !rc && l <= top; l++) {
        rc = hny__graph_set_links(worker, chosen[l].plane, chosen[l].node, chosen[l].kept,
                                  chosen[l].count);
        if (!rc && l == 0) {
            rc = join_tree(worker, &chosen[0], worker->candidates, candidates);
        }
        if (!rc) {
            rc = add_reverse_links(worker, &chosen[l]);
        }
    }
    return rc;
}

/* --------------------------------------------------------------------------------- all nodes -- */

static int compare_link_order(const void *a, const void *b) {
    const hny__new_node *const x = a, *const y = b;
    if (x->level != y->level) {
        return x->level > y->level ? -1 : 1;
    }
    return (x->link_order > y->link_order) - (x->link_order < y->link_order);
}

/* All nodes of a build, in the order in which they are linked. */
typedef struct node_list {
    hny__new_node *nodes;
    uint32_t count;
} node_list;

static int insert_task(hny__worker *worker, void *arg, uint32_t index) {
    return insert_node(worker, &((hny__new_node *)arg)[index]);
}

static int insert_range(hny__worker_pool *pool, const node_list *all, uint32_t first,
                        uint32_t end) {
    const hny__phase phase = {"linking", first, all->count};
    if (first == end) {
        return HNY_OK;
    }
    return hny__worker_pool_run(pool, end - first, insert_task, all->nodes + first, phase);
}

static int trim_task(hny__worker *worker, void *arg, uint32_t index) {
    return hny__graph_trim_block(worker, arg, index);
}

static int trim_plane(hny__worker_pool *pool, hny__plane *plane) {
    const hny__phase phase = {.name = "trimming"};
    return hny__worker_pool_run(pool, hny__layout_blocks(plane->layout, plane->rows), trim_task,
                                plane, phase);
}

/* Inserts the first node, which is higher than the graph, and makes it the entry point. */
static int insert_new_entry(hny__worker_pool *pool, const node_list *all) {
    const hny__new_node *const node = all->nodes;
    hny__graph *const graph = pool->graph;
    const int rc = graph->entry.slot == HNY__NONE ? HNY_OK : insert_range(pool, all, 0, 1);
    if (!rc && node->original == HNY__NONE) {
        graph->entry = (hny__entry){node->slot, node->upper, node->level};
    }
    return rc;
}

/* The number of nodes above level 0, which come first. */
static uint32_t count_upper_nodes(const hny__new_node *nodes, uint32_t count) {
    uint32_t upper = 0;
    while (upper < count && nodes[upper].level > 0) {
        upper++;
    }
    return upper;
}

/*
** Moves an even choice of the nodes of level 0 to the end of the list, for a calibration; returns
** their number.  The choice is by ordinal.  By place in the list it would depend on the codes, and
** so would the recall that a table finds for an ef.
*/
static uint32_t move_sample_to_end(hny__new_node *nodes, uint32_t count, uint32_t wanted) {
    const uint32_t first = count_upper_nodes(nodes, count), level0 = count - first;
    uint32_t moved = 0;
    if (wanted == 0 || wanted > level0 / 2) {
        return 0;
    }
    /* Ordinals of upper nodes are passed over, so that a few more than `wanted` would fit. */
    const uint32_t step = level0 / (wanted + wanted / 8);
    for (uint32_t i = first; moved < wanted && i < count - moved; i++) {
        if (nodes[i].ordinal % (step ? step : 1)) {
            continue;
        }
        const hny__new_node chosen = nodes[i];
        moved++;
        nodes[i] = nodes[count - moved];
        nodes[count - moved] = chosen;
    }
    return moved;
}

int hny__insert_all(hny__worker_pool *pool, hny__new_node *nodes, uint32_t count) {
    hny__graph *const graph = pool->graph;
    const node_list all = {nodes, count};
    uint32_t first = 0;
    int rc = HNY_OK;
    qsort(nodes, count, sizeof *nodes, compare_link_order);
    const uint32_t sample =
        move_sample_to_end(nodes, count, hny__calibrate_sample(&graph->record, count));
    const uint32_t rest = count - sample;
    if (count && (graph->entry.slot == HNY__NONE || nodes[0].level > graph->entry.level)) {
        rc = insert_new_entry(pool, &all);
        first = 1;
    }
    const uint32_t upper_end = count_upper_nodes(nodes, rest);
    if (!rc && first < upper_end) {
        rc = insert_range(pool, &all, first, upper_end);
    }
    first = first > upper_end ? first : upper_end;
    if (!rc) {
        rc = insert_range(pool, &all, first, rest);
    }
    if (!rc && sample) {
        rc = hny__calibrate(pool, nodes + rest, sample);
    }
    if (!rc) {
        rc = insert_range(pool, &all, rest, count);
    }
    if (!rc) {
        rc = trim_plane(pool, &graph->planes[0]);
    }
    if (!rc) {
        rc = trim_plane(pool, &graph->planes[1]);
    }
    return rc;
}
