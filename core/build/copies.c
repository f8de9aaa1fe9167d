/* Rings of rows with equal codes while a build changes them; the contract is in copies.h. */
#include "build/copies.h"

#include <stdlib.h>

#include "base/memory.h"

/* ------------------------------------------------------------------------------------- words -- */

int hny__copies_make(hny__copies *copies, const hny_build *build) {
    const hny__layout *const layout = &build->geometry.layout[HNY__COPIES];
    if (copies->words) {
        return HNY_OK;
    }
    copies->slots = build->record.slots;
    copies->words = calloc((size_t)copies->slots + 1, sizeof *copies->words);
    copies->changed =
        calloc(hny__layout_blocks(layout, copies->slots) + 1u, sizeof *copies->changed);
    return copies->words && copies->changed ? HNY_OK : HNY_NOMEM;
}

void hny__copies_close(hny__copies *copies) {
    free(copies->words);
    free(copies->changed);
    if (copies->promoted) {
        roaring_bitmap_free(copies->promoted);
    }
    *copies = (hny__copies){.words = NULL};
}

#define WORDS_PER_BLOCK ((HNY__SMALL_BLOCK - 8) / 4)

static void set_word(hny__copies *copies, uint32_t slot, uint32_t word) {
    copies->words[slot] = word;
    copies->changed[slot / WORDS_PER_BLOCK] = true;
}

static uint32_t next_in_ring(const hny__copies *copies, uint32_t slot) {
    const uint32_t word = copies->words[slot];
    return word ? HNY__NEXT_COPY(word) : slot;
}

int hny__copies_join(hny__copies *copies, uint32_t node, uint32_t slot) {
    const uint32_t after_node = next_in_ring(copies, node), after = next_in_ring(copies, slot);
    if (node == slot || (copies->words[node] | copies->words[slot]) & HNY__COPY) {
        return HNY_CORRUPT;
    }
    set_word(copies, node, after + 1);
    set_word(copies, slot, (after_node + 1) | HNY__COPY);
    copies->count++;
    return HNY_OK;
}

/* ------------------------------------------------------------------------------- of the base -- */

static int read_words(hny__copies *copies, hny_build *build) {
    hny__view *const view = &build->reader->view;
    const uint32_t linked = hny__linked(&build->base);
    for (uint32_t slot = 0; slot < linked; slot++) {
        const uint32_t word = hny__view_copy_word(view, slot);
        if (view->status) {
            return view->status;
        }
        if (word && HNY__NEXT_COPY(word) >= linked) {
            return HNY_CORRUPT;
        }
        copies->words[slot] = word;
        copies->count += word >> 31;
    }
    return copies->count == build->base.copies ? HNY_OK : HNY_CORRUPT;
}

int hny__copies_add_node(hny_build *build, uint32_t slot) {
    hny__view *const view = &build->reader->view;
    const uint8_t *const code = hny__view_code(view, slot);
    const uint8_t *const residual = hny__view_residual(view, slot);
    if (!code || view->status) {
        return view->status;
    }
    return hny__build_add_node(
        build, (hny__new_node){.slot = slot,
                               .ordinal = slot,
                               .hash = hny__codes_hash(&build->geometry, code, residual)});
}

/* The pass over deleted slots. */
typedef struct ring_pass {
    hny__copies *copies;
    hny_build *build;
    roaring_bitmap_t *deleted, *freed;
    uint32_t *ring; /* the slots of the present ring */
    size_t count, capacity;
} ring_pass;

/* Collects the ring of a slot, and takes it apart.  *node: its row that is no copy. */
static int take_ring_apart(ring_pass *p, uint32_t start, uint32_t *node) {
    hny__copies *const copies = p->copies;
    uint32_t slot = start, nodes = 0;
    p->count = 0;
    do {
        const uint32_t word = copies->words[slot];
        if (word == 0 || hny__grow((void **)&p->ring, &p->capacity, p->count, sizeof *p->ring)) {
            return word ? HNY_NOMEM : HNY_CORRUPT;
        }
        p->ring[p->count++] = slot;
        if (!(word & HNY__COPY)) {
            *node = slot;
            nodes++;
        }
        set_word(copies, slot, 0);
        slot = HNY__NEXT_COPY(word);
    } while (slot != start);
    copies->count -= (uint32_t)p->count - nodes;
    return nodes == 1 ? HNY_OK : HNY_CORRUPT;
}

static int free_copy(ring_pass *p, uint32_t slot) {
    hny__table_record *const record = &p->build->record;
    if (record->deleted == 0) {
        return HNY_CORRUPT;
    }
    record->deleted--;
    record->free_slots++;
    roaring_bitmap_add(p->freed, slot);
    return HNY_OK;
}

/* The first live copy takes the place of a deleted node. */
static int promote_copy(ring_pass *p, uint32_t slot) {
    hny__copies *const copies = p->copies;
    if (!copies->promoted) {
        copies->promoted = roaring_bitmap_create();
        if (!copies->promoted) {
            return HNY_NOMEM;
        }
    }
    roaring_bitmap_add(copies->promoted, slot);
    return hny__copies_add_node(p->build, slot);
}

/* Makes a ring anew, of its live rows. */
static int renew_ring(ring_pass *p, uint32_t start) {
    uint32_t node = HNY__NONE, first = HNY__NONE;
    int rc = take_ring_apart(p, start, &node);
    if (!rc && !roaring_bitmap_contains(p->deleted, node)) {
        first = node;
    }
    size_t live = 0;
    for (size_t i = 0; i < p->count && !rc; i++) {
        const uint32_t slot = p->ring[i];
        if (!roaring_bitmap_contains(p->deleted, slot)) {
            p->ring[live++] = slot;
        } else if (slot != node) {
            rc = free_copy(p, slot);
        }
    }
    if (!rc && first == HNY__NONE && live > 0) {
        first = p->ring[0];
        rc = promote_copy(p, first);
    }
    for (size_t i = live; i-- > 0 && !rc;) {
        if (p->ring[i] != first) {
            rc = hny__copies_join(p->copies, first, p->ring[i]);
        }
    }
    return rc;
}

/* Deleted rows of the base and of this build, in the graph or copies. */
static int find_deleted(ring_pass *p) {
    hny_build *const build = p->build;
    p->deleted = roaring_bitmap_create();
    if (!p->deleted) {
        return HNY_NOMEM;
    }
    const int rc = hny__deleted_ids_read(&build->reader->view, p->deleted);
    roaring_bitmap_or_inplace(p->deleted, build->deleted_slots);
    return rc;
}

static int drop_deleted_rows(hny__copies *copies, hny_build *build, roaring_bitmap_t *freed) {
    ring_pass p = {.copies = copies, .build = build, .freed = freed};
    roaring_uint32_iterator_t slot;
    int rc = find_deleted(&p);
    if (!rc) {
        roaring_init_iterator(p.deleted, &slot);
        for (; slot.has_value && slot.current_value < hny__linked(&build->base) && !rc;
             roaring_advance_uint32_iterator(&slot)) {
            if (copies->words[slot.current_value]) {
                rc = renew_ring(&p, slot.current_value);
            }
        }
    }
    if (p.deleted) {
        roaring_bitmap_free(p.deleted);
    }
    free(p.ring);
    return rc;
}

int hny__copies_open(hny__copies *copies, hny_build *build, roaring_bitmap_t *freed) {
    if (!build->has_base || build->base.copies == 0) {
        return HNY_OK;
    }
    int rc = hny__copies_make(copies, build);
    if (!rc) {
        rc = read_words(copies, build);
    }
    return rc ? rc : drop_deleted_rows(copies, build, freed);
}

/* ------------------------------------------------------------------------------ of new nodes -- */

typedef struct hashed_node {
    uint64_t hash;
    size_t index; /* among the new nodes */
} hashed_node;

static int compare_hashed_nodes(const void *a, const void *b) {
    const hashed_node *const x = a, *const y = b;
    if (x->hash != y->hash) {
        return x->hash < y->hash ? -1 : 1;
    }
    return (x->index > y->index) - (x->index < y->index);
}

/* Joins nodes first .. end - 1, whose codes are equal, in their order. */
static int join_new_nodes(hny__copies *copies, const hny_build *build, const hashed_node *nodes,
                          size_t first, size_t end) {
    const uint32_t node = build->new_nodes[nodes[first].index].slot;
    int rc = end - first > 1 ? hny__copies_make(copies, build) : HNY_OK;
    for (size_t i = end; --i > first && !rc;) {
        rc = hny__copies_join(copies, node, build->new_nodes[nodes[i].index].slot);
    }
    return rc;
}

static void drop_copies(const hny__copies *copies, hny_build *build) {
    size_t kept = 0;
    for (size_t i = 0; i < build->new_nodes_count; i++) {
        if (!copies->words || !(copies->words[build->new_nodes[i].slot] & HNY__COPY)) {
            build->new_nodes[kept++] = build->new_nodes[i];
        }
    }
    build->new_nodes_count = kept;
}

/*
** Equal hashes are taken for equal codes: among ten million rows, other codes have one hash in one
** of 400,000 tables.
*/
int hny__copies_of_new_nodes(hny__copies *copies, hny_build *build) {
    const size_t count = build->new_nodes_count;
    hashed_node *const nodes = malloc((count + 1) * sizeof *nodes);
    int rc = nodes ? HNY_OK : HNY_NOMEM;
    for (size_t i = 0; i < count && !rc; i++) {
        build->new_nodes[i].original = HNY__NONE;
        nodes[i] = (hashed_node){build->new_nodes[i].hash, i};
    }
    if (!rc && count) {
        qsort(nodes, count, sizeof *nodes, compare_hashed_nodes);
    }
    for (size_t first = 0, end; first < count && !rc; first = end) {
        for (end = first + 1; end < count && nodes[end].hash == nodes[first].hash;) {
            end++;
        }
        rc = join_new_nodes(copies, build, nodes, first, end);
    }
    if (!rc) {
        drop_copies(copies, build);
    }
    free(nodes);
    return rc;
}

/* ----------------------------------------------------------------------------------- writing -- */

int hny__copies_write(const hny__copies *copies, const hny_build *build, hny__txn *txn) {
    const hny__layout *const layout = &build->geometry.layout[HNY__COPIES];
    const uint32_t base = build->has_base && build->base.copies ? hny__linked(&build->base) : 0;
    const uint32_t base_blocks = hny__layout_blocks(layout, base);
    const uint32_t end = hny__layout_blocks(layout, hny__linked(&build->record));
    _Alignas(16) uint8_t block[HNY__SMALL_BLOCK];
    int rc = HNY_OK;
    for (uint32_t number = 0; build->record.copies && number < end && !rc; number++) {
        const hny__key key = hny__key_make(build->record.space, layout->kind, number);
        const uint32_t first = number * WORDS_PER_BLOCK, left = copies->slots - first;
        const uint32_t words = left < WORDS_PER_BLOCK ? left : WORDS_PER_BLOCK;
        if (number < base_blocks && !copies->changed[number]) {
            continue;
        }
        memset(block, 0, sizeof block);
        memcpy(block + layout->rows_offset, copies->words + first, words * sizeof *copies->words);
        rc = hny__put_block(txn, &key, layout, block);
    }
    return rc;
}
