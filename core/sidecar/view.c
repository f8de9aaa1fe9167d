/* The pinned state of a table: its record, and its blocks by pointer. */
#include "sidecar/view.h"

#include <stdlib.h>

#include "base/memory.h"
#include "sidecar/records.h"

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

static int reset_table(hny__view *view) {
    view->status = HNY_OK;
    view->marks = NULL;
    hny__geometry_init(&view->geometry, &view->table);
    return reset_blocks(view);
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
    const unsigned moves = hny__env_moves(env);
    *fresh = id != view->txn_id || moves != view->moves || table != view->table_id || view->status;
    if (*fresh) {
        view->txn_id = id;
        view->moves = moves;
        view->table_id = table;
        view->absent = hny__get_table_record(view->txn, table, &view->table);
        if (!view->absent) {
            view->absent = reset_table(view);
        }
        if (view->absent == HNY_NOMEM) {
            view->txn_id = 0;
        }
    }
    if (view->absent) {
        hny__env_end_read(env, view->txn);
        return view->absent;
    }
    view->pinned = true;
    return HNY_OK;
}

int hny__view_share(hny__view *view, hny__env *env, const hny__table_record *record) {
    view->env = env;
    view->moves = hny__env_moves(env);
    view->table = *record;
    return reset_table(view);
}

static int borrow_blocks(hny__view *view, const hny__view *shared) {
    drop_blocks(view);
    view->status = HNY_OK;
    view->table = shared->table;
    if (shared->moves != hny__env_moves(shared->env)) {
        return reset_table(view);
    }
    view->geometry = shared->geometry;
    memcpy(view->blocks, shared->blocks, sizeof view->blocks);
    view->borrowed = true;
    return HNY_OK;
}

int hny__view_begin_as(hny__view *view, const hny__view *shared) {
    if (view->env != shared->env) {
        detach_view(view);
    }
    view->env = shared->env;
    view->txn_id = 0;
    int rc = hny__env_begin_read(view->env, &view->txn);
    if (rc) {
        return rc;
    }
    rc = borrow_blocks(view, shared);
    if (rc) {
        hny__env_end_read(view->env, view->txn);
        return rc;
    }
    view->pinned = true;
    return HNY_OK;
}

void hny__view_end(hny__view *view) {
    if (!view->pinned) {
        return;
    }
    view->pinned = false;
    hny__env_end_read(view->env, view->txn);
}

void hny__view_free(hny__view *view) {
    hny__view_end(view);
    detach_view(view);
    drop_blocks(view);
    free(view->marks_kept);
    memset(view, 0, sizeof *view);
}

static const uint8_t *fail_view(hny__view *view, int status) {
    if (status == HNY_CORRUPT) {
        hny__env_set_damaged(view->env);
    }
    if (!view->status) {
        view->status = status;
    }
    return NULL;
}

const uint8_t *hny__view_resolve(hny__view *view, hny__family family, uint32_t number) {
    const hny__layout *const layout = &view->geometry.layout[family];
    const hny__key key = hny__key_make(view->table.space, layout->kind, number);
    hny__value value;
    if (number >= view->blocks[family].count) {
        return fail_view(view, HNY_CORRUPT);
    }
    const int rc = hny__get(view->txn, &key, &value);
    if (rc) {
        return fail_view(view, rc == HNY_MISSING ? HNY_CORRUPT : rc);
    }
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
    const int rc = hny__get_slot(view->txn, view->table.space, rowid, slot);
    if (rc) {
        return rc;
    }
    return *slot < view->table.slots ? HNY_OK : HNY_CORRUPT;
}
