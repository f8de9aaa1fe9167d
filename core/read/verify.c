/*
** Verification of a table's index: every invariant, block by block and node by node.
**
** A fault becomes a sentence.  A status tells why the verification itself could not go on.
*/
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/interrupt.h"
#include "read/reader.h"
#include "sidecar/free_ids.h"
#include "sidecar/records.h"
#include "sidecar/rowid_map.h"

typedef struct verification {
    hny_reader *reader;
    hny__view *view;
    hny_interrupt interrupt;
    uint32_t steps; /* between polls of the interrupt */
    char **fault;
    roaring_bitmap_t *deleted_ids, *free_slots, *free_uppers;
} verification;

#define FAULT_BYTES 160
#define POLL_STEPS  4096

/* Keeps the first fault.  Returns HNY_CORRUPT, so that a check can return it, or HNY_NOMEM. */
__attribute__((format(printf, 2, 3))) static int report_fault(verification *v, const char *format,
                                                              ...) {
    va_list args;
    if (*v->fault) {
        return HNY_CORRUPT;
    }
    *v->fault = malloc(FAULT_BYTES);
    if (!*v->fault) {
        return HNY_NOMEM;
    }
    va_start(args, format);
    vsnprintf(*v->fault, FAULT_BYTES, format, args);
    va_end(args);
    return HNY_CORRUPT;
}

static int poll_verification(verification *v) {
    if (++v->steps % POLL_STEPS) {
        return HNY_OK;
    }
    return hny__interrupted(v->interrupt) ? HNY_INTERRUPT : HNY_OK;
}

/* ------------------------------------------------------------------------------------ blocks -- */

/* The digests of all rows of a block of codes. */
static bool code_rows_match(verification *v, uint32_t number) {
    const uint32_t per_block = v->view->geometry.layout[HNY__CODES].per_block;
    const uint32_t first = number * per_block, left = v->view->table.slots - first;
    for (uint32_t i = 0; i < per_block && i < left; i++) {
        if (!hny__view_code(v->view, first + i)) {
            return false;
        }
    }
    return true;
}

static int verify_blocks(verification *v) {
    static const char *const names[HNY__FAMILIES] = {
        [HNY__CODES] = "codes",     [HNY__RESIDUALS] = "residual codes",
        [HNY__LINKS] = "links",     [HNY__UPPER] = "upper rows",
        [HNY__DELETED] = "deleted", [HNY__ATTRIBUTES] = "attributes",
        [HNY__ROWIDS] = "rowids",   [HNY__COPIES] = "copies"};
    for (int f = 0; f < HNY__FAMILIES; f++) {
        for (uint32_t number = 0; number < v->view->blocks[f].count; number++) {
            if (!hny__view_block(v->view, (hny__family)f, number) ||
                (f == HNY__CODES && !code_rows_match(v, number))) {
                if (v->view->status != HNY_CORRUPT) {
                    return v->view->status;
                }
                return report_fault(v, "block %u of %s is missing or damaged", number, names[f]);
            }
            const int rc = poll_verification(v);
            if (rc) {
                return rc;
            }
        }
    }
    return HNY_OK;
}

/* -------------------------------------------------------------------------------------- sets -- */

static int verify_count(verification *v, const char *what, uint64_t found, uint64_t recorded) {
    if (found == recorded) {
        return HNY_OK;
    }
    return report_fault(v, "there are %llu %s, but the record says %llu", (unsigned long long)found,
                        what, (unsigned long long)recorded);
}

/* Reads the sets of deleted and free numbers. */
static int verify_sets(verification *v) {
    const hny__table_record *const table = &v->view->table;
    int rc = hny__free_ids_read(v->view, HNY__KIND_FREE_SLOTS, v->free_slots);
    if (!rc) {
        rc = hny__free_ids_read(v->view, HNY__KIND_FREE_UPPER, v->free_uppers);
    }
    if (!rc) {
        rc = hny__deleted_ids_read(v->view, v->deleted_ids);
    }
    if (rc == HNY_CORRUPT) {
        return report_fault(v, "a set of free slots is damaged");
    }
    if (rc) {
        return rc;
    }
    const uint64_t deleted = roaring_bitmap_get_cardinality(v->deleted_ids);
    const uint64_t free_slots = roaring_bitmap_get_cardinality(v->free_slots);
    const uint64_t free_uppers = roaring_bitmap_get_cardinality(v->free_uppers);
    rc = verify_count(v, "deleted nodes", deleted, table->deleted);
    if (!rc) {
        rc = verify_count(v, "free slots", free_slots, table->free_slots);
    }
    if (!rc) {
        rc = verify_count(v, "free upper rows", free_uppers, table->free_uppers);
    }
    return rc;
}

/* ------------------------------------------------------------------------------------ rowids -- */

/* The map has each live slot's row, as it is. */
static int verify_rowid(verification *v, uint32_t slot) {
    const uint8_t *const code = hny__view_code(v->view, slot);
    const int rc = code ? hny__view_confirm(v->view, slot, code) : v->view->status;
    if (rc != HNY_CORRUPT) {
        return rc;
    }
    return report_fault(v, "slot %u is not where the map of rowids has its row", slot);
}

static int count_rowid(void *arg, const hny__row_ref *ref) {
    (void)ref;
    ++*(uint64_t *)arg;
    return HNY_OK;
}

/* There are as many rowids as live slots. */
static int verify_rowid_map(verification *v) {
    uint64_t found = 0;
    const int rc = hny__rowid_map_each(v->view, count_rowid, &found);
    if (rc == HNY_CORRUPT) {
        return report_fault(v, "the map of rowids is damaged");
    }
    return rc ? rc : verify_count(v, "rowids", found, v->view->table.live);
}

/* The pages of the file, with those of other tables. */
static int verify_pages(verification *v) {
    const int rc = hny__txn_check_pages(v->view->txn);
    return rc == HNY_CORRUPT ? report_fault(v, "a page of the file is damaged") : rc;
}

/* ------------------------------------------------------------------------------------- links -- */

static bool has_link(const uint32_t *links, uint32_t count, uint32_t link) {
    for (uint32_t i = 0; i < count; i++) {
        if (links[i] == link) {
            return true;
        }
    }
    return false;
}

static int verify_links(verification *v, hny__family family, uint32_t row, const uint32_t *links,
                        uint32_t count) {
    const roaring_bitmap_t *const unused = family == HNY__UPPER ? v->free_uppers : v->free_slots;
    const char *const what = family == HNY__UPPER ? "upper row" : "slot";
    if (v->view->status) {
        return report_fault(v, "%s %u has a link out of bounds", what, row);
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t node = HNY__NODE(links[i]);
        if (node == row) {
            return report_fault(v, "%s %u has a link to itself", what, row);
        }
        if (roaring_bitmap_contains(unused, node)) {
            return report_fault(v, "%s %u has a link to %u, which is free", what, row, node);
        }
        for (uint32_t j = 0; j < i; j++) {
            if (HNY__NODE(links[j]) == node) {
                return report_fault(v, "%s %u has two links to %u", what, row, node);
            }
        }
    }
    return HNY_OK;
}

/* Tree links are marked on both ends. */
static int verify_tree_links(verification *v, uint32_t slot, const uint32_t *links,
                             uint32_t count) {
    uint32_t others[HNY__MAX_LINKS];
    for (uint32_t i = 0; i < count; i++) {
        if (!(links[i] & HNY__TREE)) {
            continue;
        }
        const uint32_t node = HNY__NODE(links[i]);
        const uint32_t others_count = hny__view_links(v->view, HNY__LINKS, node, others);
        if (!has_link(others, others_count, slot | HNY__TREE)) {
            return report_fault(v, "the tree link from slot %u to %u has no other end", slot, node);
        }
    }
    return HNY_OK;
}

static int verify_slot(verification *v, uint32_t slot) {
    uint32_t links[HNY__MAX_LINKS];
    const bool unlinked = slot >= hny__linked(&v->view->table);
    const uint32_t count = unlinked ? 0 : hny__view_links(v->view, HNY__LINKS, slot, links);
    if (roaring_bitmap_contains(v->free_slots, slot)) {
        if (unlinked) {
            return report_fault(v, "slot %u is free, but counted as unlinked", slot);
        }
        if (!hny__view_deleted(v->view, slot)) {
            return report_fault(v, "slot %u is free and live", slot);
        }
        return count ? report_fault(v, "slot %u is free and has links", slot) : HNY_OK;
    }
    int rc = verify_links(v, HNY__LINKS, slot, links, count);
    if (!rc) {
        rc = verify_tree_links(v, slot, links, count);
    }
    if (!rc && !roaring_bitmap_contains(v->deleted_ids, slot)) {
        rc = verify_rowid(v, slot);
    }
    return rc ? rc : poll_verification(v);
}

static int verify_slots(verification *v) {
    int rc = HNY_OK;
    for (uint32_t slot = 0; slot < v->view->table.slots && !rc; slot++) {
        rc = verify_slot(v, slot);
    }
    return rc;
}

/* Breadth-first from the entry point along tree links alone, every node must be reached. */
static int verify_reach(verification *v) {
    const hny__table_record *const table = &v->view->table;
    const uint64_t nodes = (uint64_t)table->live + table->deleted - table->unlinked - table->copies;
    if (nodes == 0) {
        return HNY_OK;
    }
    roaring_bitmap_t *const visited = roaring_bitmap_create();
    uint32_t *const queue = malloc(nodes * sizeof *queue);
    uint64_t first = 0, last = 0;
    int rc = visited && queue ? HNY_OK : HNY_NOMEM;
    if (!rc) {
        queue[last++] = table->entry_slot;
        roaring_bitmap_add(visited, table->entry_slot);
    }
    while (!rc && first < last) {
        uint32_t links[HNY__MAX_LINKS];
        const uint32_t count = hny__view_links(v->view, HNY__LINKS, queue[first++], links);
        for (uint32_t i = 0; i < count && last < nodes; i++) {
            const uint32_t node = HNY__NODE(links[i]);
            if ((links[i] & HNY__TREE) && roaring_bitmap_add_checked(visited, node)) {
                queue[last++] = node;
            }
        }
        rc = poll_verification(v);
    }
    if (!rc) {
        rc = verify_count(v, "nodes within reach of the entry point", last, nodes);
    }
    free(queue);
    if (visited) {
        roaring_bitmap_free(visited);
    }
    return rc;
}

/* ------------------------------------------------------------------------------------ copies -- */

/* A copy of the ring of `node`.  `found` has all copies that were met so far. */
static int verify_copy(verification *v, uint32_t node, uint32_t slot, roaring_bitmap_t *found) {
    uint32_t links[HNY__MAX_LINKS];
    if (!(hny__view_copy_word(v->view, slot) & HNY__COPY) ||
        roaring_bitmap_contains(v->free_slots, slot)) {
        return report_fault(v, "slot %u is in the ring of %u and not its copy", slot, node);
    }
    if (!roaring_bitmap_add_checked(found, slot)) {
        return report_fault(v, "slot %u is twice among copies", slot);
    }
    if (!hny__view_same_codes(v->view, node, slot)) {
        return report_fault(v, "slot %u is a copy of %u with other codes", slot, node);
    }
    if (hny__view_links(v->view, HNY__LINKS, slot, links)) {
        return report_fault(v, "slot %u is a copy of %u and has links", slot, node);
    }
    return poll_verification(v);
}

static int verify_ring(verification *v, uint32_t node, roaring_bitmap_t *found) {
    int rc = HNY_OK;
    for (uint32_t slot = hny__view_next_copy(v->view, node); slot != node && !rc;
         slot = hny__view_next_copy(v->view, slot)) {
        rc = slot == HNY__NONE ? report_fault(v, "the ring of slot %u is damaged", node)
                               : verify_copy(v, node, slot, found);
    }
    return rc;
}

/* The copies in the rings of all nodes are all that there are. */
static int verify_copies(verification *v) {
    roaring_bitmap_t *const found = roaring_bitmap_create();
    uint64_t copies = 0;
    int rc = found ? HNY_OK : HNY_NOMEM;
    for (uint32_t slot = 0; v->view->table.copies && slot < hny__linked(&v->view->table) && !rc;
         slot++) {
        if (hny__view_copy_word(v->view, slot) & HNY__COPY) {
            copies++;
        } else {
            rc = verify_ring(v, slot, found);
        }
    }
    if (!rc) {
        rc = verify_count(v, "copies", copies, v->view->table.copies);
    }
    if (!rc) {
        rc = verify_count(v, "copies in rings", roaring_bitmap_get_cardinality(found), copies);
    }
    if (found) {
        roaring_bitmap_free(found);
    }
    return rc;
}

/* ------------------------------------------------------------------------------ upper levels -- */

/* The row below an upper row has the same owner, one level lower. */
static bool is_above_own_row(verification *v, uint32_t owner, uint32_t down, uint8_t level) {
    uint32_t down_owner, unused;
    uint8_t down_level;
    if (level == 1) {
        return true;
    }
    return !hny__view_upper(v->view, down, &down_owner, &unused, &down_level) &&
           down_owner == owner && down_level == level - 1;
}

static int verify_upper_row(verification *v, uint32_t row) {
    uint32_t links[HNY__MAX_LINKS], owner, down, unused;
    uint8_t level, other_level;
    if (hny__view_upper(v->view, row, &owner, &down, &level)) {
        return report_fault(v, "upper row %u is out of bounds", row);
    }
    const uint32_t count = hny__view_links(v->view, HNY__UPPER, row, links);
    if (roaring_bitmap_contains(v->free_uppers, row)) {
        return level || count ? report_fault(v, "upper row %u is free and in use", row) : HNY_OK;
    }
    if (level == 0) {
        return report_fault(v, "upper row %u is neither free nor in use", row);
    }
    if (roaring_bitmap_contains(v->free_slots, owner)) {
        return report_fault(v, "upper row %u belongs to slot %u, which is free", row, owner);
    }
    if (!is_above_own_row(v, owner, down, level)) {
        return report_fault(v, "upper row %u is not above a row of its own slot", row);
    }
    const int rc = verify_links(v, HNY__UPPER, row, links, count);
    for (uint32_t i = 0; i < count && !rc; i++) {
        uint32_t other_owner;
        if (hny__view_upper(v->view, links[i], &other_owner, &unused, &other_level) ||
            other_level != level) {
            return report_fault(v, "upper row %u has a link to another level", row);
        }
    }
    return rc ? rc : poll_verification(v);
}

static int verify_upper_rows(verification *v) {
    int rc = HNY_OK;
    for (uint32_t row = 0; row < v->view->table.uppers && !rc; row++) {
        rc = verify_upper_row(v, row);
    }
    return rc;
}

static int verify_entry(verification *v) {
    const hny__table_record *const table = &v->view->table;
    uint32_t owner, down;
    uint8_t level;
    if (table->entry_slot == HNY__NONE) {
        return HNY_OK;
    }
    if (roaring_bitmap_contains(v->free_slots, table->entry_slot)) {
        return report_fault(v, "the entry point is a free slot");
    }
    if (table->entry_level == 0) {
        return HNY_OK;
    }
    if (hny__view_upper(v->view, table->entry_upper, &owner, &down, &level) ||
        owner != table->entry_slot || level != table->entry_level) {
        return report_fault(v, "the entry point is not where the record says");
    }
    return HNY_OK;
}

/* -------------------------------------------------------------------------------- boundaries -- */

static int verify_boundaries(verification *v) {
    const uint32_t count = v->view->table.boundaries;
    uint64_t total = 0;
    for (uint32_t age = 0; age < count; age++) {
        hny_boundary boundary;
        int64_t *ids = NULL;
        size_t ids_count = 0;
        int rc = hny_reader_boundary(v->reader, age, &boundary);
        if (!rc && age + 1 < count) {
            rc = hny_reader_touched(v->reader, age, &ids, &ids_count);
        }
        total += ids_count;
        for (size_t i = 1; i < ids_count && !rc; i++) {
            if (ids[i - 1] >= ids[i]) {
                rc = HNY_CORRUPT;
            }
        }
        free(ids);
        if (rc == HNY_CORRUPT) {
            return report_fault(v, "the boundary of age %u is damaged", age);
        }
        if (rc) {
            return rc;
        }
    }
    return verify_count(v, "touched ids", total, v->view->table.touched);
}

static int verify_all(verification *v) {
    int rc = verify_pages(v);
    if (!rc) {
        rc = verify_blocks(v);
    }
    if (!rc) {
        rc = verify_boundaries(v);
    }
    if (!rc) {
        rc = verify_sets(v);
    }
    if (!rc) {
        rc = verify_slots(v);
    }
    if (!rc) {
        rc = verify_rowid_map(v);
    }
    if (!rc) {
        rc = verify_upper_rows(v);
    }
    if (!rc) {
        rc = verify_entry(v);
    }
    if (!rc) {
        rc = verify_copies(v);
    }
    if (!rc) {
        rc = verify_reach(v);
    }
    return rc;
}

int hny_reader_check(hny_reader *reader, hny_interrupt interrupt, char **fault) {
    verification v = {
        .reader = reader, .view = &reader->view, .interrupt = interrupt, .fault = fault};
    *fault = NULL;
    v.deleted_ids = roaring_bitmap_create();
    v.free_slots = roaring_bitmap_create();
    v.free_uppers = roaring_bitmap_create();
    int rc = v.deleted_ids && v.free_slots && v.free_uppers ? verify_all(&v) : HNY_NOMEM;
    if (rc == HNY_CORRUPT && !*fault) {
        rc = report_fault(&v, "a record is damaged");
    }
    if (v.deleted_ids) {
        roaring_bitmap_free(v.deleted_ids);
    }
    if (v.free_slots) {
        roaring_bitmap_free(v.free_slots);
    }
    if (v.free_uppers) {
        roaring_bitmap_free(v.free_uppers);
    }
    if (rc == HNY_CORRUPT) {
        hny__env_set_damaged(reader->env);
    }
    return rc == HNY_CORRUPT ? HNY_OK : rc;
}
