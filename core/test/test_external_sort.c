/*
** The external merge sort: order over any number of runs, and files that cannot be written or
** read.
*/
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/external_sort.h"
#include "hannoy.h"

static uint64_t state = 88172645463325252u;

static uint64_t random64(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static int compare(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* A record is its key, then copies of the low byte of the key. */
static void add(hny__sort *sort, uint64_t key, size_t record) {
    uint8_t *const to = hny__sort_add(sort);
    assert_non_null(to);
    memset(to, (int)(key & 255), record);
    memcpy(to, &key, sizeof key);
}

static void add_run(hny__sort *sort, uint64_t *keys, size_t count, size_t record) {
    for (size_t i = 0; i < count; i++) {
        keys[i] = random64();
    }
    qsort(keys, count, sizeof *keys, compare);
    for (size_t i = 0; i < count; i++) {
        add(sort, keys[i], record);
    }
    assert_int_equal(hny__sort_end_run(sort), HNY_OK);
}

typedef struct listing {
    size_t record, count, runs;
    uint64_t *keys;
} listing;

static int list(void *arg, const uint8_t *record, size_t run) {
    listing *const l = arg;
    uint64_t key;
    memcpy(&key, record, sizeof key);
    for (size_t i = sizeof key; i < l->record; i++) {
        assert_int_equal(record[i], key & 255);
    }
    assert_true(run < l->runs);
    l->keys[l->count++] = key;
    return HNY_OK;
}

static void merge_and_compare(hny__sort *sort, uint64_t *keys, size_t count) {
    listing l = {sort->record_bytes, 0, sort->runs_count, malloc((count + 1) * sizeof *keys)};
    assert_int_equal(hny__sort_merge(sort, list, &l), HNY_OK);
    assert_int_equal(l.count, count);
    qsort(keys, count, sizeof *keys, compare);
    assert_memory_equal(l.keys, keys, count * sizeof *keys);
    free(l.keys);
}

/* One run up to HNY__MAX_SORT_RUNS, with records from 8 bytes to more than a buffer holds. */
static void test_merge(void **unused) {
    static const size_t runs[] = {1, 2, 3, 7, HNY__MAX_SORT_RUNS};
    static const size_t records[] = {8, 29, 4000, 3 << 20};
    (void)unused;
    for (size_t i = 0; i < 4 * 5; i++) {
        const size_t record = records[i % 4], max = record > 5000 ? 3 : 5000 / runs[i / 4] + 1;
        const size_t some = record > 5000 && runs[i / 4] > 7 ? 7 : runs[i / 4];
        uint64_t *const keys = malloc(some * max * sizeof *keys);
        hny__sort sort;
        assert_int_equal(hny__sort_open(&sort, NULL, record), HNY_OK);
        for (int again = 0; again < 2; again++) { /* a sort can be used again after a merge */
            size_t count = 0;
            for (size_t run = 0; run < some; run++) {
                const size_t size = random64() % (max + 1);
                add_run(&sort, keys + count, size, record);
                count += size;
            }
            merge_and_compare(&sort, keys, count);
        }
        hny__sort_close(&sort);
        free(keys);
    }
}

static void test_nothing(void **unused) {
    hny__sort sort;
    uint64_t none = 0;
    (void)unused;
    assert_int_equal(hny__sort_open(&sort, NULL, 16), HNY_OK);
    merge_and_compare(&sort, &none, 0);
    hny__sort_close(&sort);
    assert_int_equal(hny__sort_open(&sort, "/no/such/folder/file", 16), HNY_IO);
}

static int stop(void *arg, const uint8_t *record, size_t run) {
    (void)record;
    (void)run;
    return ++*(int *)arg == 10 ? HNY_INTERRUPT : HNY_OK;
}

static void test_stopped(void **unused) {
    hny__sort sort;
    uint64_t keys[100];
    int taken = 0;
    (void)unused;
    assert_int_equal(hny__sort_open(&sort, NULL, 16), HNY_OK);
    add_run(&sort, keys, 100, 16);
    assert_int_equal(hny__sort_merge(&sort, stop, &taken), HNY_INTERRUPT);
    assert_int_equal(taken, 10);
    hny__sort_close(&sort);
}

/* A run that cannot be written is dropped; the runs before it stay. */
static void test_full(void **unused) {
    hny__sort sort;
    uint64_t keys[1000];
    (void)unused;
    assert_int_equal(hny__sort_open(&sort, NULL, 100), HNY_OK);
    add_run(&sort, keys, 1000, 100);
    const hny__os_file writable = sort.file;
    sort.file = open("/dev/full", O_WRONLY);
    assert_true(sort.file >= 0);
    add(&sort, 1, 100);
    assert_int_equal(hny__sort_end_run(&sort), HNY_FULL);
    hny__os_file_close(sort.file);
    sort.file = writable;
    merge_and_compare(&sort, keys, 1000);
    hny__sort_close(&sort);
}

/* A truncated file is an error. */
static void test_short(void **unused) {
    hny__sort sort;
    uint64_t keys[1000];
    listing l = {100, 0, 1, malloc(sizeof keys)};
    (void)unused;
    assert_int_equal(hny__sort_open(&sort, NULL, 100), HNY_OK);
    add_run(&sort, keys, 1000, 100);
    assert_int_equal(hny__os_file_resize(sort.file, 99950), 0);
    assert_int_equal(hny__sort_merge(&sort, list, &l), HNY_IO);
    hny__sort_close(&sort);
    free(l.keys);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merge),   cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_stopped), cmocka_unit_test(test_full),
        cmocka_unit_test(test_short),
    };
    if (argc > 1) {
        state = strtoull(argv[1], NULL, 10);
    }
    printf("seed %llu\n", (unsigned long long)state);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
