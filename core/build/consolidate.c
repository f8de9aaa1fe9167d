#include "build/consolidate.h"

#include <stdlib.h>

#include "base/memory.h"

/* How many of the nodes before it a node may choose its new tree neighbour from. */
#define PARTNERS 8

typedef struct gap {
    hny__worker *worker;
    const roaring_bitmap_t *deleted_ids;
    roaring_bitmap_t *met; /* deleted nodes seen so far, over all gaps */
    uint32_t *dead;        /* this gap's, in the order of a breadth-first walk */
    size_t dead_count, dead_capacity;
    struct rim {
        uint32_t node, dead; /* a live node, and the deleted node it hangs on */
        uint32_t trees;      /* tree links it will have */
        uint32_t partner;    /* index of the rim node it will be joined to */
        float rank;
    } * rim;
    size_t rim_count, rim_capacity;
} gap;

static int push_dead(gap *g, uint32_t slot) {
    if (!roaring_bitmap_add_checked(g->met, slot)) return HNY_OK;
    const int rc = hny__grow((void **)&g->dead, &g->dead_capacity, g->dead_count, sizeof *g->dead);
    if (!rc) g->dead[g->dead_count++] = slot;
    return rc;
}

static int push_rim(gap *g, uint32_t node, uint32_t dead) {
    uint32_t links[HNY__MAX_LINKS];
    const int rc = hny__grow((void **)&g->rim, &g->rim_capacity, g->rim_count, sizeof *g->rim);
    if (rc) return rc;
    const uint32_t count = hny__graph_links(g->worker, &g->worker->graph->planes[0], node, links);
    const uint32_t trees = hny__count_tree_links(links, count);
    if (trees == 0) return HNY_CORRUPT; /* tree links are marked on both ends */
    g->rim[g->rim_count++] = (struct rim){.node = node, .dead = dead, .trees = trees - 1};
    return HNY_OK;
}

/* All deleted nodes that hang together around `start`, and the live nodes around them. */
static int find_gap(gap *g, uint32_t start) {
    uint32_t links[HNY__MAX_LINKS];
    g->dead_count = g->rim_count = 0;
    int rc = push_dead(g, start);
    for (size_t i = 0; i < g->dead_count && !rc; i++) {
        const uint32_t node = g->dead[i];
        const uint32_t count =
            hny__graph_links(g->worker, &g->worker->graph->planes[0], node, links);
        for (uint32_t j = 0; j < count && !rc; j++) {
            if (!(links[j] & HNY__TREE)) continue;
            const uint32_t next = HNY__NODE(links[j]);
            rc = roaring_bitmap_contains(g->deleted_ids, next) ? push_dead(g, next)
                                                               : push_rim(g, next, node);
        }
    }
    return rc ? rc : hny__worker_status(g->worker);
}

/* The nearest of the rim nodes just before number i that has room; 0: there is none. */
static int choose_partner(gap *g, size_t i) {
    const hny__graph *const graph = g->worker->graph;
    const hny__plane *const plane = &graph->planes[0];
    const uint8_t *const row = hny__graph_row(g->worker, plane, g->rim[i].node);
    int found = 0;
    for (size_t j = i > PARTNERS ? i - PARTNERS : 0; j < i && row; j++) {
        if (g->rim[j].trees >= plane->max) continue;
        const uint8_t *const other = hny__graph_row(g->worker, plane, g->rim[j].node);
        if (!other) return 0;
        const float rank = hny__row_rank(&graph->geometry.quantizer.format, row, other);
        if (found && rank >= g->rim[i].rank) continue;
        g->rim[i].rank = rank;
        g->rim[i].partner = (uint32_t)j;
        found = 1;
    }
    if (!found) return 0;
    g->rim[g->rim[i].partner].trees++;
    g->rim[i].trees++;
    return 1;
}

/*
** Joins the rim with new tree links.  Each rim node loses one and gains one, and one more for each
** that chose it, so lists rarely run full; where they would, the gap is left as it is.
*/
static int close_gap(gap *g, int *closed) {
    hny__plane *const plane = &g->worker->graph->planes[0];
    *closed = 1;
    for (size_t i = 1; i < g->rim_count; i++) {
        if (!choose_partner(g, i)) {
            *closed = 0;
            return hny__worker_status(g->worker);
        }
    }
    int rc = HNY_OK;
    /* Links to deleted nodes stay, unmarked, until the repair: behind them are the best candidates. */
    for (size_t i = 0; i < g->rim_count && !rc; i++) {
        rc = hny__graph_mark(g->worker, plane, g->rim[i].node, g->rim[i].dead, 0);
    }
    for (size_t i = 1; i < g->rim_count && !rc; i++) {
        const struct rim *const a = &g->rim[i], *const b = &g->rim[a->partner];
        rc = hny__graph_add(g->worker, plane, a->node, b->node | HNY__TREE, a->rank, UINT32_MAX);
        if (rc > 0) {
            rc =
                hny__graph_add(g->worker, plane, b->node, a->node | HNY__TREE, a->rank, UINT32_MAX);
        }
        rc = rc < 0 ? rc : HNY_OK;
    }
    return rc;
}

/* Closes the tree over all deleted nodes; those that must stay leave `tombs`. */
static int close_gaps(hny__worker *worker, roaring_bitmap_t *deleted_ids) {
    gap g = {.worker = worker, .deleted_ids = deleted_ids, .met = roaring_bitmap_create()};
    roaring_bitmap_t *const spared = roaring_bitmap_create();
    roaring_uint32_iterator_t at;
    int rc = g.met && spared ? HNY_OK : HNY_NOMEM;
    for (roaring_init_iterator(deleted_ids, &at); at.has_value && !rc;
         roaring_advance_uint32_iterator(&at)) {
        int closed = 0;
        if (roaring_bitmap_contains(g.met, at.current_value)) continue;
        rc = find_gap(&g, at.current_value);
        if (!rc) rc = close_gap(&g, &closed);
        if (!rc && !closed) roaring_bitmap_add_many(spared, g.dead_count, g.dead);
    }
    if (!rc) roaring_bitmap_andnot_inplace(deleted_ids, spared);
    if (spared) roaring_bitmap_free(spared);
    if (g.met) roaring_bitmap_free(g.met);
    free(g.dead);
    free(g.rim);
    return rc;
}

/* ------------------------------------------------------------------------------------- repairs -- */

typedef struct repair {
    hny__graph *graph;
    hny__plane *plane;
    const roaring_bitmap_t *deleted_ids;
    pthread_mutex_t lock;     /* of what follows */
    roaring_bitmap_t *uppers; /* upper rows that their dead owners leave */
    hny__entry entry;         /* the highest live node */
} repair;

/* 1: the node's slot is a deleted node, 0: it is not, or a failure; *owner, *level: what it is. */
static int is_dead(hny__worker *worker, const repair *r, uint32_t node, uint32_t *owner,
                   uint8_t *level) {
    uint32_t down;
    *owner = node;
    *level = 0;
    if (r->plane->family == HNY__UPPER) {
        const int rc = hny__graph_upper(worker, node, owner, &down, level);
        if (rc) return rc;
        if (*level == 0) return 0;
    }
    return roaring_bitmap_contains(r->deleted_ids, *owner);
}

static int link_dead(hny__worker *worker, const repair *r, uint32_t link) {
    uint32_t owner;
    uint8_t level;
    return is_dead(worker, r, HNY__NODE(link), &owner, &level);
}

static int by_node(const void *a, const void *b) {
    const hny__candidate *const x = a, *const y = b;
    const uint32_t m = HNY__NODE(x->link), n = HNY__NODE(y->link);
    if (m != n) return m < n ? -1 : 1;
    return (x->link < y->link) - (x->link > y->link); /* the marked one first */
}

static size_t drop_repeats(hny__candidate *list, size_t count) {
    size_t kept = 0;
    qsort(list, count, sizeof *list, by_node);
    for (size_t i = 0; i < count; i++) {
        if (kept && HNY__NODE(list[kept - 1].link) == HNY__NODE(list[i].link)) continue;
        list[kept++] = list[i];
    }
    return kept;
}

/* The live ones of `links` behind the worker's candidates, without those equal to `node`. */
static int take_live(hny__worker *worker, const repair *r, uint32_t node, const uint32_t *links,
                     uint32_t count, uint32_t mask, size_t *taken) {
    for (uint32_t i = 0; i < count; i++) {
        const int dead = link_dead(worker, r, links[i]);
        if (dead < 0) return dead;
        if (dead || HNY__NODE(links[i]) == node) continue;
        worker->candidates[(*taken)++].link = links[i] & mask;
    }
    return HNY_OK;
}

static int rank_candidates(hny__worker *worker, const repair *r, uint32_t node, size_t count) {
    const uint8_t *const row = hny__graph_row(worker, r->plane, node);
    for (size_t i = 0; i < count && row; i++) {
        hny__candidate *const c = &worker->candidates[i];
        c->row = hny__graph_row(worker, r->plane, HNY__NODE(c->link));
        if (!c->row) break;
        c->rank = hny__row_rank(&r->graph->geometry.quantizer.format, row, c->row);
    }
    return hny__worker_status(worker);
}

/* A live node with dead neighbours: its live ones and theirs, pruned. */
static int repair_node(hny__worker *worker, const repair *r, uint32_t node, const uint32_t *links,
                       uint32_t count) {
    uint32_t theirs[HNY__MAX_LINKS];
    hny__candidate kept[HNY__MAX_LINKS];
    size_t found = 0;
    int rc = hny__worker_reserve(worker, (size_t)(count + 1) * r->plane->room);
    if (!rc) rc = take_live(worker, r, node, links, count, UINT32_MAX, &found);
    for (uint32_t i = 0; i < count && !rc; i++) {
        const int dead = link_dead(worker, r, links[i]);
        if (dead < 0) return dead;
        if (!dead) continue;
        const uint32_t next = hny__graph_links(worker, r->plane, HNY__NODE(links[i]), theirs);
        rc = take_live(worker, r, node, theirs, next, ~HNY__TREE, &found);
    }
    if (rc) return rc;
    found = drop_repeats(worker->candidates, found);
    rc = rank_candidates(worker, r, node, found);
    if (rc) return rc;
    hny__candidates_sort(worker->candidates, found);
    const size_t size = hny__select_neighbors(&r->graph->geometry.quantizer.format,
                                              worker->candidates, found, r->plane->max, 1, kept);
    return hny__graph_set(worker, r->plane, node, kept, size);
}

/* Does the slot belong to a new node, which is not in the graph yet? */
static int is_newborn(const repair *r, uint32_t slot) {
    return slot >= r->graph->planes[0].base_rows ||
           roaring_bitmap_contains(r->graph->new_slots, slot);
}

static void note_live(repair *r, uint32_t node, uint32_t owner, uint8_t level) {
    if (r->entry.slot != HNY__NONE && level <= r->entry.level) return;
    r->entry = (hny__entry){owner, level ? node : HNY__NONE, level};
}

static int repair_row(hny__worker *worker, repair *r, uint32_t node) {
    uint32_t links[HNY__MAX_LINKS], owner;
    uint8_t level;
    const int dead = is_dead(worker, r, node, &owner, &level);
    if (dead < 0) return dead;
    const int upper = r->plane->family == HNY__UPPER;
    if (upper && level == 0) return HNY_OK; /* not in use */
    const int live = !dead && !is_newborn(r, owner) && !hny__graph_hidden(worker, owner);
    pthread_mutex_lock(&r->lock);
    if (dead && upper) roaring_bitmap_add(r->uppers, node);
    if (live) note_live(r, node, owner, level);
    pthread_mutex_unlock(&r->lock);
    if (dead) return HNY_OK;

    const uint32_t count = hny__graph_links(worker, r->plane, node, links);
    for (uint32_t i = 0; i < count; i++) {
        const int gone = link_dead(worker, r, links[i]);
        if (gone < 0) return gone;
        if (gone) return repair_node(worker, r, node, links, count);
    }
    return hny__worker_status(worker);
}

static int repair_piece(hny__worker *worker, void *arg, uint32_t index) {
    repair *const r = arg;
    const uint32_t per_block = r->plane->layout->per_block;
    const uint32_t first = index * per_block;
    const uint32_t left = r->plane->base_rows - first;
    int rc = HNY_OK;
    for (uint32_t i = 0; i < per_block && i < left && !rc; i++) {
        rc = repair_row(worker, r, first + i);
    }
    return rc;
}

static int repair_plane(hny__worker_pool *pool, repair *r, hny__plane *plane) {
    r->plane = plane;
    return hny__worker_pool_run(pool, hny__layout_blocks(plane->layout, plane->base_rows),
                                repair_piece, r, (hny__phase){.name = "consolidating"});
}

/* ---------------------------------------------------------------------------------- the outcome -- */

static int empty_all(hny__worker *worker, hny__plane *plane, const roaring_bitmap_t *nodes) {
    roaring_uint32_iterator_t at;
    int rc = HNY_OK;
    for (roaring_init_iterator(nodes, &at); at.has_value && !rc;
         roaring_advance_uint32_iterator(&at)) {
        rc = hny__graph_set(worker, plane, at.current_value, NULL, 0);
        if (!rc && plane->family == HNY__UPPER) {
            rc = hny__graph_set_upper(worker->graph, at.current_value,
                                      (hny__upper){HNY__NONE, HNY__NONE, 0, 0});
        }
    }
    return rc;
}

static int close_all(hny__worker_pool *pool, roaring_bitmap_t *deleted_ids) {
    hny__worker *const worker = &pool->workers[0];
    int rc = hny__worker_begin(worker, pool->interrupt);
    if (rc) return rc;
    rc = close_gaps(worker, deleted_ids);
    hny__worker_end(worker);
    return rc;
}

static int empty_both(hny__worker_pool *pool, const roaring_bitmap_t *deleted_ids,
                      const roaring_bitmap_t *uppers) {
    hny__worker *const worker = &pool->workers[0];
    int rc = hny__worker_begin(worker, pool->interrupt);
    if (rc) return rc;
    rc = empty_all(worker, &pool->graph->planes[0], deleted_ids);
    if (!rc) rc = empty_all(worker, &pool->graph->planes[1], uppers);
    hny__worker_end(worker);
    return rc;
}

int hny__consolidate(hny__worker_pool *pool, roaring_bitmap_t *deleted_ids,
                     roaring_bitmap_t *uppers) {
    hny__graph *const graph = pool->graph;
    repair r = {
        .graph = graph, .deleted_ids = deleted_ids, .uppers = uppers, .entry = {.slot = HNY__NONE}};
    int rc = close_all(pool, deleted_ids);
    if (rc) return rc;
    pthread_mutex_init(&r.lock, NULL);
    rc = repair_plane(pool, &r, &graph->planes[0]);
    if (!rc) rc = repair_plane(pool, &r, &graph->planes[1]);
    pthread_mutex_destroy(&r.lock);
    /* Spared deleted nodes keep the old entry point usable where nothing lives any more. */
    if (!rc && roaring_bitmap_contains(deleted_ids, graph->entry.slot)) graph->entry = r.entry;
    return rc ? rc : empty_both(pool, deleted_ids, uppers);
}
