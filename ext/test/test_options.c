/* The arguments of CREATE VIRTUAL TABLE, how they are kept, and the settings of a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "oom.h"
#include "schema/options.h"

#define ALL_OPTIONS                                                                                \
    "dim, metric, type, codes, m, ef_construction, ef, recall, autobuild, threads, "               \
    "linear_below, log_keep, background, sidecar"
#define ALL_SETTINGS                                                                               \
    "metric, codes, m, ef_construction, ef, recall, autobuild, threads, linear_below, "            \
    "log_keep, background"
#define ALL_METRICS                                                                                \
    "cosine, euclidean (or l2), manhattan (or l1), hamming, dot (or ip or inner_product)"
#define ALL_TYPES "float32, float16, int8, bit"

#define COUNT(array) ((int)(sizeof(array) / sizeof(array)[0]))

static hx_options parsed(int argc, const char *const *argv) {
    hx_options options;
    char unset[] = "not reset", *error = unset;
    const int rc = hx_options_parse(argc, argv, &options, &error);
    if (error) {
        fail_msg("%s", error);
    }
    assert_int_equal(rc, SQLITE_OK);
    return options;
}

/* Arguments that give these options, and arguments that give this sentence. */
#define PARSED(...)                                                                                \
    parsed(COUNT(((const char *const[]){__VA_ARGS__})), (const char *const[]){__VA_ARGS__})
#define REFUSED(sentence, ...)                                                                     \
    refused(sentence, COUNT(((const char *const[]){__VA_ARGS__})),                                 \
            (const char *const[]){__VA_ARGS__})

static void refused(const char *sentence, int argc, const char *const *argv) {
    hx_options options, before;
    char *error = NULL;
    memset(&options, 0x5a, sizeof options);
    before = options;
    assert_int_equal(hx_options_parse(argc, argv, &options, &error), SQLITE_ERROR);
    assert_string_equal(error, sentence);
    assert_memory_equal(&options, &before, sizeof options);
    sqlite3_free(error);
}

static void assert_options(hx_options got, hx_options wanted) {
    assert_int_equal(got.shape.dim, wanted.shape.dim);
    assert_int_equal(got.shape.metric, wanted.shape.metric);
    assert_int_equal(got.shape.type, wanted.shape.type);
    assert_int_equal(got.codes, wanted.codes);
    assert_int_equal(got.m, wanted.m);
    assert_int_equal(got.ef_construction, wanted.ef_construction);
    assert_int_equal(got.ef, wanted.ef);
    assert_int_equal(got.recall, wanted.recall);
    assert_int_equal(got.autobuild, wanted.autobuild);
    assert_int_equal(got.threads, wanted.threads);
    assert_int_equal(got.linear_below, wanted.linear_below);
    assert_int_equal(got.log_keep, wanted.log_keep);
    assert_int_equal(got.background, wanted.background);
    assert_int_equal(got.sidecar, wanted.sidecar);
    assert_int_equal(got.aim_recall, wanted.aim_recall);
    assert_int_equal(got.aim_ef, wanted.aim_ef);
}

static void standard_values(void **state) {
    (void)state;
    const hx_options wanted = {{768, HNY_COSINE, HNY_FLOAT32},
                               HNY_CODES_INT4,
                               16,
                               128,
                               0,
                               9500,
                               1000,
                               0,
                               1000,
                               HX_AUTO,
                               HX_AUTO,
                               HX_PLACE_AUTO,
                               0,
                               0};
    assert_options(PARSED("dim=768", "metric=cosine"), wanted);
}

static void standard_codes(void **state) {
    (void)state;
    assert_int_equal(PARSED("dim=63", "metric=l2").codes, HNY_CODES_FLOAT32);
    assert_int_equal(PARSED("dim=64", "metric=l2").codes, HNY_CODES_INT8);
    assert_int_equal(PARSED("dim=191", "metric=cosine").codes, HNY_CODES_INT8);
    assert_int_equal(PARSED("dim=192", "metric=l2", "type=float16").codes, HNY_CODES_INT4);
    assert_int_equal(PARSED("dim=192", "metric=l1").codes, HNY_CODES_INT8);
    assert_int_equal(PARSED("dim=192", "metric=cosine", "type=int8").codes, HNY_CODES_INT8);
    assert_int_equal(PARSED("dim=192", "metric=cosine", "codes=int8").codes, HNY_CODES_INT8);
}

static void every_option(void **state) {
    (void)state;
    const hx_options wanted = {{3, HNY_HAMMING, HNY_BIT},
                               HNY_CODES_BIT,
                               8,
                               200,
                               64,
                               9000,
                               0,
                               2,
                               77,
                               12345,
                               0,
                               HX_PLACE_PRIVATE,
                               0,
                               0};
    assert_options(PARSED("background=0", "sidecar=Private", "log_keep=12345", "linear_below=77",
                          "threads=2", "autobuild=0", "ef=64", "recall=.9", "ef_construction=200",
                          "m=8", "codes=bit", "type=bit", "metric=hamming", "dim=3"),
                   wanted);
}

static void ways_to_write(void **state) {
    (void)state;
    const hx_options wanted = {{768, HNY_COSINE, HNY_INT8},
                               HNY_CODES_INT8,
                               16,
                               128,
                               0,
                               9500,
                               1000,
                               0,
                               1000,
                               HX_AUTO,
                               HX_AUTO,
                               HX_PLACE_AUTO,
                               0,
                               0};
    assert_options(PARSED(" dim = 768 ", "metric='cosine'", "type=int8"), wanted);
    assert_options(PARSED("DIM=768", "METRIC=\"Cosine\"", "Type = 'INT8'"), wanted);
    assert_options(PARSED("\n\tdim\t=\r\n'768'\f", "metric=COSINE", "type=int8"), wanted);
    assert_options(PARSED("dim=+768", "metric=cosine", "type=int8"), wanted);
    assert_options(PARSED("dim=000000000000768", "metric=cosine", "type=int8"), wanted);
}

static void names(void **state) {
    (void)state;
    static const struct {
        const char *argument;
        hny_metric metric;
        const char *name;
    } metrics[] = {{"metric=cosine", HNY_COSINE, "cosine"},
                   {"metric=euclidean", HNY_EUCLIDEAN, "euclidean"},
                   {"metric=L2", HNY_EUCLIDEAN, "euclidean"},
                   {"metric=manhattan", HNY_MANHATTAN, "manhattan"},
                   {"metric=l1", HNY_MANHATTAN, "manhattan"},
                   {"metric=hamming", HNY_HAMMING, "hamming"},
                   {"metric=dot", HNY_DOT, "dot"},
                   {"metric=IP", HNY_DOT, "dot"},
                   {"metric=inner_product", HNY_DOT, "dot"}};
    static const struct {
        const char *argument;
        hny_type type;
        const char *name;
    } types[] = {{"type=float32", HNY_FLOAT32, "float32"},
                 {"type=float16", HNY_FLOAT16, "float16"},
                 {"type=int8", HNY_INT8, "int8"},
                 {"type=bit", HNY_BIT, "bit"}};
    for (int i = 0; i < COUNT(metrics); i++) {
        assert_int_equal(PARSED("dim=1", metrics[i].argument).shape.metric, metrics[i].metric);
        assert_string_equal(hx_metric_name(metrics[i].metric), metrics[i].name);
    }
    for (int i = 0; i < COUNT(types); i++) {
        assert_int_equal(PARSED("dim=1", "metric=l2", types[i].argument).shape.type, types[i].type);
        assert_string_equal(hx_type_name(types[i].type), types[i].name);
    }
}

/* Both ends of every range are in, their neighbours are out, and the sentence names the range. */
static void ranges(void **state) {
    (void)state;
    static const struct {
        const char *name;
        long long least, most;
    } options[] = {{"dim", 1, 65536},
                   {"m", 4, 63},
                   {"ef_construction", 4, 4096},
                   {"ef", 0, 100000},
                   {"autobuild", 0, 2147483647},
                   {"threads", 0, 256},
                   {"linear_below", 0, 2147483647}};
    for (int i = 0; i < COUNT(options); i++) {
        const char *const rest = strcmp(options[i].name, "dim") ? "dim=1" : "m=4";
        const long long values[] = {options[i].least,    options[i].most,  options[i].least - 1,
                                    options[i].most + 1, -options[i].most, 4294967296 + 8};
        for (int j = 0; j < COUNT(values); j++) {
            char *const argument = sqlite3_mprintf("%s=%lld", options[i].name, values[j]);
            char *const sentence =
                sqlite3_mprintf("hannoy: %s must be between %lld and %lld, not %lld",
                                options[i].name, options[i].least, options[i].most, values[j]);
            if (j < 2) {
                PARSED(argument, rest, "metric=l2");
            } else {
                REFUSED(sentence, argument, rest, "metric=l2");
            }
            sqlite3_free(argument);
            sqlite3_free(sentence);
        }
    }
}

static void not_a_number(void **state) {
    (void)state;
#define WHOLE(text) "hannoy: dim must be a whole number between 1 and 65536, not '" text "'"
    REFUSED(WHOLE("abc"), "dim=abc", "metric=l2");
    REFUSED(WHOLE("3.5"), "dim=3.5", "metric=l2");
    REFUSED(WHOLE("1e3"), "dim=1e3", "metric=l2");
    REFUSED(WHOLE("0x10"), "dim=0x10", "metric=l2");
    REFUSED(WHOLE("12 8"), "dim=12 8", "metric=l2");
    REFUSED(WHOLE("-"), "dim=-", "metric=l2");
    REFUSED(WHOLE("+"), "dim=+", "metric=l2");
    REFUSED(WHOLE("--5"), "dim=--5", "metric=l2");
    REFUSED(WHOLE("'"), "dim='", "metric=l2");
    REFUSED(WHOLE("'768\""), "dim='768\"", "metric=l2");
    REFUSED(WHOLE(" 768"), "dim=' 768'", "metric=l2");
#undef WHOLE
    REFUSED("hannoy: dim must be between 1 and 65536, not 9999999999999999999999999999",
            "dim=9999999999999999999999999999", "metric=l2");
    REFUSED("hannoy: dim must be between 1 and 65536, not -9999999999999999999999999999",
            "dim=-9999999999999999999999999999", "metric=l2");
}

static void unknown_names(void **state) {
    (void)state;
    REFUSED("hannoy: unknown metric 'dots'; expected one of " ALL_METRICS, "dim=3", "metric=dots");
    REFUSED("hannoy: unknown metric 'l'; expected one of " ALL_METRICS, "dim=3", "metric=l");
    REFUSED("hannoy: unknown metric 'cosines'; expected one of " ALL_METRICS, "dim=3",
            "metric=cosines");
    REFUSED("hannoy: unknown type 'f32'; expected one of " ALL_TYPES, "dim=3", "metric=l2",
            "type=f32");
    REFUSED("hannoy: unknown option 'efs'; the options are " ALL_OPTIONS, "dim=3", "metric=l2",
            "efs=3");
    REFUSED("hannoy: unknown option 'dims'; the options are " ALL_OPTIONS, "dims=3", "metric=l2");
    REFUSED("hannoy: unknown option ''ef''; the options are " ALL_OPTIONS, "dim=3", "metric=l2",
            "'ef'=3");
}

static void not_an_option(void **state) {
    (void)state;
#define NOT_UNDERSTOOD(text)                                                                       \
    "hannoy: '" text "' is not understood; write name=value, where the options are " ALL_OPTIONS
    REFUSED(NOT_UNDERSTOOD("lang TEXT"), "dim=3", "metric=l2", " lang TEXT ");
    REFUSED(NOT_UNDERSTOOD("dim"), "dim", "metric=l2");
    REFUSED(NOT_UNDERSTOOD(""), "");
    REFUSED(NOT_UNDERSTOOD("=3"), "=3");
    REFUSED(NOT_UNDERSTOOD("="), " = ");
#undef NOT_UNDERSTOOD
}

static void doubled_and_empty(void **state) {
    (void)state;
    REFUSED("hannoy: dim is given more than once", "dim=3", "metric=l2", "dim=3");
    REFUSED("hannoy: metric is given more than once", "dim=3", "metric=l2", "METRIC = l2");
    REFUSED("hannoy: ef is given more than once", "ef=3", "EF=nonsense");
    REFUSED("hannoy: dim has no value; write dim=…", "dim=", "metric=l2");
    REFUSED("hannoy: dim has no value; write dim=…", "dim = ", "metric=l2");
    REFUSED("hannoy: metric has no value; write metric=…", "dim=3", "metric=''");
    REFUSED("hannoy: type has no value; write type=…", "dim=3", "type=\"\"");
}

static void missing(void **state) {
    (void)state;
    REFUSED("hannoy: dim is missing; give dim=N, N between 1 and 65536", "metric=cosine");
    REFUSED("hannoy: metric is missing; give metric= one of " ALL_METRICS, "dim=3");
    refused("hannoy: dim is missing; give dim=N, N between 1 and 65536", 0, NULL);
}

/* A sentence shows some 40 bytes of what was given, and never a part of a character. */
static void long_values(void **state) {
    (void)state;
    REFUSED("hannoy: unknown metric 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'; expected one "
            "of " ALL_METRICS,
            "dim=3", "metric=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    REFUSED("hannoy: unknown metric 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'; expected one "
            "of " ALL_METRICS,
            "dim=3", "metric=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa€€");
}

static void stored_and_back(void **state) {
    (void)state;
    const hx_options options[] = {
        PARSED("dim=768", "metric=cosine"),
        PARSED("dim=65536", "metric=l1", "type=float16", "m=63", "ef_construction=4096",
               "ef=100000", "autobuild=2147483647", "threads=256", "linear_below=2147483647",
               "log_keep=0", "background=0"),
        PARSED("dim=1", "metric=hamming", "type=bit", "m=4", "ef_construction=4", "ef=1",
               "autobuild=0", "threads=0", "linear_below=0")};
    for (int i = 0; i < COUNT(options); i++) {
        hx_options back;
        char *error;
        char *const text = hx_options_text(&options[i]);
        assert_non_null(text);
        assert_int_equal(hx_options_from_text(text, &back, &error), SQLITE_OK);
        assert_null(error);
        assert_options(back, options[i]);
        sqlite3_free(text);
    }
    char *const text = hx_options_text(&options[1]);
    assert_string_equal(text, "dim=65536, metric=manhattan, type=float16, codes=int8, m=63, "
                              "ef_construction=4096, ef=100000, recall=0.95, autobuild=2147483647, "
                              "threads=256, linear_below=2147483647, log_keep=0, "
                              "background=0, sidecar=auto");
    sqlite3_free(text);
}

/* An aim is in the stored text alone, and ends when the recall or the metric changes. */
static void stored_aims(void **state) {
    (void)state;
    hx_options options = PARSED("dim=3", "metric=l2"), back;
    char *error;
    options.aim_recall = 9876;
    options.aim_ef = 1500;
    char *const text = hx_options_text(&options);
    assert_non_null(strstr(text, "sidecar=auto, aim_recall=0.9876, aim_ef=1500"));
    assert_int_equal(hx_options_from_text(text, &back, &error), SQLITE_OK);
    assert_options(back, options);
    sqlite3_free(text);
    assert_int_equal(hx_options_from_text("dim=3, metric=l2, aim_ef=100001", &back, &error),
                     SQLITE_CORRUPT_VTAB);
    sqlite3_free(error);
    REFUSED("hannoy: unknown option 'aim_ef'; the options are " ALL_OPTIONS, "dim=3", "metric=l2",
            "aim_ef=7");
    static const struct {
        const char *setting;
        bool keeps;
    } cases[] = {{"m=17", true}, {"ef=30", true}, {"recall=0.9", false}, {"metric=dot", false}};
    for (int i = 0; i < COUNT(cases); i++) {
        const char *key;
        int64_t value;
        back = options;
        assert_int_equal(hx_setting_parse(cases[i].setting, &back, &key, &value, &error),
                         SQLITE_OK);
        assert_int_equal(back.aim_recall, cases[i].keeps ? 9876 : 0);
        assert_int_equal(back.aim_ef, cases[i].keeps ? 1500 : 0);
    }
    const char *key;
    int64_t value;
    assert_int_equal(hx_setting_parse("aim_recall=0.99", &back, &key, &value, &error),
                     SQLITE_ERROR);
    assert_string_equal(error,
                        "hannoy: unknown setting 'aim_recall'; the settings are " ALL_SETTINGS);
    sqlite3_free(error);
}

/* What a search is asked for: an aim makes it larger, never smaller. */
static void efforts(void **state) {
    (void)state;
    hx_options options = PARSED("dim=3", "metric=l2", "recall=0.97");
    assert_true(hx_options_recall(&options) == 0.97);
    assert_int_equal(hx_options_ef(&options, 10), 0);
    options.aim_recall = 9500;
    assert_true(hx_options_recall(&options) == 0.97);
    options.aim_recall = 9900;
    assert_true(hx_options_recall(&options) == 0.99);
    options.aim_ef = 1000;
    assert_int_equal(hx_options_ef(&options, 1), 1000);
    assert_int_equal(hx_options_ef(&options, 10), 1000);
    assert_int_equal(hx_options_ef(&options, 110), 1200);
    options.ef = 40;
    assert_int_equal(hx_options_ef(&options, 110), 40);
}

static void stored_by_an_older_version(void **state) {
    (void)state;
    hx_options back;
    char *error;
    assert_int_equal(hx_options_from_text("dim=5, metric=l2, m=9", &back, &error), SQLITE_OK);
    const hx_options wanted = {{5, HNY_EUCLIDEAN, HNY_FLOAT32},
                               HNY_CODES_FLOAT32,
                               9,
                               128,
                               0,
                               9500,
                               1000,
                               0,
                               1000,
                               HX_AUTO,
                               HX_AUTO,
                               HX_PLACE_AUTO,
                               0,
                               0};
    assert_options(back, wanted);
}

static void stored_and_edited(void **state) {
    (void)state;
#define DAMAGED "hannoy: the table's stored options are damaged: "
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        {"dim=0, metric=l2", DAMAGED "dim must be between 1 and 65536, not 0"},
        {"metric=l2", DAMAGED "dim is missing; give dim=N, N between 1 and 65536"},
        {"dim=3, metric=l2, dim=4", DAMAGED "dim is given more than once"},
        {"dim=3, metric=l2,",
         DAMAGED "'' is not understood; write name=value, where the options are " ALL_OPTIONS},
        {"", DAMAGED "'' is not understood; write name=value, where the options are " ALL_OPTIONS},
        {NULL,
         DAMAGED "'' is not understood; write name=value, where the options are " ALL_OPTIONS},
    };
    for (int i = 0; i < COUNT(cases); i++) {
        hx_options back, before;
        char *error = NULL;
        memset(&back, 0x5a, sizeof back);
        before = back;
        assert_int_equal(hx_options_from_text(cases[i].text, &back, &error), SQLITE_CORRUPT_VTAB);
        assert_string_equal(error, cases[i].sentence);
        assert_memory_equal(&back, &before, sizeof back);
        sqlite3_free(error);
    }
}

static void settings(void **state) {
    (void)state;
    hx_options options = PARSED("dim=3", "metric=l2");
    static const struct {
        const char *text, *key;
        int64_t value;
    } cases[] = {{"ef=200", "ef", 200},
                 {" EF = '201' ", "ef", 201},
                 {"autobuild=0", "autobuild", 0},
                 {"threads=2", "threads", 2},
                 {"recall=00.97500", "recall", 9750},
                 {"codes=float16", "codes", HNY_CODES_FLOAT16},
                 {"linear_below=5", "linear_below", 5},
                 {"log_keep=7", "log_keep", 7},
                 {"background=1", "background", 1},
                 {"background=auto", "background", HX_AUTO},
                 {"background=0", "background", 0},
                 {"LOG_KEEP='Auto'", "log_keep", HX_AUTO},
                 {"Ef_Construction=64", "ef_construction", 64}};
    for (int i = 0; i < COUNT(cases); i++) {
        const char *key = NULL;
        int64_t value = -1;
        char unset[] = "not reset", *error = unset;
        assert_int_equal(hx_setting_parse(cases[i].text, &options, &key, &value, &error),
                         SQLITE_OK);
        assert_null(error);
        assert_string_equal(key, cases[i].key);
        assert_int_equal(value, cases[i].value);
    }
    const hx_options wanted = {{3, HNY_EUCLIDEAN, HNY_FLOAT32},
                               HNY_CODES_FLOAT16,
                               16,
                               64,
                               201,
                               9750,
                               0,
                               2,
                               5,
                               HX_AUTO,
                               0,
                               HX_PLACE_AUTO,
                               0,
                               0};
    assert_options(options, wanted);
}

static void settings_refused(void **state) {
    (void)state;
#define FIXED(name)                                                                                \
    "hannoy: " name " is fixed when the table is created; the settings are " ALL_SETTINGS
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        {"ef=100001", "hannoy: ef must be between 0 and 100000, not 100001"},
        {"recall=1", "hannoy: recall must be between 0.5 and 0.9999, not '1'"},
        {"recall=0.4", "hannoy: recall must be between 0.5 and 0.9999, not '0.4'"},
        {"recall=95%", "hannoy: recall must be between 0.5 and 0.9999, not '95%'"},
        {"recall=.", "hannoy: recall must be between 0.5 and 0.9999, not '.'"},
        {"recall=", "hannoy: recall has no value; write recall=…"},
        {"ef=", "hannoy: ef has no value; write ef=…"},
        {"log_keep=-1", "hannoy: log_keep must be between 0 and 2147483647, or auto, not -1"},
        {"log_keep=all",
         "hannoy: log_keep must be a whole number between 0 and 2147483647, or auto, not 'all'"},
        {"ef=auto", "hannoy: ef must be a whole number between 0 and 100000, not 'auto'"},
        {"ef=many", "hannoy: ef must be a whole number between 0 and 100000, not 'many'"},
        {"dim=4", FIXED("dim")},
        {"Type=bit", FIXED("type")},
        {"codes=int2",
         "hannoy: unknown codes 'int2'; expected one of int4, int8, float16, float32, bit"},
        {"recal=1", "hannoy: unknown setting 'recal'; the settings are " ALL_SETTINGS},
        {" ef ",
         "hannoy: 'ef' is not understood; write name=value, where the settings are " ALL_SETTINGS},
        {"",
         "hannoy: '' is not understood; write name=value, where the settings are " ALL_SETTINGS},
    };
    const hx_options before = PARSED("dim=3", "metric=l2");
    for (int i = 0; i < COUNT(cases); i++) {
        hx_options options = before;
        const char *key = "untouched";
        int64_t value = -77;
        char *error = NULL;
        assert_int_equal(hx_setting_parse(cases[i].text, &options, &key, &value, &error),
                         SQLITE_ERROR);
        assert_string_equal(error, cases[i].sentence);
        assert_options(options, before);
        assert_string_equal(key, "untouched");
        assert_int_equal(value, -77);
        sqlite3_free(error);
    }
}

/* Each allocation fails in turn: SQLITE_NOMEM, no sentence, no leak, and right once none fails. */
static void out_of_memory(void **state) {
    (void)state;
    const char *const wrong[][2] = {{"dim=0", "metric=l2"},   {"dim=3", "metric=dots"},
                                    {"dim=3", "metrics=dot"}, {"dim=3", "dim=3"},
                                    {"dim=3", "ef=2"},        {"dim=3", "ef"}};
    for (int i = 0; i < COUNT(wrong); i++) {
        for (int nth = 1;; nth++) {
            hx_options options;
            char *error;
            oom_arm(nth);
            const int rc = hx_options_parse(2, wrong[i], &options, &error);
            if (!oom_struck()) {
                assert_int_equal(rc, SQLITE_ERROR);
                assert_non_null(error);
                sqlite3_free(error);
                assert_true(nth > 1);
                break;
            }
            assert_int_equal(rc, SQLITE_NOMEM);
            assert_null(error);
        }
    }
}

static void out_of_memory_stored(void **state) {
    (void)state;
    const hx_options options = PARSED("dim=3", "metric=l2");
    for (int nth = 1;; nth++) {
        oom_arm(nth);
        char *const text = hx_options_text(&options);
        const int struck = oom_struck();
        sqlite3_free(text);
        if (!struck) {
            break;
        }
        assert_null(text);
    }
    for (int nth = 1;; nth++) {
        hx_options back;
        char *error;
        oom_arm(nth);
        const int rc = hx_options_from_text("dim=0", &back, &error);
        const int struck = oom_struck();
        assert_int_equal(rc, struck ? SQLITE_NOMEM : SQLITE_CORRUPT_VTAB);
        assert_true(struck ? error == NULL : error != NULL);
        sqlite3_free(error);
        if (!struck) {
            break;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(standard_values),
        cmocka_unit_test(standard_codes),
        cmocka_unit_test(every_option),
        cmocka_unit_test(ways_to_write),
        cmocka_unit_test(names),
        cmocka_unit_test(ranges),
        cmocka_unit_test(not_a_number),
        cmocka_unit_test(unknown_names),
        cmocka_unit_test(not_an_option),
        cmocka_unit_test(doubled_and_empty),
        cmocka_unit_test(missing),
        cmocka_unit_test(long_values),
        cmocka_unit_test(stored_and_back),
        cmocka_unit_test(stored_aims),
        cmocka_unit_test(efforts),
        cmocka_unit_test(stored_by_an_older_version),
        cmocka_unit_test(stored_and_edited),
        cmocka_unit_test(settings),
        cmocka_unit_test(settings_refused),
        cmocka_unit_test(out_of_memory),
        cmocka_unit_test(out_of_memory_stored),
    };
    oom_install();
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
