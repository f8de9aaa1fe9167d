/* Free slots and free upper rows: sets of ids, stored in chunks. */
#include "sidecar/free_ids.h"

#include <stdlib.h>

#define CHUNK_SHIFT 16
#define LAST_CHUNK  ((HNY__MAX_SLOTS - 1) >> CHUNK_SHIFT)

int hny__free_ids_init(hny__free_ids *ids, hny__kind kind) {
    *ids = (hny__free_ids){.kind = kind, .taken = roaring_bitmap_create()};
    return ids->taken ? HNY_OK : HNY_NOMEM;
}

void hny__free_ids_free(hny__free_ids *ids) {
    if (ids->chunk) {
        roaring_bitmap_free(ids->chunk);
    }
    if (ids->taken) {
        roaring_bitmap_free(ids->taken);
    }
    ids->chunk = ids->taken = NULL;
}

/* Decodes a chunk, whose bytes are untrusted: CRoaring would take its own format on trust. */
static int decode_chunk(const hny__value *value, const hny__key *key, roaring_bitmap_t **out) {
    uint16_t *const ids = malloc(HNY__CHUNK_IDS * sizeof *ids);
    uint32_t count;
    int rc = ids ? hny__chunk_decode(value->data, value->size, key, ids, &count) : HNY_NOMEM;
    if (!rc) {
        *out = roaring_bitmap_create();
        rc = *out ? HNY_OK : HNY_NOMEM;
    }
    for (uint32_t i = 0; !rc && i < count; i++) {
        roaring_bitmap_add(*out, ids[i]);
    }
    free(ids);
    return rc;
}

/* The first chunk numbered `from` or above, or HNY_MISSING. */
static int find_chunk(hny__view *view, hny__kind kind, uint32_t from, uint32_t *chunk,
                      roaring_bitmap_t **out) {
    const hny__key key = hny__key_make(view->table.space, kind, from);
    hny__key found;
    hny__kind found_kind;
    hny__value value;
    uint32_t space;
    const int rc = hny__seek(view->txn, &key, &found, &value);
    if (rc) {
        return rc;
    }
    if (!hny__key_parse(&found, &space, &found_kind, chunk) || space != view->table.space ||
        found_kind != kind) {
        return HNY_MISSING;
    }
    return *chunk > LAST_CHUNK ? HNY_CORRUPT : decode_chunk(&value, &found, out);
}

/*
** Makes `chunk` one that has a number left.  HNY_CORRUPT: there is none, although one was counted.
*/
static int refill_chunk(hny__free_ids *ids, hny__view *view) {
    while (!ids->chunk || roaring_bitmap_is_empty(ids->chunk)) {
        const uint32_t from = ids->chunk ? ids->chunk_number + 1 : 0;
        if (ids->chunk) {
            roaring_bitmap_free(ids->chunk);
        }
        ids->chunk = NULL;
        const int rc = find_chunk(view, ids->kind, from, &ids->chunk_number, &ids->chunk);
        if (rc) {
            return rc == HNY_MISSING ? HNY_CORRUPT : rc;
        }
    }
    return HNY_OK;
}

/* Has the number no owner in the view? */
static bool is_free(const hny__free_ids *ids, hny__view *view, uint32_t number) {
    uint32_t owner, down;
    uint8_t level = 1;
    if (ids->kind == HNY__KIND_FREE_SLOTS) {
        return hny__view_deleted(view, number) && !view->status;
    }
    return !hny__view_upper(view, number, &owner, &down, &level) && level == 0;
}

int hny__free_ids_take(hny__free_ids *ids, hny__view *view, uint32_t *free_count, uint32_t *next,
                       uint32_t *out) {
    if (*free_count == 0) {
        if (*next >= HNY__MAX_SLOTS - 1) {
            return HNY_LIMIT;
        }
        *out = (*next)++;
        return HNY_OK;
    }
    const int rc = refill_chunk(ids, view);
    if (rc) {
        return rc;
    }
    const uint32_t low = roaring_bitmap_minimum(ids->chunk);
    roaring_bitmap_remove(ids->chunk, low);
    *out = ids->chunk_number << CHUNK_SHIFT | low;
    if (*out >= *next || !is_free(ids, view, *out)) {
        return view->status ? view->status : HNY_CORRUPT;
    }
    roaring_bitmap_add(ids->taken, *out);
    (*free_count)--;
    return HNY_OK;
}

int hny__free_ids_read(hny__view *view, hny__kind kind, roaring_bitmap_t *out) {
    roaring_bitmap_t *chunk = NULL;
    uint32_t number = 0;
    int rc = find_chunk(view, kind, 0, &number, &chunk);
    while (!rc) {
        roaring_uint32_iterator_t it;
        for (roaring_init_iterator(chunk, &it); it.has_value;
             roaring_advance_uint32_iterator(&it)) {
            roaring_bitmap_add(out, number << CHUNK_SHIFT | it.current_value);
        }
        roaring_bitmap_free(chunk);
        rc = find_chunk(view, kind, number + 1, &number, &chunk);
    }
    return rc == HNY_MISSING ? HNY_OK : rc;
}

int hny__deleted_ids_read(hny__view *view, roaring_bitmap_t *deleted_ids) {
    const hny__layout *const layout = &view->geometry.layout[HNY__DELETED];
    roaring_bitmap_t *const unused = roaring_bitmap_create();
    if (!unused) {
        return HNY_NOMEM;
    }
    int rc = hny__free_ids_read(view, HNY__KIND_FREE_SLOTS, unused);
    for (uint32_t number = 0; number < view->blocks[HNY__DELETED].count && !rc; number++) {
        const uint8_t *const block = hny__view_block(view, HNY__DELETED, number);
        for (uint32_t i = 0; block && i < layout->per_block; i++) {
            if (hny__deleted_at(block, i)) {
                roaring_bitmap_add(deleted_ids, number * layout->per_block + i);
            }
        }
        rc = view->status;
    }
    if (!rc) {
        roaring_bitmap_andnot_inplace(deleted_ids, unused);
    }
    roaring_bitmap_free(unused);
    return rc;
}

/* ----------------------------------------------------------------------------------- writing -- */

static int write_chunk(hny__txn *txn, const hny__key *key, const roaring_bitmap_t *chunk) {
    uint8_t value[HNY__CHUNK_BYTES];
    uint16_t *const ids = malloc(HNY__CHUNK_IDS * sizeof *ids);
    uint32_t count = 0;
    roaring_uint32_iterator_t it;
    if (!ids) {
        return HNY_NOMEM;
    }
    for (roaring_init_iterator(chunk, &it); it.has_value; roaring_advance_uint32_iterator(&it)) {
        ids[count++] = (uint16_t)it.current_value;
    }
    const size_t size = hny__chunk_encode(ids, count, value);
    free(ids);
    return count ? hny__put_digested(txn, key, value, size) : hny__del(txn, key);
}

/* Adds those of `all` that are in a chunk to `out`, or removes them, by their low bits. */
static void apply_to_chunk(const roaring_bitmap_t *all, uint32_t chunk, roaring_bitmap_t *out,
                           bool add) {
    const uint64_t first = (uint64_t)chunk << CHUNK_SHIFT;
    roaring_uint32_iterator_t it;
    roaring_init_iterator(all, &it);
    for (roaring_move_uint32_iterator_equalorlarger(&it, (uint32_t)first);
         it.has_value && it.current_value >> CHUNK_SHIFT == chunk;
         roaring_advance_uint32_iterator(&it)) {
        const uint32_t low = it.current_value & ((1u << CHUNK_SHIFT) - 1);
        if (add) {
            roaring_bitmap_add(out, low);
        } else {
            roaring_bitmap_remove(out, low);
        }
    }
}

static int change_chunk(hny__txn *txn, const hny__key *key, uint32_t number,
                        const roaring_bitmap_t *taken, const roaring_bitmap_t *freed) {
    roaring_bitmap_t *chunk = NULL;
    hny__value value;
    int rc = hny__get(txn, key, &value);
    if (rc == HNY_MISSING) {
        chunk = roaring_bitmap_create();
        rc = chunk ? HNY_OK : HNY_NOMEM;
    } else if (!rc) {
        rc = decode_chunk(&value, key, &chunk);
    }
    if (rc) {
        return rc;
    }
    apply_to_chunk(taken, number, chunk, false);
    apply_to_chunk(freed, number, chunk, true);
    rc = write_chunk(txn, key, chunk);
    roaring_bitmap_free(chunk);
    return rc;
}

int hny__free_ids_write(hny__txn *txn, uint32_t space, hny__kind kind,
                        const roaring_bitmap_t *taken, const roaring_bitmap_t *freed) {
    roaring_bitmap_t *const both = roaring_bitmap_or(taken, freed);
    roaring_uint32_iterator_t it;
    int rc = both ? HNY_OK : HNY_NOMEM;
    if (!both) {
        return rc;
    }
    roaring_init_iterator(both, &it);
    while (it.has_value && !rc) {
        const uint32_t number = it.current_value >> CHUNK_SHIFT;
        const hny__key key = hny__key_make(space, kind, number);
        rc = change_chunk(txn, &key, number, taken, freed);
        if (number == LAST_CHUNK ||
            !roaring_move_uint32_iterator_equalorlarger(&it, (number + 1) << CHUNK_SHIFT)) {
            break;
        }
    }
    roaring_bitmap_free(both);
    return rc;
}
