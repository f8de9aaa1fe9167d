/* The map of rowids against a plain list: random updates, lookups, and older nodes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sidecar/rowid_map.h"
#include "sidecar/sidecar.h"

#define TABLE 1
#define SPACE 1
#define MAX   20000

static hny_sidecar *sidecar;
static hny__env *env;
static hny__view view;
static hny__table_record record;
static hny__row_ref model[MAX + 5000];
static size_t count;
static uint32_t clock_;

static uint64_t state = 1;
static uint32_t below(uint32_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(((state >> 32) * n) >> 32);
}

static int begin(void **unused) {
    (void)unused;
    assert_int_equal(hny_sidecar_new(NULL, NULL, &sidecar), HNY_OK);
    assert_int_equal(hny__sidecar_env(sidecar, true, &env), HNY_OK);
    record = (hny__table_record){.dim = 2,
                                 .metric = HNY_EUCLIDEAN,
                                 .type = HNY_FLOAT32,
                                 .codes = HNY_CODES_FLOAT32,
                                 .m = 4,
                                 .space = SPACE,
                                 HNY__EMPTY_TABLE};
    count = 0;
    return 0;
}

static int end(void **unused) {
    (void)unused;
    hny__view_free(&view);
    hny_sidecar_unref(sidecar);
    return 0;
}

typedef struct change {
    const hny__row_ref *refs;
    size_t count;
    hny__table_record record;
    int expected;
} change;

static int update_body(void *arg, hny__txn *txn) {
    change *const c = arg;
    hny__file_record file;
    c->record = record;
    hny__file_record_init(&file);
    int rc = hny__put_file_record(txn, &file);
    assert_int_equal(rc, HNY_OK);
    rc = hny__rowid_map_update(txn, &c->record, c->refs, c->count);
    return rc ? rc : hny__put_table_record(txn, TABLE, &c->record);
}

static int update(const hny__row_ref *refs, size_t refs_count) {
    change c = {.refs = refs, .count = refs_count};
    const int rc = hny__env_write(env, update_body, &c);
    if (!rc) {
        record = c.record;
    }
    return rc;
}

/* Applies the same to the model. */
static void update_model(const hny__row_ref *refs, size_t refs_count) {
    static hny__row_ref merged[MAX + 5000];
    size_t i = 0, j = 0, out = 0;
    while (i < count || j < refs_count) {
        if (j == refs_count || (i < count && model[i].rowid < refs[j].rowid)) {
            merged[out++] = model[i++];
            continue;
        }
        i += i < count && model[i].rowid == refs[j].rowid;
        if (refs[j].slot != HNY__NONE) {
            merged[out++] = refs[j];
        }
        j++;
    }
    memcpy(model, merged, out * sizeof *merged);
    count = out;
}

static void pin(void) {
    bool fresh;
    assert_int_equal(hny__view_begin(&view, env, TABLE, &fresh), HNY_OK);
}

static size_t visited;
static int compare_next(void *arg, const hny__row_ref *ref) {
    (void)arg;
    assert_true(visited < count);
    assert_memory_equal(ref, &model[visited++], sizeof *ref);
    return HNY_OK;
}

static void check(void) {
    hny__row_ref ref;
    pin();
    visited = 0;
    assert_int_equal(hny__rowid_map_each(&view, compare_next, NULL), HNY_OK);
    assert_int_equal(visited, count);
    for (size_t i = 0; i < count; i += 1 + count / 500) {
        assert_int_equal(hny__rowid_map_find(&view, model[i].rowid, &ref), HNY_OK);
        assert_memory_equal(&ref, &model[i], sizeof ref);
        const bool gap = i + 1 == count || model[i].rowid + 1 < model[i + 1].rowid;
        if (gap && model[i].rowid < INT64_MAX) {
            assert_int_equal(hny__rowid_map_find(&view, model[i].rowid + 1, &ref), HNY_MISSING);
        }
    }
    assert_int_equal(hny__txn_check_pages(view.txn), HNY_OK);
    hny__view_end(&view);
}

static int compare_refs(const void *a, const void *b) {
    const hny__row_ref *const x = a, *const y = b;
    return (x->rowid > y->rowid) - (x->rowid < y->rowid);
}

/* So many changes: rowids of a range, some of them removed. */
static void change_some(size_t n, int64_t first, uint32_t range, uint32_t removed_percent) {
    static hny__row_ref refs[MAX];
    size_t unique = 0;
    for (size_t i = 0; i < n; i++) {
        const bool removed = below(100) < removed_percent;
        refs[i] = (hny__row_ref){first + below(range), removed ? HNY__NONE : below(1000), clock_++};
    }
    qsort(refs, n, sizeof *refs, compare_refs);
    for (size_t i = 0; i < n; i++) {
        if (unique == 0 || refs[i].rowid != refs[unique - 1].rowid) {
            refs[unique++] = refs[i];
        }
    }
    assert_int_equal(update(refs, unique), HNY_OK);
    update_model(refs, unique);
    check();
}

static void test_random(void **unused) {
    (void)unused;
    change_some(1, INT64_MAX - 5, 5, 0);
    change_some(1, INT64_MIN, 1, 0);
    change_some(5000, -2000, 9000, 10);
    for (int i = 0; i < 40; i++) {
        change_some(1 + below(300), (int64_t)below(20000) - 5000, 1 + below(12000), below(100));
    }
    /* Nearly all go and come: freed nodes are used again. */
    for (int i = 0; i < 6; i++) {
        change_some(MAX, -6000, 14000, i % 2 ? 0 : 100);
    }
    assert_true(record.rowid_nodes < 200);
}

/* Rowids that ascend fill their nodes. */
static void test_ascending(void **unused) {
    (void)unused;
    for (int i = 0; i < 30; i++) {
        change_some(500, 600 * i, 600, 0);
    }
    assert_true(record.rowid_nodes <= count / (HNY__ROWID_ENTRIES * 9 / 10) + 3);
    change_some(MAX, 0, 600 * 30 + 1, 100);
    change_some(MAX, 0, 600 * 30 + 1, 100);
    change_some(MAX, 0, 600 * 30 + 1, 100);
}

typedef struct node_copy {
    uint32_t number;
    hny__rowid_node node;
} node_copy;

static int get_node(node_copy *copy) {
    const hny__key key = hny__key_make(SPACE, HNY__KIND_ROWIDS, copy->number);
    hny__value value;
    pin();
    const int rc = hny__get(view.txn, &key, &value);
    if (!rc) {
        memcpy(&copy->node, value.data, sizeof copy->node);
    }
    hny__view_end(&view);
    return rc;
}

static int put_node_body(void *arg, hny__txn *txn) {
    node_copy *const copy = arg;
    const hny__key key = hny__key_make(SPACE, HNY__KIND_ROWIDS, copy->number);
    return hny__put_digested(txn, &key, &copy->node, sizeof copy->node);
}

/* An older version of a node is no part of the newer map, for readers and for updates. */
static void test_stale(void **unused) {
    const hny__row_ref change_of_7 = {7, 3, 99};
    hny__row_ref ref;
    (void)unused;
    change_some(3000, 0, 5000, 0);
    for (uint32_t number = 0; number < record.rowid_nodes; number++) {
        node_copy before = {.number = number}, after = {.number = number};
        assert_int_equal(get_node(&before), HNY_OK);
        change_some(2000, 0, 5000, 20);
        assert_int_equal(get_node(&after), HNY_OK);
        if (after.node.level == HNY__ROWID_FREE_LEVEL) {
            continue; /* no part of the map */
        }
        assert_int_equal(hny__env_write(env, put_node_body, &before), HNY_OK);
        pin();
        visited = 0;
        assert_int_equal(hny__rowid_map_each(&view, compare_next, NULL), HNY_CORRUPT);
        assert_true(hny__env_damaged(env));
        hny__view_end(&view);
        if (before.node.level > 0) {
            assert_int_equal(update(&change_of_7, 1), HNY_CORRUPT);
        }
        assert_int_equal(hny__env_write(env, put_node_body, &after), HNY_OK);
    }
    pin();
    assert_int_equal(hny__rowid_map_find(&view, INT64_MIN, &ref), HNY_MISSING);
    hny__view_end(&view);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_random, begin, end),
        cmocka_unit_test_setup_teardown(test_ascending, begin, end),
        cmocka_unit_test_setup_teardown(test_stale, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
