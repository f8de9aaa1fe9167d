/* Lookups in LMDB's pages, and their check: sound ones after many writes, and damaged ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sidecar/env_state.h"
#include "sidecar/lmdb_check.h"
#include "sidecar/records.h"
#include "sidecar/sidecar.h"

#define KEYS 4000

static hny_sidecar *sidecar;
static hny__env *env;
static uint32_t sizes[KEYS]; /* of values; 0: there is none */

static uint64_t state = 1;
static uint32_t below(uint32_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(((state >> 32) * n) >> 32);
}

static int begin(void **unused) {
    (void)unused;
    memset(sizes, 0, sizeof sizes);
    assert_int_equal(hny_sidecar_new(NULL, NULL, &sidecar), HNY_OK);
    assert_int_equal(hny__sidecar_env(sidecar, true, &env), HNY_OK);
    return 0;
}

static int end(void **unused) {
    (void)unused;
    hny_sidecar_unref(sidecar);
    return 0;
}

static hny__key key_of(uint32_t number) {
    return hny__key_make(1, HNY__KIND_LINKS, number * 3);
}

/* Values on a leaf, at both sides of the size from which they have overflow pages, and large. */
static uint32_t any_size(void) {
    static const uint32_t some[] = {8, 100, 2021, 2022, 2023, 2024, 4080, 4081, 12272, 20000};
    return some[below(sizeof some / sizeof *some)];
}

/* Puts and deletes some keys. */
static int write_body(void *arg, hny__txn *txn) {
    static uint8_t value[20000];
    const uint32_t changes = *(const uint32_t *)arg;
    for (uint32_t i = 0; i < changes; i++) {
        const uint32_t number = below(KEYS);
        const hny__key key = key_of(number);
        sizes[number] = below(3) ? any_size() : 0;
        memset(value, (int)(number % 251), sizeof value);
        const int rc =
            sizes[number] ? hny__put(txn, &key, value, sizes[number]) : hny__del(txn, &key);
        assert_int_equal(rc, HNY_OK);
    }
    return HNY_OK;
}

static void write_some(uint32_t changes) {
    assert_int_equal(hny__env_write(env, write_body, &changes), HNY_OK);
}

/* A value's place is where it is read; its leaf is a page of the file. */
static void check_place(const hny__txn *txn, const hny__key *key, const hny__value *value) {
    const hny__value file = hny__all_pages(txn);
    hny__value place, leaf;
    const int rc = hny__locate(txn, key, &place);
    assert_int_equal(rc, value->data ? HNY_OK : HNY_MISSING);
    assert_int_equal(hny__locate_leaf(txn, key, &leaf), HNY_OK);
    const size_t offset = (size_t)((const uint8_t *)leaf.data - (const uint8_t *)file.data);
    assert_true(offset % leaf.size == 0 && offset + leaf.size <= file.size);
    assert_int_equal(((const uint8_t *)leaf.data)[10], HNY__PAGE_LEAF);
    if (!rc) {
        assert_ptr_equal(place.data, value->data);
        assert_int_equal(place.size, value->size);
    }
}

static void check_keys(hny__txn *txn) {
    uint32_t next = KEYS; /* the first key behind the present one */
    for (uint32_t number = KEYS; number-- > 0;) {
        const hny__key key = key_of(number),
                       behind = hny__key_make(1, HNY__KIND_LINKS, 3 * number + 1);
        hny__key found;
        hny__value value;
        const int rc = hny__get(txn, &key, &value);
        assert_int_equal(rc, sizes[number] ? HNY_OK : HNY_MISSING);
        if (rc) {
            value.data = NULL;
        }
        check_place(txn, &key, &value);
        if (!rc) {
            assert_int_equal(value.size, sizes[number]);
            assert_int_equal(*(const uint8_t *)value.data, number % 251);
        }
        const int seek = hny__seek(txn, &behind, &found, &value);
        assert_int_equal(seek, next < KEYS ? HNY_OK : HNY_MISSING);
        if (!seek) {
            const hny__key expected = key_of(next);
            assert_memory_equal(&found, &expected, sizeof found);
        }
        next = sizes[number] ? number : next;
    }
}

/* Splits and merges, growth and shrinking: what LMDB makes passes the check. */
static void test_sound(void **unused) {
    static const uint32_t changes[] = {1, 20, 4000, 3000, 1, 500, 4000, 4000, 10};
    (void)unused;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        hny__txn *txn = NULL;
        write_some(changes[i]);
        assert_int_equal(hny__env_begin_read(env, &txn), HNY_OK);
        assert_int_equal(hny__txn_check_pages(txn), HNY_OK);
        check_keys(txn);
        hny__env_end_read(txn);
        hny__txn_free(txn);
    }
}

/* A copy of all pages, of exactly their size, so that a sanitizer sees what reads beyond them. */
static hny__pages copy_pages(const hny__pages *pages) {
    const size_t size = (size_t)(pages->meta.last_page + 1) * pages->meta.page_size;
    uint8_t *const base = malloc(size);
    assert_non_null(base);
    memcpy(base, pages->base, size);
    return (hny__pages){base, pages->meta};
}

/* Every key of a damaged copy: values lie within it. */
static void read_damaged(const hny__pages *pages) {
    const uint64_t size = (pages->meta.last_page + 1) * pages->meta.page_size;
    for (uint32_t number = 0; number < KEYS; number += 1 + below(200)) {
        const hny__key key = key_of(number);
        const uint8_t *data;
        uint64_t found;
        size_t bytes;
        if (hny__pages_seek(pages, hny__key_number(&key), &found, &data, &bytes) == HNY_OK) {
            assert_true(data >= pages->base && data + bytes <= pages->base + size);
        }
        data = hny__pages_locate(pages, hny__key_number(&key), &bytes);
        assert_true(!data || (data >= pages->base && data + bytes <= pages->base + size));
    }
}

/* A page of a tree, whose kind is in byte 10. */
static uint64_t any_tree_page(const hny__pages *pages) {
    for (;;) {
        const uint64_t page = 2 + below((uint32_t)pages->meta.last_page - 1);
        const uint8_t kind = pages->base[page * pages->meta.page_size + 10];
        if (kind == HNY__PAGE_BRANCH || kind == HNY__PAGE_LEAF) {
            return page;
        }
    }
}

/* Bytes of trees change one after the other. */
static void test_damaged(void **unused) {
    hny__txn *txn = NULL;
    (void)unused;
    write_some(4000);
    write_some(1000);
    assert_int_equal(hny__env_begin_read(env, &txn), HNY_OK);
    const hny__pages pages = copy_pages(&txn->pages);
    uint8_t *const base = (uint8_t *)(uintptr_t)pages.base;
    const uint32_t page_size = pages.meta.page_size;
    uint32_t noticed = 0;
    for (int i = 0; i < 20000; i++) {
        const uint64_t page = any_tree_page(&pages);
        const uint32_t offset = below(2) ? below(page_size) : below(200);
        uint8_t *const byte = base + page * page_size + offset;
        const uint8_t before = *byte;
        *byte = below(2) ? (uint8_t)(before ^ 1u << below(8)) : (uint8_t)below(256);
        read_damaged(&pages);
        if (i % 10 == 0) {
            const int rc = hny__lmdb_check_pages(&pages);
            noticed += rc == HNY_CORRUPT;
            assert_true(rc == HNY_OK || rc == HNY_CORRUPT);
        }
        *byte = before;
    }
    assert_true(noticed > 100);
    assert_int_equal(hny__lmdb_check_pages(&pages), HNY_OK);
    free(base);
    hny__env_end_read(txn);
    hny__txn_free(txn);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sound, begin, end),
        cmocka_unit_test_setup_teardown(test_damaged, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
