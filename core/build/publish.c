/*
** The second half of a build: the graph takes the new nodes in, and everything that changed becomes
** the newest state in one transaction.  Blocks that lie wholly beyond the published ones are written
** before that, in transactions of their own, since nobody can see them.
*/
#include <stdlib.h>

#include "base/sort.h"
#include "build/build.h"
#include "build/consolidate.h"

#define EARLY_BLOCKS 8192 /* 32 MiB of them a transaction */

/*
** Boundaries are dropped, oldest first, while those kept hold more ids than this together: about a
** megabyte.  A reader whose snapshot is older than all of them scans the content.
*/
#define KEPT_TOUCHED    (1u << 18)
#define KEPT_BOUNDARIES 256

typedef struct publication {
    hny_build *build;
    hny_boundary at;
    hny__graph graph; /* env is NULL where it stays as it is */
    hny__worker_pool pool;
    roaring_bitmap_t *freed_slots, *freed_uppers;
    hny__family family;       /* of the blocks that are written early */
    uint32_t first, last;     /* and their numbers */
    hny__table_record record; /* as this try of the last transaction makes it */
} publication;

/* ------------------------------------------------------------------------------------ the graph -- */

/* Draws the levels of all new nodes; how many rows above level 0 they take together. */
static size_t draw_levels(hny_build *build) {
    size_t total = 0;
    for (size_t i = 0; i < build->new_nodes_count; i++) {
        hny__new_node *const new_node = &build->new_nodes[i];
        new_node->level = hny__insert_draw_level(build->table, new_node->ordinal, build->record.m);
        new_node->upper = HNY__NONE;
        total += new_node->level;
    }
    return total;
}

/* Their rows, from level 1 up, each knowing the one below it. */
static int raise_all(publication *p, hny__upper **rows, uint32_t **numbers, size_t *count) {
    hny_build *const build = p->build;
    hny__table_record *const record = &build->record;
    const size_t total = draw_levels(build);
    *rows = malloc((total + 1) * sizeof **rows);
    *numbers = malloc((total + 1) * sizeof **numbers);
    *count = 0;
    if (!*rows || !*numbers) return HNY_NOMEM;
    for (size_t i = 0; i < build->new_nodes_count; i++) {
        hny__new_node *const new_node = &build->new_nodes[i];
        for (uint32_t level = 1; level <= new_node->level; level++) {
            uint32_t row;
            const int rc = hny__free_ids_take(&build->uppers, &build->reader->view,
                                              &record->free_uppers, &record->uppers, &row);
            if (rc) return rc;
            (*numbers)[*count] = row;
            (*rows)[(*count)++] = (hny__upper){new_node->slot, new_node->upper, (uint8_t)level, 1};
            new_node->upper = row;
        }
    }
    return HNY_OK;
}

static int make_graph(publication *p) {
    hny_build *const build = p->build;
    hny__graph *const graph = &p->graph;
    hny__upper *rows = NULL;
    uint32_t *numbers = NULL;
    size_t count = 0;
    int rc = raise_all(p, &rows, &numbers, &count);
    if (!rc) {
        graph->env = build->env;
        graph->record = build->record;
        graph->ef_construction = build->options.ef_construction;
        graph->deleted_slots = build->deleted_slots;
        graph->new_slots = build->slots.taken;
        graph->hiding = build->record.deleted > 0;
        rc = hny__graph_init(graph, &build->base, build->has_base);
    }
    if (!rc) rc = hny__graph_size(graph);
    for (size_t i = 0; i < count && !rc; i++) {
        rc = hny__graph_set_upper(graph, numbers[i], rows[i]);
    }
    free(rows);
    free(numbers);
    return rc;
}

/* Amortised: a fifth of the graph, or where it was asked for a tenth. */
static int worth_consolidating(const hny_build *build) {
    const uint64_t dead = build->record.deleted;
    const uint64_t share = build->flags & HNY_BUILD_CONSOLIDATE ? 10 : 5;
    return dead > 0 && dead * share >= dead + build->record.live;
}

static int consolidate(publication *p) {
    hny_build *const build = p->build;
    hny__table_record *const record = &build->record;
    int rc = hny__deleted_ids_read(&build->reader->view, p->freed_slots);
    if (rc) return rc;
    hny_reader_end(build->reader);
    roaring_bitmap_or_inplace(p->freed_slots, build->deleted_slots);
    roaring_bitmap_remove_range(p->freed_slots, hny__linked(&build->base), HNY__MAX_SLOTS);
    rc = hny__consolidate(&p->pool, p->freed_slots, p->freed_uppers);
    if (rc) return rc;
    const uint32_t freed = (uint32_t)roaring_bitmap_get_cardinality(p->freed_slots);
    if (freed > record->deleted) return HNY_CORRUPT;
    record->deleted -= freed;
    record->free_slots += freed;
    record->free_uppers += (uint32_t)roaring_bitmap_get_cardinality(p->freed_uppers);
    return HNY_OK;
}

/*
** What waited for its links is linked now, unless it was deleted meanwhile: then it never was in the
** graph, and its slot is free at once.
*/
static int take_flat(publication *p, roaring_bitmap_t *freed) {
    hny_build *const build = p->build;
    hny__table_record *const record = &build->record;
    const uint32_t end = build->has_base ? build->base.slots : 0;
    int rc = hny__build_pin(build);
    for (uint32_t slot = end ? hny__linked(&build->base) : 0; slot < end && !rc; slot++) {
        if (roaring_bitmap_contains(build->deleted_slots, slot) ||
            hny__view_deleted(&build->reader->view, slot)) {
            roaring_bitmap_add(freed, slot);
            record->deleted--;
            record->free_slots++;
        } else {
            rc = hny__build_add_node(build, (hny__new_node){.slot = slot, .ordinal = slot});
        }
        if (!rc) rc = build->reader->view.status;
    }
    record->unlinked = 0;
    return rc;
}

/*
** The last `count` births, which came in many builds, are linked as if they had come in one.  16,000 of
** them in a table of 800,000 take a fifth less time so.
*/
static int arrange_births(hny_build *build, size_t count) {
    const size_t first = build->new_nodes_count - count;
    hny__new_node *const new_nodes = build->new_nodes + first;
    const uint8_t **const rows = malloc((count + 1) * sizeof *rows);
    hny__place *const places = malloc((count + 1) * sizeof *places);
    hny__reorder *reorder = NULL;
    int rc = rows && places ? HNY_OK : HNY_NOMEM;
    for (size_t i = 0; i < count && !rc; i++) {
        rows[i] = hny__view_code(&build->reader->view, new_nodes[i].slot);
        if (!rows[i]) rc = build->reader->view.status;
    }
    if (!rc) rc = hny__reorder_new(&build->geometry.quantizer, rows, (uint32_t)count, &reorder);
    if (!rc) hny__reorder_rows(reorder, rows, (uint32_t)count, places);
    for (size_t i = 0; i < count && !rc; i++) {
        new_nodes[hny__place_row(places[i])].link_order = (uint32_t)(first + i);
    }
    hny__reorder_free(reorder);
    free(rows);
    free(places);
    return rc;
}

static int change_graph(publication *p, roaring_bitmap_t *freed) {
    hny_build *const build = p->build;
    const size_t fresh = build->new_nodes_count;
    int rc = take_flat(p, freed);
    if (!rc) rc = arrange_births(build, build->new_nodes_count - fresh);
    if (!rc) rc = hny__build_pin(build);
    if (!rc) rc = make_graph(p);
    if (!rc) {
        rc = hny__worker_pool_init(&p->pool, &p->graph, build->threads, build->table,
                                   build->interrupt);
    }
    if (!rc && build->has_base && worth_consolidating(build)) rc = consolidate(p);
    hny_reader_end(build->reader);
    if (!rc && build->new_nodes_count) {
        rc = hny__insert_all(&p->pool, build->new_nodes, (uint32_t)build->new_nodes_count);
    }
    build->record.entry_slot = p->graph.entry.slot;
    build->record.entry_upper = p->graph.entry.upper;
    build->record.entry_level = p->graph.entry.level;
    build->record.calibrated = p->graph.record.calibrated;
    build->record.curves = p->graph.record.curves;
    return rc;
}

/* ------------------------------------------------------------------------------- blocks of links -- */

static int plane_touched(const publication *p, const hny__plane *plane, uint32_t number) {
    return plane->blocks[number] || (plane->family == HNY__UPPER && p->graph.uppers[number]);
}

static void overlay(const publication *p, const hny__plane *plane, uint32_t number,
                    uint8_t *block) {
    hny__node *const *const nodes = plane->blocks[number];
    const hny__upper *const uppers = plane->family == HNY__UPPER ? p->graph.uppers[number] : NULL;
    for (uint32_t i = 0; i < plane->layout->per_block; i++) {
        if (uppers && uppers[i].set) {
            hny__upper_put(plane->layout, block, i, uppers[i].level, uppers[i].owner,
                           uppers[i].down);
        }
        if (nodes && nodes[i]) {
            hny__links_put(plane->layout, block, i, nodes[i]->links, nodes[i]->count);
        }
    }
}

/* Blocks first .. last - 1 of a plane, those that changed. */
static int write_plane(const publication *p, const hny__plane *plane, hny__txn *txn, uint32_t first,
                       uint32_t last) {
    const uint32_t base = hny__layout_blocks(plane->layout, plane->base_rows);
    _Alignas(16) uint8_t block[HNY__SMALL_BLOCK];
    int rc = 0;
    for (uint32_t number = first; number < last && !rc; number++) {
        const hny__key key = hny__key_make(p->build->record.space, plane->layout->kind, number);
        if (number < base && !plane_touched(p, plane, number)) continue;
        memset(block, 0, plane->layout->bytes);
        if (number < base) rc = hny__get_block(txn, &key, plane->layout, block);
        if (rc) break;
        overlay(p, plane, number, block);
        rc = hny__put_block(txn, &key, plane->layout, block);
    }
    return rc;
}

static uint32_t blocks_of(const hny__plane *plane) {
    return hny__layout_blocks(plane->layout, plane->rows);
}

static int early_body(void *arg, hny__txn *txn) {
    const publication *const p = arg;
    return write_plane(p, &p->graph.planes[p->family == HNY__UPPER], txn, p->first, p->last);
}

/* Leaves at most one transaction's worth of blocks that nobody can see yet to the last one. */
static int write_early(publication *p, const hny__plane *plane) {
    const uint32_t base = hny__layout_blocks(plane->layout, plane->base_rows);
    const uint32_t end = blocks_of(plane);
    int rc = HNY_OK;
    p->family = plane->family;
    for (p->first = base; end - p->first > EARLY_BLOCKS && !rc; p->first = p->last) {
        p->last = p->first + EARLY_BLOCKS;
        rc = hny__env_write(p->build->env, early_body, p);
    }
    return rc;
}

/* The blocks of a plane that write_early left. */
static int write_rest(const publication *p, const hny__plane *plane, hny__txn *txn) {
    const uint32_t base = hny__layout_blocks(plane->layout, plane->base_rows);
    const uint32_t end = blocks_of(plane);
    const uint32_t early = end > base ? (end - base - 1) / EARLY_BLOCKS * EARLY_BLOCKS : 0;
    const uint32_t left = base + early;
    int rc = write_plane(p, plane, txn, 0, base);
    if (!rc) rc = write_plane(p, plane, txn, left, end);
    return rc;
}

/* ------------------------------------------------------------------------------------- the dead -- */

/* Sets or clears the bits of `slots` that lie in the block; tells whether there were any. */
static int mark_dead(const hny__layout *layout, uint32_t number, uint8_t *block,
                     const roaring_bitmap_t *slots, int dead) {
    const uint32_t first = number * layout->per_block;
    roaring_uint32_iterator_t at;
    int any = 0;
    roaring_init_iterator(slots, &at);
    for (roaring_move_uint32_iterator_equalorlarger(&at, first);
         at.has_value && at.current_value - first < layout->per_block;
         roaring_advance_uint32_iterator(&at)) {
        hny__deleted_put(block, at.current_value - first, dead);
        any = 1;
    }
    return any;
}

static int write_dead(const publication *p, hny__txn *txn) {
    const hny_build *const build = p->build;
    const hny__layout *const layout = &build->geometry.layout[HNY__DELETED];
    const uint32_t base = build->has_base ? hny__layout_blocks(layout, build->base.slots) : 0;
    const uint32_t end = hny__layout_blocks(layout, build->record.slots);
    _Alignas(16) uint8_t block[HNY__SMALL_BLOCK];
    int rc = 0;
    for (uint32_t number = 0; number < end && !rc; number++) {
        const hny__key key = hny__key_make(build->record.space, layout->kind, number);
        memset(block, 0, layout->bytes);
        if (number < base) rc = hny__get_block(txn, &key, layout, block);
        if (rc) break;
        int changed = mark_dead(layout, number, block, build->slots.taken, 0);
        changed |= mark_dead(layout, number, block, build->deleted_slots, 1);
        if (changed || number >= base) {
            rc = hny__put_block(txn, &key, layout, block);
        }
    }
    return rc;
}

/* ----------------------------------------------------------------------------------- the records -- */

/* Drops the oldest boundary, and the ids of the one that is the oldest then: nobody reads those. */
static int drop_oldest(hny__table_record *record, hny__txn *txn) {
    hny_boundary at;
    int64_t *ids;
    size_t count;
    const uint32_t next = record->first_boundary + 1;
    const hny__key key = hny__key_make(record->space, HNY__KIND_BOUNDARY, record->first_boundary);
    int rc = hny__del(txn, &key);
    if (!rc) rc = hny__get_boundary(txn, record->space, next, &at, &ids, &count);
    if (rc) return rc;
    free(ids);
    record->first_boundary = next;
    record->boundaries--;
    record->touched -= count;
    return hny__put_boundary(txn, record->space, next, &at, NULL, 0);
}

/* Is this boundary the newest already?  Then the build only linked what had waited for it. */
static int is_newest(const publication *p, hny__txn *txn, int *out) {
    const hny__table_record *const record = &p->record;
    const uint32_t number = record->first_boundary + record->boundaries - 1;
    hny_boundary at;
    *out = 0;
    if (record->boundaries == 0) return HNY_OK;
    const int rc = hny__get_boundary(txn, record->space, number, &at, NULL, NULL);
    if (!rc) *out = at.seq == p->at.seq && at.chain == p->at.chain;
    return rc;
}

/* Rows of one build may ask in any order; a block is taken up for each, and they are few. */
static int write_cells(const publication *p, hny__txn *txn) {
    const hny_build *const build = p->build;
    const hny__attribute_updates *const attribute_updates = &build->attribute_updates;
    const hny__layout *const layout = &build->geometry.layout[HNY__ATTRIBUTES];
    uint8_t *const block = attribute_updates->count ? malloc(layout->bytes) : NULL;
    int rc = attribute_updates->count && !block ? HNY_NOMEM : 0;
    for (size_t i = 0; i < attribute_updates->count && !rc; i++) {
        const uint32_t slot = attribute_updates->slots[i];
        const uint32_t number = hny__layout_block(layout, slot);
        const hny__key key = hny__key_make(build->record.space, layout->kind, number);
        rc = hny__get_block(txn, &key, layout, block);
        if (rc) break;
        hny__row_put(layout, block, slot - number * layout->per_block,
                      attribute_updates->attributes + i * build->record.attributes);
        rc = hny__put_block(txn, &key, layout, block);
    }
    free(block);
    return rc;
}

static int write_boundary(publication *p, hny__txn *txn) {
    const hny_build *const build = p->build;
    hny__table_record *const record = &p->record;
    int newest;
    const int failed = is_newest(p, txn, &newest);
    if (failed || newest) return failed;
    const size_t count = record->boundaries ? build->touched_count : 0;
    const uint32_t number = record->first_boundary + record->boundaries;
    int rc = hny__put_boundary(txn, record->space, number, &p->at, build->touched, count);
    record->boundaries++;
    record->touched += count;
    while (!rc && record->boundaries > 1 &&
           (record->touched > KEPT_TOUCHED || record->boundaries > KEPT_BOUNDARIES)) {
        rc = drop_oldest(record, txn);
    }
    return rc;
}

static int last_body(void *arg, hny__txn *txn) {
    publication *const p = arg;
    const hny_build *const build = p->build;
    const uint32_t space = build->record.space;
    p->record = build->record;
    int rc = p->graph.env ? write_rest(p, &p->graph.planes[0], txn) : 0;
    if (!rc && p->graph.env) rc = write_rest(p, &p->graph.planes[1], txn);
    if (!rc) rc = write_dead(p, txn);
    if (!rc) {
        rc = hny__free_ids_write(txn, space, HNY__KIND_FREE_SLOTS, build->slots.taken,
                                 p->freed_slots);
    }
    if (!rc) {
        rc = hny__free_ids_write(txn, space, HNY__KIND_FREE_UPPER, build->uppers.taken,
                                 p->freed_uppers);
    }
    if (!rc) rc = write_cells(p, txn);
    if (!rc) rc = hny__build_write_rowids(build, txn);
    if (!rc) rc = write_boundary(p, txn);
    return rc ? rc : hny__put_table_record(txn, build->table, &p->record);
}

/* -------------------------------------------------------------------------------------- publish -- */

static int write_out(publication *p) {
    hny_build *const build = p->build;
    hny__env_set_progress(build->env, build->table, "publishing", 0, 0);
    int rc = hny__build_prepare(build);
    if (!rc && p->graph.env) rc = write_early(p, &p->graph.planes[0]);
    if (!rc && p->graph.env) rc = write_early(p, &p->graph.planes[1]);
    return rc ? rc : hny__env_write(build->env, last_body, p);
}

/* Are there few enough new rows, and deleted nodes, to leave the graph alone? */
static int may_append(const hny_build *build) {
    const uint32_t unlinked = build->record.slots - hny__linked(&build->base);
    return build->append && unlinked <= hny__unlinked_limit(build->record.live) &&
           !worth_consolidating(build);
}

/* The graph as it will be: with the new rows, or as it was and they beside it. */
static int take_in(publication *p) {
    hny_build *const build = p->build;
    if (may_append(build)) {
        build->record.unlinked = build->record.slots - hny__linked(&build->base);
        return HNY_OK;
    }
    roaring_bitmap_t *const freed = roaring_bitmap_create();
    if (!freed) return HNY_NOMEM;
    const int rc = change_graph(p, freed);
    roaring_bitmap_or_inplace(p->freed_slots, freed);
    roaring_bitmap_free(freed);
    return rc;
}

int hny_build_publish(hny_build *build, hny_boundary at) {
    publication p = {.build = build, .at = at};
    int rc = hny__staging_flush(build);
    p.freed_slots = roaring_bitmap_create();
    p.freed_uppers = roaring_bitmap_create();
    if (!rc && (!p.freed_slots || !p.freed_uppers)) rc = HNY_NOMEM;
    if (!rc && build->touched_count) {
        qsort(build->touched, build->touched_count, sizeof *build->touched, hny__compare_int64);
    }
    if (!rc) rc = take_in(&p);
    hny_reader_end(build->reader);
    if (!rc) rc = write_out(&p);
    if (!rc && build->old_space && build->old_space != build->record.space) {
        /* Debris costs space, not answers: what cannot be swept now is swept later. */
        (void)hny__delete_space(build->env, build->old_space);
    }
    hny__worker_pool_free(&p.pool);
    hny__graph_free(&p.graph);
    if (p.freed_slots) roaring_bitmap_free(p.freed_slots);
    if (p.freed_uppers) roaring_bitmap_free(p.freed_uppers);
    return rc;
}
