/* Keys, records and blocks: encoding and decoding, and rejection of damaged or foreign bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sidecar/format.h"

static void test_keys(void **unused) {
    const hny__key keys[] = {
        hny__key_make(0, HNY__KIND_TABLE, 7), hny__key_make(1, HNY__KIND_CODES, 0xffffffff),
        hny__key_make(1, HNY__KIND_LINKS, 0), hny__key_make(2, HNY__KIND_FILE, 0),
        hny__key_make(0xffffff, HNY__KIND_ATTRIBUTES, UINT32_MAX)};
    (void)unused;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const hny__key again = hny__key_of_number(hny__key_number(&keys[i]));
        uint32_t space, number;
        hny__kind kind;
        assert_memory_equal(&again, &keys[i], sizeof again);
        assert_true(hny__key_parse(&keys[i], &space, &kind, &number));
        const hny__key made = hny__key_make(space, kind, number);
        assert_memory_equal(&made, &keys[i], sizeof made);
        if (i > 0) {
            assert_true(memcmp(&keys[i - 1], &keys[i], sizeof *keys) < 0);
            assert_true(hny__key_number(&keys[i - 1]) < hny__key_number(&keys[i]));
        }
    }
}

static void test_key_refused(void **unused) {
    hny__key key = hny__key_make(3, HNY__KIND_CODES, 4);
    uint32_t space, number;
    hny__kind kind;
    (void)unused;
    key.bytes[3] = 200;
    assert_false(hny__key_parse(&key, &space, &kind, &number));
}

static void test_digest(void **unused) {
    uint8_t value[64];
    const hny__key key = hny__key_make(1, HNY__KIND_CODES, 9);
    const hny__key other = hny__key_make(1, HNY__KIND_CODES, 10);
    (void)unused;
    for (size_t i = 0; i < sizeof value; i++) {
        value[i] = (uint8_t)(i * 7);
    }
    hny__digest_write(value, sizeof value, &key);
    assert_true(hny__digest_ok(value, sizeof value, &key));
    assert_false(hny__digest_ok(value, sizeof value, &other));
    for (size_t i = 0; i < sizeof value; i++) {
        value[i] ^= 1;
        assert_false(hny__digest_ok(value, sizeof value, &key));
        value[i] ^= 1;
    }
    assert_false(hny__digest_ok(value, 7, &key));
}

static void test_file_record(void **unused) {
    const hny__key key = hny__key_make(0, HNY__KIND_FILE, 0);
    hny__file_record record, out;
    (void)unused;
    hny__file_record_init(&record);
    hny__digest_write(&record, sizeof record, &key);
    assert_int_equal(hny__file_record_read(&record, sizeof record, &out), HNY_OK);
    assert_int_equal(hny__file_record_read(&record, sizeof record - 1, &out), HNY_CORRUPT);
    assert_int_equal(hny__file_record_read(&record, 4, &out), HNY_CORRUPT);
    record.next_space++;
    assert_int_equal(hny__file_record_read(&record, sizeof record, &out), HNY_CORRUPT);
    record.format++;
    assert_int_equal(hny__file_record_read(&record, sizeof record, &out), HNY_VERSION);
    record.magic[0] = 'H';
    assert_int_equal(hny__file_record_read(&record, sizeof record, &out), HNY_CORRUPT);
}

/* A record with the right digest that contradicts itself is rejected. */
static void test_table_record(void **unused) {
    const hny__key key = hny__key_make(0, HNY__KIND_TABLE, 5);
    const hny__table_record good = {.dim = 8,
                                    .metric = HNY_COSINE,
                                    .type = HNY_FLOAT32,
                                    .codes = HNY_CODES_INT8,
                                    .m = 16,
                                    .space = 3,
                                    .slots = 10,
                                    .uppers = 2,
                                    .live = 7,
                                    .deleted = 2,
                                    .free_slots = 1,
                                    .entry_slot = 4,
                                    .entry_upper = 1,
                                    .entry_level = 1,
                                    .rowid_root = 3,
                                    .rowid_height = 1,
                                    .rowid_nodes = 4};
    hny__table_record bad[14], out, record = good;
    (void)unused;
    for (size_t i = 0; i < 14; i++) {
        bad[i] = good;
    }
    bad[0].dim = 0;
    bad[1].dim = HNY_MAX_DIM + 1;
    bad[2].metric = 9;
    bad[3].type = 0;
    bad[4].m = 64;
    bad[5].space = 0;
    bad[6].live = 8;
    bad[7].entry_slot = 10;
    bad[8].entry_upper = 2;
    bad[9].entry_level = 64;
    bad[10].free_uppers = 3;
    bad[11].rowid_root = 4;
    bad[12].rowid_height = 9;
    bad[13].rowid_height = 0;
    hny__digest_write(&record, sizeof record, &key);
    assert_int_equal(hny__table_record_read(&record, sizeof record, &key, &out), HNY_OK);
    assert_int_equal(hny__table_record_read(&record, sizeof record - 8, &key, &out), HNY_CORRUPT);
    for (size_t i = 0; i < 14; i++) {
        hny__digest_write(&bad[i], sizeof bad[i], &key);
        assert_int_equal(hny__table_record_read(&bad[i], sizeof bad[i], &key, &out), HNY_CORRUPT);
    }
}

static void test_boundary(void **unused) {
    const int64_t ids[] = {INT64_MIN, -7, -6, 0, 5, 1000000, INT64_MAX};
    const size_t count = sizeof ids / sizeof *ids;
    const hny_boundary boundary = {42, -43};
    const hny__key key = hny__key_make(1, HNY__KIND_BOUNDARY, 3);
    hny_boundary back;
    int64_t *list;
    void *value;
    size_t size, found;
    uint64_t digest, older;
    (void)unused;
    for (size_t first = 0; first <= count; first++) {
        assert_int_equal(
            hny__boundary_encode(&boundary, ids + first, count - first, 77, &key, &value, &size),
            HNY_OK);
        assert_int_equal(
            hny__boundary_decode(value, size, &key, &back, &digest, &older, &list, &found), HNY_OK);
        assert_memory_equal(&digest, value, sizeof digest);
        assert_int_equal(older, 77);
        assert_int_equal(found, count - first);
        if (found) {
            assert_memory_equal(list, ids + first, found * sizeof *list);
        }
        assert_true(back.seq == boundary.seq && back.chain == boundary.chain);
        free(list);
        for (size_t cut = 0; cut < size; cut++) {
            assert_int_equal(
                hny__boundary_decode(value, cut, &key, &back, &digest, &older, &list, &found),
                HNY_CORRUPT);
        }
        free(value);
    }
}

/* A boundary with the right digest and a wrong count is rejected. */
static void test_boundary_lies(void **unused) {
    const int64_t ids[] = {1, 2, 3};
    const hny_boundary boundary = {1, 2};
    const hny__key key = hny__key_make(1, HNY__KIND_BOUNDARY, 3);
    hny_boundary back;
    int64_t *list;
    void *value;
    size_t size, found;
    uint64_t digest, older;
    (void)unused;
    assert_int_equal(hny__boundary_encode(&boundary, ids, 3, 0, &key, &value, &size), HNY_OK);
    for (uint64_t lie = 4; lie; lie <<= 8) {
        memcpy((uint8_t *)value + 24, &lie, 8);
        hny__digest_write(value, size, &key);
        assert_int_equal(
            hny__boundary_decode(value, size, &key, &back, &digest, &older, &list, &found),
            HNY_CORRUPT);
    }
    free(value);
}

/* A chunk of free numbers, as a list and as bits, and chunks that are neither. */
static void test_chunk(void **unused) {
    static const uint32_t counts[] = {1, 2, 4096, 4097, 65536};
    static uint16_t ids[HNY__CHUNK_IDS], back[HNY__CHUNK_IDS];
    static uint8_t value[HNY__CHUNK_BYTES];
    const hny__key key = hny__key_make(1, HNY__KIND_FREE_SLOTS, 3);
    uint32_t found;
    (void)unused;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        for (uint32_t j = 0; j < counts[i]; j++) {
            ids[j] = (uint16_t)(65535 - (counts[i] - 1 - j));
        }
        const size_t size = hny__chunk_encode(ids, counts[i], value);
        hny__digest_write(value, size, &key);
        assert_int_equal(hny__chunk_decode(value, size, &key, back, &found), HNY_OK);
        assert_int_equal(found, counts[i]);
        assert_memory_equal(back, ids, found * sizeof *ids);
        hny__digest_write(value, size - 2, &key);
        assert_int_equal(hny__chunk_decode(value, size - 2, &key, back, &found), HNY_CORRUPT);
        value[8] ^= 1; /* another count */
        hny__digest_write(value, size, &key);
        assert_int_equal(hny__chunk_decode(value, size, &key, back, &found), HNY_CORRUPT);
    }
    const uint16_t twice[] = {5, 5};
    const size_t size = hny__chunk_encode(twice, 2, value);
    hny__digest_write(value, size, &key);
    assert_int_equal(hny__chunk_decode(value, size, &key, back, &found), HNY_CORRUPT);
}

/* The bytes that format.c shows as an example. */
static void test_boundary_example(void **unused) {
    static const uint8_t expected[] = {
        0x5b, 0xab, 0xa9, 0xf2, 0x24, 0x12, 0x5c, 0x9b, 0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x18, 0x36, 0x6e, 0xff, 0xfb, 0x21, 0xd4, 0x4f, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0x02, 0xab, 0x02, 0x01};
    static const uint8_t expected_key[] = {0x00, 0x00, 0x01, 0x02, 0x00, 0x00, 0x00, 0x01};
    static const int64_t ids[] = {1, 300, 301};
    const hny_boundary boundary = {5, 0x4fd421fbff6e3618};
    const hny__key key = hny__key_make(1, HNY__KIND_BOUNDARY, 1);
    void *value;
    size_t size;
    (void)unused;
    assert_int_equal(
        hny__boundary_encode(&boundary, ids, 3, 0x1122334455667788, &key, &value, &size), HNY_OK);
    assert_memory_equal(key.bytes, expected_key, sizeof expected_key);
    assert_int_equal(size, sizeof expected);
    assert_memory_equal(value, expected, sizeof expected);
    free(value);
}

static void test_geometry(void **unused) {
    static const uint32_t dims[] = {1, 2, 3, 8, 100, 384, 768, 1536, 4096, HNY_MAX_DIM};
    (void)unused;
    for (size_t d = 0; d < sizeof dims / sizeof *dims; d++) {
        for (uint8_t type = HNY_FLOAT32; type <= HNY_BIT; type++) {
            const hny__table_record table = {.dim = dims[d],
                                             .metric = HNY_COSINE,
                                             .type = type,
                                             .codes = HNY_CODES_INT8,
                                             .m = 4 + (uint32_t)d * 6,
                                             .attributes =
                                                 (uint8_t)(d % 2 ? HNY_MAX_ATTRIBUTES - d : 0)};
            hny__geometry g;
            hny__geometry_init(&g, &table);
            for (int f = 0; f < HNY__FAMILIES; f++) {
                const hny__layout *const l = &g.layout[f];
                if ((f == HNY__RESIDUALS && g.quantizer.exact) ||
                    (f == HNY__ATTRIBUTES && !table.attributes)) {
                    assert_int_equal(hny__layout_blocks(l, 1000), 0);
                    continue;
                }
                assert_int_equal((l->bytes + 16) % 4096, 0);
                assert_true(l->per_block >= 1 && l->per_block < 65536);
                for (uint64_t row = 0; row < HNY__MAX_SLOTS; row = row * 3 / 2 + 1) {
                    assert_int_equal(hny__layout_block(l, (uint32_t)row), row / l->per_block);
                }
            }
            const hny__layout *const r = &g.layout[HNY__CODES], *const c =
                                                                    &g.layout[HNY__RESIDUALS];
            assert_true(r->pitch >= r->row_bytes + 12 && r->pitch % 4 == 0);
            assert_true(r->rows_offset + r->pitch * r->per_block <= r->bytes);
            assert_true(c->rows_offset + c->pitch * c->per_block <= c->bytes);
            const hny__layout *const u = &g.layout[HNY__UPPER];
            assert_true(u->rows_offset + u->row_bytes * u->per_block <= u->bytes &&
                        u->rows_offset % 4 == 0);
            const hny__layout *const k = &g.layout[HNY__LINKS];
            assert_true(k->rows_offset + k->row_bytes * k->per_block <= k->bytes &&
                        k->rows_offset % 4 == 0);
        }
    }
}

/* The digest of a row depends on its slot and on every bit of the code and the rowid. */
static void test_rows(void **unused) {
    static const uint32_t dims[] = {1, 7, 100, 768};
    (void)unused;
    for (size_t d = 0; d < sizeof dims / sizeof *dims; d++) {
        const hny__table_record table = {.dim = dims[d],
                                         .metric = HNY_COSINE,
                                         .type = HNY_FLOAT32,
                                         .codes = HNY_CODES_INT8,
                                         .m = 8};
        hny__geometry g;
        hny__geometry_init(&g, &table);
        const hny__layout *const l = &g.layout[HNY__CODES];
        const hny__key key = hny__key_make(9, HNY__KIND_CODES, 3);
        const hny__key others[] = {hny__key_make(9, HNY__KIND_CODES, 4),
                                   hny__key_make(8, HNY__KIND_CODES, 3)};
        const uint32_t first = 3 * l->per_block, last = l->per_block - 1;
        uint8_t *const block = calloc(l->bytes, 1), *const code = malloc(l->row_bytes);
        for (uint32_t i = 0; i < l->per_block; i++) {
            memset(code, (int)(i + 1), l->row_bytes);
            hny__row_put(l, block, i, code);
            hny__rowid_put(l, block, i, -(int64_t)i - 5);
        }
        hny__block_seal(l, block, &key);
        assert_true(hny__block_ok(l, block, l->bytes, &key));
        assert_false(hny__block_ok(l, block, l->bytes - 1, &key));
        for (size_t i = 0; i < 2; i++) {
            assert_false(hny__block_ok(l, block, l->bytes, &others[i]));
        }
        for (uint32_t i = 0; i < l->per_block; i++) {
            const uint8_t *const row = hny__row_at(l, block, i);
            assert_true(hny__row_ok(l, 9, first + i, row));
            assert_false(hny__row_ok(l, 9, first + i + 1, row));
            assert_int_equal(hny__rowid_of(l, row), -(int64_t)i - 5);
        }
        uint8_t *const row = (uint8_t *)(uintptr_t)hny__row_at(l, block, last);
        for (uint32_t bit = 0; bit < 8 * (l->row_bytes + 12); bit++) {
            row[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_false(hny__row_ok(l, 9, first + last, row));
            assert_false(hny__block_ok(l, block, l->bytes, &key));
            row[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        free(block);
        free(code);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),          cmocka_unit_test(test_key_refused),
        cmocka_unit_test(test_digest),        cmocka_unit_test(test_file_record),
        cmocka_unit_test(test_table_record),  cmocka_unit_test(test_boundary),
        cmocka_unit_test(test_boundary_lies), cmocka_unit_test(test_boundary_example),
        cmocka_unit_test(test_chunk),         cmocka_unit_test(test_geometry),
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
