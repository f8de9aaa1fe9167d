/*
** Fuzzes the arguments of CREATE VIRTUAL TABLE, stored options and settings: accepted values are in
** range and survive being stored, and every refusal has a sentence.
*/
#include <stdbool.h>
#include <string.h>

#include <sqlite3.h>

#include "fuzz/replay.h"
#include "schema/options.h"

static bool within(uint32_t value, uint32_t min, uint32_t max) {
    return value >= min && value <= max;
}

static void check_options(const hx_options *o) {
    CHECK(within(o->shape.dim, 1, HNY_MAX_DIM));
    CHECK(within(o->shape.metric, HNY_COSINE, HNY_DOT));
    CHECK(within(o->shape.type, HNY_FLOAT32, HNY_BIT));
    CHECK(hx_codes_name(o->codes));
    CHECK(within(o->m, 4, 63));
    CHECK(within(o->ef_construction, 4, 4096));
    CHECK(within(o->ef, 0, 100000));
    CHECK(within(o->recall, 5000, 9999));
    CHECK(within(o->autobuild, 0, INT32_MAX));
    CHECK(within(o->threads, 0, 256));
    CHECK(within(o->linear_below, 0, INT32_MAX));
    CHECK(within(o->aim_recall, 0, 9999));
    CHECK(within(o->aim_ef, 0, 100000));
    CHECK(o->log_keep == HX_AUTO || within(o->log_keep, 0, INT32_MAX));
}

static bool same(const hx_options *a, const hx_options *b) {
    return a->shape.dim == b->shape.dim && a->shape.metric == b->shape.metric &&
           a->shape.type == b->shape.type && a->codes == b->codes && a->m == b->m &&
           a->ef_construction == b->ef_construction && a->ef == b->ef && a->recall == b->recall &&
           a->autobuild == b->autobuild && a->threads == b->threads &&
           a->linear_below == b->linear_below && a->log_keep == b->log_keep &&
           a->background == b->background && a->sidecar == b->sidecar &&
           a->aim_recall == b->aim_recall && a->aim_ef == b->aim_ef;
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
    hx_options options = {.shape = {3, HNY_COSINE, HNY_BIT},
                          .codes = HNY_CODES_INT8,
                          .m = 16,
                          .ef_construction = 128,
                          .ef = 96,
                          .recall = 9500,
                          .autobuild = 1000,
                          .linear_below = 1000,
                          .log_keep = HX_AUTO,
                          .background = HX_AUTO,
                          .sidecar = HX_PLACE_AUTO};
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
