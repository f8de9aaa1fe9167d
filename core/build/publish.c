/*
** Publishing a build: the graph is updated, and everything that changed becomes the newest state
** in one transaction.
**
** Blocks behind those of the published state are written before that, in transactions of their
** own, since no reader sees them.
*/
#include <stdlib.h>

#include "base/sort.h"
#include "build/erase.h"
#include "build/garbage.h"
#include "build/row_moves.h"
#include "build/staging.h"
#include "build/update_graph.h"

#define BLOCKS_PER_WRITE 8192 /* 32 MiB of them */

/*
** The oldest boundaries are dropped while those kept hold more ids together, or are more, than
** this: about a megabyte.  A reader whose snapshot is older than all of them scans the content.
*/
#define MAX_TOUCHED    (1u << 18)
#define MAX_BOUNDARIES 256

typedef struct publication {
    hny_build *build;
    hny_boundary boundary;
    hny__graph_update update;
    hny__erasure erasure;
    hny__table_record record; /* as the present attempt at the last transaction makes it */
} publication;

/* --------------------------------------------------------------------------- blocks of links -- */

static uint32_t base_blocks(const hny__plane *plane) {
    return hny__layout_blocks(plane->layout, plane->base_rows);
}

static uint32_t all_blocks(const hny__plane *plane) {
    return hny__layout_blocks(plane->layout, plane->rows);
}

static bool is_block_changed(const hny__graph *graph, const hny__plane *plane, uint32_t number) {
    return plane->blocks[number] || (plane->family == HNY__UPPER && graph->uppers[number]);
}

/* Writes what the graph has of a block over what was published. */
static void overlay_block(const hny__graph *graph, const hny__plane *plane, uint32_t number,
                          uint8_t *block) {
    hny__node *const *const nodes = plane->blocks[number];
    const hny__upper *const uppers = plane->family == HNY__UPPER ? graph->uppers[number] : NULL;
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

/* Blocks first .. end - 1 of a plane, to be written in one transaction. */
typedef struct block_range {
    const hny__graph *graph;
    const hny__plane *plane;
    uint32_t first, end;
} block_range;

/* Writes those that are new or changed. */
static int write_block_range(void *arg, hny__txn *txn) {
    const block_range *const range = arg;
    const hny__plane *const plane = range->plane;
    const uint32_t base = base_blocks(plane);
    _Alignas(16) uint8_t block[HNY__SMALL_BLOCK];
    int rc = HNY_OK;
    for (uint32_t number = range->first; number < range->end && !rc; number++) {
        const hny__key key = hny__key_make(range->graph->record.space, plane->layout->kind, number);
        if (number < base && !is_block_changed(range->graph, plane, number)) {
            continue;
        }
        memset(block, 0, plane->layout->bytes);
        if (number < base) {
            rc = hny__get_block(txn, &key, plane->layout, block);
        }
        if (rc) {
            break;
        }
        overlay_block(range->graph, plane, number, block);
        rc = hny__put_block(txn, &key, plane->layout, block);
    }
    return rc;
}

/* The first of the new blocks that are left to the last transaction. */
static uint32_t first_late_block(const hny__plane *plane) {
    const uint32_t base = base_blocks(plane), new = all_blocks(plane) - base;
    return new > BLOCKS_PER_WRITE ? base + new / BLOCKS_PER_WRITE *BLOCKS_PER_WRITE : base;
}

static int write_early_blocks(const publication *p, const hny__plane *plane) {
    const uint32_t end = first_late_block(plane);
    block_range range = {&p->update.graph, plane, base_blocks(plane), 0};
    int rc = HNY_OK;
    for (; range.first < end && !rc; range.first = range.end) {
        range.end = range.first + BLOCKS_PER_WRITE;
        rc = hny__env_write(p->build->env, write_block_range, &range);
    }
    return rc;
}

static int write_late_blocks(const publication *p, const hny__plane *plane, hny__txn *txn) {
    block_range base = {&p->update.graph, plane, 0, base_blocks(plane)};
    block_range late = {&p->update.graph, plane, first_late_block(plane), all_blocks(plane)};
    const int rc = write_block_range(&base, txn);
    return rc ? rc : write_block_range(&late, txn);
}

/* ------------------------------------------------------------------------------ deleted bits -- */

/* Sets or clears the bits of those slots that lie in the block; false: there are none. */
static bool set_deleted_bits(const hny__layout *layout, uint32_t number, uint8_t *block,
                             const roaring_bitmap_t *slots, bool deleted) {
    const uint32_t first = number * layout->per_block;
    roaring_uint32_iterator_t slot;
    bool any = false;
    roaring_init_iterator(slots, &slot);
    roaring_move_uint32_iterator_equalorlarger(&slot, first);
    for (; slot.has_value && slot.current_value - first < layout->per_block;
         roaring_advance_uint32_iterator(&slot)) {
        hny__deleted_put(block, slot.current_value - first, deleted);
        any = true;
    }
    return any;
}

static int write_deleted_bits(const hny_build *build, hny__txn *txn) {
    const hny__layout *const layout = &build->geometry.layout[HNY__DELETED];
    const uint32_t base = build->has_base ? hny__layout_blocks(layout, build->base.slots) : 0;
    const uint32_t end = hny__layout_blocks(layout, build->record.slots);
    _Alignas(16) uint8_t block[HNY__SMALL_BLOCK];
    int rc = HNY_OK;
    for (uint32_t number = 0; number < end && !rc; number++) {
        const hny__key key = hny__key_make(build->record.space, layout->kind, number);
        memset(block, 0, layout->bytes);
        if (number < base) {
            rc = hny__get_block(txn, &key, layout, block);
        }
        if (rc) {
            break;
        }
        bool changed = set_deleted_bits(layout, number, block, build->slots.taken, false);
        changed |= set_deleted_bits(layout, number, block, build->deleted_slots, true);
        if (changed || number >= base) {
            rc = hny__put_block(txn, &key, layout, block);
        }
    }
    return rc;
}

/* -------------------------------------------------------------------------------- attributes -- */

static hny__key attribute_key(const hny_build *build, uint32_t number) {
    return hny__key_make(hny__space_of(&build->record, HNY__KIND_ATTRIBUTES), HNY__KIND_ATTRIBUTES,
                         number);
}

/* A slot in the high word, the number of its update in the low one: they sort by slot. */
typedef uint64_t slot_update;

static int compare_slot_updates(const void *a, const void *b) {
    const slot_update *const x = a, *const y = b;
    return (*x > *y) - (*x < *y);
}

/* The updates by slot; the caller frees them.  NULL: out of memory. */
static slot_update *sort_attribute_updates(const hny__attribute_updates *updates) {
    slot_update *const sorted = malloc((updates->count + 1) * sizeof *sorted);
    for (size_t i = 0; sorted && i < updates->count; i++) {
        sorted[i] = (slot_update)updates->slots[i] << 32 | i;
    }
    if (sorted) {
        qsort(sorted, updates->count, sizeof *sorted, compare_slot_updates);
    }
    return sorted;
}

/* Writes the block of the update at *next, and moves *next behind it. */
static int write_updated_block(const hny_build *build, hny__txn *txn, const slot_update *sorted,
                               size_t *next, uint8_t *block) {
    const hny__attribute_updates *const updates = &build->attribute_updates;
    const hny__layout *const layout = &build->geometry.layout[HNY__ATTRIBUTES];
    const uint32_t number = hny__layout_block(layout, (uint32_t)(sorted[*next] >> 32));
    const hny__key key = attribute_key(build, number);
    const int rc = hny__get_block(txn, &key, layout, block);
    for (; !rc && *next < updates->count; ++*next) {
        const uint32_t slot = (uint32_t)(sorted[*next] >> 32), update = (uint32_t)sorted[*next];
        if (hny__layout_block(layout, slot) != number) {
            break;
        }
        hny__row_put(layout, block, slot - number * layout->per_block,
                     updates->attributes + (size_t)update * build->record.attributes);
    }
    return rc ? rc : hny__put_block(txn, &key, layout, block);
}

/*
** Updates come in the order of rowids, which is not that of slots.  Writing a block of 250 rows for
** each of them made an UPDATE of all rows some 250 times the work.
*/
static int write_attribute_updates(const hny_build *build, hny__txn *txn) {
    const size_t count = build->attribute_updates.count;
    size_t next = 0;
    if (count == 0) {
        return HNY_OK;
    }
    slot_update *const sorted = sort_attribute_updates(&build->attribute_updates);
    uint8_t *const block = malloc(build->geometry.layout[HNY__ATTRIBUTES].bytes);
    int rc = sorted && block ? HNY_OK : HNY_NOMEM;
    while (!rc && next < count) {
        rc = write_updated_block(build, txn, sorted, &next, block);
    }
    free(sorted);
    free(block);
    return rc;
}

/* Blocks first .. end - 1 of attributes that replace those of the base. */
typedef struct refit_range {
    const hny_build *build;
    uint32_t first, end;
} refit_range;

/* Rows of the base; new rows, some of them in the same blocks, were written before. */
static int write_refit_block(const hny_build *build, hny__txn *txn, uint32_t number,
                             uint8_t *block) {
    const hny__layout *const layout = &build->geometry.layout[HNY__ATTRIBUTES];
    const hny__key key = attribute_key(build, number);
    const uint32_t first = number * layout->per_block;
    const int rc = hny__get_block(txn, &key, layout, block);
    for (uint32_t i = 0; !rc && i < layout->per_block && first + i < build->base.slots; i++) {
        if (roaring_bitmap_contains(build->refit.slots, first + i)) {
            hny__row_put(layout, block, i,
                         build->refit.attributes + (size_t)(first + i) * build->record.attributes);
        }
    }
    return rc ? rc : hny__put_block(txn, &key, layout, block);
}

static int write_refit_range(void *arg, hny__txn *txn) {
    const refit_range *const range = arg;
    uint8_t *const block = malloc(range->build->geometry.layout[HNY__ATTRIBUTES].bytes);
    int rc = block ? HNY_OK : HNY_NOMEM;
    for (uint32_t number = range->first; number < range->end && !rc; number++) {
        rc = write_refit_block(range->build, txn, number, block);
    }
    free(block);
    return rc;
}

/* No reader sees their space yet. */
static int write_refit(const hny_build *build) {
    const hny__layout *const layout = &build->geometry.layout[HNY__ATTRIBUTES];
    refit_range range = {build, 0, 0};
    int rc = HNY_OK;
    if (!build->refit.needed || !build->record.attributes) {
        return HNY_OK;
    }
    const uint32_t end = hny__layout_blocks(layout, build->record.slots);
    for (; range.first < end && !rc; range.first = range.end) {
        range.end = end - range.first > BLOCKS_PER_WRITE ? range.first + BLOCKS_PER_WRITE : end;
        rc = hny__env_write(build->env, write_refit_range, &range);
    }
    return rc;
}

/*
** Garbage costs space, not answers: what cannot be deleted now is deleted by a later sweep, but for
** attributes in the space of other records, which go with it.
*/
static void delete_replaced(hny_build *build) {
    const hny__table_record *const base = &build->base;
    if (build->old_space && build->old_space != build->record.space) {
        (void)hny__delete_space(build->env, build->old_space);
    }
    if (build->old_attribute_space && build->old_attribute_space != build->record.attribute_space) {
        (void)hny__delete_space(build->env, build->old_attribute_space);
    } else if (build->refit.needed && base->attributes && !base->attribute_space) {
        (void)hny__delete_kind(build->env, base->space, HNY__KIND_ATTRIBUTES);
    }
}

/* -------------------------------------------------------------------------------- boundaries -- */

/*
** Drops the oldest boundary, and the ids of the one that is the oldest then: no reader needs them.
*/
static int drop_oldest_boundary(hny__table_record *record, hny__txn *txn) {
    hny_boundary boundary;
    uint64_t digest, older_digest = 0;
    int64_t *ids;
    size_t count;
    const uint32_t next = record->first_boundary + 1;
    const hny__key key = hny__key_make(record->space, HNY__KIND_BOUNDARY, record->first_boundary);
    int rc = hny__del(txn, &key);
    if (!rc) {
        rc = hny__get_boundary(txn, record->space, next, &boundary, &digest, &older_digest, &ids,
                               &count);
    }
    if (rc) {
        return rc;
    }
    free(ids);
    record->first_boundary = next;
    record->boundaries--;
    record->touched -= count;
    digest = 0;
    rc = hny__put_boundary(txn, record->space, next, &boundary, NULL, 0, &digest);
    if (record->boundaries == 1) {
        record->boundary_digest = digest;
    }
    return rc;
}

/* Is the boundary the newest already?  Then the build only linked rows that were unlinked. */
static int test_newest_boundary(const publication *p, hny__txn *txn, bool *out) {
    const hny__table_record *const record = &p->record;
    const uint32_t number = record->first_boundary + record->boundaries - 1;
    hny_boundary newest;
    uint64_t digest, older_digest;
    *out = false;
    if (record->boundaries == 0) {
        return HNY_OK;
    }
    int rc =
        hny__get_boundary(txn, record->space, number, &newest, &digest, &older_digest, NULL, NULL);
    if (!rc && digest != record->boundary_digest) {
        rc = HNY_CORRUPT;
    }
    if (!rc) {
        *out = newest.seq == p->boundary.seq && newest.chain == p->boundary.chain;
    }
    return rc;
}

static int write_boundary(publication *p, hny__txn *txn) {
    const hny_build *const build = p->build;
    hny__table_record *const record = &p->record;
    bool newest;
    int rc = test_newest_boundary(p, txn, &newest);
    if (rc || newest) {
        return rc;
    }
    const size_t count = record->boundaries ? build->touched_count : 0;
    const uint32_t number = record->first_boundary + record->boundaries;
    rc = hny__put_boundary(txn, record->space, number, &p->boundary, build->touched, count,
                           &record->boundary_digest);
    record->boundaries++;
    record->touched += count;
    while (!rc && record->boundaries > 1 &&
           (record->touched > MAX_TOUCHED || record->boundaries > MAX_BOUNDARIES)) {
        rc = drop_oldest_boundary(record, txn);
    }
    return rc;
}

/* ---------------------------------------------------------------------- the last transaction -- */

static int publish_body(void *arg, hny__txn *txn) {
    publication *const p = arg;
    const hny_build *const build = p->build;
    const hny__graph_update *const update = &p->update;
    const uint32_t space = build->record.space;
    int rc = HNY_OK;
    p->record = build->record;
    for (int i = 0; i < 2 && update->changed && !rc; i++) {
        rc = write_late_blocks(p, &update->graph.planes[i], txn);
    }
    if (!rc && update->changed) {
        rc = hny__copies_write(&update->copies, build, txn);
    }
    if (!rc) {
        rc = write_deleted_bits(build, txn);
    }
    if (!rc) {
        rc = hny__free_ids_write(txn, space, HNY__KIND_FREE_SLOTS, build->slots.taken,
                                 update->freed_slots);
    }
    if (!rc) {
        rc = hny__free_ids_write(txn, space, HNY__KIND_FREE_UPPER, build->uppers.taken,
                                 update->freed_uppers);
    }
    if (!rc) {
        rc = write_attribute_updates(build, txn);
    }
    if (!rc) {
        rc = hny__erasure_write(&p->erasure, build, txn);
    }
    if (!rc) {
        rc = hny__moves_write(p->build, txn);
    }
    if (!rc) {
        rc = hny__build_write_rowids(build, txn, &p->record);
    }
    if (!rc) {
        rc = write_boundary(p, txn);
    }
    return rc ? rc : hny__put_table_record(txn, build->table, &p->record);
}

static int write_publication(publication *p) {
    hny_build *const build = p->build;
    hny__graph *const graph = &p->update.graph;
    hny__build_progress(build, HNY__PHASE_PUBLISHING, 0, 0);
    int rc = hny__build_assign_space(build);
    graph->record.space = build->record.space;
    for (int i = 0; i < 2 && p->update.changed && !rc; i++) {
        rc = write_early_blocks(p, &graph->planes[i]);
    }
    if (!rc) {
        rc = write_refit(build);
    }
    return rc ? rc : hny__env_write(build->env, publish_body, p);
}

/* ---------------------------------------------------------------------------- links only -- */

/* Has nothing changed since but rows that were appended or deleted? */
static bool is_same_graph(const hny__table_record *a, const hny__table_record *b) {
    return a->space == b->space && hny__linked(a) == hny__linked(b) && a->uppers == b->uppers &&
           a->free_uppers == b->free_uppers && a->free_slots == b->free_slots &&
           a->copies == b->copies && a->entry_slot == b->entry_slot &&
           a->entry_upper == b->entry_upper && b->slots >= a->slots && b->deleted >= a->deleted;
}

/* The deleted slots of the pinned state; the caller frees *out. */
static int read_deleted(hny_build *build, roaring_bitmap_t **out) {
    *out = roaring_bitmap_create();
    return *out ? hny__deleted_ids_read(&build->reader->view, *out) : HNY_NOMEM;
}

/*
** Has a deleted row another code than it was linked with?  PRAGMA secure_delete gives it one
** (erase.h).  Returns 1, 0 or a status.
*/
static int test_changed_codes(hny_build *build, const roaring_bitmap_t *deleted) {
    hny__view *const view = &build->reader->view;
    for (size_t i = 0; i < build->new_nodes_count; i++) {
        const hny__new_node *const node = &build->new_nodes[i];
        if (!roaring_bitmap_contains(deleted, node->slot)) {
            continue;
        }
        const uint8_t *const code = hny__view_code(view, node->slot);
        const uint8_t *const residual = hny__view_residual(view, node->slot);
        if (!code || view->status) {
            return view->status;
        }
        if (hny__codes_hash(&build->geometry, code, residual) != node->hash) {
            return 1;
        }
    }
    return 0;
}

/* Has a deleted row other codes than the next one of its ring?  Returns 1, 0 or a status. */
static int test_changed_rings(const hny__graph_update *update, const roaring_bitmap_t *deleted) {
    hny__view *const view = &update->build->reader->view;
    const uint32_t end = hny__linked(&update->build->record);
    const uint32_t *const words = update->copies.words;
    roaring_uint32_iterator_t slot;
    roaring_init_iterator(deleted, &slot);
    for (; words && slot.has_value && slot.current_value < end;
         roaring_advance_uint32_iterator(&slot)) {
        const uint32_t word = words[slot.current_value];
        if (!word) {
            continue;
        }
        const uint32_t next = hny__moves_source(update->build, HNY__NEXT_COPY(word));
        if (!hny__view_same_codes(view, slot.current_value, next)) {
            return view->status ? view->status : 1;
        }
    }
    return 0;
}

/* HNY_BUSY: rows that others have deleted since do not let the links be published. */
static int accept_deleted(const hny__graph_update *update, roaring_bitmap_t *deleted) {
    hny_build *const build = update->build;
    hny__moves_rebase(build, deleted);
    int rc = test_changed_rings(update, deleted);
    if (!rc) {
        rc = test_changed_codes(build, deleted);
    }
    return rc > 0 ? HNY_BUSY : rc;
}

/* Pins the newest state.  HNY_BUSY: what was linked does not fit it. */
static int pin_fitting_state(const hny__graph_update *update, hny_boundary *boundary) {
    hny_build *const build = update->build;
    roaring_bitmap_t *before = NULL, *after = NULL;
    int rc = read_deleted(build, &before);
    hny_reader_end(build->reader);
    if (!rc) {
        rc = hny_reader_begin(build->reader);
    }
    if (!rc) {
        rc = hny_reader_boundary(build->reader, 0, boundary);
    }
    if (!rc && !is_same_graph(&build->base, &build->reader->view.table)) {
        rc = HNY_BUSY;
    }
    if (!rc) {
        rc = read_deleted(build, &after);
    }
    if (!rc) {
        roaring_bitmap_andnot_inplace(after, before);
        rc = accept_deleted(update, after);
    }
    if (before) {
        roaring_bitmap_free(before);
    }
    if (after) {
        roaring_bitmap_free(after);
    }
    return rc;
}

/* Makes what was linked a change of the newest state.  HNY_BUSY: that has another graph. */
static int rebase_links(const hny__graph_update *update, hny_boundary *boundary) {
    hny_build *const build = update->build;
    const hny__table_record base = build->base, made = build->record;
    const int rc = pin_fitting_state(update, boundary);
    if (rc) {
        return rc;
    }
    hny__table_record now = build->reader->view.table;
    build->base = now;
    now.unlinked -= base.unlinked - made.unlinked;
    now.deleted -= base.deleted - made.deleted;
    now.free_slots = made.free_slots;
    now.copies = made.copies;
    now.uppers = made.uppers;
    now.free_uppers = made.free_uppers;
    now.entry_slot = made.entry_slot;
    now.entry_upper = made.entry_upper;
    now.entry_level = made.entry_level;
    now.calibrated = made.calibrated;
    now.curves = made.curves;
    now.erased = now.erased && roaring_bitmap_is_empty(update->freed_slots);
    build->record = now;
    return HNY_OK;
}

/* A state whose graph another build has replaced may seem damaged. */
static int settle_links(hny_build *build, int rc) {
    if (rc != HNY_CORRUPT) {
        return rc;
    }
    hny_reader_end(build->reader);
    const int begun = hny_reader_begin(build->reader);
    const bool same = !begun && is_same_graph(&build->base, &build->reader->view.table);
    hny_reader_end(build->reader);
    return same ? hny__build_note(build, rc) : HNY_BUSY;
}

static int publish_links(hny_build *build) {
    publication p = {.build = build};
    int rc = hny__moves_plan(build);
    if (!rc) {
        rc = hny__update_graph(&p.update, build);
    }
    if (!rc) {
        rc = hny__build_await(build);
    }
    if (!rc) {
        hny__build_progress(build, HNY__PHASE_PUBLISHING, 0, 0);
        rc = rebase_links(&p.update, &p.boundary);
    }
    if (!rc) {
        rc = hny__build_reserve(build);
    }
    hny_reader_end(build->reader);
    if (!rc) {
        rc = write_publication(&p);
    }
    hny__graph_update_free(&p.update);
    return settle_links(build, rc);
}

int hny_build_publish(hny_build *build, hny_boundary boundary) {
    if (build->flags & HNY_BUILD_LINK) {
        return publish_links(build);
    }
    publication p = {.build = build, .boundary = boundary};
    int rc = hny__build_drop_left_over(build);
    if (!rc) {
        rc = hny__staging_flush(build);
    }
    if (!rc && build->touched_count) {
        qsort(build->touched, build->touched_count, sizeof *build->touched, hny__compare_int64);
    }
    if (!rc) {
        rc = hny__update_graph(&p.update, build);
    }
    if (!rc) {
        rc = hny__erasure_plan(&p.erasure, &p.update);
    }
    hny_reader_end(build->reader);
    if (!rc) {
        rc = write_publication(&p);
    }
    if (!rc) {
        delete_replaced(build);
    }
    hny__graph_update_free(&p.update);
    hny__erasure_free(&p.erasure);
    return hny__build_note(build, rc);
}
