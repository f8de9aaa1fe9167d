#include "sidecar/free_ids.h"

#include <stdlib.h>

#define CHUNK_SHIFT  16
#define DIGEST_BYTES 8

int hny__free_ids_init(hny__free_ids *numbers, hny__kind kind) {
    *numbers = (hny__free_ids){.kind = kind, .taken = roaring_bitmap_create()};
    return numbers->taken ? HNY_OK : HNY_NOMEM;
}

void hny__free_ids_free(hny__free_ids *numbers) {
    if (numbers->here) {
        roaring_bitmap_free(numbers->here);
    }
    if (numbers->taken) {
        roaring_bitmap_free(numbers->taken);
    }
    numbers->here = numbers->taken = NULL;
}

static int decode_chunk(const hny__value *value, const hny__key *key, roaring_bitmap_t **out) {
    if (!hny__digest_ok(value->data, value->size, key)) {
        return HNY_CORRUPT;
    }
    *out = roaring_bitmap_portable_deserialize_safe((const char *)value->data + DIGEST_BYTES,
                                                    value->size - DIGEST_BYTES);
    return *out ? HNY_OK : HNY_NOMEM;
}

/* The first chunk numbered `from` or above, or HNY_MISSING. */
static int next_chunk(hny__view *view, hny__kind kind, uint32_t from, uint32_t *chunk,
                      roaring_bitmap_t **out) {
    const uint32_t space = view->table.space;
    hny__key key = hny__key_make(space, kind, from);
    hny__cursor cursor;
    int rc = hny__cursor_open(&cursor, view->txn);
    if (!rc) {
        rc = hny__cursor_seek(&cursor, &key);
    }
    if (!rc && (cursor.space != space || cursor.kind != kind)) {
        rc = HNY_MISSING;
    }
    if (!rc) {
        *chunk = cursor.number;
        key = hny__key_make(space, kind, *chunk);
        rc = decode_chunk(&cursor.value, &key, out);
    }
    hny__cursor_close(&cursor);
    return rc;
}

/* Makes `here` a chunk that has a number left; HNY_CORRUPT: there is none, against the count. */
static int refill(hny__free_ids *numbers, hny__view *view) {
    while (!numbers->here || roaring_bitmap_is_empty(numbers->here)) {
        const uint32_t from = numbers->here ? numbers->chunk + 1 : 0;
        if (numbers->here) {
            roaring_bitmap_free(numbers->here);
        }
        numbers->here = NULL;
        const int rc = next_chunk(view, numbers->kind, from, &numbers->chunk, &numbers->here);
        if (rc) {
            return rc == HNY_MISSING ? HNY_CORRUPT : rc;
        }
    }
    return HNY_OK;
}

int hny__free_ids_take(hny__free_ids *numbers, hny__view *view, uint32_t *free, uint32_t *next,
                       uint32_t *out) {
    if (*free == 0) {
        if (*next >= HNY__MAX_SLOTS - 1) {
            return HNY_LIMIT;
        }
        *out = (*next)++;
        return HNY_OK;
    }
    const int rc = refill(numbers, view);
    if (rc) {
        return rc;
    }
    const uint32_t low = roaring_bitmap_minimum(numbers->here);
    roaring_bitmap_remove(numbers->here, low);
    *out = numbers->chunk << CHUNK_SHIFT | low;
    if (*out >= *next) {
        return HNY_CORRUPT;
    }
    roaring_bitmap_add(numbers->taken, *out);
    (*free)--;
    return HNY_OK;
}

int hny__free_ids_read(hny__view *view, hny__kind kind, roaring_bitmap_t *out) {
    roaring_bitmap_t *here = NULL;
    uint32_t chunk = 0;
    int rc = next_chunk(view, kind, 0, &chunk, &here);
    while (!rc) {
        roaring_uint32_iterator_t at;
        for (roaring_init_iterator(here, &at); at.has_value; roaring_advance_uint32_iterator(&at)) {
            roaring_bitmap_add(out, chunk << CHUNK_SHIFT | at.current_value);
        }
        roaring_bitmap_free(here);
        rc = next_chunk(view, kind, chunk + 1, &chunk, &here);
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

/* ------------------------------------------------------------------------------------- writing -- */

static int write_chunk(hny__txn *txn, const hny__key *key, const roaring_bitmap_t *chunk) {
    if (roaring_bitmap_is_empty(chunk)) {
        return hny__del(txn, key);
    }
    const size_t size = DIGEST_BYTES + roaring_bitmap_portable_size_in_bytes(chunk);
    char *const bytes = calloc(1, size);
    if (!bytes) {
        return HNY_NOMEM;
    }
    roaring_bitmap_portable_serialize(chunk, bytes + DIGEST_BYTES);
    const int rc = hny__put_digested(txn, key, bytes, size);
    free(bytes);
    return rc;
}

/* The numbers of a chunk in `all`, by their low bits. */
static void part(const roaring_bitmap_t *all, uint32_t chunk, roaring_bitmap_t *out, int add) {
    const uint64_t first = (uint64_t)chunk << CHUNK_SHIFT;
    roaring_uint32_iterator_t at;
    roaring_init_iterator(all, &at);
    for (roaring_move_uint32_iterator_equalorlarger(&at, (uint32_t)first);
         at.has_value && at.current_value >> CHUNK_SHIFT == chunk;
         roaring_advance_uint32_iterator(&at)) {
        const uint32_t low = at.current_value & ((1u << CHUNK_SHIFT) - 1);
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
        rc = chunk ? 0 : HNY_NOMEM;
    } else if (!rc) {
        rc = decode_chunk(&value, key, &chunk);
    }
    if (rc) {
        return rc;
    }
    part(taken, number, chunk, 0);
    part(freed, number, chunk, 1);
    rc = write_chunk(txn, key, chunk);
    roaring_bitmap_free(chunk);
    return rc;
}

int hny__free_ids_write(hny__txn *txn, uint32_t space, hny__kind kind,
                        const roaring_bitmap_t *taken, const roaring_bitmap_t *freed) {
    roaring_bitmap_t *const both = roaring_bitmap_or(taken, freed);
    roaring_uint32_iterator_t at;
    int rc = both ? 0 : HNY_NOMEM;
    if (!both) {
        return rc;
    }
    roaring_init_iterator(both, &at);
    while (at.has_value && !rc) {
        const uint32_t number = at.current_value >> CHUNK_SHIFT;
        const hny__key key = hny__key_make(space, kind, number);
        rc = change_chunk(txn, &key, number, taken, freed);
        if (!roaring_move_uint32_iterator_equalorlarger(&at, (number + 1) << CHUNK_SHIFT)) {
            break;
        }
    }
    roaring_bitmap_free(both);
    return rc;
}
