/* What the parts of a build share: its base, its space, its new nodes and its map of rowids. */
#include "build/state.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/sort.h"

int hny__build_pin(hny_build *build) {
    bool fresh;
    if (!build->has_base || build->reader->view.pinned) {
        return HNY_OK;
    }
    return hny__view_begin(&build->reader->view, build->env, build->table, &fresh);
}

static int assign_space_body(void *arg, hny__txn *txn) {
    hny_build *const build = arg;
    hny__file_record file;
    int rc = hny__get_file_record(txn, &file);
    if (rc == HNY_MISSING) {
        hny__file_record_init(&file);
        rc = HNY_OK;
    }
    if (rc) {
        return rc;
    }
    build->record.space = file.next_space++;
    if (build->record.space > 0xffffffu) {
        return HNY_CORRUPT;
    }
    return hny__put_file_record(txn, &file);
}

int hny__build_assign_space(hny_build *build) {
    if (build->record.space) {
        return HNY_OK;
    }
    hny_reader_end(build->reader);
    return hny__env_write(build->env, assign_space_body, build);
}

int hny__build_add_node(hny_build *build, hny__new_node node) {
    const int rc = hny__grow((void **)&build->new_nodes, &build->new_nodes_capacity,
                             build->new_nodes_count, sizeof *build->new_nodes);
    if (!rc) {
        build->new_nodes[build->new_nodes_count++] = node;
    }
    return rc;
}

/* ------------------------------------------------------------------------------------ rowids -- */

#define ROWIDS_PER_WRITE ((size_t)1 << 18) /* some 8 MB of pages */

int hny__build_map_rowid(hny_build *build, int64_t rowid, uint32_t slot) {
    const int rc = hny__grow((void **)&build->rowid_slots, &build->rowid_slots_capacity,
                             build->rowid_slots_count, sizeof *build->rowid_slots);
    if (!rc) {
        build->rowid_slots[build->rowid_slots_count++] = (hny__rowid_slot){rowid, slot};
    }
    return rc;
}

static int compare_rowid_slots(const void *a, const void *b) {
    const hny__rowid_slot *const x = a, *const y = b;
    return hny__compare_int64(&x->rowid, &y->rowid);
}

/* A range of the map, to be written in one transaction. */
typedef struct rowid_range {
    const hny_build *build;
    size_t first, end;
} rowid_range;

static int write_rowid_range(void *arg, hny__txn *txn) {
    const rowid_range *const range = arg;
    const hny_build *const build = range->build;
    int rc = HNY_OK;
    for (size_t i = range->first; i < range->end && !rc; i++) {
        const hny__rowid_slot *const mapped = &build->rowid_slots[i];
        const hny__key key = hny__key_rowid(build->record.space, mapped->rowid);
        if (mapped->slot == HNY__NONE) {
            rc = hny__del(txn, &key);
        } else {
            rc = hny__put(txn, &key, &mapped->slot, sizeof mapped->slot);
        }
    }
    return rc;
}

int hny__build_write_rowids(const hny_build *build, hny__txn *txn) {
    rowid_range all = {build, 0, build->rowid_slots_count};
    return write_rowid_range(&all, txn);
}

int hny__build_sort_rowids(hny_build *build) {
    const size_t count = build->rowid_slots_count;
    rowid_range range = {build, 0, 0};
    int rc = HNY_OK;
    if (count) {
        qsort(build->rowid_slots, count, sizeof *build->rowid_slots, compare_rowid_slots);
    }
    if (build->has_base) {
        return HNY_OK;
    }
    for (; range.first < count && !rc; range.first = range.end) {
        const size_t left = count - range.first;
        range.end = range.first + (left > ROWIDS_PER_WRITE ? ROWIDS_PER_WRITE : left);
        rc = hny__env_write(build->env, write_rowid_range, &range);
    }
    free(build->rowid_slots);
    build->rowid_slots = NULL;
    build->rowid_slots_count = build->rowid_slots_capacity = 0;
    return rc;
}
