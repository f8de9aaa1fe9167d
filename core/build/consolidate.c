/* Consolidation: deleted nodes leave the graph, their neighbours are joined. */
#include "build/consolidate.h"

#include <stdlib.h>

#include "base/memory.h"
#include "build/copies.h"

/* -------------------------------------------------------------------------- closing the tree -- */

/* An orphan's new tree neighbour is one of so many orphans before it. */
#define PARTNERS 8

/* A live node that loses a tree link. */
typedef struct orphan {
    uint32_t node, deleted; /* the deleted node that it is attached to */
    uint32_t tree_links;    /* that it will have */
    uint32_t partner;       /* index of the orphan that it will be attached to */
    float rank;             /* of that one */
} orphan;

/* Deleted nodes that are joined by tree links, and the live nodes around them. */
typedef struct cavity {
    hny__worker *worker;
    const roaring_bitmap_t *deleted_ids;
    roaring_bitmap_t *visited; /* deleted nodes, over all cavities */
    uint32_t *deleted;         /* of this cavity, breadth-first */
    size_t deleted_count, deleted_capacity;
    orphan *orphans;
    size_t orphans_count, orphans_capacity;
    roaring_bitmap_t *orphan_nodes;
} cavity;

static int push_deleted(cavity *c, uint32_t slot) {
    if (!roaring_bitmap_add_checked(c->visited, slot)) {
        return HNY_OK;
    }
    const int rc =
        hny__grow((void **)&c->deleted, &c->deleted_capacity, c->deleted_count, sizeof *c->deleted);
    if (!rc) {
        c->deleted[c->deleted_count++] = slot;
    }
    return rc;
}

static int push_orphan(cavity *c, uint32_t node, uint32_t deleted) {
    uint32_t links[HNY__MAX_LINKS];
    const int rc =
        hny__grow((void **)&c->orphans, &c->orphans_capacity, c->orphans_count, sizeof *c->orphans);
    if (rc) {
        return rc;
    }
    const uint32_t count = hny__graph_links(c->worker, &c->worker->graph->planes[0], node, links);
    const uint32_t tree_links = hny__count_tree_links(links, count);
    /* Tree links are marked on both ends, and a tree has one way from a cavity to a node. */
    if (tree_links == 0 || !roaring_bitmap_add_checked(c->orphan_nodes, node)) {
        return HNY_CORRUPT;
    }
    c->orphans[c->orphans_count++] =
        (orphan){.node = node, .deleted = deleted, .tree_links = tree_links - 1};
    return HNY_OK;
}

/* Finds the cavity around a deleted node. */
static int find_cavity(cavity *c, uint32_t start) {
    hny__plane *const plane = &c->worker->graph->planes[0];
    uint32_t links[HNY__MAX_LINKS];
    c->deleted_count = c->orphans_count = 0;
    roaring_bitmap_clear(c->orphan_nodes);
    int rc = push_deleted(c, start);
    for (size_t i = 0; i < c->deleted_count && !rc; i++) {
        const uint32_t node = c->deleted[i];
        const uint32_t count = hny__graph_links(c->worker, plane, node, links);
        for (uint32_t j = 0; j < count && !rc; j++) {
            if (!(links[j] & HNY__TREE)) {
                continue;
            }
            const uint32_t next = HNY__NODE(links[j]);
            rc = roaring_bitmap_contains(c->deleted_ids, next) ? push_deleted(c, next)
                                                               : push_orphan(c, next, node);
        }
    }
    return rc ? rc : hny__worker_status(c->worker);
}

/*
** Chooses the nearest of the orphans just before orphan i that has a free place; false: none has.
*/
static bool choose_partner(cavity *c, size_t i) {
    const hny__graph *const graph = c->worker->graph;
    const hny__plane *const plane = &graph->planes[0];
    orphan *const own = &c->orphans[i];
    const uint8_t *const row = hny__graph_row(c->worker, plane, own->node);
    bool found = false;
    for (size_t j = i > PARTNERS ? i - PARTNERS : 0; j < i && row; j++) {
        if (c->orphans[j].tree_links >= plane->max_links) {
            continue;
        }
        const uint8_t *const other = hny__graph_row(c->worker, plane, c->orphans[j].node);
        if (!other) {
            return false;
        }
        const float rank = hny__row_rank(&graph->geometry.quantizer.format, row, other);
        if (found && rank >= own->rank) {
            continue;
        }
        own->rank = rank;
        own->partner = (uint32_t)j;
        found = true;
    }
    if (!found) {
        return false;
    }
    c->orphans[own->partner].tree_links++;
    own->tree_links++;
    return true;
}

static int join_partners(cavity *c, const orphan *a, const orphan *b) {
    hny__plane *const plane = &c->worker->graph->planes[0];
    int done =
        hny__graph_add_link(c->worker, plane, a->node, b->node | HNY__TREE, a->rank, UINT32_MAX);
    if (done > 0) {
        done = hny__graph_add_link(c->worker, plane, b->node, a->node | HNY__TREE, a->rank,
                                   UINT32_MAX);
    }
    return done < 0 ? done : HNY_OK;
}

/*
** Joins the orphans by new tree links.  Each loses one and gains one, and one more for each orphan
** that chose it, so lists rarely run full.  Where they would, *closed is false and nothing has
** changed.
*/
static int close_cavity(cavity *c, bool *closed) {
    hny__plane *const plane = &c->worker->graph->planes[0];
    *closed = true;
    for (size_t i = 1; i < c->orphans_count; i++) {
        if (!choose_partner(c, i)) {
            *closed = false;
            return hny__worker_status(c->worker);
        }
    }
    int rc = HNY_OK;
    /*
    ** Links to deleted nodes stay, unmarked, until the repair: behind them are the best
    ** candidates.
    */
    for (size_t i = 0; i < c->orphans_count && !rc; i++) {
        rc = hny__graph_mark_link(c->worker, plane, c->orphans[i].node, c->orphans[i].deleted,
                                  false);
    }
    for (size_t i = 1; i < c->orphans_count && !rc; i++) {
        rc = join_partners(c, &c->orphans[i], &c->orphans[c->orphans[i].partner]);
    }
    return rc;
}

/* Closes the tree over all deleted nodes; removes those that must stay from `deleted_ids`. */
static int close_cavities(hny__worker *worker, roaring_bitmap_t *deleted_ids) {
    cavity c = {.worker = worker,
                .deleted_ids = deleted_ids,
                .visited = roaring_bitmap_create(),
                .orphan_nodes = roaring_bitmap_create()};
    roaring_bitmap_t *const kept = roaring_bitmap_create();
    roaring_uint32_iterator_t deleted;
    int rc = c.visited && c.orphan_nodes && kept ? HNY_OK : HNY_NOMEM;
    roaring_init_iterator(deleted_ids, &deleted);
    for (; deleted.has_value && !rc; roaring_advance_uint32_iterator(&deleted)) {
        bool closed = false;
        if (roaring_bitmap_contains(c.visited, deleted.current_value)) {
            continue;
        }
        rc = find_cavity(&c, deleted.current_value);
        if (!rc) {
            rc = close_cavity(&c, &closed);
        }
        if (!rc && !closed) {
            roaring_bitmap_add_many(kept, c.deleted_count, c.deleted);
        }
    }
    if (!rc) {
        roaring_bitmap_andnot_inplace(deleted_ids, kept);
    }
    if (kept) {
        roaring_bitmap_free(kept);
    }
    if (c.visited) {
        roaring_bitmap_free(c.visited);
    }
    if (c.orphan_nodes) {
        roaring_bitmap_free(c.orphan_nodes);
    }
    free(c.deleted);
    free(c.orphans);
    return rc;
}

/* ----------------------------------------------------------------------------------- repairs -- */

typedef struct repair {
    hny__graph *graph;
    hny__plane *plane;
    const roaring_bitmap_t *deleted_ids;
    pthread_mutex_t lock; /* of what follows */
    roaring_bitmap_t *freed_uppers;
    hny__entry entry; /* the highest node that stays */
} repair;

/*
** Is a node of the plane deleted?  Returns 1, 0 or a status.  *owner and *level: the node's slot,
** and its level, which is 0 also for an upper row that is not in use.
*/
static int test_deleted_node(hny__worker *worker, const repair *r, uint32_t node, uint32_t *owner,
                             uint8_t *level) {
    uint32_t down;
    *owner = node;
    *level = 0;
    if (r->plane->family == HNY__UPPER) {
        const int rc = hny__graph_upper(worker, node, owner, &down, level);
        if (rc) {
            return rc;
        }
        if (*level == 0) {
            return 0;
        }
    }
    return roaring_bitmap_contains(r->deleted_ids, *owner);
}

static int test_deleted_link(hny__worker *worker, const repair *r, uint32_t link) {
    uint32_t owner;
    uint8_t level;
    return test_deleted_node(worker, r, HNY__NODE(link), &owner, &level);
}

/* Returns 1, 0 or a status. */
static int test_deleted_links(hny__worker *worker, const repair *r, const uint32_t *links,
                              uint32_t count) {
    int found = 0;
    for (uint32_t i = 0; i < count && found == 0; i++) {
        found = test_deleted_link(worker, r, links[i]);
    }
    return found;
}

/* By node; of two links to one node, the one with the tree mark first. */
static int compare_links(const void *a, const void *b) {
    const hny__candidate *const x = a, *const y = b;
    const uint32_t m = HNY__NODE(x->link), n = HNY__NODE(y->link);
    if (m != n) {
        return m < n ? -1 : 1;
    }
    return (x->link < y->link) - (x->link > y->link);
}

static size_t drop_repeated_links(hny__candidate *list, size_t count) {
    size_t kept = 0;
    qsort(list, count, sizeof *list, compare_links);
    for (size_t i = 0; i < count; i++) {
        if (kept && HNY__NODE(list[kept - 1].link) == HNY__NODE(list[i].link)) {
            continue;
        }
        list[kept++] = list[i];
    }
    return kept;
}

/* Adds the live ones of `links`, without `node`, to the worker's candidates, as link & mask. */
static int add_live_links(hny__worker *worker, const repair *r, uint32_t node,
                          const uint32_t *links, uint32_t count, uint32_t mask, size_t *found) {
    for (uint32_t i = 0; i < count; i++) {
        const int deleted = test_deleted_link(worker, r, links[i]);
        if (deleted < 0) {
            return deleted;
        }
        if (deleted || HNY__NODE(links[i]) == node) {
            continue;
        }
        worker->candidates[(*found)++].link = links[i] & mask;
    }
    return HNY_OK;
}

static int rank_candidates(hny__worker *worker, const repair *r, uint32_t node, size_t count) {
    const uint8_t *const row = hny__graph_row(worker, r->plane, node);
    for (size_t i = 0; i < count && row; i++) {
        hny__candidate *const candidate = &worker->candidates[i];
        candidate->row = hny__graph_row(worker, r->plane, HNY__NODE(candidate->link));
        if (!candidate->row) {
            break;
        }
        candidate->rank = hny__row_rank(&r->graph->geometry.quantizer.format, row, candidate->row);
    }
    return hny__worker_status(worker);
}

/* Gives a live node with deleted neighbours a selection of its live neighbours and theirs. */
static int replace_links(hny__worker *worker, const repair *r, uint32_t node, const uint32_t *links,
                         uint32_t count) {
    const hny__row_format *const format = &r->graph->geometry.quantizer.format;
    uint32_t others[HNY__MAX_LINKS];
    hny__candidate kept[HNY__MAX_LINKS];
    size_t found = 0;
    int rc = hny__worker_reserve(worker, (size_t)(count + 1) * r->plane->capacity);
    if (!rc) {
        rc = add_live_links(worker, r, node, links, count, UINT32_MAX, &found);
    }
    for (uint32_t i = 0; i < count && !rc; i++) {
        const int deleted = test_deleted_link(worker, r, links[i]);
        if (deleted < 0) {
            return deleted;
        }
        if (!deleted) {
            continue;
        }
        const uint32_t others_count =
            hny__graph_links(worker, r->plane, HNY__NODE(links[i]), others);
        rc = add_live_links(worker, r, node, others, others_count, ~HNY__TREE, &found);
    }
    if (rc) {
        return rc;
    }
    found = drop_repeated_links(worker->candidates, found);
    rc = rank_candidates(worker, r, node, found);
    if (rc) {
        return rc;
    }
    hny__candidates_sort(worker->candidates, found);
    const size_t size =
        hny__select_neighbors(format, worker->candidates, found, r->plane->max_links, true, kept);
    if (size == HNY__TOO_MANY_TREE_LINKS) {
        return HNY_CORRUPT;
    }
    return hny__graph_set_links(worker, r->plane, node, kept, size);
}

/* Has the slot no links yet, or none at all? */
static bool is_outside_graph(const repair *r, uint32_t slot) {
    return hny__copies_unlinked(r->graph->copies, slot) || slot >= r->graph->planes[0].base_rows ||
           roaring_bitmap_contains(r->graph->new_slots, slot);
}

static void note_staying_node(repair *r, uint32_t node, uint32_t owner, uint8_t level) {
    if (r->entry.slot != HNY__NONE && level <= r->entry.level) {
        return;
    }
    r->entry = (hny__entry){owner, level ? node : HNY__NONE, level};
}

static int repair_node(hny__worker *worker, repair *r, uint32_t node) {
    uint32_t links[HNY__MAX_LINKS], owner;
    uint8_t level;
    const int deleted = test_deleted_node(worker, r, node, &owner, &level);
    if (deleted < 0) {
        return deleted;
    }
    const bool upper = r->plane->family == HNY__UPPER;
    if (upper && level == 0) { /* not in use */
        return HNY_OK;
    }
    const uint32_t count = hny__graph_links(worker, r->plane, node, links);
    /* One that others have deleted since the build began is a node still, unlike a free slot. */
    const bool node_stays =
        !deleted && !is_outside_graph(r, owner) && (count > 0 || !hny__graph_hidden(worker, owner));
    pthread_mutex_lock(&r->lock);
    if (deleted && upper) {
        roaring_bitmap_add(r->freed_uppers, node);
    }
    if (node_stays) {
        note_staying_node(r, node, owner, level);
    }
    pthread_mutex_unlock(&r->lock);
    if (deleted) {
        return HNY_OK;
    }
    const int found = test_deleted_links(worker, r, links, count);
    if (found < 0) {
        return found;
    }
    return found ? replace_links(worker, r, node, links, count) : hny__worker_status(worker);
}

/* Repairs the nodes of a block. */
static int repair_task(hny__worker *worker, void *arg, uint32_t index) {
    repair *const r = arg;
    const uint32_t per_block = r->plane->layout->per_block;
    const uint32_t first = index * per_block;
    const uint32_t left = r->plane->base_rows - first;
    int rc = HNY_OK;
    for (uint32_t i = 0; i < per_block && i < left && !rc; i++) {
        rc = repair_node(worker, r, first + i);
    }
    return rc;
}

static int repair_plane(hny__worker_pool *pool, repair *r, hny__plane *plane) {
    const hny__phase phase = {.name = "consolidating"};
    r->plane = plane;
    return hny__worker_pool_run(pool, hny__layout_blocks(plane->layout, plane->base_rows),
                                repair_task, r, phase);
}

/* --------------------------------------------------------------------------------- all of it -- */

/* Empties nodes of a plane, which are free then. */
static int clear_nodes(hny__worker *worker, hny__plane *plane, const roaring_bitmap_t *nodes) {
    const hny__upper unused = {HNY__NONE, HNY__NONE, 0, false};
    roaring_uint32_iterator_t node;
    int rc = HNY_OK;
    roaring_init_iterator(nodes, &node);
    for (; node.has_value && !rc; roaring_advance_uint32_iterator(&node)) {
        rc = hny__graph_set_links(worker, plane, node.current_value, NULL, 0);
        if (!rc && plane->family == HNY__UPPER) {
            rc = hny__graph_set_upper(worker->graph, node.current_value, unused);
        }
    }
    return rc;
}

static int run_close_cavities(hny__worker_pool *pool, roaring_bitmap_t *deleted_ids) {
    hny__worker *const worker = &pool->workers[0];
    int rc = hny__worker_begin(worker, pool->interrupt);
    if (rc) {
        return rc;
    }
    rc = close_cavities(worker, deleted_ids);
    hny__worker_end(worker);
    return rc;
}

static int run_clear_nodes(hny__worker_pool *pool, const roaring_bitmap_t *slots,
                           const roaring_bitmap_t *uppers) {
    hny__worker *const worker = &pool->workers[0];
    int rc = hny__worker_begin(worker, pool->interrupt);
    if (rc) {
        return rc;
    }
    rc = clear_nodes(worker, &pool->graph->planes[0], slots);
    if (!rc) {
        rc = clear_nodes(worker, &pool->graph->planes[1], uppers);
    }
    hny__worker_end(worker);
    return rc;
}

int hny__consolidate(hny__worker_pool *pool, roaring_bitmap_t *deleted_ids,
                     roaring_bitmap_t *freed_uppers) {
    hny__graph *const graph = pool->graph;
    repair r = {.graph = graph,
                .deleted_ids = deleted_ids,
                .freed_uppers = freed_uppers,
                .entry = {.slot = HNY__NONE}};
    int rc = run_close_cavities(pool, deleted_ids);
    if (rc) {
        return rc;
    }
    pthread_mutex_init(&r.lock, NULL);
    rc = repair_plane(pool, &r, &graph->planes[0]);
    if (!rc) {
        rc = repair_plane(pool, &r, &graph->planes[1]);
    }
    pthread_mutex_destroy(&r.lock);
    if (rc) {
        return rc;
    }
    /* When all nodes are deleted, an entry point whose cavity stays remains the entry point. */
    if (roaring_bitmap_contains(deleted_ids, graph->entry.slot)) {
        graph->entry = r.entry;
    }
    return run_clear_nodes(pool, deleted_ids, freed_uppers);
}
