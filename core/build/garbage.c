/* What nothing refers to any more: tables that were dropped, spaces that builds left behind. */
#include <stdlib.h>

#include "build/build.h"

#define SWEEP_KEYS 8192 /* deletions a transaction */

typedef struct sweep {
    uint32_t space;
    uint32_t deleted;
} sweep;

static int parse(const MDB_val *key, uint32_t *space, hny__kind *kind, uint32_t *number) {
    int64_t rowid;
    return hny__key_parse(key->mv_data, key->mv_size, space, kind, number, &rowid);
}

static int seek(MDB_cursor *cursor, uint32_t space, hny__kind kind, MDB_val *key) {
    hny__key from = hny__key_make(space, kind, 0);
    MDB_val value;
    *key = (MDB_val){from.size, from.bytes};
    return hny__cursor_get(cursor, key, &value, MDB_SET_RANGE);
}

static int space_body(void *arg, MDB_txn *txn, MDB_dbi dbi) {
    sweep *const s = arg;
    uint32_t space, number;
    hny__kind kind;
    MDB_cursor *cursor;
    MDB_val key, value;
    int rc = mdb_cursor_open(txn, dbi, &cursor);
    if (rc) return rc;
    s->deleted = 0;
    rc = seek(cursor, s->space, HNY__KIND_FILE, &key);
    while (!rc && s->deleted < SWEEP_KEYS) {
        if (!parse(&key, &space, &kind, &number) || space != s->space) break;
        rc = hny__cursor_del(cursor);
        s->deleted++;
        if (!rc) rc = hny__cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    hny__cursor_close(cursor, rc);
    return rc == MDB_NOTFOUND ? 0 : rc;
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

static int read_catalogue(catalogue *c, MDB_txn *txn, MDB_dbi dbi) {
    uint32_t space, number;
    hny__kind kind;
    MDB_cursor *cursor;
    MDB_val key, value;
    int rc = mdb_cursor_open(txn, dbi, &cursor);
    if (rc) return hny__env_status(rc);
    rc = seek(cursor, 0, HNY__KIND_TABLE, &key);
    if (!rc) rc = hny__cursor_get(cursor, &key, &value, MDB_GET_CURRENT);
    for (; !rc; rc = hny__cursor_get(cursor, &key, &value, MDB_NEXT)) {
        hny__table_record table;
        if (!parse(&key, &space, &kind, &number) || space != 0) break;
        const hny__key at = hny__key_make(0, HNY__KIND_TABLE, number);
        if (!is_live(c, number)) {
            roaring_bitmap_add(c->gone, number);
        } else if (!hny__table_record_read(value.mv_data, value.mv_size, &at, &table)) {
            roaring_bitmap_add(c->used, table.space);
        }
    }
    hny__cursor_close(cursor, rc);
    return rc == MDB_NOTFOUND ? HNY_OK : hny__env_status(rc);
}

/* Spaces that exist and that no live table has, below `limit`: one seek for each space. */
static int find_debris(const catalogue *c, MDB_txn *txn, MDB_dbi dbi, roaring_bitmap_t *debris) {
    uint32_t space = 1, number;
    hny__kind kind;
    MDB_cursor *cursor;
    MDB_val key;
    int rc = mdb_cursor_open(txn, dbi, &cursor);
    if (rc) return hny__env_status(rc);
    while (!(rc = seek(cursor, space, HNY__KIND_FILE, &key))) {
        if (!parse(&key, &space, &kind, &number)) break;
        if (!roaring_bitmap_contains(c->used, space)) roaring_bitmap_add(debris, space);
        space++;
    }
    hny__cursor_close(cursor, rc);
    return rc == MDB_NOTFOUND ? HNY_OK : hny__env_status(rc);
}

static int forget_body(void *arg, MDB_txn *txn, MDB_dbi dbi) {
    const catalogue *const c = arg;
    roaring_uint32_iterator_t at;
    int rc = 0;
    for (roaring_init_iterator(c->gone, &at); at.has_value && !rc;
         roaring_advance_uint32_iterator(&at)) {
        const hny__key key = hny__key_make(0, HNY__KIND_TABLE, at.current_value);
        rc = hny__del(txn, dbi, &key);
    }
    return rc;
}

static int look(hny__env *env, catalogue *c, roaring_bitmap_t *debris) {
    MDB_txn *txn = NULL;
    int rc = hny__env_begin_read(env, &txn);
    if (!rc) {
        rc = read_catalogue(c, txn, env->dbi);
        if (!rc) rc = find_debris(c, txn, env->dbi, debris);
        hny__env_end_read(env, txn);
    }
    if (txn) mdb_txn_abort(txn);
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
