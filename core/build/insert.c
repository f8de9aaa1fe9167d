/*
** Insertion (Malkov & Yashunin 2018, algorithm 1), many nodes at a time.  Differences: link lists
** may overflow before they are pruned (graph.h), and a node joins the spanning tree of level 0
** before anything else links to it, so that whatever can be seen is reachable.
*/
#include "build/insert.h"

#include "build/calibrate.h"

#include <stdlib.h>

#define MAX_LEVEL 15

static uint64_t mix(uint64_t x) {
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
        if (mix(state) >= UINT64_MAX / m) break;
        level++;
    }
    return level;
}

/* ---------------------------------------------------------------------------- the spanning tree -- */

/* Hangs `slot` onto `parent`, whose link `slot` has already, if `parent` has room for a child. */
static int adopt(hny__worker *worker, uint32_t slot, uint32_t parent, float rank) {
    hny__plane *const plane = &worker->graph->planes[0];
    int rc = hny__graph_mark(worker, plane, slot, parent, 1);
    if (rc) return rc;
    const int done = hny__graph_add(worker, plane, parent, slot | HNY__TREE, rank,
                                    hny__tree_capacity(worker->graph));
    if (done != 0) return done;
    rc = hny__graph_mark(worker, plane, slot, parent, 0);
    return rc;
}

/* The same for a node that `slot` has no link to. */
static int adopt_stranger(hny__worker *worker, uint32_t slot, uint32_t parent, float rank) {
    hny__plane *const plane = &worker->graph->planes[0];
    int rc = hny__graph_add(worker, plane, slot, parent | HNY__TREE, rank, UINT32_MAX);
    if (rc < 0) return rc;
    const int done = hny__graph_add(worker, plane, parent, slot | HNY__TREE, rank,
                                    hny__tree_capacity(worker->graph));
    if (done != 0) return done;
    rc = hny__graph_remove(worker, plane, slot, parent);
    return rc;
}

/* Through the tree from `start` until a node has room: a tree has leaves, so one is found. */
static int adopt_anywhere(hny__worker *worker, uint32_t slot, uint32_t start) {
    const hny__row_format *const code = &worker->graph->geometry.quantizer.format;
    hny__plane *const plane = &worker->graph->planes[0];
    roaring_bitmap_t *const met = roaring_bitmap_create();
    uint32_t *queue = malloc(sizeof *queue);
    size_t first = 0, last = 0, room = 1;
    int done = met && queue ? 0 : HNY_NOMEM;
    if (!done) {
        queue[last++] = start;
        roaring_bitmap_add(met, start);
    }
    while (!done && first < last) {
        uint32_t links[HNY__MAX_LINKS];
        const uint32_t node = queue[first++];
        const uint32_t count = hny__graph_links(worker, plane, node, links);
        if (last + count > room) {
            room = 2 * (last + count);
            uint32_t *const more = realloc(queue, room * sizeof *queue);
            if (!more) {
                done = HNY_NOMEM;
                break;
            }
            queue = more;
        }
        for (uint32_t i = 0; i < count; i++) {
            if (!(links[i] & HNY__TREE)) continue;
            if (roaring_bitmap_add_checked(met, HNY__NODE(links[i]))) {
                queue[last++] = HNY__NODE(links[i]);
            }
        }
        const uint8_t *const a = hny__graph_row(worker, plane, node);
        const uint8_t *const b = hny__graph_row(worker, plane, slot);
        done = a && b ? adopt_stranger(worker, slot, node, hny__row_rank(code, a, b))
                      : hny__worker_status(worker);
    }
    free(queue);
    if (met) roaring_bitmap_free(met);
    return done ? done : HNY_CORRUPT;
}

static int has(const hny__candidate *kept, size_t count, uint32_t node) {
    for (size_t i = 0; i < count; i++) {
        if (kept[i].link == node) return 1;
    }
    return 0;
}

/* Hangs a node, whose list is `kept`, onto the nearest one that has room.  0 or a failure. */
static int join_tree(hny__worker *worker, uint32_t slot, const hny__candidate *kept, size_t count,
                     const hny__candidate *all, size_t found) {
    int done = 0;
    if (found == 0) return HNY_CORRUPT; /* whoever is in the graph meets somebody */
    for (size_t i = 0; i < count && done == 0; i++) {
        done = adopt(worker, slot, kept[i].link, kept[i].rank);
    }
    for (size_t i = 0; i < found && done == 0; i++) {
        if (has(kept, count, all[i].link)) continue;
        done = adopt_stranger(worker, slot, all[i].link, all[i].rank);
    }
    if (done == 0) done = adopt_anywhere(worker, slot, all[0].link);
    return done < 0 ? done : HNY_OK;
}

/* ------------------------------------------------------------------------------------ one node -- */

/* What the beam found, as candidates; deleted nodes only where there is nothing else. */
static size_t candidates_of(hny__worker *worker, const hny__plane *plane, uint32_t node) {
    const hny__beam *const beam = &worker->beam;
    const int any = beam->visible == 0;
    size_t at = 0, count = 0;
    hny__found found;
    if (hny__worker_reserve(worker, beam->count)) worker->status = HNY_NOMEM;
    while (!worker->status && (any ? at < beam->count : hny__beam_next(beam, &at, &found))) {
        if (any) found = hny__beam_any(beam, at++);
        const uint8_t *const row = hny__graph_row(worker, plane, found.node);
        if (!row || found.node == node) continue;
        worker->candidates[count++] = (hny__candidate){found.rank, found.node, row};
    }
    return count;
}

/* The neighbours that a node will have on one level. */
typedef struct choice {
    hny__plane *plane;
    uint32_t node;
    size_t count;
    hny__candidate kept[HNY__MAX_M];
} choice;

/* Chooses them; *at: where to begin, and the nearest node found. */
static int choose(hny__worker *worker, choice *c, const hny__scorer *query, hny__found *at,
                  size_t *found) {
    hny__graph *const graph = worker->graph;
    const hny__effort effort = {graph->ef_construction, 0};
    const int rc = hny__beam_search(&worker->beam, c->plane->family, query, *at, effort);
    if (rc) return rc;
    *at = hny__beam_any(&worker->beam, 0);
    *found = candidates_of(worker, c->plane, c->node);
    if (hny__worker_status(worker)) return hny__worker_status(worker);
    /*
    ** A new node's own list is not filled up: the links that others add do that.  Filled, lists are
    ** longer by a tenth and a build takes 5 to 15 % more distances, for the same recall at the same
    ** cost of a query (WordNet and GloVe vectors).
    */
    c->count = hny__select_neighbors(&graph->geometry.quantizer.format, worker->candidates, *found,
                                     graph->m, 0, c->kept);
    return HNY_OK;
}

/* From the entry point down: choices[l] for each level l that the node and the graph share. */
static int choose_all(hny__worker *worker, const hny__new_node *new_node, choice *choices,
                      uint32_t *top, size_t *found) {
    hny__graph *const graph = worker->graph;
    const hny__entry entry = graph->entry;
    const uint8_t *const own = hny__graph_row(worker, &graph->planes[0], new_node->slot);
    uint32_t owner, down, row = new_node->upper;
    uint8_t level;
    hny__found at;
    hny__scorer query;
    if (!own) return hny__worker_status(worker);
    hny__scorer_of_row(&query, &graph->geometry.quantizer, own, worker->numbers);
    *top = new_node->level < entry.level ? new_node->level : entry.level;
    int rc = hny__beam_descend(&worker->beam, &query, &entry, *top, &at);
    for (uint32_t l = new_node->level; l > 0 && !rc; l--) {
        /* Above the entry point's level there is nobody to link to. */
        if (l <= *top) {
            choices[l].plane = &graph->planes[1];
            choices[l].node = row;
            rc = choose(worker, &choices[l], &query, &at, found);
            if (!rc) rc = hny__graph_upper(worker, at.node, &owner, &down, &level);
            if (!rc) at.node = l == 1 ? owner : down;
        }
        if (!rc) rc = hny__graph_upper(worker, row, &owner, &down, &level);
        row = down;
    }
    choices[0].plane = &graph->planes[0];
    choices[0].node = new_node->slot;
    return rc ? rc : choose(worker, &choices[0], &query, &at, found);
}

static int link_back(hny__worker *worker, const choice *c) {
    for (size_t i = 0; i < c->count; i++) {
        const hny__candidate *const kept = &c->kept[i];
        const int done = hny__graph_add(worker, c->plane, kept->link, c->node, kept->rank, 0);
        if (done < 0) return done;
    }
    return HNY_OK;
}

/*
** Level 0 is linked first and the top level last: whoever meets the node on some level finds it
** complete on all levels below.  (The other way round, a node that was met above before its list
** below was set lost the links that it was given meanwhile.)
*/
static int link_node(hny__worker *worker, const hny__new_node *new_node) {
    choice choices[MAX_LEVEL + 1];
    uint32_t top = 0;
    size_t found = 0;
    int rc = choose_all(worker, new_node, choices, &top, &found);
    for (uint32_t l = 0; !rc && l <= top; l++) {
        const choice *const c = &choices[l];
        rc = hny__graph_set(worker, c->plane, c->node, c->kept, c->count);
        if (!rc && l == 0) {
            rc = join_tree(worker, c->node, c->kept, c->count, worker->candidates, found);
        }
        if (!rc) rc = link_back(worker, c);
    }
    return rc;
}

/* ------------------------------------------------------------------------------------ all nodes -- */

static int by_level(const void *a, const void *b) {
    const hny__new_node *const x = a, *const y = b;
    if (x->level != y->level) return x->level > y->level ? -1 : 1;
    return (x->link_order > y->link_order) - (x->link_order < y->link_order);
}

static int link_piece(hny__worker *worker, void *arg, uint32_t index) {
    return link_node(worker, &((const hny__new_node *)arg)[index]);
}

/* All that are born in one build, as they stand in the order of their links. */
typedef struct family {
    hny__new_node *new_nodes;
    uint32_t count;
} family;

static int link_range(hny__worker_pool *pool, const family *all, uint32_t first, uint32_t last) {
    const hny__phase phase = {"linking", first, all->count};
    if (first == last) return HNY_OK;
    return hny__worker_pool_run(pool, last - first, link_piece, all->new_nodes + first, phase);
}

static int trim_piece(hny__worker *worker, void *arg, uint32_t index) {
    return hny__graph_trim(worker, arg, index);
}

static int trim(hny__worker_pool *pool, hny__plane *plane) {
    return hny__worker_pool_run(pool, hny__layout_blocks(plane->layout, plane->rows), trim_piece,
                                plane, (hny__phase){.name = "trimming"});
}

/* The highest node of all becomes the entry point before others can meet it, or after. */
static int link_first(hny__worker_pool *pool, const family *all) {
    const hny__new_node *const new_node = all->new_nodes;
    hny__graph *const graph = pool->graph;
    int rc = HNY_OK;
    if (graph->entry.slot != HNY__NONE) {
        rc = link_range(pool, all, 0, 1);
    }
    if (!rc) graph->entry = (hny__entry){new_node->slot, new_node->upper, new_node->level};
    return rc;
}

/* The number of nodes above level 0, which come first. */
static uint32_t count_high(const hny__new_node *new_nodes, uint32_t count) {
    uint32_t high = 0;
    while (high < count && new_nodes[high].level > 0) high++;
    return high;
}

/*
** Of the nodes on level 0 alone, an even choice by arrival goes to the end of the list: how many did.  By
** their places it would be another one for other codes, and what a table finds for an ef with it.
*/
static uint32_t draw_sample(hny__new_node *new_nodes, uint32_t count, uint32_t wanted) {
    const uint32_t first = count_high(new_nodes, count), low = count - first;
    uint32_t drawn = 0;
    if (wanted == 0 || wanted > low / 2) return 0;
    /* A few more than are wanted fit that, since those of higher levels are passed over. */
    const uint32_t step = low / (wanted + wanted / 8);
    for (uint32_t i = first; drawn < wanted && i < count - drawn; i++) {
        if (new_nodes[i].ordinal % (step ? step : 1)) continue;
        const hny__new_node chosen = new_nodes[i];
        drawn++;
        new_nodes[i] = new_nodes[count - drawn];
        new_nodes[count - drawn] = chosen;
    }
    return drawn;
}

int hny__insert_all(hny__worker_pool *pool, hny__new_node *new_nodes, uint32_t count) {
    hny__graph *const graph = pool->graph;
    const family all = {new_nodes, count};
    uint32_t first = 0;
    int rc = HNY_OK;
    qsort(new_nodes, count, sizeof *new_nodes, by_level);
    const uint32_t sample =
        draw_sample(new_nodes, count, hny__calibrate_sample(&graph->record, count));
    const uint32_t rest = count - sample;
    if (count && (graph->entry.slot == HNY__NONE || new_nodes[0].level > graph->entry.level)) {
        rc = link_first(pool, &all);
        first = 1;
    }
    const uint32_t high = count_high(new_nodes, rest);
    if (!rc && first < high) rc = link_range(pool, &all, first, high);
    first = first > high ? first : high;
    if (!rc) rc = link_range(pool, &all, first, rest);
    if (!rc && sample) rc = hny__calibrate(pool, new_nodes + rest, sample);
    if (!rc) rc = link_range(pool, &all, rest, count);
    if (!rc) rc = trim(pool, &graph->planes[0]);
    if (!rc) rc = trim(pool, &graph->planes[1]);
    return rc;
}
