/* Rows that get other slots; the contract is in row_moves.h. */
#include "build/row_moves.h"

#include <stdlib.h>

#include "base/memory.h"
#include "build/erase.h"

/* ------------------------------------------------------------------------------ copying rows -- */

/* Copies the rows of one family. */
typedef struct move_write {
    hny_build *build;
    hny__txn *txn;
    const hny__layout *layout;
    uint8_t *block, *before; /* what is written, and what was there */
    uint8_t *source;         /* the block that a row is copied from */
    uint32_t source_number;  /* HNY__NONE: none was read */
} move_write;

static hny__key key_of_rows(const move_write *w, const hny__layout *layout, uint32_t number) {
    return hny__key_make(hny__space_of(&w->build->record, layout->kind), layout->kind, number);
}

/* A row of the source; NULL with *rc set: its block cannot be read. */
static const uint8_t *read_source(move_write *w, uint32_t slot, int *rc) {
    const uint32_t number = hny__layout_block(w->layout, slot);
    if (number != w->source_number) {
        const hny__key key = key_of_rows(w, w->layout, number);
        *rc = hny__get_block(w->txn, &key, w->layout, w->source);
        w->source_number = *rc ? HNY__NONE : number;
    }
    return *rc ? NULL : hny__row_at(w->layout, w->source, slot - number * w->layout->per_block);
}

static int copy_row(move_write *w, hny__row_move move, uint32_t index) {
    int rc = HNY_OK;
    const uint8_t *const row = read_source(w, move.from, &rc);
    if (row) {
        hny__row_put(w->layout, w->block, index, row);
    }
    if (row && w->layout->kind == HNY__KIND_CODES) {
        hny__rowid_put(w->layout, w->block, index, hny__rowid_of(w->layout, row));
    }
    return rc;
}

/* A row of another family, as this transaction has written it; NULL: there is no such family. */
static int find_moved_part(const move_write *w, hny__family family, uint32_t slot,
                           const void **out) {
    const hny__layout *const layout = &w->build->geometry.layout[family];
    hny__value value;
    *out = NULL;
    if (layout->per_block == 0) {
        return HNY_OK;
    }
    const uint32_t number = hny__layout_block(layout, slot);
    const hny__key key = key_of_rows(w, layout, number);
    const int rc = hny__get(w->txn, &key, &value);
    if (rc || value.size != layout->bytes) {
        return rc && rc != HNY_MISSING ? rc : HNY_CORRUPT;
    }
    *out = hny__row_at(layout, value.data, slot - number * layout->per_block);
    return HNY_OK;
}

/* Notes where the map will find a row of the block, which is sealed. */
static int map_moved_row(const move_write *w, uint32_t slot, uint32_t index) {
    const void *residual, *attributes = NULL;
    const uint8_t *const code = hny__row_at(w->layout, w->block, index);
    int rc = find_moved_part(w, HNY__RESIDUALS, slot, &residual);
    if (!rc) {
        rc = find_moved_part(w, HNY__ATTRIBUTES, slot, &attributes);
    }
    if (rc) {
        return rc;
    }
    const hny__row_parts parts = {code, residual, attributes};
    return hny__build_map_row(w->build,
                              (hny__row_ref){hny__rowid_of(w->layout, code), slot,
                                             hny__row_check(&w->build->geometry, slot, &parts)});
}

/* Writes the block of the move at *next, and moves *next behind it. */
static int write_block_of_move(move_write *w, size_t *next) {
    const hny_build *const build = w->build;
    const size_t start = *next;
    const uint32_t number = hny__layout_block(w->layout, build->moves[start].to);
    const uint32_t first = number * w->layout->per_block;
    const hny__key key = key_of_rows(w, w->layout, number);
    int rc = hny__get_block(w->txn, &key, w->layout, w->block);
    memcpy(w->before, w->block, w->layout->bytes);
    for (; !rc && *next < build->moves_count; ++*next) {
        const hny__row_move move = build->moves[*next];
        if (move.to - first >= w->layout->per_block) {
            break;
        }
        rc = copy_row(w, move, move.to - first);
    }
    if (!rc && memcmp(w->before, w->block, w->layout->bytes) != 0) {
        rc = hny__put_block(w->txn, &key, w->layout, w->block);
    }
    for (size_t i = start; !rc && w->layout->kind == HNY__KIND_CODES && i < *next; i++) {
        rc = map_moved_row(w, build->moves[i].to, build->moves[i].to - first);
    }
    return rc;
}

static int move_family(hny_build *build, hny__txn *txn, hny__family family) {
    const hny__layout *const layout = &build->geometry.layout[family];
    move_write w = {
        build,    txn, layout, malloc(layout->bytes), malloc(layout->bytes), malloc(layout->bytes),
        HNY__NONE};
    int rc = w.block && w.before && w.source ? HNY_OK : HNY_NOMEM;
    for (size_t next = 0; next < build->moves_count && !rc;) {
        rc = write_block_of_move(&w, &next);
    }
    free(w.block);
    free(w.before);
    free(w.source);
    return rc;
}

/* The check of a row of codes is of its other parts, too, which are written before it. */
int hny__moves_write(hny_build *build, hny__txn *txn) {
    int rc = HNY_OK;
    if (build->moves_count == 0) {
        return HNY_OK;
    }
    build->row_refs_count = 0;
    if (build->geometry.quantizer.residual_bytes) {
        rc = move_family(build, txn, HNY__RESIDUALS);
    }
    if (!rc && build->record.attributes) {
        rc = move_family(build, txn, HNY__ATTRIBUTES);
    }
    if (!rc) {
        rc = move_family(build, txn, HNY__CODES);
    }
    return rc ? rc : hny__build_sort_rowids(build);
}

static int add_move(hny_build *build, hny__row_move move) {
    const int rc = hny__grow((void **)&build->moves, &build->moves_capacity, build->moves_count,
                             sizeof *build->moves);
    if (!rc) {
        build->moves[build->moves_count++] = move;
    }
    return rc;
}

/* ----------------------------------------------------------------------------- to free slots -- */

/* The rows that the build is to link, each to the lowest free slot. */
static int choose_free_slots(hny_build *build) {
    hny__table_record *const record = &build->record;
    hny__view *const view = &build->reader->view;
    const uint32_t first = hny__linked(&build->base), all = build->base.unlinked;
    const uint32_t count = build->link && build->link < all ? build->link : all;
    int rc = HNY_OK;
    if (!hny__is_sparse(&build->base) || build->base.free_slots < count) {
        return HNY_OK;
    }
    for (uint32_t slot = first; slot < first + count && !rc; slot++) {
        hny__row_move move = {slot, HNY__NONE};
        if (hny__view_deleted(view, slot)) {
            rc = view->status;
            continue;
        }
        rc = hny__free_ids_take(&build->slots, view, &record->free_slots, &record->slots, &move.to);
        if (!rc) {
            roaring_bitmap_add(build->deleted_slots, slot);
            rc = add_move(build, move);
        }
    }
    return rc;
}

/* What a build that fails, or a process that ends, leaves in free slots is to be overwritten. */
static int copy_ahead(void *arg, hny__txn *txn) {
    hny_build *const build = arg;
    int rc = hny__erase_mark(build, txn);
    if (!rc) {
        rc = hny__moves_write(build, txn);
    }
    /* The map gets the rows when the build is published, without those deleted meanwhile. */
    build->row_refs_count = 0;
    return rc;
}

/* Under the builder's lock. */
static int plan_moves(hny_build *build) {
    hny_reader_end(build->reader);
    int rc = hny_reader_begin(build->reader);
    if (rc) {
        return rc;
    }
    build->base = build->record = build->reader->view.table;
    rc = choose_free_slots(build);
    if (rc || build->moves_count == 0) {
        return rc;
    }
    hny_reader_end(build->reader);
    rc = hny__build_reserve(build);
    if (!rc) {
        rc = hny__env_write(build->env, copy_ahead, build);
    }
    hny__build_release(build);
    if (!rc) {
        rc = hny__build_pin(build);
    }
    build->base.erased = build->record.erased = 0;
    return rc;
}

static int compare_moves(const void *a, const void *b) {
    const hny__row_move *const x = a, *const y = b;
    return (x->to > y->to) - (x->to < y->to);
}

uint32_t hny__moves_source(const hny_build *build, uint32_t slot) {
    const hny__row_move key = {HNY__NONE, slot};
    const hny__row_move *const found =
        build->moves_count
            ? bsearch(&key, build->moves, build->moves_count, sizeof key, compare_moves)
            : NULL;
    return found ? found->from : slot;
}

int hny__moves_plan(hny_build *build) {
    if (!hny__is_sparse(&build->base)) {
        return HNY_OK;
    }
    int rc = hny__build_await(build);
    if (!rc) {
        hny__build_progress(build, HNY__PHASE_MOVING, 0, 0);
        rc = plan_moves(build);
    }
    hny__env_unlock(build->env, HNY__LOCK_BUILDER, &build->lock);
    return rc;
}

void hny__moves_rebase(hny_build *build, roaring_bitmap_t *deleted) {
    size_t kept = 0;
    for (size_t i = 0; i < build->moves_count; i++) {
        const hny__row_move move = build->moves[i];
        if (roaring_bitmap_contains(deleted, move.from)) {
            roaring_bitmap_add(deleted, move.to);
            roaring_bitmap_add(build->deleted_slots, move.to);
        } else {
            build->moves[kept++] = move;
        }
    }
    build->moves_count = kept;
}

/* ----------------------------------------------------------------------------------- the end -- */

/* Rows that are moved in one transaction: as many as a table may leave unlinked. */
#define MOST_LOWERED 16384

/* How many slots right before the unlinked ones are free. */
static int count_free_before_end(hny_build *build, uint32_t *out) {
    const uint32_t end = hny__linked(&build->base);
    roaring_bitmap_t *const free_slots = roaring_bitmap_create();
    int rc = free_slots ? HNY_OK : HNY_NOMEM;
    *out = 0;
    if (!rc) {
        rc = hny__free_ids_read(&build->reader->view, HNY__KIND_FREE_SLOTS, free_slots);
    }
    while (!rc && *out < end && roaring_bitmap_contains(free_slots, end - 1 - *out)) {
        ++*out;
    }
    if (free_slots) {
        roaring_bitmap_free(free_slots);
    }
    return rc;
}

/* Moves the rows of the end to slots from `first` on. */
static int lower_rows(hny_build *build, uint32_t first) {
    hny__view *const view = &build->reader->view;
    const uint32_t start = hny__linked(&build->base);
    uint32_t next = first;
    int rc = HNY_OK;
    for (uint32_t slot = start; slot < build->base.slots && !rc; slot++) {
        const bool deleted = hny__view_deleted(view, slot);
        rc = view->status;
        if (!rc && !deleted) {
            rc = add_move(build, (hny__row_move){slot, next++});
        }
    }
    return rc;
}

/* The base, as if the slots from `first` on had never been, and the record with the rows there. */
static int lower_records(hny_build *build, uint32_t first) {
    hny__table_record *const base = &build->base;
    const uint32_t rows = (uint32_t)build->moves_count, dead = base->unlinked - rows;
    const uint32_t free_slots = hny__linked(base) - first;
    if (base->live < rows || base->deleted < dead || base->free_slots < free_slots) {
        return HNY_CORRUPT;
    }
    roaring_bitmap_add_range(build->slots.taken, first, base->slots);
    base->slots = first;
    base->unlinked = 0;
    base->live -= rows;
    base->deleted -= dead;
    base->free_slots -= free_slots;
    base->erased = 0; /* codes are left behind the last slot */
    build->record = *base;
    build->record.slots += rows;
    build->record.live += rows;
    return HNY_OK;
}

int hny__moves_lower(hny_build *build, bool *lowered) {
    uint32_t free_slots = 0;
    *lowered = false;
    if (!hny__is_sparse(&build->base) || build->base.unlinked > MOST_LOWERED) {
        return HNY_OK;
    }
    int rc = hny__build_take_graph(build);
    if (!rc) {
        rc = count_free_before_end(build, &free_slots);
    }
    if (rc || free_slots == 0 || free_slots < build->base.unlinked) {
        return rc;
    }
    const uint32_t first = hny__linked(&build->base) - free_slots;
    rc = lower_rows(build, first);
    if (!rc) {
        rc = lower_records(build, first);
    }
    *lowered = !rc;
    return hny__build_note(build, rc);
}
