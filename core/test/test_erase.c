/*
** Builds that erase: the file has no byte of a deleted row's codes or attributes, of every kind of
** code, after deletions, updates, builds that failed, and tables that were dropped.
*/
#define _GNU_SOURCE /* memmem */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "hannoy.h"
#include "vector/quantizer.h"
#include "vectors.h"

enum { ROWS = 200, DIM = 100, TABLE = 5, STEP = 12 };

typedef struct world {
    char folder[32], database[48], path[64];
    hny_options options;
    hny_sidecar *sidecar;
    hny_interrupt interrupt;
    size_t bytes;
    uint8_t vectors[2][ROWS][4 * DIM]; /* what rows had before, and have now */
    uint64_t words[2][ROWS];           /* of their attribute */
    bool present[ROWS];
    int64_t seq;
} world;

static void random_row(world *w, uint32_t id) {
    memset(w->vectors[1][id], 0, w->bytes);
    for (size_t i = 0; i < DIM; i++) {
        vector_put((hny_type)w->options.shape.type, w->vectors[1][id], i, random_unit());
    }
    w->words[1][id] = random_word() | 1;
    w->present[id] = true;
}

static void world_open(world *w, hny_type type, hny_metric metric, hny_codes codes) {
    memset(w, 0, sizeof *w);
    vectors_state = vectors_seed = 1 + (uint64_t)codes;
    strcpy(w->folder, "/tmp/hannoy-erase-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    snprintf(w->database, sizeof w->database, "%s/a", w->folder);
    snprintf(w->path, sizeof w->path, "%s/a-hannoy", w->folder);
    w->options = (hny_options){{DIM, (uint8_t)metric, (uint8_t)type}, (uint8_t)codes, 6, 24, 1, 0};
    w->bytes = hny_vector_bytes(w->options.shape);
    assert_int_equal(hny_sidecar_new(w->database, "", &w->sidecar), HNY_OK);
    for (uint32_t id = ROWS; id-- > 0;) {
        random_row(w, id);
        if (id % 10 < 3 && id >= 10) { /* rows with equal codes */
            memcpy(w->vectors[1][id], w->vectors[1][id - id % 10 + 3], w->bytes);
        }
    }
}

static void world_close(world *w) {
    char lock[80];
    hny_sidecar_unref(w->sidecar);
    snprintf(lock, sizeof lock, "%s-lock", w->path);
    unlink(lock);
    unlink(w->path);
    assert_int_equal(rmdir(w->folder), 0);
}

static hny_build *open_build(world *w, int flags) {
    hny_build *build;
    assert_int_equal(hny_build_open(w->sidecar, TABLE, &w->options,
                                    &(hny_build_limits){.threads = 1, .interrupt = w->interrupt},
                                    flags, &build),
                     HNY_OK);
    return build;
}

static void put_row(world *w, hny_build *build, uint32_t id) {
    const hny_attribute attribute = hny_attribute_integer((int64_t)w->words[1][id]);
    if (w->present[id]) {
        assert_int_equal(hny_build_put(build, id, w->vectors[1][id], &attribute), HNY_OK);
    } else {
        assert_int_equal(hny_build_remove(build, id), HNY_OK);
    }
}

static void finish_build(world *w, hny_build *build, int status) {
    w->seq++;
    assert_int_equal(hny_build_publish(build, (hny_boundary){w->seq, w->seq}), status);
    if (status == HNY_OK) {
        assert_int_equal(hny_build_erase(build), HNY_OK);
    }
    hny_build_close(build);
}

/* One build of the rows first, first + step, … */
static void build_rows(world *w, uint32_t first, uint32_t step, int flags) {
    hny_build *const build = open_build(w, flags);
    hny_build_expect(build, ROWS / step);
    for (uint32_t id = first; id < ROWS; id += step) {
        put_row(w, build, id);
    }
    finish_build(w, build, HNY_OK);
}

static uint8_t *read_file(const char *path, size_t *size) {
    FILE *const file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *size = (size_t)ftell(file);
    rewind(file);
    uint8_t *const bytes = malloc(*size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

/* Have live rows these codes, too? */
static bool is_shared(const world *w, const uint8_t *vector) {
    for (uint32_t id = 0; id < ROWS; id++) {
        if (w->present[id] && memcmp(w->vectors[1][id], vector, w->bytes) == 0) {
            return true;
        }
    }
    return false;
}

enum { CODE = 1, RESIDUAL = 2, ATTRIBUTE = 4 };

/* What of a row the file has. */
static int find_row(const world *w, const uint8_t *file, size_t size, const uint8_t *vector,
                    uint64_t word) {
    hny__quantizer quantizer;
    hny__encoder encoder;
    hny__quantizer_init(&quantizer, w->options.shape, (hny_codes)w->options.codes);
    assert_int_equal(hny__encoder_init(&encoder, &quantizer), HNY_OK);
    const size_t code_bytes = quantizer.format.row_bytes, residual_bytes = quantizer.residual_bytes;
    uint8_t *const code = malloc(code_bytes), *const residual = malloc(residual_bytes + 1);
    hny__encode(&encoder, vector, code, residual);
    int found = memmem(file, size, code, code_bytes) ? CODE : 0;
    found |= residual_bytes && memmem(file, size, residual, residual_bytes) ? RESIDUAL : 0;
    found |= memmem(file, size, &word, sizeof word) ? ATTRIBUTE : 0;
    free(code);
    free(residual);
    hny__encoder_free(&encoder);
    return found;
}

/* Rows that no build of this step changed are looked for in every fourth step. */
static bool is_looked_for(uint32_t id, uint32_t step) {
    return id % STEP == step || (id % STEP < step && step % 4 == 3);
}

/* No row that was deleted or changed is in the file; each row that is live is. */
static void assert_erased(const world *w, uint32_t step) {
    size_t size;
    uint8_t *const file = read_file(w->path, &size);
    for (uint32_t id = 0; id < ROWS; id++) {
        const uint8_t *const before = w->vectors[0][id], *const now = w->vectors[1][id];
        if (!is_looked_for(id, step)) {
            continue;
        }
        if (w->present[id]) {
            assert_true(find_row(w, file, size, now, w->words[1][id]) & CODE);
        } else if (!is_shared(w, now)) {
            assert_int_equal(find_row(w, file, size, now, w->words[1][id]), 0);
        }
        if (w->words[0][id] && !is_shared(w, before)) {
            assert_int_equal(find_row(w, file, size, before, w->words[0][id]), 0);
        }
    }
    free(file);
}

static int what_is_left(const world *w, uint32_t id) {
    size_t size;
    uint8_t *const file = read_file(w->path, &size);
    const int found = find_row(w, file, size, w->vectors[1][id], w->words[1][id]);
    free(file);
    return found;
}

static hny_hit *reserve(void *arg, size_t capacity) {
    assert_true(capacity <= 4 * ROWS);
    return arg;
}

/* The graph is sound, and each row is found by its own vector. */
static void assert_sound(const world *w) {
    static hny_hit hits[4 * ROWS];
    hny_reader *reader;
    char *fault = NULL;
    assert_int_equal(hny_reader_new(w->sidecar, TABLE, w->options.shape, 1, 0, &reader), HNY_OK);
    assert_int_equal(hny_reader_begin(reader), HNY_OK);
    assert_int_equal(hny_reader_check(reader, (hny_interrupt){0}, &fault), HNY_OK);
    if (fault) {
        fail_msg("%s", fault);
    }
    for (uint32_t id = 0; id < ROWS; id += 7) {
        hny_search search = {
            .vector = w->vectors[1][id], .k = ROWS, .ef = ROWS, .reserve = reserve, .arg = hits};
        assert_int_equal(hny_reader_search(reader, &search), HNY_OK);
        size_t at = 0;
        while (at < search.count && hits[at].rowid != id) {
            at++;
        }
        assert_int_equal(at < search.count, w->present[id]);
    }
    hny_reader_end(reader);
    hny_reader_free(reader);
}

/* Deletions and updates in small builds, until all rows are gone. */
static void run_small_builds(world *w) {
    build_rows(w, 0, 1, HNY_BUILD_ERASE);
    assert_erased(w, STEP - 1);
    for (uint32_t step = 0; step < STEP; step++) {
        const int flags = step % 4 == 3 ? HNY_BUILD_CONSOLIDATE : HNY_BUILD_APPEND;
        for (uint32_t id = step; id < ROWS; id += STEP) {
            memcpy(w->vectors[0][id], w->vectors[1][id], w->bytes);
            w->words[0][id] = w->words[1][id];
            if (step % 3 == 1) {
                random_row(w, id);
            } else {
                w->present[id] = false;
            }
        }
        build_rows(w, step, STEP, flags | HNY_BUILD_ERASE);
        assert_erased(w, step);
        assert_sound(w);
    }
    for (uint32_t id = 0; id < ROWS; id++) {
        w->present[id] = false;
    }
    build_rows(w, 0, 1, HNY_BUILD_APPEND | HNY_BUILD_ERASE);
    assert_erased(w, STEP - 1);
    assert_sound(w);
}

static const struct {
    hny_type type;
    hny_metric metric;
    hny_codes codes;
} kinds[] = {
    {HNY_FLOAT32, HNY_EUCLIDEAN, HNY_CODES_FLOAT32}, {HNY_FLOAT32, HNY_COSINE, HNY_CODES_INT8},
    {HNY_FLOAT32, HNY_EUCLIDEAN, HNY_CODES_INT4},    {HNY_FLOAT32, HNY_DOT, HNY_CODES_FLOAT16},
    {HNY_FLOAT32, HNY_COSINE, HNY_CODES_BIT},        {HNY_FLOAT16, HNY_COSINE, HNY_CODES_FLOAT16},
    {HNY_INT8, HNY_EUCLIDEAN, HNY_CODES_INT8},       {HNY_BIT, HNY_HAMMING, HNY_CODES_BIT},
};

static world w; /* large */

static void test_small_builds(void **unused) {
    (void)unused;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        world_open(&w, kinds[i].type, kinds[i].metric, kinds[i].codes);
        run_small_builds(&w);
        world_close(&w);
    }
}

/* What a build without the flag has left is overwritten by the next one with it. */
static void test_later(void **unused) {
    (void)unused;
    world_open(&w, HNY_FLOAT32, HNY_EUCLIDEAN, HNY_CODES_INT8);
    build_rows(&w, 0, 1, 0);
    for (uint32_t id = 0; id < ROWS; id += 5) {
        w.present[id] = false;
    }
    build_rows(&w, 0, 5, HNY_BUILD_APPEND);
    assert_int_equal(what_is_left(&w, 15), CODE | RESIDUAL | ATTRIBUTE);
    hny_build *const build = open_build(&w, HNY_BUILD_APPEND | HNY_BUILD_ERASE);
    assert_true(hny_build_unerased(build));
    finish_build(&w, build, HNY_OK);
    assert_erased(&w, STEP - 1);
    assert_sound(&w);
    hny_build *const next = open_build(&w, HNY_BUILD_APPEND | HNY_BUILD_ERASE);
    assert_false(hny_build_unerased(next));
    hny_build_close(next);
    world_close(&w);
}

static int is_interrupted(void *arg) {
    return *(int *)arg;
}

/* The codes that an interrupted build wrote to a free slot, and behind the last one. */
static void test_interrupted_build(void **unused) {
    int stop = 0;
    (void)unused;
    world_open(&w, HNY_FLOAT32, HNY_EUCLIDEAN, HNY_CODES_INT8);
    w.interrupt = (hny_interrupt){is_interrupted, &stop};
    build_rows(&w, 0, 1, HNY_BUILD_ERASE);
    for (uint32_t id = 3; id < ROWS; id += 3) {
        w.present[id] = false;
    }
    build_rows(&w, 3, 3, HNY_BUILD_CONSOLIDATE | HNY_BUILD_ERASE); /* free slots */
    assert_erased(&w, STEP - 1);
    hny_build *const build = open_build(&w, HNY_BUILD_ERASE);
    for (uint32_t id = 3; id < ROWS; id += 3) {
        random_row(&w, id);
        put_row(&w, build, id);
    }
    for (uint32_t id = 1; id < ROWS; id += 3) { /* more than there are free slots */
        random_row(&w, id);
        put_row(&w, build, id);
    }
    stop = 1;
    finish_build(&w, build, HNY_INTERRUPT);
    stop = 0;
    assert_int_equal(what_is_left(&w, 6), CODE | RESIDUAL | ATTRIBUTE);
    assert_int_equal(what_is_left(&w, 196), CODE | RESIDUAL | ATTRIBUTE);
    for (uint32_t id = 1; id < ROWS; id++) {
        w.present[id] = id % 3 == 2;
    }
    build_rows(&w, 1, 3, HNY_BUILD_APPEND | HNY_BUILD_ERASE);
    assert_erased(&w, STEP - 1);
    assert_sound(&w);
    world_close(&w);
}

/* Pages that a reader has are overwritten by the build after it. */
static void test_pinned_reader(void **unused) {
    hny_reader *reader;
    (void)unused;
    world_open(&w, HNY_FLOAT32, HNY_EUCLIDEAN, HNY_CODES_FLOAT32);
    build_rows(&w, 0, 1, HNY_BUILD_ERASE);
    assert_int_equal(hny_reader_new(w.sidecar, TABLE, w.options.shape, 1, 0, &reader), HNY_OK);
    assert_int_equal(hny_reader_begin(reader), HNY_OK);
    w.present[15] = false;
    build_rows(&w, 15, ROWS, HNY_BUILD_ERASE);
    assert_int_equal(what_is_left(&w, 15) & CODE, CODE);
    assert_int_equal(
        hny_reader_holds(reader, 15, w.vectors[1][15], &(hny_attribute){w.words[1][15], 1}), 1);
    hny_reader_end(reader);
    hny_build *const build = open_build(&w, HNY_BUILD_APPEND | HNY_BUILD_ERASE);
    assert_true(hny_build_unerased(build));
    finish_build(&w, build, HNY_OK);
    assert_erased(&w, STEP - 1);
    hny_reader_free(reader);
    world_close(&w);
}

/* A table that was dropped, and one that started over. */
static void test_whole_tables(void **unused) {
    const uint32_t live = TABLE;
    (void)unused;
    world_open(&w, HNY_FLOAT32, HNY_EUCLIDEAN, HNY_CODES_INT4);
    hny_build *build;
    assert_int_equal(hny_build_open(w.sidecar, TABLE + 1, &w.options,
                                    &(hny_build_limits){.threads = 1}, HNY_BUILD_ERASE, &build),
                     HNY_OK);
    for (uint32_t id = 0; id < ROWS; id++) {
        put_row(&w, build, id);
    }
    finish_build(&w, build, HNY_OK);
    for (uint32_t id = 0; id < ROWS; id++) {
        memcpy(w.vectors[0][id], w.vectors[1][id], w.bytes);
        w.words[0][id] = w.words[1][id];
        random_row(&w, id);
    }
    build_rows(&w, 0, 1, HNY_BUILD_ERASE);
    build = open_build(&w, HNY_BUILD_APPEND | HNY_BUILD_ERASE);
    assert_int_equal(hny_build_sweep(build, &live, 1), HNY_OK);
    assert_int_equal(hny_build_erase(build), HNY_OK);
    hny_build_close(build);
    assert_erased(&w, STEP - 1);
    for (uint32_t id = 0; id < ROWS; id++) {
        memcpy(w.vectors[0][id], w.vectors[1][id], w.bytes);
        w.words[0][id] = w.words[1][id];
        random_row(&w, id);
    }
    build = open_build(&w, HNY_BUILD_ERASE);
    assert_int_equal(hny_build_restart(build), HNY_OK);
    for (uint32_t id = 0; id < ROWS; id++) {
        put_row(&w, build, id);
    }
    finish_build(&w, build, HNY_OK);
    assert_erased(&w, STEP - 1);
    assert_sound(&w);
    world_close(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_builds),      cmocka_unit_test(test_later),
        cmocka_unit_test(test_interrupted_build), cmocka_unit_test(test_pinned_reader),
        cmocka_unit_test(test_whole_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
