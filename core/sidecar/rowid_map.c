/* The map from rowids to slots, as a tree with digests; the contract is in rowid_map.h. */
#include "sidecar/rowid_map.h"

#include <stdlib.h>

#include "base/memory.h"

#define MAX_ENTRIES HNY__ROWID_ENTRIES

static uint32_t node_check(const hny__rowid_node *node) {
    return (uint32_t)node->digest;
}

/* Rowids below a node: from its first entry on, up to `end`, which is exclusive if it is known. */
typedef struct rowid_range {
    int64_t end;
    bool has_end;
} rowid_range;

/*
** Where a rowid would be if rowids had no gaps and the node `count` entries: mostly it is, so that
** a lookup reads one or two cache lines.  `first` <= rowid < `end`.
*/
static uint32_t guess_position(int64_t first, int64_t end, int64_t rowid, uint32_t count) {
    const uint64_t range = (uint64_t)end - (uint64_t)first;
    const uint64_t part = (uint64_t)rowid - (uint64_t)first;
    return (uint32_t)((double)part / (double)range * count);
}

/* The number of entries whose rowid is not above this one. */
static uint32_t count_entries_to(const hny__rowid_node *node, int64_t rowid, rowid_range range) {
    const hny__row_ref *const entries = node->entries;
    uint32_t low = 0, high = node->count;
    if (range.has_end && rowid >= entries[0].rowid && rowid < range.end) {
        const uint32_t guess = guess_position(entries[0].rowid, range.end, rowid, high);
        if (guess + 1 < high && entries[guess].rowid <= rowid) {
            if (entries[guess + 1].rowid > rowid) {
                return guess + 1;
            }
            low = guess + 2;
        }
    }
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (entries[middle].rowid <= rowid) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The range of the child before entry `count`. */
static rowid_range range_of_child(const hny__rowid_node *node, uint32_t count, rowid_range range) {
    return count < node->count ? (rowid_range){node->entries[count].rowid, true} : range;
}

/* ----------------------------------------------------------------------------------- reading -- */

static bool is_node_sound(const hny__rowid_node *node, uint32_t check, uint32_t level) {
    return node_check(node) == check && node->level == level && node->count > 0 &&
           node->count <= MAX_ENTRIES;
}

/* NULL: it failed, and the view's status is set. */
static const hny__rowid_node *view_node(hny__view *view, uint32_t number, uint32_t check,
                                        uint32_t level) {
    const void *const block = hny__view_block(view, HNY__ROWIDS, number);
    const hny__rowid_node *const node = block;
    if (node && !is_node_sound(node, check, level)) {
        hny__view_fail(view, HNY_CORRUPT);
        return NULL;
    }
    return node;
}

int hny__rowid_map_find(hny__view *view, int64_t rowid, hny__row_ref *out) {
    const hny__table_record *const table = &view->table;
    uint32_t number = table->rowid_root, check = table->rowid_check;
    rowid_range range = {0, false};
    for (uint32_t level = table->rowid_height; level-- > 0;) {
        const hny__rowid_node *const node = view_node(view, number, check, level);
        if (!node) {
            return view->status;
        }
        const uint32_t count = count_entries_to(node, rowid, range);
        if (count == 0) {
            return HNY_MISSING;
        }
        range = range_of_child(node, count, range);
        *out = node->entries[count - 1];
        number = out->slot;
        check = out->check;
    }
    return table->rowid_height && out->rowid == rowid ? HNY_OK : HNY_MISSING;
}

int hny__rowid_map_leaf(hny__view *view, int64_t rowid, uint32_t *number) {
    const hny__table_record *const table = &view->table;
    uint32_t check = table->rowid_check;
    rowid_range range = {0, false};
    *number = table->rowid_root;
    for (uint32_t level = table->rowid_height; level-- > 1;) {
        const hny__rowid_node *const node = view_node(view, *number, check, level);
        const uint32_t count = node ? count_entries_to(node, rowid, range) : 0;
        if (count == 0) {
            return node ? HNY_MISSING : view->status;
        }
        range = range_of_child(node, count, range);
        *number = node->entries[count - 1].slot;
        check = node->entries[count - 1].check;
    }
    return table->rowid_height ? HNY_OK : HNY_MISSING;
}

void hny__rowid_map_prefetch(const hny__view *view, int64_t rowid) {
    uint32_t number = view->table.rowid_root;
    rowid_range range = {0, false};
    int64_t first = INT64_MAX;
    for (uint32_t level = view->table.rowid_height; level-- > 0;) {
        const void *const block = hny__view_known(view, HNY__ROWIDS, number);
        const hny__rowid_node *const node = block;
        if (!node || (level > 0 && node->count > MAX_ENTRIES)) {
            return;
        }
        if (level == 0) {
            hny__prefetch_line(node);
            if (range.has_end && rowid >= first && rowid < range.end) {
                hny__prefetch_line(
                    &node->entries[guess_position(first, range.end, rowid, MAX_ENTRIES)]);
            }
            return;
        }
        const uint32_t count = count_entries_to(node, rowid, range);
        if (count == 0) {
            return;
        }
        range = range_of_child(node, count, range);
        first = node->entries[count - 1].rowid;
        number = node->entries[count - 1].slot;
    }
}

typedef struct map_walk {
    hny__view *view;
    int (*visit)(void *arg, const hny__row_ref *ref);
    void *arg;
    bool started;
    int64_t last;
} map_walk;

static int visit_leaf_entry(map_walk *w, const hny__row_ref *ref) {
    if (w->started && ref->rowid <= w->last) {
        return HNY_CORRUPT;
    }
    w->started = true;
    w->last = ref->rowid;
    return w->visit(w->arg, ref);
}

static int walk_node(map_walk *w, uint32_t number, uint32_t check, uint32_t level) {
    const hny__rowid_node *const node = view_node(w->view, number, check, level);
    int rc = node ? HNY_OK : w->view->status;
    for (uint32_t i = 0; !rc && i < node->count; i++) {
        const hny__row_ref *const entry = &node->entries[i];
        rc =
            level ? walk_node(w, entry->slot, entry->check, level - 1) : visit_leaf_entry(w, entry);
    }
    return rc;
}

int hny__rowid_map_each(hny__view *view, int (*visit)(void *arg, const hny__row_ref *ref),
                        void *arg) {
    const hny__table_record *const table = &view->table;
    map_walk w = {.view = view, .visit = visit, .arg = arg};
    if (table->rowid_height == 0) {
        return HNY_OK;
    }
    return walk_node(&w, table->rowid_root, table->rowid_check, table->rowid_height - 1);
}

/* ----------------------------------------------------------------------------------- writing -- */

typedef struct ref_list {
    hny__row_ref *items;
    size_t count, capacity;
} ref_list;

static int push_ref(ref_list *list, hny__row_ref ref) {
    const int rc =
        hny__grow((void **)&list->items, &list->capacity, list->count, sizeof *list->items);
    if (!rc) {
        list->items[list->count++] = ref;
    }
    return rc;
}

typedef struct map_update {
    hny__txn *txn;
    hny__table_record *record;
} map_update;

static hny__key node_key(const map_update *u, uint32_t number) {
    return hny__key_make(u->record->space, HNY__KIND_ROWIDS, number);
}

static int read_node(const map_update *u, uint32_t number, hny__rowid_node *out) {
    const hny__key key = node_key(u, number);
    hny__value value;
    const int rc = hny__get(u->txn, &key, &value);
    if (rc) {
        return rc == HNY_MISSING ? HNY_CORRUPT : rc;
    }
    if (value.size != sizeof *out || !hny__digest_ok(value.data, value.size, &key)) {
        return HNY_CORRUPT;
    }
    memcpy(out, value.data, sizeof *out);
    return HNY_OK;
}

static int write_node(const map_update *u, uint32_t number, hny__rowid_node *node) {
    const hny__key key = node_key(u, number);
    return hny__put_digested(u->txn, &key, node, sizeof *node);
}

static int allot_node(map_update *u, uint32_t *number) {
    hny__table_record *const record = u->record;
    hny__rowid_node node;
    if (record->rowid_free == HNY__NONE) {
        if (record->rowid_nodes >= HNY__MAX_SLOTS) {
            return HNY_LIMIT;
        }
        *number = record->rowid_nodes++;
        return HNY_OK;
    }
    if (record->rowid_free >= record->rowid_nodes) {
        return HNY_CORRUPT;
    }
    *number = record->rowid_free;
    const int rc = read_node(u, *number, &node);
    if (rc) {
        return rc;
    }
    if (node.level != HNY__ROWID_FREE_LEVEL) {
        return HNY_CORRUPT;
    }
    record->rowid_free = node.next_free;
    return HNY_OK;
}

static int free_node(map_update *u, uint32_t number) {
    hny__rowid_node node = {.level = HNY__ROWID_FREE_LEVEL, .next_free = u->record->rowid_free};
    u->record->rowid_free = number;
    return write_node(u, number, &node);
}

/*
** Writes entries as nodes of a level, the first of them to the node `reused` unless that is
** HNY__NONE, and adds the nodes to `out`.  They are filled one after the other if `packed`, for
** rowids that ascend; else evenly.
*/
static int write_entries(map_update *u, uint32_t level, const ref_list *entries, uint32_t reused,
                         bool packed, ref_list *out) {
    const size_t nodes = (entries->count + MAX_ENTRIES - 1) / MAX_ENTRIES;
    int rc = entries->count == 0 && reused != HNY__NONE ? free_node(u, reused) : HNY_OK;
    size_t next = 0;
    for (size_t i = 0; i < nodes && !rc; i++) {
        const size_t left = entries->count - next, left_nodes = nodes - i;
        const size_t even = (left + left_nodes - 1) / left_nodes;
        const size_t count = !packed ? even : left < MAX_ENTRIES ? left : MAX_ENTRIES;
        hny__rowid_node node = {.level = (uint8_t)level, .count = (uint16_t)count};
        hny__row_ref ref = {.rowid = entries->items[next].rowid, .slot = reused};
        memcpy(node.entries, entries->items + next, count * sizeof *node.entries);
        if (i > 0 || reused == HNY__NONE) {
            rc = allot_node(u, &ref.slot);
        }
        if (!rc) {
            rc = write_node(u, ref.slot, &node);
        }
        if (!rc) {
            ref.check = node_check(&node);
            rc = push_ref(out, ref);
        }
        next += count;
    }
    return rc;
}

/* The entries of a leaf with `refs` applied. */
static int merge_entries(const hny__rowid_node *node, const hny__row_ref *refs, size_t count,
                         ref_list *out) {
    size_t i = 0, j = 0;
    int rc = HNY_OK;
    while ((i < node->count || j < count) && !rc) {
        if (j == count || (i < node->count && node->entries[i].rowid < refs[j].rowid)) {
            rc = push_ref(out, node->entries[i++]);
            continue;
        }
        if (i < node->count && node->entries[i].rowid == refs[j].rowid) {
            i++;
        }
        if (refs[j].slot != HNY__NONE) {
            rc = push_ref(out, refs[j]);
        }
        j++;
    }
    return rc;
}

static int apply_to_node(map_update *u, const hny__row_ref *entry, uint32_t level,
                         const hny__row_ref *refs, size_t count, ref_list *out);

/* The entries of an inner node, after `refs` were applied to its children. */
static int apply_to_children(map_update *u, const hny__rowid_node *node, uint32_t level,
                             const hny__row_ref *refs, size_t count, ref_list *out) {
    int rc = HNY_OK;
    size_t next = 0;
    for (uint32_t i = 0; i < node->count && !rc; i++) {
        const size_t first = next;
        const bool last = i + 1u == node->count;
        while (next < count && (last || refs[next].rowid < node->entries[i + 1].rowid)) {
            next++;
        }
        rc = next > first
                 ? apply_to_node(u, &node->entries[i], level - 1, refs + first, next - first, out)
                 : push_ref(out, node->entries[i]);
    }
    return rc;
}

/* Applies `refs` below a node, and adds the nodes that take its place to `out`. */
static int apply_to_node(map_update *u, const hny__row_ref *entry, uint32_t level,
                         const hny__row_ref *refs, size_t count, ref_list *out) {
    hny__rowid_node node;
    ref_list entries = {NULL, 0, 0};
    int rc = entry->slot < u->record->rowid_nodes ? read_node(u, entry->slot, &node) : HNY_CORRUPT;
    if (!rc && !is_node_sound(&node, entry->check, level)) {
        rc = HNY_CORRUPT;
    }
    if (!rc) {
        rc = level ? apply_to_children(u, &node, level, refs, count, &entries)
                   : merge_entries(&node, refs, count, &entries);
    }
    if (!rc) {
        const bool packed = refs[count - 1].rowid > node.entries[node.count - 1].rowid;
        rc = write_entries(u, level, &entries, entry->slot, packed, out);
    }
    free(entries.items);
    return rc;
}

/* Adds levels above `top`, the nodes of the highest level, until there is one root. */
static int write_root(map_update *u, ref_list *top, uint32_t height) {
    hny__table_record *const record = u->record;
    int rc = HNY_OK;
    while (top->count > 1 && !rc) {
        ref_list above = {NULL, 0, 0};
        rc = write_entries(u, height++, top, HNY__NONE, true, &above);
        free(top->items);
        *top = above;
    }
    if (rc) {
        return rc;
    }
    record->rowid_height = top->count ? height : 0;
    record->rowid_root = top->count ? top->items[0].slot : HNY__NONE;
    record->rowid_check = top->count ? top->items[0].check : 0;
    return HNY_OK;
}

int hny__rowid_map_update(hny__txn *txn, hny__table_record *record, const hny__row_ref *refs,
                          size_t count) {
    map_update u = {txn, record};
    ref_list top = {NULL, 0, 0};
    uint32_t height = record->rowid_height;
    int rc = HNY_OK;
    if (count == 0) {
        return HNY_OK;
    }
    if (height) {
        const hny__row_ref root = {0, record->rowid_root, record->rowid_check};
        rc = apply_to_node(&u, &root, height - 1, refs, count, &top);
    } else {
        const hny__rowid_node empty = {.count = 0};
        ref_list entries = {NULL, 0, 0};
        rc = merge_entries(&empty, refs, count, &entries);
        if (!rc) {
            rc = write_entries(&u, 0, &entries, HNY__NONE, true, &top);
        }
        free(entries.items);
        height = 1;
    }
    if (!rc) {
        rc = write_root(&u, &top, height);
    }
    free(top.items);
    return rc;
}
