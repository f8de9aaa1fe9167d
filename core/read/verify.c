/*
** The invariants of a table's index, all of them.  A fault is told as a sentence; a caller's memory
** or patience that runs out is a status.
*/
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/interrupt.h"
#include "read/reader.h"
#include "sidecar/free_ids.h"
#include "sidecar/records.h"

typedef struct check {
    hny__view *view;
    hny_interrupt interrupt;
    uint32_t seen;
    char **fault;
    roaring_bitmap_t *deleted_ids, *free_slots, *free_uppers;
} check;

#define FAULT_BYTES 160

/* Always HNY_CORRUPT, so that checks can return it; only the first fault is kept. */
__attribute__((format(printf, 2, 3))) static int fault(check *c, const char *format, ...) {
    va_list args;
    if (*c->fault) return HNY_CORRUPT;
    *c->fault = malloc(FAULT_BYTES);
    if (!*c->fault) return HNY_NOMEM;
    va_start(args, format);
    vsnprintf(*c->fault, FAULT_BYTES, format, args);
    va_end(args);
    return HNY_CORRUPT;
}

static int poll(check *c) {
    if (++c->seen % 4096) return HNY_OK;
    return hny__interrupted(c->interrupt) ? HNY_INTERRUPT : HNY_OK;
}

/* --------------------------------------------------------------------------------------- blocks -- */

/* All rows of a block of codes. */
static int check_codes(check *c, uint32_t number) {
    const uint32_t per_block = c->view->geometry.layout[HNY__CODES].per_block;
    const uint32_t first = number * per_block, left = c->view->table.slots - first;
    for (uint32_t i = 0; i < per_block && i < left; i++) {
        if (!hny__view_code(c->view, first + i)) return 0;
    }
    return 1;
}

static int check_blocks(check *c) {
    static const char *const names[] = {"codes", "residual codes", "links",
                                        "upper", "deleted",        "attributes"};
    for (int f = 0; f < HNY__FAMILIES; f++) {
        for (uint32_t number = 0; number < c->view->blocks[f].count; number++) {
            if (!hny__view_block(c->view, (hny__family)f, number) ||
                (f == HNY__CODES && !check_codes(c, number))) {
                if (c->view->status != HNY_CORRUPT) return c->view->status;
                return fault(c, "block %u of %s is missing or damaged", number, names[f]);
            }
            const int rc = poll(c);
            if (rc) return rc;
        }
    }
    return HNY_OK;
}

/* ---------------------------------------------------------------------------------------- slots -- */

static int check_count(check *c, const char *what, uint64_t found, uint64_t said) {
    if (found == said) return HNY_OK;
    return fault(c, "there are %llu %s where the record says %llu", (unsigned long long)found, what,
                 (unsigned long long)said);
}

static int check_sets(check *c) {
    const hny__table_record *const table = &c->view->table;
    int rc = hny__free_ids_read(c->view, HNY__KIND_FREE_SLOTS, c->free_slots);
    if (!rc) rc = hny__free_ids_read(c->view, HNY__KIND_FREE_UPPER, c->free_uppers);
    if (!rc) rc = hny__deleted_ids_read(c->view, c->deleted_ids);
    if (rc == HNY_CORRUPT) return fault(c, "a set of free slots is damaged");
    if (rc) return rc;
    rc = check_count(c, "deleted nodes", roaring_bitmap_get_cardinality(c->deleted_ids),
                     table->dead);
    if (!rc) {
        rc = check_count(c, "free slots", roaring_bitmap_get_cardinality(c->free_slots),
                         table->free_slots);
    }
    if (!rc) {
        rc = check_count(c, "free upper rows", roaring_bitmap_get_cardinality(c->free_uppers),
                         table->free_uppers);
    }
    return rc;
}

static int check_rowid(check *c, uint32_t slot) {
    const int64_t rowid = hny__view_rowid(c->view, slot);
    uint32_t found = HNY__NONE;
    const int rc = hny__view_find(c->view, rowid, &found);
    if (rc == HNY_NOMEM || rc == HNY_IO) return rc;
    if (rc || found != slot) {
        return fault(c, "rowid %lld in slot %u is not found there", (long long)rowid, slot);
    }
    return HNY_OK;
}

/* How many rowids have a slot. */
static int check_rowids(check *c) {
    const uint32_t space = c->view->table.space;
    const hny__key key = hny__key_rowid(space, INT64_MIN);
    hny__cursor cursor;
    uint64_t found = 0;
    int rc = hny__cursor_open(&cursor, c->view->txn);
    if (!rc) rc = hny__cursor_seek(&cursor, &key);
    while (!rc && cursor.space == space && cursor.kind == HNY__KIND_ROWID) {
        found++;
        rc = hny__cursor_next(&cursor);
    }
    hny__cursor_close(&cursor);
    if (rc && rc != HNY_MISSING) return rc;
    return check_count(c, "rowids", found, c->view->table.live);
}

/* ---------------------------------------------------------------------------------------- links -- */

static int has_link(const uint32_t *links, uint32_t count, uint32_t link) {
    for (uint32_t i = 0; i < count; i++) {
        if (links[i] == link) return 1;
    }
    return 0;
}

static int check_list(check *c, hny__family family, uint32_t row, const uint32_t *links,
                      uint32_t count) {
    const roaring_bitmap_t *const unused = family == HNY__UPPER ? c->free_uppers : c->free_slots;
    const char *const what = family == HNY__UPPER ? "upper row" : "slot";
    if (c->view->status) return fault(c, "%s %u has a link out of bounds", what, row);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t node = HNY__NODE(links[i]);
        if (node == row) return fault(c, "%s %u has a link to itself", what, row);
        if (roaring_bitmap_contains(unused, node)) {
            return fault(c, "%s %u has a link to %u, which is free", what, row, node);
        }
        for (uint32_t j = 0; j < i; j++) {
            if (HNY__NODE(links[j]) == node) {
                return fault(c, "%s %u has two links to %u", what, row, node);
            }
        }
    }
    return HNY_OK;
}

static int check_tree_links(check *c, uint32_t slot, const uint32_t *links, uint32_t count) {
    uint32_t theirs[HNY__MAX_LINKS];
    for (uint32_t i = 0; i < count; i++) {
        if (!(links[i] & HNY__TREE)) continue;
        const uint32_t node = HNY__NODE(links[i]);
        const uint32_t size = hny__view_links(c->view, HNY__LINKS, node, theirs);
        if (!has_link(theirs, size, slot | HNY__TREE)) {
            return fault(c, "the tree link from slot %u to %u has no other end", slot, node);
        }
    }
    return HNY_OK;
}

static int check_slot(check *c, uint32_t slot) {
    uint32_t links[HNY__MAX_LINKS];
    const int unlinked = slot >= hny__linked(&c->view->table);
    const uint32_t count = unlinked ? 0 : hny__view_links(c->view, HNY__LINKS, slot, links);
    if (unlinked && roaring_bitmap_contains(c->free_slots, slot)) {
        return fault(c, "slot %u is free and waits to be linked", slot);
    }
    if (roaring_bitmap_contains(c->free_slots, slot)) {
        if (!hny__view_deleted(c->view, slot)) return fault(c, "slot %u is free and live", slot);
        return count ? fault(c, "slot %u is free and has links", slot) : HNY_OK;
    }
    int rc = check_list(c, HNY__LINKS, slot, links, count);
    if (!rc) rc = check_tree_links(c, slot, links, count);
    if (!rc && !roaring_bitmap_contains(c->deleted_ids, slot)) rc = check_rowid(c, slot);
    return rc ? rc : poll(c);
}

static int check_slots(check *c) {
    int rc = HNY_OK;
    for (uint32_t slot = 0; slot < c->view->table.slots && !rc; slot++) rc = check_slot(c, slot);
    return rc;
}

/* From the entry point, along tree links alone, every node must be met. */
static int check_reach(check *c) {
    const hny__table_record *const table = &c->view->table;
    const uint64_t nodes = (uint64_t)table->live + table->dead - table->unlinked;
    if (nodes == 0) return HNY_OK;
    roaring_bitmap_t *const met = roaring_bitmap_create();
    uint32_t *const queue = malloc(nodes * sizeof *queue);
    uint64_t first = 0, last = 0;
    int rc = met && queue ? HNY_OK : HNY_NOMEM;
    if (!rc) {
        queue[last++] = table->entry_slot;
        roaring_bitmap_add(met, table->entry_slot);
    }
    while (!rc && first < last) {
        uint32_t links[HNY__MAX_LINKS];
        const uint32_t count = hny__view_links(c->view, HNY__LINKS, queue[first++], links);
        for (uint32_t i = 0; i < count && last < nodes; i++) {
            const uint32_t node = HNY__NODE(links[i]);
            if ((links[i] & HNY__TREE) && roaring_bitmap_add_checked(met, node)) {
                queue[last++] = node;
            }
        }
        rc = poll(c);
    }
    if (!rc) rc = check_count(c, "nodes within reach of the entry point", last, nodes);
    free(queue);
    if (met) roaring_bitmap_free(met);
    return rc;
}

/* ---------------------------------------------------------------------------------- upper levels -- */

static int check_upper_row(check *c, uint32_t row) {
    uint32_t links[HNY__MAX_LINKS], owner, down, theirs, unused;
    uint8_t level, said;
    if (hny__view_upper(c->view, row, &owner, &down, &level)) {
        return fault(c, "upper row %u is out of bounds", row);
    }
    const uint32_t count = hny__view_links(c->view, HNY__UPPER, row, links);
    if (roaring_bitmap_contains(c->free_uppers, row)) {
        return level || count ? fault(c, "upper row %u is free and in use", row) : HNY_OK;
    }
    if (level == 0) return fault(c, "upper row %u is neither free nor in use", row);
    if (roaring_bitmap_contains(c->free_slots, owner)) {
        return fault(c, "upper row %u belongs to slot %u, which is free", row, owner);
    }
    if (level > 1 && (hny__view_upper(c->view, down, &theirs, &unused, &said) || theirs != owner ||
                      said != level - 1)) {
        return fault(c, "upper row %u is not above its own", row);
    }
    const int rc = check_list(c, HNY__UPPER, row, links, count);
    for (uint32_t i = 0; i < count && !rc; i++) {
        if (hny__view_upper(c->view, links[i], &theirs, &unused, &said) || said != level) {
            return fault(c, "upper row %u has a link to another level", row);
        }
    }
    return rc ? rc : poll(c);
}

static int check_uppers(check *c) {
    const hny__table_record *const table = &c->view->table;
    uint32_t owner, down;
    uint8_t level;
    int rc = HNY_OK;
    for (uint32_t row = 0; row < table->uppers && !rc; row++) rc = check_upper_row(c, row);
    if (rc || table->live + table->dead == 0) return rc;
    if (roaring_bitmap_contains(c->free_slots, table->entry_slot)) {
        return fault(c, "the entry point is a free slot");
    }
    if (table->entry_level == 0) return HNY_OK;
    if (hny__view_upper(c->view, table->entry_upper, &owner, &down, &level) ||
        owner != table->entry_slot || level != table->entry_level) {
        return fault(c, "the entry point is not where the record says");
    }
    return HNY_OK;
}

/* ----------------------------------------------------------------------------------- boundaries -- */

static int check_boundaries(check *c, hny_reader *reader) {
    const uint32_t count = c->view->table.boundaries;
    uint64_t total = 0;
    for (uint32_t age = 0; age < count; age++) {
        hny_boundary at;
        int64_t *ids = NULL;
        size_t size = 0;
        int rc = hny_reader_boundary(reader, age, &at);
        if (!rc && age + 1 < count) rc = hny_reader_touched(reader, age, &ids, &size);
        total += size;
        for (size_t i = 1; i < size && !rc; i++) {
            if (ids[i - 1] >= ids[i]) rc = HNY_CORRUPT;
        }
        free(ids);
        if (rc == HNY_CORRUPT) return fault(c, "the boundary of age %u is damaged", age);
        if (rc) return rc;
    }
    return check_count(c, "touched ids", total, c->view->table.touched);
}

static int check_all(check *c, hny_reader *reader) {
    int rc = check_blocks(c);
    if (!rc) rc = check_boundaries(c, reader);
    if (!rc) rc = check_sets(c);
    if (!rc) rc = check_slots(c);
    if (!rc) rc = check_rowids(c);
    if (!rc) rc = check_uppers(c);
    if (!rc) rc = check_reach(c);
    return rc;
}

int hny_reader_check(hny_reader *reader, hny_interrupt interrupt, char **out) {
    check c = {.view = &reader->view, .interrupt = interrupt, .fault = out};
    *out = NULL;
    c.deleted_ids = roaring_bitmap_create();
    c.free_slots = roaring_bitmap_create();
    c.free_uppers = roaring_bitmap_create();
    const int ready = c.deleted_ids && c.free_slots && c.free_uppers;
    int rc = ready ? check_all(&c, reader) : HNY_NOMEM;
    if (rc == HNY_CORRUPT && !*out) rc = fault(&c, "a record is damaged");
    if (c.deleted_ids) roaring_bitmap_free(c.deleted_ids);
    if (c.free_slots) roaring_bitmap_free(c.free_slots);
    if (c.free_uppers) roaring_bitmap_free(c.free_uppers);
    return rc == HNY_CORRUPT ? HNY_OK : rc;
}
