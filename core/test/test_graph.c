/*
** The whole engine under random changes: after every build all invariants hold, everything is
** reachable, and searches with an ef of all rows, scans and masks agree with an exact answer.
*/
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "build/row_moves.h"

#define IDS 1200

static uint64_t state;

static uint64_t random64(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static uint32_t below(uint32_t limit) {
    return (uint32_t)(random64() >> 33) % limit;
}

typedef struct world {
    hny_shape shape;
    hny_options options;
    hny_sidecar *sidecar;
    size_t bytes;
    uint8_t *vectors; /* IDS of them */
    uint8_t present[IDS];
    int64_t seq;
    int appended; /* builds that found unlinked rows */
    int dropped;  /* steps of the linker that did not fit the newest state */
    int rebased;  /* and steps that did */
    int moved;    /* steps that linked rows in free slots, */
    int emptied;  /* and whose rows were all replaced meanwhile */
    int lowered;  /* times that the table got shorter */
    unsigned threads;
    int spread; /* distinct values of a component: few of them make equal vectors */
} world;

static int64_t rowid_of(uint32_t id) {
    return id % 3 == 0 ? (int64_t)id - 600 : (int64_t)id * 1000003 * (id % 3 == 1 ? 1 : -7);
}

static uint8_t *vector_of(const world *w, uint32_t id) {
    return w->vectors + id * w->bytes;
}

static void random_vector(const world *w, uint8_t *out) {
    for (uint32_t i = 0; i < w->shape.dim; i++) {
        const int value = (int)below((uint32_t)w->spread) - w->spread / 2;
        const float real = (float)value / 4;
        const uint16_t half = hny_half_from_float(real);
        switch (w->shape.type) {
        case HNY_FLOAT32:
            memcpy(out + 4 * i, &real, 4);
            break;
        case HNY_FLOAT16:
            memcpy(out + 2 * i, &half, 2);
            break;
        case HNY_INT8:
            out[i] = (uint8_t)(int8_t)(value % 127);
            break;
        default:
            if (i % 8 == 0) {
                out[i / 8] = 0;
            }
            out[i / 8] = (uint8_t)(out[i / 8] | (value > 0) << (i % 8));
        }
    }
}

static void world_open(world *w, const char *database, hny_shape shape, hny_codes codes, uint32_t m,
                       unsigned threads, int spread) {
    memset(w, 0, sizeof *w);
    w->shape = shape;
    w->options = (hny_options){shape, (uint8_t)codes, m, 24, 0, 0};
    w->bytes = hny_vector_bytes(shape);
    w->vectors = calloc(IDS, w->bytes);
    w->threads = threads;
    w->spread = spread;
    assert_int_equal(hny_sidecar_new(database, NULL, &w->sidecar), HNY_OK);
}

static void world_close(world *w) {
    hny_sidecar_unref(w->sidecar);
    free(w->vectors);
}

static uint32_t rows_of(const world *w) {
    uint32_t rows = 0;
    for (uint32_t id = 0; id < IDS; id++) {
        rows += w->present[id];
    }
    return rows;
}

static uint64_t nodes_of(const world *w) {
    hny_reader *reader;
    hny_stats stats;
    assert_int_equal(hny_reader_new(w->sidecar, 7, w->shape, 0, 0, &reader), HNY_OK);
    const int rc = hny_reader_begin(reader);
    assert_true(rc == HNY_OK || rc == HNY_MISSING);
    if (!rc) {
        assert_int_equal(hny_reader_stats(reader, false, &stats), HNY_OK);
    }
    hny_reader_free(reader);
    return rc ? 0 : stats.nodes;
}

/* One build of `changes` random changes; `restart` starts over. */
static void change(world *w, uint32_t changes, uint32_t deletes, int restart, int flags) {
    hny_build *build;
    uint8_t touched[IDS] = {0};
    const uint64_t nodes = restart ? 0 : nodes_of(w);
    assert_int_equal(hny_build_open(w->sidecar, 7, &w->options,
                                    &(hny_build_limits){.threads = w->threads}, flags, &build),
                     HNY_OK);
    for (uint32_t i = 0; i < changes; i++) {
        const uint32_t id = below(IDS);
        touched[id] = 1;
        w->present[id] = below(100) >= deletes;
        if (w->present[id]) {
            random_vector(w, vector_of(w, id));
        }
    }
    if (restart) {
        assert_int_equal(hny_build_restart(build), HNY_OK);
    }
    w->appended += (flags & HNY_BUILD_APPEND) && hny_build_unlinked(build) > 0;
    hny_build_expect(build, changes);
    for (uint32_t id = 0; id < IDS; id++) {
        if (!touched[id] && !restart) {
            continue;
        }
        if (w->present[id]) {
            assert_int_equal(hny_build_put(build, rowid_of(id), vector_of(w, id), NULL), HNY_OK);
        } else {
            assert_int_equal(hny_build_remove(build, rowid_of(id)), HNY_OK);
        }
    }
    w->seq += changes;
    assert_int_equal(hny_build_publish(build, (hny_boundary){w->seq, w->seq * 31}), HNY_OK);
    assert_int_equal(hny_build_erase(build), HNY_OK);
    hny_build_close(build);
    assert_true(!(flags & HNY_BUILD_DEFER) || nodes_of(w) == nodes); /* none was linked */
}

/* The exact answer, masked ids left out. */
static size_t exact(const world *w, const void *query, const uint8_t *masked, hny_hit *out) {
    hny_distance_computer *probe;
    size_t count = 0;
    assert_int_equal(hny_distance_computer_new(w->shape, query, &probe), HNY_OK);
    for (uint32_t id = 0; id < IDS; id++) {
        if (!w->present[id] || masked[id]) {
            continue;
        }
        out[count++] =
            (hny_hit){hny_distance_computer_distance(probe, vector_of(w, id)), rowid_of(id), 0};
    }
    hny_distance_computer_free(probe);
    qsort(out, count, sizeof *out, hny_hit_compare);
    return count;
}

/* Each hit is a row of the exact answer, once, and its error bounds its distance. */
static void assert_hits(const hny_hit *want, size_t rows, const hny_hit *got, size_t count) {
    for (size_t i = 0; i < count; i++) {
        size_t at = 0;
        while (at < rows && want[at].rowid != got[i].rowid) {
            at++;
        }
        assert_true(at < rows);
        assert_true(fabs(got[i].distance - want[at].distance) <= got[i].error);
        for (size_t j = 0; j < i; j++) {
            assert_true(got[j].rowid != got[i].rowid);
        }
    }
}

/* Rows that are not among the hits are not nearer than the lower bound of the last hit. */
static void assert_nothing_nearer(const hny_hit *want, size_t rows, const hny_hit *got,
                                  size_t count) {
    for (size_t i = 0; i < rows; i++) {
        size_t at = 0;
        while (at < count && got[at].rowid != want[i].rowid) {
            at++;
        }
        if (at == count) {
            assert_true(want[i].distance >= hny_hit_lower_bound(&got[count - 1]));
        }
    }
}

static hny_hit *reserve(void *arg, size_t capacity) {
    assert_true(capacity <= IDS);
    return arg;
}

static void compare_answers(const world *w, hny_reader *reader, const uint8_t *masked) {
    static hny_hit want[IDS], got[2 * IDS];
    uint8_t *const query = malloc(w->bytes);
    random_vector(w, query);
    const size_t rows = exact(w, query, masked, want);
    hny_search all = {
        .vector = query, .k = IDS, .ef = rows_of(w) + 1, .reserve = reserve, .arg = got};
    assert_int_equal(hny_reader_search(reader, &all), HNY_OK);
    assert_int_equal(all.count, rows);
    assert_hits(want, rows, got, rows);
    for (size_t i = 0; i < rows; i++) {
        assert_true(got[i].error > 0 || got[i].rowid == want[i].rowid);
    }

    hny_search scan = {.vector = query, .k = 10, .reserve = reserve, .arg = got};
    assert_int_equal(hny_reader_scan(reader, &scan), HNY_OK);
    const size_t count = scan.count;
    assert_true(count >= (rows < 10 ? rows : 10));
    assert_true(count == rows || !scan.exhaustive);
    assert_hits(want, rows, got, count);
    if (!scan.exhaustive) {
        hny_search next = {.vector = query, .k = 10, .after = &got[count - 1], .reserve = reserve};
        next.arg = got + count;
        assert_nothing_nearer(want, rows, got, count);
        assert_int_equal(hny_reader_scan(reader, &next), HNY_OK);
        assert_true(next.count >= (rows - count < 10 ? rows - count : 10));
        assert_hits(want, rows, got, count + next.count);
        if (!next.exhaustive) {
            assert_nothing_nearer(want, rows, got, count + next.count);
        }
    }
    free(query);
}

static void verify(const world *w) {
    hny_reader *reader;
    hny_stats stats;
    char *fault = NULL;
    uint8_t masked[IDS] = {0};
    int64_t ids[200];
    assert_int_equal(hny_reader_new(w->sidecar, 7, w->shape, 0, 0, &reader), HNY_OK);
    assert_int_equal(hny_reader_begin(reader), HNY_OK);
    assert_int_equal(hny_reader_check(reader, (hny_interrupt){0}, &fault), HNY_OK);
    if (fault) {
        fail_msg("%s", fault);
    }
    assert_int_equal(hny_reader_stats(reader, 1, &stats), HNY_OK);
    assert_int_equal(stats.rows, rows_of(w));
    assert_int_equal(stats.boundary.seq, w->seq);
    compare_answers(w, reader, masked);
    for (int i = 0; i < 200; i++) {
        const uint32_t id = below(IDS);
        masked[id] = 1;
        ids[i] = rowid_of(id);
    }
    assert_int_equal(hny_reader_mask(reader, ids, 120), HNY_OK);
    assert_int_equal(hny_reader_mask_more(reader, ids + 100, 100), HNY_OK);
    compare_answers(w, reader, masked);
    for (uint32_t id = 0; id < IDS; id += 13) {
        assert_int_equal(hny_reader_holds(reader, rowid_of(id), vector_of(w, id), NULL),
                         w->present[id]);
    }
    hny_reader_end(reader);
    hny_reader_free(reader);
}

static void run(hny_shape shape, hny_codes codes, uint32_t m, unsigned threads, int spread) {
    world w;
    world_open(&w, NULL, shape, codes, m, threads, spread);
    change(&w, 30, 0, 0, 0);
    verify(&w);
    change(&w, 900, 5, 0, 0);
    verify(&w);
    for (int i = 0; i < 6; i++) {
        change(&w, 1 + below(300), 10 + below(80), 0, i % 2 ? HNY_BUILD_CONSOLIDATE : 0);
        verify(&w);
    }
    for (int i = 0; i < 8; i++) {
        change(&w, 1 + below(12), below(60), 0, HNY_BUILD_APPEND);
        verify(&w);
    }
    change(&w, 0, 0, 0, 0); /* links the appended rows */
    verify(&w);
    change(&w, 10, 0, 0, HNY_BUILD_APPEND);
    verify(&w);
    change(&w, 6000, 100, 0, 0); /* deletes all rows */
    verify(&w);
    change(&w, 200, 0, 0, 0);
    verify(&w);
    change(&w, 0, 0, 1, 0);
    verify(&w);
    assert_true(w.appended > 0);
    world_close(&w);
}

static void test_metrics(void **unused) {
    (void)unused;
    run((hny_shape){8, HNY_COSINE, HNY_FLOAT32}, HNY_CODES_FLOAT32, 8, 1, 64);
    run((hny_shape){3, HNY_EUCLIDEAN, HNY_FLOAT16}, HNY_CODES_FLOAT32, 4, 1, 64);
    run((hny_shape){17, HNY_MANHATTAN, HNY_INT8}, HNY_CODES_FLOAT32, 16, 1, 100);
    run((hny_shape){70, HNY_HAMMING, HNY_BIT}, HNY_CODES_FLOAT32, 63, 1, 8);
    run((hny_shape){24, HNY_DOT, HNY_FLOAT32}, HNY_CODES_INT4, 16, 1, 100);
    run((hny_shape){40, HNY_HAMMING, HNY_FLOAT32}, HNY_CODES_FLOAT32, 5, 1, 8);
    run((hny_shape){33, HNY_COSINE, HNY_BIT}, HNY_CODES_FLOAT32, 6, 1, 8);
}

static void test_codes(void **unused) {
    (void)unused;
    for (uint8_t metric = HNY_COSINE; metric <= HNY_MANHATTAN; metric++) {
        run((hny_shape){24, metric, HNY_FLOAT32}, HNY_CODES_INT8, 8, 1, 64);
        run((hny_shape){24, metric, HNY_FLOAT32}, HNY_CODES_INT4, 8, 1, 64);
        run((hny_shape){24, metric, HNY_FLOAT32}, HNY_CODES_FLOAT16, 8, 1, 64);
        run((hny_shape){24, metric, HNY_FLOAT16}, HNY_CODES_INT8, 8, 1, 64);
        run((hny_shape){24, metric, HNY_INT8}, HNY_CODES_BIT, 8, 1, 64);
        run((hny_shape){24, metric, HNY_FLOAT32}, HNY_CODES_BIT, 8, 1, 64);
    }
}

static void test_equal_vectors(void **unused) {
    (void)unused;
    run((hny_shape){1, HNY_EUCLIDEAN, HNY_FLOAT32}, HNY_CODES_FLOAT32, 4, 1, 2);
    run((hny_shape){2, HNY_COSINE, HNY_FLOAT32}, HNY_CODES_INT8, 4, 2, 3);
    run((hny_shape){2, HNY_MANHATTAN, HNY_FLOAT32}, HNY_CODES_BIT, 4, 2, 3);
}

static void test_threads(void **unused) {
    (void)unused;
    run((hny_shape){12, HNY_EUCLIDEAN, HNY_FLOAT32}, HNY_CODES_FLOAT32, 6, 4, 200);
    run((hny_shape){12, HNY_COSINE, HNY_FLOAT32}, HNY_CODES_FLOAT32, 4, 8, 200);
}

/* Rows that are spilled to a file are indexed like those that fit in memory. */
static void test_spills(void **unused) {
    static const char *const sizes[] = {"0", "700", "20000"};
    (void)unused;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        setenv("HANNOY_BUILD_MEMORY", sizes[i], 1);
        run((hny_shape){8, HNY_COSINE, HNY_FLOAT32}, HNY_CODES_INT4, 8, 1, 64);
        run((hny_shape){3, HNY_EUCLIDEAN, HNY_FLOAT16}, HNY_CODES_FLOAT32, 4, 2, 64);
        run((hny_shape){70, HNY_HAMMING, HNY_BIT}, HNY_CODES_FLOAT32, 16, 1, 8);
    }
    unsetenv("HANNOY_BUILD_MEMORY");
}

/* With one thread the same changes give the same links. */
static void test_repeats(void **unused) {
    uint64_t links[2];
    (void)unused;
    for (int i = 0; i < 2; i++) {
        world w;
        hny_reader *reader;
        hny_stats stats;
        state = 4711;
        world_open(&w, NULL, (hny_shape){9, HNY_COSINE, HNY_FLOAT32}, HNY_CODES_INT8, 8, 1, 100);
        change(&w, 2000, 10, 0, 0);
        change(&w, 300, 50, 0, 0);
        assert_int_equal(hny_reader_new(w.sidecar, 7, w.shape, 0, 0, &reader), HNY_OK);
        assert_int_equal(hny_reader_begin(reader), HNY_OK);
        assert_int_equal(hny_reader_stats(reader, 1, &stats), HNY_OK);
        links[i] = stats.links;
        hny_reader_end(reader);
        hny_reader_free(reader);
        world_close(&w);
    }
    assert_int_equal(links[0], links[1]);
}

/* Other builds between the start of a build that only links, and its publication. */
typedef enum meanwhile { NOTHING, APPENDED, REFUSED } meanwhile;

static void link_rows(world *w, uint32_t count, meanwhile what) {
    hny_build *build;
    hny_stats before, after;
    hny_reader *reader;
    const hny_build_limits limits = {.threads = w->threads, .link = count};
    assert_int_equal(hny_build_open(w->sidecar, 7, &w->options, &limits, HNY_BUILD_LINK, &build),
                     HNY_OK);
    assert_int_equal(hny_reader_stats(hny_build_reader(build), false, &before), HNY_OK);
    if (what == APPENDED) {
        change(w, 1 + below(count % 2 ? 150 : 4), 40, 0,
               HNY_BUILD_APPEND | HNY_BUILD_DEFER | (count % 3 ? 0 : HNY_BUILD_ERASE));
    } else if (what == REFUSED) { /* it would change links */
        hny_build *other;
        assert_int_equal(hny_build_open(w->sidecar, 7, &w->options, &limits, 0, &other), HNY_BUSY);
    }
    const int rc = hny_build_publish(build, before.boundary);
    hny_build_close(build);
    if (what == APPENDED && rc == HNY_BUSY) { /* it has deleted a row that was linked */
        w->dropped++;
    } else {
        assert_int_equal(rc, HNY_OK);
        w->rebased += what == APPENDED;
    }
    assert_int_equal(hny_reader_new(w->sidecar, 7, w->shape, 0, 0, &reader), HNY_OK);
    assert_int_equal(hny_reader_begin(reader), HNY_OK);
    assert_int_equal(hny_reader_stats(reader, false, &after), HNY_OK);
    if (what == NOTHING) {
        assert_true(after.unlinked == (before.unlinked > count ? before.unlinked - count : 0));
    }
    assert_true(after.boundary.seq == w->seq);
    hny_reader_end(reader);
    hny_reader_free(reader);
}

/* Its two files are all that the folder has. */
static void remove_sidecar(const char *folder, const char *database) {
    char path[80];
    snprintf(path, sizeof path, "%s-hannoy", database);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s-hannoy-lock", database);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* Rows are appended, and linked in steps by builds that others come between. */
static void test_links(void **unused) {
    char folder[] = "/tmp/hannoy-test-XXXXXX", database[64];
    (void)unused;
    assert_non_null(mkdtemp(folder));
    snprintf(database, sizeof database, "%s/a.db", folder);
    for (unsigned threads = 1; threads <= 3; threads += 2) {
        world w;
        world_open(&w, database, (hny_shape){6, HNY_EUCLIDEAN, HNY_FLOAT32}, HNY_CODES_INT8, 5,
                   threads, 100);
        change(&w, 100, 10, 1, threads == 1 ? 0 : HNY_BUILD_APPEND | HNY_BUILD_DEFER);
        verify(&w);
        for (int i = 0; i < 40; i++) {
            change(&w, 1 + below(300), i % 3 ? 20 : 70, 0, HNY_BUILD_APPEND | HNY_BUILD_DEFER);
            link_rows(&w, 1 + below(200), (meanwhile)(i % 3));
            verify(&w);
            if (i % 10 == 9) {
                change(&w, 50, 40, i % 20 == 9, 0);
                verify(&w);
            }
        }
        assert_true(w.appended > 20);
        assert_true(w.rebased > 3);
        world_close(&w);
    }
    remove_sidecar(folder, database);
}

enum { DEFERRED = HNY_BUILD_APPEND | HNY_BUILD_DEFER };

/* A build that comes between the steps of one that links. */
typedef struct visit {
    world *w;
    int changes, flags;
    bool done;
} visit;

static int visit_once(void *arg) {
    visit *const v = arg;
    if (!v->done) {
        v->done = true;
        change(v->w, v->changes, 30, 0, v->flags);
    }
    return 0;
}

/* A step in which rows are moved, while others make as many changes; its status. */
static int link_in_free_slots(world *w, uint32_t count, int changes, int flags) {
    visit v = {w, changes, flags, changes == 0};
    hny_build *build;
    const hny_build_limits limits = {
        .threads = w->threads, .link = count, .interrupt = {visit_once, &v}};
    assert_int_equal(hny_build_open(w->sidecar, 7, &w->options, &limits, HNY_BUILD_LINK, &build),
                     HNY_OK);
    const int rc = hny_build_publish(build, (hny_boundary){0, 0});
    const bool moved = build->slots.taken && !roaring_bitmap_is_empty(build->slots.taken);
    w->moved += moved;
    w->emptied += rc == HNY_OK && moved && build->moves_count == 0;
    hny_build_close(build);
    return rc;
}

static uint32_t lower_end_of(world *w) {
    hny_build *build;
    bool lowered;
    assert_int_equal(
        hny_build_open(w->sidecar, 7, &w->options, &(hny_build_limits){0}, DEFERRED, &build),
        HNY_OK);
    hny_build_expect(build, 0);
    assert_int_equal(hny__moves_lower(build, &lowered), HNY_OK);
    if (lowered) {
        assert_int_equal(hny_build_publish(build, (hny_boundary){w->seq, w->seq * 31}), HNY_OK);
        w->lowered++;
    }
    const uint32_t slots = build->record.slots;
    hny_build_close(build);
    return slots;
}

/* Rows that are replaced again and again get free slots, and the table does not grow. */
static void replace_rows(hny_shape shape, hny_codes codes, int spread, int erase) {
    world w;
    world_open(&w, NULL, shape, codes, 6, 1 + below(3), spread);
    change(&w, 4000, 5, 0, 0);
    for (int i = 0; i < 30; i++) {
        change(&w, 1 + below(300), 30, 0, DEFERRED | erase);
        change(&w, 1 + below(100), 30, 0, DEFERRED | erase);
        const int rc = link_in_free_slots(&w, i % 4 ? 0 : 1 + below(200),
                                          i % 3 ? 1 + (int)below(60) : 0, DEFERRED | erase);
        assert_true(rc == HNY_OK || rc == HNY_BUSY);
        w.dropped += rc == HNY_BUSY;
        w.rebased += rc == HNY_OK && i % 3;
        verify(&w);
        assert_true(lower_end_of(&w) < 4 * IDS);
        verify(&w);
    }
    assert_int_equal(link_in_free_slots(&w, 0, 0, 0), HNY_OK);
    verify(&w);
    assert_true(w.moved > 3 && w.lowered > 3);
    assert_true(erase ? w.dropped > 3 : w.rebased > 3 && w.dropped == 0);
    world_close(&w);
}

static void test_free_slots(void **unused) {
    (void)unused;
    for (int erase = 0; erase <= HNY_BUILD_ERASE; erase += HNY_BUILD_ERASE) {
        replace_rows((hny_shape){6, HNY_EUCLIDEAN, HNY_FLOAT32}, HNY_CODES_INT8, 100, erase);
        replace_rows((hny_shape){2, HNY_COSINE, HNY_FLOAT32}, HNY_CODES_FLOAT32, 8, erase);
        replace_rows((hny_shape){70, HNY_HAMMING, HNY_BIT}, HNY_CODES_FLOAT32, 8, erase);
    }
}

/* All rows that a step has linked in free slots are replaced before it is published. */
static void test_replaced_steps(void **unused) {
    world w;
    (void)unused;
    world_open(&w, NULL, (hny_shape){6, HNY_EUCLIDEAN, HNY_FLOAT32}, HNY_CODES_INT8, 6, 2, 100);
    change(&w, 4000, 5, 0, 0);
    for (int i = 0; i < 8; i++) {
        change(&w, 3000, 30, 0, DEFERRED);
        assert_int_equal(link_in_free_slots(&w, 0, 0, 0), HNY_OK);
        verify(&w);
        change(&w, 200, 30, 0, DEFERRED);
        assert_int_equal(link_in_free_slots(&w, 0, 15 * IDS, DEFERRED), HNY_OK);
        verify(&w);
        change(&w, 200, 30, 0, DEFERRED);
        verify(&w);
    }
    assert_true(w.emptied > 3);
    world_close(&w);
}

/* All nodes that a consolidation leaves are deleted before it looks for an entry point. */
static void test_replaced_graphs(void **unused) {
    world w;
    (void)unused;
    world_open(&w, NULL, (hny_shape){6, HNY_EUCLIDEAN, HNY_FLOAT32}, HNY_CODES_INT8, 6, 2, 100);
    change(&w, 4000, 5, 0, 0);
    for (int i = 0; i < 12; i++) {
        hny_build *build;
        change(&w, 600, 5, 0, 0); /* free slots are few then, and no rows are moved */
        change(&w, 600, 30, 0, DEFERRED);
        assert_int_equal(hny_build_open(w.sidecar, 7, &w.options, &(hny_build_limits){.threads = 2},
                                        HNY_BUILD_LINK, &build),
                         HNY_OK);
        change(&w, 15 * IDS, 30, 0, DEFERRED);
        assert_int_equal(hny_build_publish(build, (hny_boundary){0, 0}), HNY_OK);
        hny_build_close(build);
        verify(&w);
    }
    world_close(&w);
}

/* A closed sidecar can be opened again, read and built upon. */
static void test_reopen(void **unused) {
    char folder[] = "/tmp/hannoy-test-XXXXXX", database[64];
    world w;
    (void)unused;
    assert_non_null(mkdtemp(folder));
    snprintf(database, sizeof database, "%s/a.db", folder);
    world_open(&w, database, (hny_shape){5, HNY_EUCLIDEAN, HNY_FLOAT32}, HNY_CODES_INT8, 4, 1, 100);
    for (int i = 0; i < 4; i++) {
        change(&w, 300, 30, 0, 0);
        hny_sidecar_unref(w.sidecar);
        assert_int_equal(hny_sidecar_new(database, NULL, &w.sidecar), HNY_OK);
        verify(&w);
    }
    world_close(&w);
    remove_sidecar(folder, database);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics),         cmocka_unit_test(test_codes),
        cmocka_unit_test(test_equal_vectors),   cmocka_unit_test(test_threads),
        cmocka_unit_test(test_spills),          cmocka_unit_test(test_repeats),
        cmocka_unit_test(test_reopen),          cmocka_unit_test(test_links),
        cmocka_unit_test(test_free_slots),      cmocka_unit_test(test_replaced_steps),
        cmocka_unit_test(test_replaced_graphs),
    };
    state = argc > 1 ? strtoull(argv[1], NULL, 10) : 88172645463325252u;
    printf("seed %llu\n", (unsigned long long)state);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
