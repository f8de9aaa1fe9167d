#include "build/build_graph.h"

#include <stdlib.h>

#include "simd/prefetch_line.h"

#define SLACK_UPPER 4 /* above level 0, instead of HNY__LINK_SLACK */

/* ------------------------------------------------------------------------------------- planes -- */

static int plane_init(hny__plane *plane, hny__family family, const hny__geometry *geometry,
                      uint32_t base_rows, uint32_t slack) {
    plane->family = family;
    plane->layout = &geometry->layout[family];
    plane->base_rows = base_rows;
    plane->max = plane->layout->capacity;
    plane->room = plane->max + slack;
    plane->stripes = malloc(HNY__STRIPES * sizeof *plane->stripes);
    if (!plane->stripes) return HNY_NOMEM;
    for (int i = 0; i < HNY__STRIPES; i++) pthread_mutex_init(&plane->stripes[i], NULL);
    return HNY_OK;
}

static int plane_size(hny__plane *plane, uint32_t rows) {
    const uint32_t blocks = hny__layout_blocks(plane->layout, rows);
    plane->rows = rows;
    plane->blocks = calloc(blocks + 1u, sizeof *plane->blocks);
    return plane->blocks ? HNY_OK : HNY_NOMEM;
}

static void plane_free(hny__plane *plane) {
    const uint32_t blocks = plane->blocks ? hny__layout_blocks(plane->layout, plane->rows) : 0;
    for (uint32_t i = 0; i < blocks; i++) free(plane->blocks[i]);
    free(plane->blocks);
    if (!plane->stripes) return;
    for (int i = 0; i < HNY__STRIPES; i++) pthread_mutex_destroy(&plane->stripes[i]);
    free(plane->stripes);
}

static pthread_mutex_t *stripe_of(hny__plane *plane, uint32_t block) {
    return &plane->stripes[block % HNY__STRIPES];
}

static float *ranks_of(const hny__plane *plane, hny__node *node) {
    return (float *)(void *)&node->links[plane->room];
}

int hny__graph_init(hny__graph *graph, const hny__table_record *base, int has_base) {
    const hny__table_record *const record = &graph->record;
    hny__geometry_init(&graph->geometry, record);
    graph->m = record->m;
    graph->base_slots = has_base ? base->slots : 0;
    graph->entry = (hny__entry){record->entry_slot, record->entry_upper, record->entry_level};
    int rc = plane_init(&graph->planes[0], HNY__LINKS, &graph->geometry,
                        has_base ? hny__linked(base) : 0, HNY__LINK_SLACK);
    if (!rc) {
        rc = plane_init(&graph->planes[1], HNY__UPPER, &graph->geometry,
                        has_base ? base->uppers : 0, SLACK_UPPER);
    }
    return rc;
}

int hny__graph_size(hny__graph *graph) {
    const hny__layout *const upper = &graph->geometry.layout[HNY__UPPER];
    int rc = plane_size(&graph->planes[0], graph->record.slots);
    if (!rc) rc = plane_size(&graph->planes[1], graph->record.uppers);
    if (!rc) rc = hny__view_share(&graph->shared, graph->env, &graph->record);
    graph->uppers =
        calloc(hny__layout_blocks(upper, graph->record.uppers) + 1u, sizeof *graph->uppers);
    return graph->uppers ? rc : HNY_NOMEM;
}

void hny__graph_free(hny__graph *graph) {
    hny__view_free(&graph->shared);
    if (graph->uppers) {
        const uint32_t blocks =
            hny__layout_blocks(&graph->geometry.layout[HNY__UPPER], graph->record.uppers);
        for (uint32_t i = 0; i < blocks; i++) free(graph->uppers[i]);
        free(graph->uppers);
    }
    plane_free(&graph->planes[0]);
    plane_free(&graph->planes[1]);
}

/* ------------------------------------------------------------------------------------ workers -- */

static const uint32_t *source_links(void *arg, hny__family family, uint32_t row, uint32_t *room,
                                    uint32_t *count) {
    hny__worker *const worker = arg;
    *count = hny__graph_links(worker, &worker->graph->planes[family == HNY__UPPER], row, room);
    return room;
}

/*
** Lists in memory change under a lock that is not worth taking for this, but where they are is set
** once: see own().
*/
static void source_ahead(void *arg, hny__family family, uint32_t row) {
    hny__worker *const worker = arg;
    const hny__plane *const plane = &worker->graph->planes[family == HNY__UPPER];
    const uint32_t block = hny__layout_block(plane->layout, row);
    hny__node **const nodes = __atomic_load_n(&plane->blocks[block], __ATOMIC_ACQUIRE);
    const hny__node *const held =
        nodes ? __atomic_load_n(&nodes[row - block * plane->layout->per_block], __ATOMIC_ACQUIRE)
              : NULL;
    if (held) {
        hny__prefetch_lines(held, (uint32_t)(sizeof *held + plane->max * sizeof *held->links));
    } else if (row < plane->base_rows) {
        hny__view_prefetch_links(&worker->view, family, row);
    }
}

static int source_upper(void *arg, uint32_t row, uint32_t *owner, uint32_t *down, uint8_t *level) {
    return hny__graph_upper(arg, row, owner, down, level);
}

static bool source_hidden(void *arg, uint32_t slot) {
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
    if (rc) return rc;
    worker->beam.view = &worker->view;
    worker->beam.interrupt = interrupt;
    worker->beam.source = (hny__source){worker, source_links, source_ahead, source_upper,
                                        graph->hiding ? source_hidden : NULL};
    rc = hny__beam_prepare(&worker->beam);
    if (!rc) rc = hny__worker_reserve(worker, graph->ef_construction + HNY__MAX_LINKS);
    if (!rc && !worker->numbers) {
        worker->numbers = malloc(graph->geometry.quantizer.shape.dim);
        rc = worker->numbers ? HNY_OK : HNY_NOMEM;
    }
    if (rc) hny__view_end(&worker->view);
    return rc;
}

void hny__worker_end(hny__worker *worker) {
    hny__view_end(&worker->view);
}

int hny__worker_status(const hny__worker *worker) {
    if (worker->status) return worker->status;
    return worker->beam.status ? worker->beam.status : worker->view.status;
}

int hny__worker_reserve(hny__worker *worker, size_t candidates) {
    if (candidates <= worker->candidates_capacity) return HNY_OK;
    void *const list = realloc(worker->candidates, candidates * sizeof *worker->candidates);
    if (!list) return HNY_NOMEM;
    worker->candidates = list;
    worker->candidates_capacity = candidates;
    return HNY_OK;
}

/* ------------------------------------------------------------------------------------- uppers -- */

int hny__graph_set_upper(hny__graph *graph, uint32_t row, hny__upper upper) {
    const hny__layout *const layout = &graph->geometry.layout[HNY__UPPER];
    const uint32_t block = hny__layout_block(layout, row);
    if (!graph->uppers[block]) {
        graph->uppers[block] = calloc(layout->per_block, sizeof **graph->uppers);
        if (!graph->uppers[block]) return HNY_NOMEM;
    }
    upper.set = 1;
    graph->uppers[block][row - block * layout->per_block] = upper;
    return HNY_OK;
}

int hny__graph_upper(hny__worker *worker, uint32_t row, uint32_t *owner, uint32_t *down,
                     uint8_t *level) {
    const hny__layout *const layout = &worker->graph->geometry.layout[HNY__UPPER];
    const uint32_t block = hny__layout_block(layout, row);
    const hny__upper *const rows = worker->graph->uppers[block];
    const hny__upper *const upper = rows ? &rows[row - block * layout->per_block] : NULL;
    if (!upper || !upper->set) return hny__view_upper(&worker->view, row, owner, down, level);
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
    if (roaring_bitmap_contains(graph->deleted_slots, slot)) return 1;
    if (slot >= graph->base_slots || roaring_bitmap_contains(graph->new_slots, slot)) return 0;
    return hny__view_deleted(&worker->view, slot);
}

/* -------------------------------------------------------------------------------------- nodes -- */

/* Under the stripe's lock: the node in memory, or NULL where it is as published. */
static hny__node *peek(const hny__plane *plane, uint32_t block, uint32_t node) {
    hny__node *const *const nodes = plane->blocks[block];
    return nodes ? nodes[node - block * plane->layout->per_block] : NULL;
}

static int out_of_memory(hny__worker *worker) {
    worker->status = HNY_NOMEM;
    return HNY_NOMEM;
}

/* Under the stripe's lock: the node in memory, brought there if need be; NULL: failed. */
static hny__node *own(hny__worker *worker, hny__plane *plane, uint32_t block, uint32_t node) {
    hny__node *held = peek(plane, block, node);
    if (held) return held;
    if (!plane->blocks[block]) {
        hny__node **const nodes = calloc(plane->layout->per_block, sizeof *nodes);
        __atomic_store_n(&plane->blocks[block], nodes, __ATOMIC_RELEASE);
    }
    held = plane->blocks[block]
               ? hny__arena_alloc(&worker->arena, sizeof *held + (size_t)plane->room * 8)
               : NULL;
    if (!held) {
        out_of_memory(worker);
        return NULL;
    }
    held->count = 0;
    if (node < plane->base_rows) {
        held->count = hny__view_links(&worker->view, plane->family, node, held->links);
        if (worker->view.status) return NULL;
    }
    held->ranked = held->count == 0;
    __atomic_store_n(&plane->blocks[block][node - block * plane->layout->per_block], held,
                     __ATOMIC_RELEASE);
    return held;
}

uint32_t hny__graph_links(hny__worker *worker, hny__plane *plane, uint32_t node, uint32_t *links) {
    const uint32_t block = hny__layout_block(plane->layout, node);
    pthread_mutex_t *const stripe = stripe_of(plane, block);
    pthread_mutex_lock(stripe);
    const hny__node *const held = peek(plane, block, node);
    const uint32_t count = held ? held->count : 0;
    if (held) memcpy(links, held->links, count * sizeof *links);
    pthread_mutex_unlock(stripe);
    if (held || node >= plane->base_rows) return count;
    return hny__view_links(&worker->view, plane->family, node, links);
}

/* The list as candidates, ranks computed where they were not known. */
static int list_candidates(hny__worker *worker, hny__plane *plane, uint32_t node, hny__node *held,
                           hny__candidate *out) {
    const hny__row_format *const code = &worker->graph->geometry.quantizer.format;
    const uint8_t *const row = hny__graph_row(worker, plane, node);
    const float *const ranks = ranks_of(plane, held);
    if (!row) return hny__worker_status(worker);
    for (uint32_t i = 0; i < held->count; i++) {
        out[i].link = held->links[i];
        out[i].row = hny__graph_row(worker, plane, HNY__NODE(held->links[i]));
        if (!out[i].row) return hny__worker_status(worker);
        out[i].rank = held->ranked ? ranks[i] : hny__row_rank(code, row, out[i].row);
    }
    return HNY_OK;
}

static void fill(const hny__plane *plane, hny__node *held, const hny__candidate *candidates,
                 size_t count) {
    float *const ranks = ranks_of(plane, held);
    for (size_t i = 0; i < count; i++) {
        held->links[i] = candidates[i].link;
        ranks[i] = candidates[i].rank;
    }
    held->count = (uint32_t)count;
    held->ranked = 1;
}

/* Prunes a list to what has room on disk. */
static int shrink(hny__worker *worker, hny__plane *plane, uint32_t node, hny__node *held) {
    hny__candidate all[HNY__MAX_LINKS], kept[HNY__MAX_LINKS];
    const int rc = list_candidates(worker, plane, node, held, all);
    if (rc) return rc;
    hny__candidates_sort(all, held->count);
    const size_t count = hny__select_neighbors(&worker->graph->geometry.quantizer.format, all,
                                               held->count, plane->max, 1, kept);
    fill(plane, held, kept, count);
    return HNY_OK;
}

static uint32_t find_link(const hny__node *held, uint32_t target) {
    uint32_t i = 0;
    while (i < held->count && HNY__NODE(held->links[i]) != target) i++;
    return i;
}

static int append(hny__worker *worker, hny__plane *plane, uint32_t node, hny__node *held,
                  uint32_t link, float rank) {
    const uint32_t at = find_link(held, HNY__NODE(link));
    if (at < held->count) {
        held->links[at] |= link & HNY__TREE;
        return 1;
    }
    if (held->count == plane->room) {
        const int rc = shrink(worker, plane, node, held);
        if (rc) return rc;
    }
    held->links[held->count] = link;
    ranks_of(plane, held)[held->count++] = rank;
    return 1;
}

int hny__graph_add(hny__worker *worker, hny__plane *plane, uint32_t node, uint32_t link, float rank,
                   uint32_t tree_max) {
    const uint32_t block = hny__layout_block(plane->layout, node);
    pthread_mutex_t *const stripe = stripe_of(plane, block);
    pthread_mutex_lock(stripe);
    hny__node *const held = own(worker, plane, block, node);
    int rc = 0;
    if (!held) {
        rc = hny__worker_status(worker);
    } else if (!(link & HNY__TREE) || hny__count_tree_links(held->links, held->count) < tree_max) {
        rc = append(worker, plane, node, held, link, rank);
    }
    pthread_mutex_unlock(stripe);
    return rc;
}

int hny__graph_set(hny__worker *worker, hny__plane *plane, uint32_t node,
                   const hny__candidate *candidates, size_t count) {
    const uint32_t block = hny__layout_block(plane->layout, node);
    pthread_mutex_t *const stripe = stripe_of(plane, block);
    pthread_mutex_lock(stripe);
    hny__node *const held = own(worker, plane, block, node);
    if (held) fill(plane, held, candidates, count);
    pthread_mutex_unlock(stripe);
    return held ? HNY_OK : hny__worker_status(worker);
}

int hny__graph_remove(hny__worker *worker, hny__plane *plane, uint32_t node, uint32_t target) {
    const uint32_t block = hny__layout_block(plane->layout, node);
    pthread_mutex_t *const stripe = stripe_of(plane, block);
    pthread_mutex_lock(stripe);
    hny__node *const held = own(worker, plane, block, node);
    const uint32_t at = held ? find_link(held, target) : 0;
    if (held && at < held->count) {
        float *const ranks = ranks_of(plane, held);
        held->count--;
        held->links[at] = held->links[held->count];
        ranks[at] = ranks[held->count];
    }
    pthread_mutex_unlock(stripe);
    return held ? HNY_OK : hny__worker_status(worker);
}

int hny__graph_mark(hny__worker *worker, hny__plane *plane, uint32_t node, uint32_t target,
                    int tree) {
    const uint32_t block = hny__layout_block(plane->layout, node);
    pthread_mutex_t *const stripe = stripe_of(plane, block);
    pthread_mutex_lock(stripe);
    hny__node *const held = own(worker, plane, block, node);
    const uint32_t at = held ? find_link(held, target) : 0;
    if (held && at < held->count) held->links[at] = target | (tree ? HNY__TREE : 0);
    pthread_mutex_unlock(stripe);
    return held ? HNY_OK : hny__worker_status(worker);
}

int hny__graph_trim(hny__worker *worker, hny__plane *plane, uint32_t block) {
    hny__node *const *const nodes = plane->blocks[block];
    for (uint32_t i = 0; nodes && i < plane->layout->per_block; i++) {
        if (!nodes[i] || nodes[i]->count <= plane->max) continue;
        const int rc = shrink(worker, plane, block * plane->layout->per_block + i, nodes[i]);
        if (rc) return rc;
    }
    return HNY_OK;
}
