/* What the parts of a build share: its base, its space, its new nodes and its map of rowids. */
#include "build/state.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/sort.h"
#include "sidecar/rowid_map.h"

int hny__build_note(const hny_build *build, int rc) {
    if (rc == HNY_CORRUPT) {
        hny__env_set_damaged(build->env);
    }
    return rc;
}

int hny__build_pin(hny_build *build) {
    bool fresh;
    if (!build->has_base || build->reader->view.pinned) {
        return HNY_OK;
    }
    return hny__view_begin(&build->reader->view, build->env, build->table, &fresh);
}

#define MAX_SPACE 0xffffffu /* keys have 24 bits of it */

/* Takes a space that was never used. */
static int take_space(hny__file_record *file, hny__txn *txn, uint32_t *out) {
    const hny__key first = hny__key_make(file->next_space, HNY__KIND_FILE, 0);
    hny__key found;
    hny__value value;
    if (file->next_space == 0 || file->next_space > MAX_SPACE) {
        return HNY_CORRUPT;
    }
    /* Nothing may be there, in this space or a later one. */
    const int rc = hny__seek(txn, &first, &found, &value);
    if (rc != HNY_MISSING) {
        return rc ? rc : HNY_CORRUPT;
    }
    *out = file->next_space++;
    return HNY_OK;
}

typedef struct new_spaces {
    hny_build *build;
    uint32_t space, attribute_space; /* 0: not needed */
} new_spaces;

static int assign_space_body(void *arg, hny__txn *txn) {
    new_spaces *const new = arg;
    hny__file_record file;
    int rc = hny__get_file_record(txn, &file);
    if (rc == HNY_MISSING) {
        hny__file_record_init(&file);
        rc = HNY_OK;
    }
    if (!rc && !new->build->record.space) {
        rc = take_space(&file, txn, &new->space);
    }
    if (!rc && hny__build_needs_attribute_space(new->build)) {
        rc = take_space(&file, txn, &new->attribute_space);
    }
    return rc ? rc : hny__put_file_record(txn, &file);
}

int hny__build_assign_space(hny_build *build) {
    new_spaces new = {build, 0, 0};
    if (build->record.space && !hny__build_needs_attribute_space(build)) {
        return HNY_OK;
    }
    hny_reader_end(build->reader);
    const int rc = hny__env_write(build->env, assign_space_body, &new);
    if (!rc && new.space) {
        build->record.space = new.space;
    }
    if (!rc && new.attribute_space) {
        build->record.attribute_space = new.attribute_space;
    }
    return rc;
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

#define ROWIDS_PER_WRITE ((size_t)1 << 18) /* 4 MiB of nodes */

int hny__build_map_row(hny_build *build, hny__row_ref ref) {
    const int rc = hny__grow((void **)&build->row_refs, &build->row_refs_capacity,
                             build->row_refs_count, sizeof *build->row_refs);
    if (!rc) {
        build->row_refs[build->row_refs_count++] = ref;
    }
    return rc;
}

static int compare_row_refs(const void *a, const void *b) {
    const hny__row_ref *const x = a, *const y = b;
    return hny__compare_int64(&x->rowid, &y->rowid);
}

int hny__build_write_rowids(const hny_build *build, hny__txn *txn, hny__table_record *record) {
    return hny__rowid_map_update(txn, record, build->row_refs, build->row_refs_count);
}

/* Some of the rows, to be written in one transaction. */
typedef struct row_range {
    const hny_build *build;
    size_t first, end;
    hny__table_record record; /* as the present attempt at the transaction makes it */
} row_range;

static int write_row_range(void *arg, hny__txn *txn) {
    row_range *const range = arg;
    range->record = range->build->record;
    return hny__rowid_map_update(txn, &range->record, range->build->row_refs + range->first,
                                 range->end - range->first);
}

int hny__build_sort_rowids(hny_build *build) {
    const size_t count = build->row_refs_count;
    row_range range = {.build = build};
    int rc = HNY_OK;
    if (count) {
        qsort(build->row_refs, count, sizeof *build->row_refs, compare_row_refs);
    }
    if (build->has_base) {
        return HNY_OK;
    }
    for (; range.first < count && !rc; range.first = range.end) {
        const size_t left = count - range.first;
        range.end = range.first + (left > ROWIDS_PER_WRITE ? ROWIDS_PER_WRITE : left);
        rc = hny__env_write(build->env, write_row_range, &range);
        if (!rc) {
            build->record = range.record;
        }
    }
    free(build->row_refs);
    build->row_refs = NULL;
    build->row_refs_count = build->row_refs_capacity = 0;
    return rc;
}
