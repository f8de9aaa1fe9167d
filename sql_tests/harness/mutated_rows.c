/* Rows that all digests and checks confirm, up to the table record. */
#include "mutated_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -------------------------------------------------------------------- rows with all digests -- */

/* A node of the map of rowids: its level and count, and its entries: a rowid, a number, a check. */
#define NODE_LEVEL   8
#define NODE_COUNT   10
#define NODE_ENTRIES 16
#define ENTRY_BYTES  16
#define TABLE_ROOT   392
#define TABLE_CHECK  396
#define TABLE_NEWEST 416 /* the digest of its newest boundary */
#define OLDER        32  /* in a boundary: the digest of the one before */

/*
** Gives every entry for this number on this level of the map a check, and a rowid that it had;
** returns the node with the last of them.
*/
static const entry *set_check(image *file, const map *m, const entry *like, uint32_t level,
                              uint32_t number, uint32_t change, const int64_t *rowid) {
    const entry *found = NULL;
    for (size_t i = 0; i < m->entries.count; i++) {
        const entry *const e = &m->entries.items[i];
        if (kind_of(e) != ROWIDS || memcmp(e->key, like->key, 3) != 0 ||
            load(file, e->data + NODE_LEVEL, 1) != level) {
            continue;
        }
        for (uint64_t j = 0; j < load(file, e->data + NODE_COUNT, 2); j++) {
            const size_t at = e->data + NODE_ENTRIES + j * ENTRY_BYTES;
            if (load(file, at + 8, 4) != number) {
                continue;
            }
            store(file, at + 12, 4, load(file, at + 12, 4) ^ change);
            if (rowid) {
                store(file, at, 8, (uint64_t)*rowid);
            }
            found = e;
        }
    }
    return found;
}

/* From a leaf to the root, and the table record. */
static void seal_path(image *file, const map *m, const entry *node) {
    for (uint32_t level = 1; node && level < 8; level++) {
        const uint32_t before = (uint32_t)load(file, node->data, 4);
        seal(file, m, node);
        const uint32_t change = before ^ (uint32_t)load(file, node->data, 4);
        for (size_t i = 0; i < m->entries.count; i++) {
            const entry *const e = &m->entries.items[i];
            if (kind_of(e) == TABLE && load(file, e->data + TABLE_ROOT, 4) == number_of(node)) {
                store(file, e->data + TABLE_CHECK, 4,
                      load(file, e->data + TABLE_CHECK, 4) ^ change);
                seal(file, m, e);
            }
        }
        node = set_check(file, m, node, level, number_of(node), change, NULL);
    }
}

/* Another vector or another rowid in a row of codes, with all that confirms it. */
bool forge_row(image *file, const map *m, rng *r, char *what, size_t size) {
    const entry *e = NULL;
    code_rows rows;
    for (int i = 0; i < 100 && (!e || kind_of(e) != CODES); i++) {
        e = any_entry(m, r);
    }
    if (!e || kind_of(e) != CODES || !rows_of(m, e, &rows)) {
        return false;
    }
    const uint32_t i = rng_below(r, (uint32_t)rows.count);
    const size_t at = e->data + ROWS_OFFSET + rows.pitch * i;
    const uint32_t before = (uint32_t)load(file, at + rows.bytes, 4);
    int64_t rowid = (int64_t)load(file, at + rows.bytes - 8, 8);
    const bool other = rng_chance(r, 0.4);
    if (other) {
        rowid = rng_chance(r, 0.5) ? (int64_t)rng_below(r, 2000) : rowid + 1;
        store(file, at + rows.bytes - 8, 8, (uint64_t)rowid);
    } else {
        const size_t twin = e->data + ROWS_OFFSET + rows.pitch * rng_below(r, (uint32_t)rows.count);
        memmove(file->bytes + at, file->bytes + twin, rows.bytes - 8);
    }
    seal(file, m, e);
    const uint32_t change = before ^ (uint32_t)load(file, at + rows.bytes, 4);
    const uint32_t slot = number_of(e) * (uint32_t)rows.count + i;
    seal_path(file, m, set_check(file, m, e, 0, slot, change, &rowid));
    snprintf(what, size, "%s of slot %u", other ? "rowid" : "codes", slot);
    return true;
}

/* ------------------------------------------------------------ other values with all digests -- */

static const entry *entry_of(const map *m, const entry *like, uint32_t number) {
    for (size_t i = 0; i < m->entries.count; i++) {
        const entry *const e = &m->entries.items[i];
        if (e->key_size == like->key_size && memcmp(e->key, like->key, 4) == 0 &&
            number_of(e) == number) {
            return e;
        }
    }
    return NULL;
}

/* From a boundary to the newest one, and the table record. */
static void seal_boundaries(image *file, const map *m, const entry *e) {
    uint64_t before = load(&m->whole, e->data, 8);
    for (uint32_t number = number_of(e) + 1; e; number++) {
        seal(file, m, e);
        const uint64_t digest = load(file, e->data, 8);
        for (size_t i = 0; i < m->entries.count; i++) {
            const entry *const table = &m->entries.items[i];
            if (kind_of(table) == TABLE && load(file, table->data + TABLE_NEWEST, 8) == before) {
                store(file, table->data + TABLE_NEWEST, 8, digest);
                seal(file, m, table);
            }
        }
        e = entry_of(m, e, number);
        if (e && load(file, e->data + OLDER, 8) == before) {
            store(file, e->data + OLDER, 8, digest);
        }
        before = e ? load(&m->whole, e->data, 8) : 0;
    }
}

static void seal_all_above(image *file, const map *m, const entry *e) {
    if (kind_of(e) == ROWIDS) {
        seal_path(file, m, e);
    } else if (kind_of(e) == BOUNDARY) {
        seal_boundaries(file, m, e);
    } else {
        seal(file, m, e);
    }
}

bool forge_value(image *file, const map *m, rng *r, char *what, size_t size) {
    const bool node = rng_chance(r, 0.6);
    const entry *const e = entry_of_kind(m, node ? ROWIDS : BOUNDARY, r);
    if (!e) {
        return false;
    }
    if (node && rng_chance(r, 0.6)) { /* a rowid or a slot in the map */
        const uint64_t count = load(file, e->data + NODE_COUNT, 2);
        const size_t at = e->data + NODE_ENTRIES +
                          rng_below(r, (uint32_t)(count ? count : 1)) * (size_t)ENTRY_BYTES;
        const bool rowid = rng_chance(r, 0.5);
        change_number(file, rowid ? at : at + 8, rowid ? 8 : 4, r);
    } else {
        change_any(file, e, r);
    }
    seal_all_above(file, m, e);
    snprintf(what, size, "%s %u, with all above", node ? "node" : "boundary", number_of(e));
    return true;
}

bool take_back(image *file, const map *m, const image *other, bool all, rng *r, char *what,
               size_t size) {
    map before = map_of(other);
    const entry *const e = entry_of_kind(m, rng_below(r, COPIES + 1), r);
    const entry *const old = e ? same_entry(&before, e) : NULL;
    const bool done = old && old->size == e->size &&
                      memcmp(file->bytes + e->data, other->bytes + old->data, e->size) != 0;
    if (done) {
        memcpy(file->bytes + e->data, other->bytes + old->data, e->size);
        snprintf(what, size, "value %u of kind %d as before", number_of(e), kind_of(e));
    }
    if (done && all) {
        seal_all_above(file, m, e);
    }
    map_free(&before);
    return done;
}
