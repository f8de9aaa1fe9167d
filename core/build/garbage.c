/* Garbage collection: records of dropped tables, and spaces that no table uses. */
#include "build/garbage.h"

#include "build/erase.h"

#define DELETIONS_PER_WRITE 8192

/* The first key at or behind `number` of a kind.  HNY_MISSING: there is none. */
static int seek_kind(hny__txn *txn, uint32_t space, hny__kind kind, uint32_t number,
                     hny__key *found, hny__value *value) {
    const hny__key key = hny__key_make(space, kind, number);
    return hny__seek(txn, &key, found, value);
}

static uint32_t space_of(const hny__key *key) {
    return (uint32_t)(hny__key_number(key) >> 40);
}

static hny__kind kind_of(const hny__key *key) {
    hny__kind kind = HNY__KIND_FILE;
    uint32_t space, number;
    (void)hny__key_parse(key, &space, &kind, &number);
    return kind;
}

/* ----------------------------------------------------------------------------------- a space -- */

typedef struct space_deletion {
    uint32_t space;
    hny__kind kind;   /* the first one, */
    bool only;        /* or this one alone */
    uint32_t deleted; /* by the last transaction */
} space_deletion;

static int delete_space_body(void *arg, hny__txn *txn) {
    space_deletion *const d = arg;
    int rc = HNY_OK;
    d->deleted = 0;
    while (!rc && d->deleted < DELETIONS_PER_WRITE) {
        hny__key key;
        hny__value value;
        rc = seek_kind(txn, d->space, d->kind, 0, &key, &value);
        if (!rc && (space_of(&key) != d->space || (d->only && kind_of(&key) != d->kind))) {
            rc = HNY_MISSING;
        }
        if (!rc) {
            rc = hny__del(txn, &key);
            d->deleted++;
        }
    }
    return rc == HNY_MISSING ? HNY_OK : rc;
}

static int run_deletion(hny__env *env, space_deletion d) {
    int rc = HNY_OK;
    while (!rc && d.deleted == DELETIONS_PER_WRITE) {
        rc = hny__env_write(env, delete_space_body, &d);
    }
    return rc;
}

int hny__delete_space(hny__env *env, uint32_t space) {
    return run_deletion(
        env, (space_deletion){space, HNY__KIND_FILE, false, .deleted = DELETIONS_PER_WRITE});
}

int hny__delete_kind(hny__env *env, uint32_t space, hny__kind kind) {
    return run_deletion(env, (space_deletion){space, kind, true, .deleted = DELETIONS_PER_WRITE});
}

/* --------------------------------------------------------------------------------- all of it -- */

typedef struct garbage {
    const hny_build *build;
    roaring_bitmap_t *live_tables;    /* table numbers */
    roaring_bitmap_t *used_spaces;    /* of live tables */
    roaring_bitmap_t *dropped_tables; /* that have a record and are not live */
    roaring_bitmap_t *dropped_spaces; /* that exist and that no live table uses */
} garbage;

static void sort_out_table(garbage *g, uint32_t number, const hny__key *key,
                           const hny__value *value) {
    hny__table_record table;
    if (!roaring_bitmap_contains(g->live_tables, number)) {
        roaring_bitmap_add(g->dropped_tables, number);
    } else if (!hny__table_record_read(value->data, value->size, key, &table)) {
        roaring_bitmap_add(g->used_spaces, table.space);
        roaring_bitmap_add(g->used_spaces, hny__space_of(&table, HNY__KIND_ATTRIBUTES));
    }
}

static int find_dropped_tables(garbage *g, hny__txn *txn) {
    uint32_t number = 0, space;
    hny__kind kind;
    hny__key key;
    hny__value value;
    int rc = seek_kind(txn, 0, HNY__KIND_TABLE, number, &key, &value);
    while (!rc && hny__key_parse(&key, &space, &kind, &number) && space == 0 &&
           kind == HNY__KIND_TABLE) {
        sort_out_table(g, number, &key, &value);
        if (number == UINT32_MAX) {
            break;
        }
        rc = seek_kind(txn, 0, HNY__KIND_TABLE, number + 1, &key, &value);
    }
    return rc == HNY_MISSING ? HNY_OK : rc;
}

/* One seek for each space that exists; keys have 24 bits of it. */
static int find_dropped_spaces(garbage *g, hny__txn *txn) {
    int rc = HNY_OK;
    for (uint32_t space = 1; !rc && space <= 0xffffffu; space++) {
        hny__key key;
        hny__value value;
        rc = seek_kind(txn, space, HNY__KIND_FILE, 0, &key, &value);
        if (!rc) {
            space = space_of(&key);
        }
        if (!rc && !roaring_bitmap_contains(g->used_spaces, space)) {
            roaring_bitmap_add(g->dropped_spaces, space);
        }
    }
    return rc == HNY_MISSING ? HNY_OK : rc;
}

static int find_garbage(hny__env *env, garbage *g) {
    hny__txn *txn = NULL;
    int rc = hny__env_begin_read(env, &txn);
    if (!rc) {
        rc = find_dropped_tables(g, txn);
        if (!rc) {
            rc = find_dropped_spaces(g, txn);
        }
        hny__env_end_read(txn);
    }
    hny__txn_free(txn);
    return rc;
}

static int delete_tables_body(void *arg, hny__txn *txn) {
    const garbage *const g = arg;
    roaring_uint32_iterator_t table;
    int rc = hny__erase_mark(g->build, txn);
    roaring_init_iterator(g->dropped_tables, &table);
    for (; table.has_value && !rc; roaring_advance_uint32_iterator(&table)) {
        const hny__key key = hny__key_make(0, HNY__KIND_TABLE, table.current_value);
        rc = hny__del(txn, &key);
    }
    return rc;
}

static bool is_garbage_empty(const garbage *g) {
    return roaring_bitmap_is_empty(g->dropped_tables) && roaring_bitmap_is_empty(g->dropped_spaces);
}

static int delete_garbage(hny__env *env, garbage *g) {
    roaring_uint32_iterator_t space;
    int rc = is_garbage_empty(g) ? HNY_OK : hny__env_write(env, delete_tables_body, g);
    roaring_init_iterator(g->dropped_spaces, &space);
    for (; space.has_value && !rc; roaring_advance_uint32_iterator(&space)) {
        rc = hny__delete_space(env, space.current_value);
    }
    return rc;
}

static void free_garbage(garbage *g) {
    roaring_bitmap_t *const all[] = {g->live_tables, g->used_spaces, g->dropped_tables,
                                     g->dropped_spaces};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i]) {
            roaring_bitmap_free(all[i]);
        }
    }
}

int hny_build_sweep(hny_build *build, const uint32_t *live, size_t count) {
    garbage g = {build, roaring_bitmap_of_ptr(count, live), roaring_bitmap_create(),
                 roaring_bitmap_create(), roaring_bitmap_create()};
    int rc =
        g.live_tables && g.used_spaces && g.dropped_tables && g.dropped_spaces ? HNY_OK : HNY_NOMEM;
    hny_reader_end(build->reader);
    if (!rc) {
        rc = hny__build_take_graph(build);
    }
    if (!rc) {
        rc = find_garbage(build->env, &g);
    }
    if (!rc) {
        build->erase_pages |= (build->flags & HNY_BUILD_ERASE) && !is_garbage_empty(&g);
        rc = delete_garbage(build->env, &g);
    }
    free_garbage(&g);
    return rc;
}
