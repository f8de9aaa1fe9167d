/* What nothing refers to any more: tables that were dropped, spaces that builds left behind. */
#include <stdlib.h>

#include "build/build.h"

#define SWEEP_KEYS 8192 /* deletions a transaction */

typedef struct sweep {
    uint32_t space;
    uint32_t deleted;
} sweep;

static int seek_kind(hny__cursor *cursor, uint32_t space, hny__kind kind) {
    const hny__key key = hny__key_make(space, kind, 0);
    return hny__cursor_seek(cursor, &key);
}

static int space_body(void *arg, hny__txn *txn) {
    sweep *const s = arg;
    hny__cursor cursor;
    int rc = hny__cursor_open(&cursor, txn);
    s->deleted = 0;
    if (!rc) rc = seek_kind(&cursor, s->space, HNY__KIND_FILE);
    while (!rc && s->deleted < SWEEP_KEYS && cursor.space == s->space) {
        rc = hny__cursor_del(&cursor);
        s->deleted++;
        if (!rc) rc = hny__cursor_next(&cursor);
    }
    hny__cursor_close(&cursor);
    return rc == HNY_MISSING ? HNY_OK : rc;
}

int hny__delete_space(hny__env *env, uint32_t space) {
    sweep s = {space, SWEEP_KEYS};
    int rc = HNY_OK;
    while (!rc && s.deleted == SWEEP_KEYS) rc = hny__env_write(env, space_body, &s);
    return rc;
}

/* ------------------------------------------------------------------------------------ catalogue -- */

typedef struct catalogue {
    const uint32_t *live; /* table numbers */
    size_t count;
    roaring_bitmap_t *used; /* spaces that live tables have */
    roaring_bitmap_t *gone; /* tables that are not live */
} catalogue;

static int is_live(const catalogue *c, uint32_t table) {
    for (size_t i = 0; i < c->count; i++) {
        if (c->live[i] == table) return 1;
    }
    return 0;
}

static int read_catalogue(catalogue *c, hny__txn *txn) {
    hny__cursor cursor;
    int rc = hny__cursor_open(&cursor, txn);
    if (!rc) rc = seek_kind(&cursor, 0, HNY__KIND_TABLE);
    for (; !rc && cursor.space == 0; rc = hny__cursor_next(&cursor)) {
        const hny__key key = hny__key_make(0, HNY__KIND_TABLE, cursor.number);
        hny__table_record table;
        if (!is_live(c, cursor.number)) {
            roaring_bitmap_add(c->gone, cursor.number);
        } else if (!hny__table_record_read(cursor.value.data, cursor.value.size, &key, &table)) {
            roaring_bitmap_add(c->used, table.space);
        }
    }
    hny__cursor_close(&cursor);
    return rc == HNY_MISSING ? HNY_OK : rc;
}

/* Spaces that exist and that no live table has: one seek for each space. */
static int find_debris(const catalogue *c, hny__txn *txn, roaring_bitmap_t *debris) {
    uint32_t space = 1;
    hny__cursor cursor;
    int rc = hny__cursor_open(&cursor, txn);
    while (!rc) {
        rc = seek_kind(&cursor, space, HNY__KIND_FILE);
        if (rc) break;
        if (!roaring_bitmap_contains(c->used, cursor.space)) {
            roaring_bitmap_add(debris, cursor.space);
        }
        space = cursor.space + 1;
    }
    hny__cursor_close(&cursor);
    return rc == HNY_MISSING ? HNY_OK : rc;
}

static int forget_body(void *arg, hny__txn *txn) {
    const catalogue *const c = arg;
    roaring_uint32_iterator_t at;
    int rc = 0;
    for (roaring_init_iterator(c->gone, &at); at.has_value && !rc;
         roaring_advance_uint32_iterator(&at)) {
        const hny__key key = hny__key_make(0, HNY__KIND_TABLE, at.current_value);
        rc = hny__del(txn, &key);
    }
    return rc;
}

static int look(hny__env *env, catalogue *c, roaring_bitmap_t *debris) {
    hny__txn *txn = NULL;
    int rc = hny__env_begin_read(env, &txn);
    if (!rc) {
        rc = read_catalogue(c, txn);
        if (!rc) rc = find_debris(c, txn, debris);
        hny__env_end_read(env, txn);
    }
    hny__txn_free(txn);
    return rc;
}

int hny_build_sweep(hny_build *build, const uint32_t *live, size_t count) {
    catalogue c = {live, count, roaring_bitmap_create(), roaring_bitmap_create()};
    roaring_bitmap_t *const debris = roaring_bitmap_create();
    roaring_uint32_iterator_t at;
    hny_reader_end(build->reader);
    int rc = c.used && c.gone && debris ? look(build->env, &c, debris) : HNY_NOMEM;
    if (!rc && !roaring_bitmap_is_empty(c.gone)) rc = hny__env_write(build->env, forget_body, &c);
    if (!rc) {
        for (roaring_init_iterator(debris, &at); at.has_value && !rc;
             roaring_advance_uint32_iterator(&at)) {
            rc = hny__delete_space(build->env, at.current_value);
        }
    }
    if (c.used) roaring_bitmap_free(c.used);
    if (c.gone) roaring_bitmap_free(c.gone);
    if (debris) roaring_bitmap_free(debris);
    return rc;
}
