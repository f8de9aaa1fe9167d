/*
** The arguments of CREATE VIRTUAL TABLE, stored options and settings, from any text: whatever is
** accepted is in range and survives being stored, whatever is refused has a sentence.
*/
#include <string.h>

#include <sqlite3.h>

#include "replay.h"
#include "schema/options.h"

static int within(uint32_t value, uint32_t least, uint32_t most) {
    return value >= least && value <= most;
}

static void check_options(const hx_options *o) {
    CHECK(within(o->shape.dim, 1, HNY_MAX_DIM));
    CHECK(within(o->shape.metric, HNY_COSINE, HNY_HAMMING));
    CHECK(within(o->shape.type, HNY_FLOAT32, HNY_BIT));
    CHECK(within(o->m, 4, 63));
    CHECK(within(o->ef_construction, 4, 4096));
    CHECK(within(o->ef, 1, 100000));
    CHECK(within(o->autobuild, 0, INT32_MAX));
    CHECK(within(o->threads, 0, 256));
    CHECK(within(o->linear_below, 0, INT32_MAX));
}

static int same(const hx_options *a, const hx_options *b) {
    return a->shape.dim == b->shape.dim && a->shape.metric == b->shape.metric &&
           a->shape.type == b->shape.type && a->m == b->m &&
           a->ef_construction == b->ef_construction && a->ef == b->ef &&
           a->autobuild == b->autobuild && a->threads == b->threads &&
           a->linear_below == b->linear_below;
}

/* No error and what was accepted, or a sentence. */
static void check_result(int rc, int refusal, char *error, const hx_options *options) {
    if (rc == SQLITE_OK) {
        CHECK(!error);
        check_options(options);
    } else {
        CHECK(rc == refusal && error && !strncmp(error, "hannoy: ", 8));
        CHECK(strlen(error) < 300);
    }
    sqlite3_free(error);
}

static void check_stored(const hx_options *options) {
    hx_options back;
    char *error;
    char *const text = hx_options_text(options);
    CHECK(text && hx_options_from_text(text, &back, &error) == SQLITE_OK && same(options, &back));
    sqlite3_free(text);
}

/* Lines are the arguments; commas stay in them, as they do where they are quoted. */
static void try_arguments(char *text) {
    enum { MOST = 16 };
    const char *arguments[MOST];
    int count = 0;
    for (char *rest = text; rest && count < MOST;) {
        char *const line = strsep(&rest, "\n");
        arguments[count++] = line;
    }
    hx_options options;
    char *error;
    const int rc = hx_options_parse(count, arguments, &options, &error);
    check_result(rc, SQLITE_ERROR, error, &options);
    if (rc == SQLITE_OK) {
        check_stored(&options);
    }
}

static void try_stored(const char *text) {
    hx_options options;
    char *error;
    const int rc = hx_options_from_text(text, &options, &error);
    check_result(rc, SQLITE_CORRUPT_VTAB, error, &options);
    if (rc == SQLITE_OK) {
        check_stored(&options);
    }
}

static void try_setting(const char *text) {
    hx_options options = {{3, HNY_COSINE, HNY_BIT}, 16, 128, 96, 1000, 0, 1000};
    const hx_options before = options;
    const char *key = NULL;
    int64_t value = -1;
    char *error;
    const int rc = hx_setting_parse(text, &options, &key, &value, &error);
    CHECK(rc == SQLITE_OK ? key && value >= 0 : same(&options, &before));
    check_result(rc, SQLITE_ERROR, error, &options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    char *const text = malloc(size);
    CHECK(text);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    switch (data[0] % 3) {
    case 0:
        try_arguments(text);
        break;
    case 1:
        try_stored(text);
        break;
    default:
        try_setting(text);
        break;
    }
    free(text);
    return 0;
}
