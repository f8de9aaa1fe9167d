/* The pinned state of a table: its record, and its blocks by pointer. */
#include "sidecar/view.h"

#include <stdlib.h>

#include "base/memory.h"
#include "sidecar/env_state.h"
#include "sidecar/records.h"
#include "sidecar/rowid_map.h"

static void drop_blocks(hny__view *view) {
    for (int f = 0; f < HNY__FAMILIES && !view->borrowed; f++) {
        free(view->blocks[f].data);
    }
    memset(view->blocks, 0, sizeof view->blocks);
    view->borrowed = false;
}

static int reset_blocks(hny__view *view) {
    if (view->borrowed) {
        drop_blocks(view);
    }
    for (int f = 0; f < HNY__FAMILIES; f++) {
        const uint32_t rows = hny__view_rows(view, (hny__family)f);
        const uint32_t count = hny__layout_blocks(&view->geometry.layout[f], rows);
        if (count > view->blocks[f].capacity) {
            const uint32_t capacity = count + count / 4 + 8;
            void *const data =
                calloc(capacity, sizeof *view->blocks[f].data); /* pages are faulted in lazily */
            if (!data) {
                return HNY_NOMEM;
            }
            free(view->blocks[f].data);
            view->blocks[f].data = data;
            view->blocks[f].capacity = capacity;
        } else if (count) {
            memset(view->blocks[f].data, 0, count * sizeof *view->blocks[f].data);
        }
        view->blocks[f].count = count;
    }
    return HNY_OK;
}

/*
** Have the blocks that the record counts space in the file?  Memory for each of them, and for each
** slot, is allocated on the record's word.
*/
static bool fits_file(const hny__view *view) {
    const hny__meta *const meta = &view->txn->pages.meta;
    uint64_t bytes = 0;
    for (int f = 0; f < HNY__FAMILIES; f++) {
        const hny__layout *const layout = &view->geometry.layout[f];
        const uint32_t rows = hny__view_rows(view, (hny__family)f);
        bytes += (uint64_t)hny__layout_blocks(layout, rows) * layout->bytes;
    }
    return bytes <= (meta->last_page + 1) * meta->page_size;
}

static int reset_table(hny__view *view, bool stored) {
    view->status = HNY_OK;
    view->marks = NULL;
    free(view->confirmed);
    view->confirmed = NULL;
    hny__geometry_init(&view->geometry, &view->table);
    return stored && !fits_file(view) ? HNY_CORRUPT : reset_blocks(view);
}

int hny__view_make_marks(hny__view *view) {
    const hny__table_record *const table = &view->table;
    const size_t nodes = (size_t)table->slots + table->uppers;
    if (view->marks) {
        return HNY_OK;
    }
    if (nodes <= view->marks_capacity) {
        memset(view->marks_kept, 0, view->marks_capacity);
    } else {
        const size_t capacity = (nodes + nodes / 4 + 64) / 8 * 8;
        uint8_t *const marks = hny__zeros(capacity);
        if (!marks) {
            return HNY_NOMEM;
        }
        free(view->marks_kept);
        view->marks_kept = marks;
        view->marks_capacity = capacity;
    }
    view->epoch = HNY__VERIFIED;
    view->marks = view->marks_kept;
    return HNY_OK;
}

static void detach_view(hny__view *view) {
    hny__txn_free(view->txn);
    view->txn = NULL;
    view->env = NULL;
    view->txn_id = 0;
}

int hny__view_begin(hny__view *view, hny__env *env, uint32_t table, bool *fresh) {
    if (view->env != env) {
        detach_view(view);
    }
    view->env = env;
    int rc = hny__env_begin_read(env, &view->txn);
    if (rc) {
        return rc;
    }
    const size_t id = hny__txn_id(view->txn);
    *fresh = id != view->txn_id || table != view->table_id || view->status;
    if (*fresh) {
        view->txn_id = id;
        view->table_id = table;
        view->absent = hny__get_table_record(view->txn, table, &view->table);
        if (!view->absent) {
            view->absent = reset_table(view, true);
        }
        if (view->absent == HNY_NOMEM) {
            view->txn_id = 0;
        }
    }
    if (view->absent) {
        hny__env_end_read(view->txn);
        return view->absent;
    }
    view->pinned = true;
    return HNY_OK;
}

int hny__view_share(hny__view *view, hny__env *env, const hny__table_record *record) {
    view->env = env;
    view->table = *record;
    return reset_table(view, false);
}

static void borrow_blocks(hny__view *view, const hny__view *shared) {
    drop_blocks(view);
    view->status = HNY_OK;
    view->table = shared->table;
    view->geometry = shared->geometry;
    memcpy(view->blocks, shared->blocks, sizeof view->blocks);
    view->borrowed = true;
}

int hny__view_begin_as(hny__view *view, const hny__view *shared) {
    if (view->env != shared->env) {
        detach_view(view);
    }
    view->env = shared->env;
    view->txn_id = 0;
    const int rc = hny__env_begin_read(view->env, &view->txn);
    if (rc) {
        return rc;
    }
    borrow_blocks(view, shared);
    view->pinned = true;
    return HNY_OK;
}

void hny__view_end(hny__view *view) {
    if (!view->pinned) {
        return;
    }
    view->pinned = false;
    hny__env_end_read(view->txn);
}

void hny__view_free(hny__view *view) {
    hny__view_end(view);
    detach_view(view);
    drop_blocks(view);
    free(view->confirmed);
    free(view->marks_kept);
    memset(view, 0, sizeof *view);
}

void hny__view_fail(hny__view *view, int status) {
    if (status == HNY_CORRUPT) {
        hny__env_set_damaged(view->env);
    }
    if (!view->status) {
        view->status = status;
    }
}

static const uint8_t *fail_view(hny__view *view, int status) {
    hny__view_fail(view, status);
    return NULL;
}

const uint8_t *hny__view_resolve(hny__view *view, hny__family family, uint32_t number) {
    const hny__layout *const layout = &view->geometry.layout[family];
    const hny__key key =
        hny__key_make(hny__space_of(&view->table, layout->kind), layout->kind, number);
    hny__value value;
    if (number >= view->blocks[family].count) {
        return fail_view(view, HNY_CORRUPT);
    }
    const int rc = hny__get(view->txn, &key, &value);
    if (rc) {
        return fail_view(view, rc == HNY_MISSING ? HNY_CORRUPT : rc);
    }
    /* Rows of codes have digests of their own. */
    const bool has_row_digests = family == HNY__CODES;
    if (value.size != layout->bytes ||
        (!has_row_digests && !hny__digest_ok(value.data, value.size, &key))) {
        return fail_view(view, HNY_CORRUPT);
    }
    const uint8_t *const block = value.data;
    __atomic_store_n(&view->blocks[family].data[number], block, __ATOMIC_RELAXED);
    return block;
}

const uint8_t *hny__view_verify(hny__view *view, uint32_t slot, const uint8_t *row) {
    const int rc = hny__view_make_marks(view);
    if (rc) {
        return fail_view(view, rc);
    }
    if (slot >= view->table.slots ||
        !hny__row_ok(&view->geometry.layout[HNY__CODES], view->table.space, slot, row)) {
        return fail_view(view, HNY_CORRUPT);
    }
    if (!view->marks[slot]) {
        view->marks[slot] = HNY__VERIFIED;
    }
    return row;
}

bool hny__view_has_codes(hny__view *view, uint32_t slot, const uint8_t *code,
                         const uint8_t *residual) {
    const hny__quantizer *const quantizer = &view->geometry.quantizer;
    const uint8_t *const own = hny__view_code(view, slot);
    if (!own || memcmp(own, code, quantizer->format.row_bytes) != 0) {
        return false;
    }
    if (quantizer->residual_bytes == 0) {
        return true;
    }
    const uint8_t *const own_residual = hny__view_residual(view, slot);
    return own_residual && memcmp(own_residual, residual, quantizer->residual_bytes) == 0;
}

bool hny__view_same_codes(hny__view *view, uint32_t a, uint32_t b) {
    const uint8_t *const code = hny__view_code(view, a);
    const uint8_t *const residual = hny__view_residual(view, a);
    const bool found = code && (residual || !view->geometry.quantizer.residual_bytes);
    return found && hny__view_has_codes(view, b, code, residual);
}

int64_t hny__view_rowid(hny__view *view, uint32_t slot) {
    const uint8_t *const row = hny__view_code(view, slot);
    return row ? hny__rowid_of(&view->geometry.layout[HNY__CODES], row) : 0;
}

bool hny__view_deleted(hny__view *view, uint32_t slot) {
    const hny__layout *const layout = &view->geometry.layout[HNY__DELETED];
    const uint32_t number = hny__layout_block(layout, slot);
    const uint8_t *const block = hny__view_block(view, HNY__DELETED, number);
    return block ? hny__deleted_at(block, slot - number * layout->per_block) : true;
}

const uint32_t *hny__view_list(hny__view *view, hny__family family, uint32_t row, uint32_t *count) {
    const hny__layout *const layout = &view->geometry.layout[family];
    const uint32_t number = hny__layout_block(layout, row);
    const uint8_t *const block = hny__view_block(view, family, number);
    *count = 0;
    if (!block) {
        return NULL;
    }
    const uint32_t index = row - number * layout->per_block;
    const uint32_t links = hny__count_at(block, index);
    if (links > layout->capacity) {
        fail_view(view, HNY_CORRUPT);
        return NULL;
    }
    *count = links;
    return hny__links_at(layout, block, index);
}

uint32_t hny__view_links(hny__view *view, hny__family family, uint32_t row, uint32_t *links) {
    uint32_t count;
    const uint32_t *const list = hny__view_list(view, family, row, &count);
    const uint32_t rows = hny__view_rows(view, family);
    if (count) {
        memcpy(links, list, count * sizeof *links);
    }
    uint32_t largest = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (HNY__NODE(links[i]) > largest) {
            largest = HNY__NODE(links[i]);
        }
    }
    if (count && largest >= rows) {
        fail_view(view, HNY_CORRUPT);
        return 0;
    }
    return count;
}

uint32_t hny__view_copy_word(hny__view *view, uint32_t slot) {
    const hny__layout *const layout = &view->geometry.layout[HNY__COPIES];
    const uint32_t number = hny__layout_block(layout, slot);
    if (!view->table.copies || slot >= hny__linked(&view->table)) {
        return 0;
    }
    const uint8_t *const block = hny__view_block(view, HNY__COPIES, number);
    return block ? hny__word_at(block, layout->rows_offset, slot - number * layout->per_block) : 0;
}

uint32_t hny__view_next_copy(hny__view *view, uint32_t slot) {
    const uint32_t word = hny__view_copy_word(view, slot);
    if (word == 0) {
        return view->status ? HNY__NONE : slot;
    }
    if (HNY__NEXT_COPY(word) >= hny__linked(&view->table)) {
        hny__view_fail(view, HNY_CORRUPT);
        return HNY__NONE;
    }
    return HNY__NEXT_COPY(word);
}

int hny__view_upper(hny__view *view, uint32_t row, uint32_t *owner, uint32_t *down,
                    uint8_t *level) {
    const hny__layout *const layout = &view->geometry.layout[HNY__UPPER];
    const uint32_t number = hny__layout_block(layout, row);
    const uint8_t *const block = hny__view_block(view, HNY__UPPER, number);
    if (!block) {
        return view->status;
    }
    const uint32_t index = row - number * layout->per_block;
    *owner = hny__owner_at(layout, block, index);
    *down = hny__down_at(layout, block, index);
    *level = hny__level_at(layout, block, index);
    const bool is_down_valid = *level == 1 ? *down == HNY__NONE : *down < view->table.uppers;
    if (*level != 0 && (*owner >= view->table.slots || !is_down_valid)) {
        fail_view(view, HNY_CORRUPT);
    }
    return view->status;
}

int hny__view_find(hny__view *view, int64_t rowid, uint32_t *slot) {
    hny__row_ref ref;
    const int rc = hny__rowid_map_find(view, rowid, &ref);
    if (rc) {
        return rc;
    }
    if (ref.slot >= view->table.slots) {
        hny__view_fail(view, HNY_CORRUPT);
        return HNY_CORRUPT;
    }
    *slot = ref.slot;
    return HNY_OK;
}

static bool map_has_row(hny__view *view, uint32_t slot, const uint8_t *code) {
    const int64_t rowid = hny__rowid_of(&view->geometry.layout[HNY__CODES], code);
    const hny__row_parts row = {code, hny__view_residual(view, slot),
                                hny__view_attributes(view, slot)};
    hny__row_ref ref;
    return !view->status && hny__rowid_map_find(view, rowid, &ref) == HNY_OK && ref.slot == slot &&
           ref.check == hny__row_check(&view->geometry, slot, &row);
}

static bool is_confirmed(const hny__view *view, uint32_t slot) {
    return view->confirmed && view->confirmed[slot / 64] >> (slot % 64) & 1;
}

void hny__view_prefetch_confirm(const hny__view *view, uint32_t slot) {
    const hny__layout *const layout = &view->geometry.layout[HNY__CODES];
    const uint32_t number = hny__layout_block(layout, slot);
    const uint8_t *const block = hny__view_known(view, HNY__CODES, number);
    if (!block || is_confirmed(view, slot)) {
        return;
    }
    const uint8_t *const row = hny__row_at(layout, block, slot - number * layout->per_block);
    hny__rowid_map_prefetch(view, hny__rowid_of(layout, row));
}

int hny__view_confirm(hny__view *view, uint32_t slot, const uint8_t *code) {
    const size_t words = (size_t)view->table.slots / 64 + 1;
    const uint64_t bit = (uint64_t)1 << (slot % 64);
    if (!view->confirmed) {
        view->confirmed = calloc(words, sizeof *view->confirmed);
        if (!view->confirmed) {
            hny__view_fail(view, HNY_NOMEM);
            return HNY_NOMEM;
        }
    }
    if (is_confirmed(view, slot)) {
        return HNY_OK;
    }
    if (!map_has_row(view, slot, code)) {
        hny__view_fail(view, HNY_CORRUPT);
        return view->status;
    }
    view->confirmed[slot / 64] |= bit;
    return HNY_OK;
}
