/* Whatever runs records come in, they come back in their order; and a file that fails takes none with it. */
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

/* A record: its key, then the low byte of that over and over. */
static void add(hny__sort *spill, uint64_t key, size_t record) {
    uint8_t *const to = hny__sort_add(spill);
    assert_non_null(to);
    memset(to, (int)(key & 255), record);
    memcpy(to, &key, sizeof key);
}

static void add_run(hny__sort *spill, uint64_t *keys, size_t count, size_t record) {
    for (size_t i = 0; i < count; i++) {
        keys[i] = random64();
    }
    qsort(keys, count, sizeof *keys, compare);
    for (size_t i = 0; i < count; i++) {
        add(spill, keys[i], record);
    }
    assert_int_equal(hny__sort_end_run(spill), HNY_OK);
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

static void merge_and_compare(hny__sort *spill, uint64_t *keys, size_t count) {
    listing l = {spill->record, 0, spill->runs_count, malloc((count + 1) * sizeof *keys)};
    assert_int_equal(hny__sort_merge(spill, list, &l), HNY_OK);
    assert_int_equal(l.count, count);
    qsort(keys, count, sizeof *keys, compare);
    assert_memory_equal(l.keys, keys, count * sizeof *keys);
    free(l.keys);
}

/* From one run to the most that there may be, of records small and larger than any buffer. */
static void test_merge(void **unused) {
    static const size_t runs[] = {1, 2, 3, 7, HNY__MAX_SORT_RUNS};
    static const size_t records[] = {8, 29, 4000, 3 << 20};
    (void)unused;
    for (size_t i = 0; i < 4 * 5; i++) {
        const size_t record = records[i % 4], most = record > 5000 ? 3 : 5000 / runs[i / 4] + 1;
        const size_t some = record > 5000 && runs[i / 4] > 7 ? 7 : runs[i / 4];
        uint64_t *const keys = malloc(some * most * sizeof *keys);
        hny__sort spill;
        assert_int_equal(hny__sort_open(&spill, NULL, record), HNY_OK);
        for (int again = 0; again < 2; again++) { /* a merge leaves nothing behind */
            size_t count = 0;
            for (size_t run = 0; run < some; run++) {
                const size_t size = random64() % (most + 1);
                add_run(&spill, keys + count, size, record);
                count += size;
            }
            merge_and_compare(&spill, keys, count);
        }
        hny__sort_close(&spill);
        free(keys);
    }
}

static void test_nothing(void **unused) {
    hny__sort spill;
    uint64_t none = 0;
    (void)unused;
    assert_int_equal(hny__sort_open(&spill, NULL, 16), HNY_OK);
    merge_and_compare(&spill, &none, 0);
    hny__sort_close(&spill);
    assert_int_equal(hny__sort_open(&spill, "/no/such/folder/file", 16), HNY_IO);
}

static int stop(void *arg, const uint8_t *record, size_t run) {
    (void)record;
    (void)run;
    return ++*(int *)arg == 10 ? HNY_INTERRUPT : HNY_OK;
}

static void test_stopped(void **unused) {
    hny__sort spill;
    uint64_t keys[100];
    int taken = 0;
    (void)unused;
    assert_int_equal(hny__sort_open(&spill, NULL, 16), HNY_OK);
    add_run(&spill, keys, 100, 16);
    assert_int_equal(hny__sort_merge(&spill, stop, &taken), HNY_INTERRUPT);
    assert_int_equal(taken, 10);
    hny__sort_close(&spill);
}

/* The run that could not be written is forgotten; those before it are there. */
static void test_full(void **unused) {
    hny__sort spill;
    uint64_t keys[1000];
    (void)unused;
    assert_int_equal(hny__sort_open(&spill, NULL, 100), HNY_OK);
    add_run(&spill, keys, 1000, 100);
    const int writable = spill.fd;
    spill.fd = open("/dev/full", O_WRONLY);
    assert_true(spill.fd >= 0);
    add(&spill, 1, 100);
    assert_int_equal(hny__sort_end_run(&spill), HNY_FULL);
    close(spill.fd);
    spill.fd = writable;
    merge_and_compare(&spill, keys, 1000);
    hny__sort_close(&spill);
}

/* A file that lost its end is an error, not rows of nothing. */
static void test_short(void **unused) {
    hny__sort spill;
    uint64_t keys[1000];
    listing l = {100, 0, 1, malloc(sizeof keys)};
    (void)unused;
    assert_int_equal(hny__sort_open(&spill, NULL, 100), HNY_OK);
    add_run(&spill, keys, 1000, 100);
    assert_int_equal(ftruncate(spill.fd, 99950), 0);
    assert_int_equal(hny__sort_merge(&spill, list, &l), HNY_IO);
    hny__sort_close(&spill);
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
