/* The graph of a build: nodes copied to memory, links under striped locks, slack pruning. */
#include "build/mutable_graph.h"

#include <stdlib.h>

#include "simd/prefetch_line.h"

#define UPPER_LINK_SLACK 4 /* above level 0, in place of HNY__LINK_SLACK */
_Static_assert(HNY__MAX_M + UPPER_LINK_SLACK <= HNY__MAX_LINKS, "upper lists are shorter");

/* ------------------------------------------------------------------------------------ planes -- */

static int plane_init(hny__plane *plane, hny__family family, const hny__geometry *geometry,
                      uint32_t rows, uint32_t base_rows) {
    const uint32_t slack = family == HNY__LINKS ? HNY__LINK_SLACK : UPPER_LINK_SLACK;
    plane->family = family;
    plane->layout = &geometry->layout[family];
    plane->rows = rows;
    plane->base_rows = base_rows;
    plane->max_links = plane->layout->capacity;
    plane->capacity = plane->max_links + slack;
    plane->blocks = calloc(hny__layout_blocks(plane->layout, rows) + 1u, sizeof *plane->blocks);
    plane->stripes = malloc(HNY__STRIPES * sizeof *plane->stripes);
    for (int i = 0; plane->stripes && i < HNY__STRIPES; i++) {
        pthread_mutex_init(&plane->stripes[i], NULL);
    }
    return plane->blocks && plane->stripes ? HNY_OK : HNY_NOMEM;
}

static void plane_free(hny__plane *plane) {
    const uint32_t blocks = plane->blocks ? hny__layout_blocks(plane->layout, plane->rows) : 0;
    for (uint32_t i = 0; i < blocks; i++) {
        free(plane->blocks[i]);
    }
    free(plane->blocks);
    for (int i = 0; plane->stripes && i < HNY__STRIPES; i++) {
        pthread_mutex_destroy(&plane->stripes[i]);
    }
    free(plane->stripes);
}

static uint32_t upper_blocks(const hny__graph *graph) {
    return hny__layout_blocks(&graph->geometry.layout[HNY__UPPER], graph->record.uppers);
}

int hny__graph_init(hny__graph *graph, const hny__table_record *base, bool has_base) {
    const hny__table_record *const record = &graph->record;
    const uint32_t base_linked = has_base ? hny__linked(base) : 0;
    const uint32_t base_uppers = has_base ? base->uppers : 0;
    hny__geometry_init(&graph->geometry, record);
    graph->m = record->m;
    graph->base_slots = has_base ? base->slots : 0;
    graph->entry = (hny__entry){record->entry_slot, record->entry_upper, record->entry_level};
    graph->uppers = calloc(upper_blocks(graph) + 1u, sizeof *graph->uppers);
    int rc = graph->uppers ? HNY_OK : HNY_NOMEM;
    if (!rc) {
        rc = plane_init(&graph->planes[0], HNY__LINKS, &graph->geometry, hny__linked(record),
                        base_linked);
    }
    if (!rc) {
        rc = plane_init(&graph->planes[1], HNY__UPPER, &graph->geometry, record->uppers,
                        base_uppers);
    }
    if (!rc) {
        rc = hny__view_share(&graph->shared, graph->env, record);
    }
    return rc;
}

void hny__graph_free(hny__graph *graph) {
    hny__view_free(&graph->shared);
    const uint32_t blocks = graph->uppers ? upper_blocks(graph) : 0;
    for (uint32_t i = 0; i < blocks; i++) {
        free(graph->uppers[i]);
    }
    free(graph->uppers);
    plane_free(&graph->planes[0]);
    plane_free(&graph->planes[1]);
}

/* ----------------------------------------------------------------------------------- workers -- */

static const uint32_t *worker_links(void *arg, hny__family family, uint32_t row, uint32_t *buffer,
                                    uint32_t *count) {
    hny__worker *const worker = arg;
    *count = hny__graph_links(worker, &worker->graph->planes[family == HNY__UPPER], row, buffer);
    return buffer;
}

/*
** Links in memory change under a lock, which a prefetch is not worth.  The node's address can be
** read without one, since materialize_node sets it once.
*/
static void worker_prefetch_links(void *arg, hny__family family, uint32_t row) {
    hny__worker *const worker = arg;
    const hny__plane *const plane = &worker->graph->planes[family == HNY__UPPER];
    const uint32_t block = hny__layout_block(plane->layout, row);
    hny__node **const nodes = __atomic_load_n(&plane->blocks[block], __ATOMIC_ACQUIRE);
    const hny__node *const node =
        nodes ? __atomic_load_n(&nodes[row - block * plane->layout->per_block], __ATOMIC_ACQUIRE)
              : NULL;
    if (node) {
        hny__prefetch_lines(node,
                            (uint32_t)(sizeof *node + plane->max_links * sizeof *node->links));
    } else if (row < plane->base_rows) {
        hny__view_prefetch_links(&worker->view, family, row);
    }
}

static int worker_upper(void *arg, uint32_t row, uint32_t *owner, uint32_t *down, uint8_t *level) {
    return hny__graph_upper(arg, row, owner, down, level);
}

static bool worker_hidden(void *arg, uint32_t slot) {
    return hny__graph_hidden(arg, slot);
}

void hny__worker_init(hny__worker *worker, hny__graph *graph) {
    memset(worker, 0, sizeof *worker);
    worker->graph = graph;
}

void hny__worker_free(hny__worker *worker) {
    hny__view_free(&worker->view);
    hny__beam_free(&worker->beam);
    hny__arena_free(&worker->arena);
    free(worker->candidates);
    free(worker->numbers);
}

int hny__worker_begin(hny__worker *worker, hny_interrupt interrupt) {
    hny__graph *const graph = worker->graph;
    int rc = hny__view_begin_as(&worker->view, &graph->shared);
    if (rc) {
        return rc;
    }
    worker->beam.view = &worker->view;
    worker->beam.interrupt = interrupt;
    worker->beam.source = (hny__source){worker, worker_links, worker_prefetch_links, worker_upper,
                                        graph->has_deleted ? worker_hidden : NULL};
    rc = hny__beam_prepare(&worker->beam);
    if (!rc) {
        rc = hny__worker_reserve(worker, graph->ef_construction + HNY__MAX_LINKS);
    }
    if (!rc && !worker->numbers) {
        worker->numbers = malloc(graph->geometry.quantizer.shape.dim);
        rc = worker->numbers ? HNY_OK : HNY_NOMEM;
    }
    if (rc) {
        hny__view_end(&worker->view);
    }
    return rc;
}

void hny__worker_end(hny__worker *worker) {
    hny__view_end(&worker->view);
}

int hny__worker_status(const hny__worker *worker) {
    if (worker->status) {
        return worker->status;
    }
    return worker->beam.status ? worker->beam.status : worker->view.status;
}

int hny__worker_reserve(hny__worker *worker, size_t candidates) {
    if (candidates <= worker->candidates_capacity) {
        return HNY_OK;
    }
    void *const list = realloc(worker->candidates, candidates * sizeof *worker->candidates);
    if (!list) {
        return HNY_NOMEM;
    }
    worker->candidates = list;
    worker->candidates_capacity = candidates;
    return HNY_OK;
}

/* ------------------------------------------------------------------------------------- nodes -- */

int hny__graph_set_upper(hny__graph *graph, uint32_t row, hny__upper upper) {
    const hny__layout *const layout = &graph->geometry.layout[HNY__UPPER];
    const uint32_t block = hny__layout_block(layout, row);
    if (!graph->uppers[block]) {
        graph->uppers[block] = calloc(layout->per_block, sizeof **graph->uppers);
        if (!graph->uppers[block]) {
            return HNY_NOMEM;
        }
    }
    upper.set = true;
    graph->uppers[block][row - block * layout->per_block] = upper;
    return HNY_OK;
}

int hny__graph_upper(hny__worker *worker, uint32_t row, uint32_t *owner, uint32_t *down,
                     uint8_t *level) {
    const hny__layout *const layout = &worker->graph->geometry.layout[HNY__UPPER];
    const uint32_t block = hny__layout_block(layout, row);
    const hny__upper *const rows = worker->graph->uppers[block];
    const hny__upper *const upper = rows ? &rows[row - block * layout->per_block] : NULL;
    if (!upper || !upper->set) {
        return hny__view_upper(&worker->view, row, owner, down, level);
    }
    *owner = upper->owner;
    *down = upper->down;
    *level = upper->level;
    return HNY_OK;
}

const uint8_t *hny__graph_row(hny__worker *worker, const hny__plane *plane, uint32_t node) {
    uint32_t owner = node, down;
    uint8_t level;
    if (plane->family == HNY__UPPER && hny__graph_upper(worker, node, &owner, &down, &level)) {
        return NULL;
    }
    return hny__view_code(&worker->view, owner);
}

bool hny__graph_hidden(hny__worker *worker, uint32_t slot) {
    const hny__graph *const graph = worker->graph;
    if (roaring_bitmap_contains(graph->deleted_slots, slot)) {
        return true;
    }
    if (slot >= graph->base_slots) {
        return false;
    }
    if (roaring_bitmap_contains(graph->new_slots, slot)) {
        return false;
    }
    return hny__view_deleted(&worker->view, slot);
}

/* Under the stripe's lock: the node if it is in memory, else NULL. */
static hny__node *node_in_memory(const hny__plane *plane, uint32_t block, uint32_t node) {
    hny__node *const *const nodes = plane->blocks[block];
    return nodes ? nodes[node - block * plane->layout->per_block] : NULL;
}

/*
** Under the stripe's lock: the node, which is copied to memory if it is not there yet; NULL with
** the worker's status set.
*/
static hny__node *materialize_node(hny__worker *worker, hny__plane *plane, uint32_t block,
                                   uint32_t node) {
    hny__node *held = node_in_memory(plane, block, node);
    if (held) {
        return held;
    }
    if (!plane->blocks[block]) {
        hny__node **const nodes = calloc(plane->layout->per_block, sizeof *nodes);
        __atomic_store_n(&plane->blocks[block], nodes, __ATOMIC_RELEASE);
    }
    if (plane->blocks[block]) {
        held = hny__arena_alloc(&worker->arena, sizeof *held + (size_t)plane->capacity * 8);
    }
    if (!held) {
        worker->status = HNY_NOMEM;
        return NULL;
    }
    held->count = 0;
    if (node < plane->base_rows) {
        held->count = hny__view_links(&worker->view, plane->family, node, held->links);
        if (worker->view.status) {
            return NULL;
        }
    }
    held->ranked = held->count == 0;
    __atomic_store_n(&plane->blocks[block][node - block * plane->layout->per_block], held,
                     __ATOMIC_RELEASE);
    return held;
}

/* ------------------------------------------------------------------------------------- links -- */

static pthread_mutex_t *stripe_of_block(hny__plane *plane, uint32_t block) {
    return &plane->stripes[block % HNY__STRIPES];
}

static float *ranks_of_node(const hny__plane *plane, hny__node *node) {
    return (float *)(void *)&node->links[plane->capacity];
}

uint32_t hny__graph_links(hny__worker *worker, hny__plane *plane, uint32_t node, uint32_t *links) {
    const uint32_t block = hny__layout_block(plane->layout, node);
    pthread_mutex_t *const stripe = stripe_of_block(plane, block);
    pthread_mutex_lock(stripe);
    const hny__node *const held = node_in_memory(plane, block, node);
    const uint32_t count = held ? held->count : 0;
    if (held) {
        memcpy(links, held->links, count * sizeof *links);
    }
    pthread_mutex_unlock(stripe);
    if (held || node >= plane->base_rows) {
        return count;
    }
    return hny__view_links(&worker->view, plane->family, node, links);
}

static void set_node_links(const hny__plane *plane, hny__node *held,
                           const hny__candidate *candidates, size_t count) {
    float *const ranks = ranks_of_node(plane, held);
    for (size_t i = 0; i < count; i++) {
        held->links[i] = candidates[i].link;
        ranks[i] = candidates[i].rank;
    }
    held->count = (uint32_t)count;
    held->ranked = 1;
}

/* A node's links as candidates; ranks that are not known are computed. */
static int candidates_of_node(hny__worker *worker, hny__plane *plane, uint32_t node,
                              hny__node *held, hny__candidate *out) {
    const hny__row_format *const format = &worker->graph->geometry.quantizer.format;
    const uint8_t *const row = hny__graph_row(worker, plane, node);
    const float *const ranks = ranks_of_node(plane, held);
    if (!row) {
        return hny__worker_status(worker);
    }
    for (uint32_t i = 0; i < held->count; i++) {
        out[i].link = held->links[i];
        out[i].row = hny__graph_row(worker, plane, HNY__NODE(held->links[i]));
        if (!out[i].row) {
            return hny__worker_status(worker);
        }
        out[i].rank = held->ranked ? ranks[i] : hny__row_rank(format, row, out[i].row);
    }
    return HNY_OK;
}

/* Selects as many of a node's links as there is space for on disk. */
static int prune_node(hny__worker *worker, hny__plane *plane, uint32_t node, hny__node *held) {
    const hny__row_format *const format = &worker->graph->geometry.quantizer.format;
    hny__candidate all[HNY__MAX_LINKS], kept[HNY__MAX_LINKS];
    const int rc = candidates_of_node(worker, plane, node, held, all);
    if (rc) {
        return rc;
    }
    hny__candidates_sort(all, held->count);
    const size_t count =
        hny__select_neighbors(format, all, held->count, plane->max_links, true, kept);
    if (count == HNY__TOO_MANY_TREE_LINKS) {
        return HNY_CORRUPT;
    }
    set_node_links(plane, held, kept, count);
    return HNY_OK;
}

/* The index of the link to `target`; held->count: there is none. */
static uint32_t find_link(const hny__node *held, uint32_t target) {
    uint32_t i = 0;
    while (i < held->count && HNY__NODE(held->links[i]) != target) {
        i++;
    }
    return i;
}

/* Returns 1 or a status. */
static int append_link(hny__worker *worker, hny__plane *plane, uint32_t node, hny__node *held,
                       uint32_t link, float rank) {
    const uint32_t index = find_link(held, HNY__NODE(link));
    if (index < held->count) {
        held->links[index] |= link & HNY__TREE;
        return 1;
    }
    if (held->count == plane->capacity) {
        const int rc = prune_node(worker, plane, node, held);
        if (rc) {
            return rc;
        }
    }
    held->links[held->count] = link;
    ranks_of_node(plane, held)[held->count++] = rank;
    return 1;
}

/* Locks the stripe of a node, which the caller unlocks, and returns the node; NULL: failed. */
static hny__node *lock_node(hny__worker *worker, hny__plane *plane, uint32_t node,
                            pthread_mutex_t **stripe) {
    const uint32_t block = hny__layout_block(plane->layout, node);
    *stripe = stripe_of_block(plane, block);
    pthread_mutex_lock(*stripe);
    return materialize_node(worker, plane, block, node);
}

int hny__graph_add_link(hny__worker *worker, hny__plane *plane, uint32_t node, uint32_t link,
                        float rank, uint32_t max_tree_links) {
    pthread_mutex_t *stripe;
    hny__node *const held = lock_node(worker, plane, node, &stripe);
    int rc = 0;
    if (!held) {
        rc = hny__worker_status(worker);
    } else if (!(link & HNY__TREE) ||
               hny__count_tree_links(held->links, held->count) < max_tree_links) {
        rc = append_link(worker, plane, node, held, link, rank);
    }
    pthread_mutex_unlock(stripe);
    return rc;
}

int hny__graph_set_links(hny__worker *worker, hny__plane *plane, uint32_t node,
                         const hny__candidate *candidates, size_t count) {
    pthread_mutex_t *stripe;
    hny__node *const held = lock_node(worker, plane, node, &stripe);
    if (held) {
        set_node_links(plane, held, candidates, count);
    }
    pthread_mutex_unlock(stripe);
    return held ? HNY_OK : hny__worker_status(worker);
}

int hny__graph_remove_link(hny__worker *worker, hny__plane *plane, uint32_t node, uint32_t target) {
    pthread_mutex_t *stripe;
    hny__node *const held = lock_node(worker, plane, node, &stripe);
    const uint32_t index = held ? find_link(held, target) : 0;
    if (held && index < held->count) {
        float *const ranks = ranks_of_node(plane, held);
        held->count--;
        held->links[index] = held->links[held->count];
        ranks[index] = ranks[held->count];
    }
    pthread_mutex_unlock(stripe);
    return held ? HNY_OK : hny__worker_status(worker);
}

int hny__graph_mark_link(hny__worker *worker, hny__plane *plane, uint32_t node, uint32_t target,
                         bool tree) {
    pthread_mutex_t *stripe;
    hny__node *const held = lock_node(worker, plane, node, &stripe);
    const uint32_t index = held ? find_link(held, target) : 0;
    if (held && index < held->count) {
        held->links[index] = target | (tree ? HNY__TREE : 0);
    }
    pthread_mutex_unlock(stripe);
    return held ? HNY_OK : hny__worker_status(worker);
}

int hny__graph_trim_block(hny__worker *worker, hny__plane *plane, uint32_t block) {
    hny__node *const *const nodes = plane->blocks[block];
    for (uint32_t i = 0; nodes && i < plane->layout->per_block; i++) {
        if (!nodes[i] || nodes[i]->count <= plane->max_links) {
            continue;
        }
        const uint32_t node = block * plane->layout->per_block + i;
        const int rc = prune_node(worker, plane, node, nodes[i]);
        if (rc) {
            return rc;
        }
    }
    return HNY_OK;
}
