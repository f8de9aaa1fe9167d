/* A user's value into the bytes of a table's vector, and the JSON reader under it. */
#include <fenv.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "oom.h"
#include "values/json.h"
#include "values/vector.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ----------------------------------------------------------------------------- values of SQL -- */

static sqlite3 *db;

static int open_database(void **state) {
    (void)state;
    return sqlite3_open(":memory:", &db);
}

static int close_database(void **state) {
    (void)state;
    return sqlite3_close(db);
}

/* The value of an SQL expression in which ?1 stands for these bytes as a BLOB. */
static sqlite3_value *value_of(const char *expression, const void *bytes, size_t size) {
    sqlite3_stmt *statement = NULL;
    char *const sql = sqlite3_mprintf("SELECT %s", expression);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    if (bytes) {
        sqlite3_bind_blob64(statement, 1, size ? bytes : "", size, SQLITE_TRANSIENT);
    }
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    sqlite3_value *const value = sqlite3_value_dup(sqlite3_column_value(statement, 0));
    assert_non_null(value);
    sqlite3_finalize(statement);
    sqlite3_free(sql);
    return value;
}

static sqlite3_value *blob(const void *bytes, size_t size) {
    return value_of("?1", bytes, size);
}

static sqlite3_value *json(const char *text) {
    return value_of("CAST(?1 AS TEXT)", text, strlen(text));
}

static hny_shape shape(hny_type type, hny_metric metric, uint32_t dim) {
    return (hny_shape){dim, (uint8_t)metric, (uint8_t)type};
}

/* `value`, which is freed, gives these bytes, also at an address that fits no type. */
static void stored(hny_shape of, sqlite3_value *value, const void *wanted) {
    const size_t size = hny_vector_bytes(of);
    char *const out = malloc(size + 1);
    char unset[] = "not reset", *error = unset;
    assert_non_null(out);
    const int rc = hx_vector_parse(of, value, "vector", out + 1, &error);
    if (error) {
        fail_msg("%s", error);
    }
    assert_int_equal(rc, SQLITE_OK);
    assert_memory_equal(out + 1, wanted, size);
    free(out);
    sqlite3_value_free(value);
}

static void refused_as(int code, hny_shape of, sqlite3_value *value, const char *what,
                       const char *sentence) {
    void *const out = malloc(hny_vector_bytes(of));
    char *error = NULL;
    assert_non_null(out);
    assert_int_equal(hx_vector_parse(of, value, what, out, &error), code);
    assert_string_equal(error, sentence);
    sqlite3_free(error);
    free(out);
    sqlite3_value_free(value);
}

static void refused(hny_shape of, sqlite3_value *value, const char *sentence) {
    refused_as(SQLITE_ERROR, of, value, "vector", sentence);
}

#define FLOATS(...) blob((const float[]){__VA_ARGS__}, sizeof((const float[]){__VA_ARGS__}))
#define HALVES(...) blob((const uint16_t[]){__VA_ARGS__}, sizeof((const uint16_t[]){__VA_ARGS__}))
#define BYTES(...)  blob((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* ---------------------------------------------------------------------------------- accepted -- */

static const hny_metric all_metrics[] = {HNY_COSINE, HNY_EUCLIDEAN, HNY_MANHATTAN, HNY_HAMMING,
                                         HNY_DOT};

static void into_float32(void **state) {
    (void)state;
    const float wanted[] = {0.5f, -0.0f, FLT_MAX, -1e-45f};
    for (size_t i = 0; i < COUNT(all_metrics); i++) {
        const hny_shape of = shape(HNY_FLOAT32, all_metrics[i], 4);
        stored(of, FLOATS(0.5f, -0.0f, FLT_MAX, -1e-45f), wanted);
        stored(of, json("[0.5,-0,3.40282346638528859812e38,-1e-45]"), wanted);
        stored(of, json(" [ 5e-1 ,\t-0.0e7 ,\n34028234.66E31 ,\r-0.0014e-42 ] "), wanted);
    }
}

static void into_float16(void **state) {
    (void)state;
    /* 2049 and 2051 lie between two halves and go to the even ones; 65519 is still finite. */
    const uint16_t wanted[] = {0x3c00, 0xc000, 0x6800, 0x6802, 0x7bff, 0x8000};
    for (size_t i = 0; i < COUNT(all_metrics); i++) {
        const hny_shape of = shape(HNY_FLOAT16, all_metrics[i], 6);
        stored(of, HALVES(0x3c00, 0xc000, 0x6800, 0x6802, 0x7bff, 0x8000), wanted);
        stored(of, FLOATS(1, -2, 2049, 2051, 65519, -0.0f), wanted);
        stored(of, json("[1, -2, 2049, 2051, 65519, -1e-30]"), wanted);
    }
}

static void into_int8(void **state) {
    (void)state;
    const int8_t wanted[] = {127, -128, 0, 5};
    for (size_t i = 0; i < COUNT(all_metrics); i++) {
        const hny_shape of = shape(HNY_INT8, all_metrics[i], 4);
        stored(of, blob(wanted, sizeof wanted), wanted);
        if (all_metrics[i] == HNY_COSINE) {
            continue;
        }
        stored(of, FLOATS(127, -128, -0.0f, 5), wanted);
        stored(of, json("[127, -128.0, 0, 0.5e1]"), wanted);
    }
}

static void into_int8_scaled(void **state) {
    (void)state;
    const hny_shape of = shape(HNY_INT8, HNY_COSINE, 4);
    const int8_t zero[4] = {0}, halves[] = {127, -64, 64, 1}, equal[] = {-127, 127, -127, 0};
    stored(of, FLOATS(0, -0.0f, 0, 0), zero);
    stored(of, FLOATS(254, -127, 127, 1), halves); /* ties go away from zero */
    stored(of, json("[254, -127, 127, 1]"), halves);
    stored(of, FLOATS(-FLT_MAX, FLT_MAX, -FLT_MAX, 1), equal);
    stored(of, FLOATS(-1e-45f, 1e-45f, -1e-45f, 0), equal);
}

static void into_bits(void **state) {
    (void)state;
    const uint8_t wanted[] = {0x85, 0x02};
    for (size_t i = 0; i < COUNT(all_metrics); i++) {
        const hny_shape of = shape(HNY_BIT, all_metrics[i], 11);
        stored(of, BYTES(0x85, 0x02), wanted);
        stored(of, BYTES(0x85, 0xfa), wanted); /* padding is cleared */
        stored(of, FLOATS(1, 0, 1e-45f, -1, -0.0f, -1e-45f, -3, 9, 0, 2, -2), wanted);
        stored(of, json("[1,0,1e-40,-1,-0,-9,-3,9,0,2,-2]"), wanted);
        const uint8_t whole[] = {0xff, 0xa5};
        stored(shape(HNY_BIT, all_metrics[i], 16), BYTES(0xff, 0xa5), whole);
    }
}

static void unaligned_blob(void **state) {
    (void)state;
    /* A value of SQLite's that begins in the middle of a row is at any address. */
    const float wanted[] = {1.5f, -2.5f, 3};
    uint8_t bytes[1 + sizeof wanted] = {0};
    memcpy(bytes + 1, wanted, sizeof wanted);
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT ?1", -1, &statement, NULL), SQLITE_OK);
    sqlite3_bind_blob(statement, 1, bytes + 1, sizeof wanted, SQLITE_STATIC);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    char out[sizeof wanted], *error;
    assert_int_equal(hx_vector_parse(shape(HNY_FLOAT32, HNY_COSINE, 3),
                                     sqlite3_column_value(statement, 0), "vector", out, &error),
                     SQLITE_OK);
    assert_memory_equal(out, wanted, sizeof wanted);
    sqlite3_finalize(statement);
}

static void largest_dimension(void **state) {
    (void)state;
    float *const floats = malloc(HNY_MAX_DIM * sizeof *floats);
    char *const text = malloc(HNY_MAX_DIM * 10 + 2);
    assert_non_null(floats);
    assert_non_null(text);
    char *end = text;
    for (int i = 0; i < HNY_MAX_DIM; i++) {
        floats[i] = (float)(i - 30000) / 4;
        end += sprintf(end, "%c%.2f", i ? ',' : '[', (i - 30000) / 4.0);
    }
    strcpy(end, "]");
    const hny_shape of = shape(HNY_FLOAT32, HNY_COSINE, HNY_MAX_DIM);
    stored(of, blob(floats, HNY_MAX_DIM * sizeof *floats), floats);
    stored(of, json(text), floats);
    free(floats);
    free(text);
}

/* ----------------------------------------------------------------------------------- refused -- */

static void wrong_kind(void **state) {
    (void)state;
    const hny_shape of = shape(HNY_FLOAT32, HNY_COSINE, 3);
    refused_as(SQLITE_MISMATCH, of, value_of("NULL", NULL, 0), "vector",
               "hannoy: the vector must be a BLOB or a JSON array, not NULL");
    refused_as(SQLITE_MISMATCH, of, value_of("NULL", NULL, 0), "query",
               "hannoy: the query must be a BLOB or a JSON array, not NULL");
    refused_as(SQLITE_MISMATCH, of, value_of("-9223372036854775807 - 1", NULL, 0), "query",
               "hannoy: the query must be a BLOB or a JSON array, not the integer "
               "-9223372036854775808");
    refused_as(SQLITE_MISMATCH, of, value_of("0.1", NULL, 0), "vector",
               "hannoy: the vector must be a BLOB or a JSON array, not the number 0.1");
}

static void wrong_length_float32(void **state) {
    (void)state;
    const hny_shape of = shape(HNY_FLOAT32, HNY_COSINE, 4);
    refused(of, FLOATS(1, 2, 3), "hannoy: the vector has 3 dimensions, the table 4");
    refused(of, FLOATS(1), "hannoy: the vector has 1 dimension, the table 4");
    refused(of, FLOATS(1, 2, 3, 4, 5), "hannoy: the vector has 5 dimensions, the table 4");
    refused(of, blob("", 0), "hannoy: the vector has 0 dimensions, the table 4");
    refused(of, blob("0123456789abc", 13),
            "hannoy: the vector is a BLOB of 13 bytes; a vector of dim 4 takes 16 bytes");
    refused(of, blob("0", 1),
            "hannoy: the vector is a BLOB of 1 byte; a vector of dim 4 takes 16 bytes");
    refused(shape(HNY_FLOAT32, HNY_COSINE, 1), blob("01", 2),
            "hannoy: the vector is a BLOB of 2 bytes; a vector of dim 1 takes 4 bytes");
    refused(of, json("[1,2,3]"), "hannoy: the vector has 3 dimensions, the table 4");
    refused(of, json("[]"), "hannoy: the vector has 0 dimensions, the table 4");
    refused(of, json("[1,2,3,4,5,6,7,8,9]"), "hannoy: the vector has 9 dimensions, the table 4");
    refused_as(SQLITE_ERROR, of, json("[1]"), "query",
               "hannoy: the query has 1 dimension, the table 4");
}

static void wrong_length_others(void **state) {
    (void)state;
    const char bytes[64] = {0};
    const hny_shape half = shape(HNY_FLOAT16, HNY_COSINE, 4);
    const hny_shape int8 = shape(HNY_INT8, HNY_COSINE, 4), bit = shape(HNY_BIT, HNY_HAMMING, 20);
    refused(half, blob(bytes, 12),
            "hannoy: the vector has 6 dimensions as float16 or 3 as float32, the table 4");
    refused(half, blob(bytes, 10), "hannoy: the vector has 5 dimensions as float16, the table 4");
    refused(half, blob(bytes, 2), "hannoy: the vector has 1 dimension as float16, the table 4");
    refused(half, blob(bytes, 7),
            "hannoy: the vector is a BLOB of 7 bytes; a vector of dim 4 takes 8 bytes as float16, "
            "16 as float32");
    refused(half, json("[1]"), "hannoy: the vector has 1 dimension, the table 4");
    refused(int8, blob(bytes, 5), "hannoy: the vector has 5 dimensions as int8, the table 4");
    refused(int8, blob(bytes, 8),
            "hannoy: the vector has 8 dimensions as int8 or 2 as float32, the table 4");
    refused(bit, blob(bytes, 2), "hannoy: the vector has up to 16 dimensions as bit, the table 20");
    refused(bit, blob(bytes, 4),
            "hannoy: the vector has up to 32 dimensions as bit or 1 as float32, the table 20");
    refused(bit, blob("", 0),
            "hannoy: the vector has up to 0 dimensions as bit or 0 as float32, the table 20");
}

static void not_finite(void **state) {
    (void)state;
#define FINITE "; a vector takes finite numbers only"
    for (hny_type type = HNY_FLOAT32; type <= HNY_BIT; type++) {
        for (size_t i = 0; i < COUNT(all_metrics); i++) {
            const hny_shape of = shape(type, all_metrics[i], 3);
            refused(of, FLOATS(1, 2, NAN),
                    "hannoy: element 3 (counted from 1) of the vector is NaN" FINITE);
            refused(of, FLOATS(INFINITY, NAN, 3),
                    "hannoy: element 1 (counted from 1) of the vector is infinity" FINITE);
            refused(of, FLOATS(1, -INFINITY, 3),
                    "hannoy: element 2 (counted from 1) of the vector is -infinity" FINITE);
        }
    }
    const hny_shape half = shape(HNY_FLOAT16, HNY_COSINE, 3);
    refused(half, HALVES(0, 0, 0x7e00),
            "hannoy: element 3 (counted from 1) of the vector is NaN" FINITE);
    refused(half, HALVES(0x7bff, 0x7c00, 0),
            "hannoy: element 2 (counted from 1) of the vector is infinity" FINITE);
    refused(half, HALVES(0xfc00, 0, 0xffff),
            "hannoy: element 1 (counted from 1) of the vector is -infinity" FINITE);
    refused_as(SQLITE_ERROR, half, HALVES(0, 0, 0x7c01), "query",
               "hannoy: element 3 (counted from 1) of the query is NaN" FINITE);
}

static void out_of_range(void **state) {
    (void)state;
    const hny_shape half = shape(HNY_FLOAT16, HNY_EUCLIDEAN, 2);
    refused(half, FLOATS(1, 65520),
            "hannoy: element 2 (counted from 1) of the vector is 65520; "
            "float16 reaches from -65504 to 65504");
    refused(half, json("[-1e5, 1]"),
            "hannoy: element 1 (counted from 1) of the vector is -100000; "
            "float16 reaches from -65504 to 65504");
#define WHOLE(element, value, metric)                                                              \
    "hannoy: element " element " (counted from 1) of the vector is " value "; under " metric       \
    " a vector of type int8 takes whole numbers from -128 to 127"
    refused(shape(HNY_INT8, HNY_EUCLIDEAN, 2), FLOATS(1, 128), WHOLE("2", "128", "euclidean"));
    refused(shape(HNY_INT8, HNY_MANHATTAN, 2), FLOATS(-129, 1), WHOLE("1", "-129", "manhattan"));
    refused(shape(HNY_INT8, HNY_HAMMING, 2), json("[1, 0.1]"), WHOLE("2", "0.1", "hamming"));
    refused(shape(HNY_INT8, HNY_HAMMING, 2), json("[1, 126.99999]"),
            WHOLE("2", "126.999992", "hamming"));
    refused(shape(HNY_INT8, HNY_EUCLIDEAN, 2), FLOATS(1e30f, 1), WHOLE("1", "1e+30", "euclidean"));
}

static void json_overflow(void **state) {
    (void)state;
    const hny_shape of = shape(HNY_FLOAT32, HNY_COSINE, 2);
#define TOO_LARGE(element, number)                                                                 \
    "hannoy: element " element " (counted from 1) of the vector is " number                        \
    ", too large for a float32"
    refused(of, json("[1, 1e39]"), TOO_LARGE("2", "1e39"));
    refused(of, json("[-1e999999999999999999999, 1]"), TOO_LARGE("1", "-1e99999999999999999…"));
    refused(of, json("[3.40282356779733662e38, 1]"), TOO_LARGE("1", "3.40282356779733662e…"));
}

static void json_syntax(void **state) {
    (void)state;
#define NOT_JSON(expected, position)                                                               \
    "hannoy: the vector is not a JSON array of numbers: expected " expected " at byte " position
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        {"", NOT_JSON("a '['", "1, where it ends")},
        {"  ", NOT_JSON("a '['", "3, where it ends")},
        {"1", NOT_JSON("a '['", "1")},
        {"{}", NOT_JSON("a '['", "1")},
        {"\xef\xbb\xbf[1,2]", NOT_JSON("a '['", "1")},
        {"null", NOT_JSON("a '['", "1")},
        {"[", NOT_JSON("a number", "2, where it ends")},
        {"[1", NOT_JSON("a ',' or ']'", "3, where it ends")},
        {"[1 2]", NOT_JSON("a ',' or ']'", "4")},
        {"[1,]", NOT_JSON("a number", "4")},
        {"[1,", NOT_JSON("a number", "4, where it ends")},
        {"[,1]", NOT_JSON("a number", "2")},
        {"[[1,2]]", NOT_JSON("a number", "2")},
        {"[\"1\"]", NOT_JSON("a number", "2")},
        {"[null]", NOT_JSON("a number", "2")},
        {"[NaN]", NOT_JSON("a number", "2")},
        {"[Infinity]", NOT_JSON("a number", "2")},
        {"[-Infinity]", NOT_JSON("a digit", "3")},
        {"[+1]", NOT_JSON("a number", "2")},
        {"[.]", NOT_JSON("a digit", "3")},
        {"[-.]", NOT_JSON("a digit", "4")},
        {"[--1]", NOT_JSON("a digit", "3")},
        {"[1.]", NOT_JSON("a digit", "4")},
        {"[1.e3]", NOT_JSON("a digit", "4")},
        {"[1e]", NOT_JSON("a digit", "4")},
        {"[1e+]", NOT_JSON("a digit", "5")},
        {"[1e--5]", NOT_JSON("a digit", "5")},
        {"[1e5.5]", NOT_JSON("a ',' or ']'", "5")},
        {"[01]", NOT_JSON("a ',' or ']'", "3")},
        {"[-01]", NOT_JSON("a ',' or ']'", "4")},
        {"[0x10]", NOT_JSON("a ',' or ']'", "3")},
        {"[1,5;2]", NOT_JSON("a ',' or ']'", "5")},
        {"[1f]", NOT_JSON("a ',' or ']'", "3")},
        {"[1]]", NOT_JSON("nothing more", "4")},
        {"[1] x", NOT_JSON("nothing more", "5")},
        {"[1],[2]", NOT_JSON("nothing more", "4")},
        {"[1\v]", NOT_JSON("a ',' or ']'", "3")},
        {"[1\xc2\xa0]", NOT_JSON("a ',' or ']'", "3")},
        {"[1} ", NOT_JSON("a ',' or ']'", "3")},
        {"[1,\xff]", NOT_JSON("a number", "4")},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        refused(shape(HNY_FLOAT32, HNY_COSINE, 1), json(cases[i].text), cases[i].sentence);
    }
    const hny_shape of = shape(HNY_FLOAT32, HNY_COSINE, 1);
    refused(of, value_of("CAST(?1 AS TEXT)", "[1\0]", 4), NOT_JSON("a ',' or ']'", "3"));
    refused(of, value_of("CAST(?1 AS TEXT)", "[1]\0", 4), NOT_JSON("nothing more", "4"));
}

static void out_of_memory(void **state) {
    (void)state;
    static const char *const texts[] = {"[1, 2, 3, 4]", "[1, 2, 3]", "[1, 2", "[1, 2, 300, 1e99]",
                                        "[1, 2, 70000, 4]"};
    const hny_shape of = shape(HNY_FLOAT16, HNY_EUCLIDEAN, 4);
    for (size_t i = 0; i < COUNT(texts); i++) {
        sqlite3_value *const value = json(texts[i]);
        for (int nth = 1, struck = 1; struck; nth++) {
            char out[8], *error = NULL;
            oom_arm(nth);
            const int rc = hx_vector_parse(of, value, "vector", out, &error);
            struck = oom_struck();
            if (struck) {
                assert_null(error);
            }
            assert_int_equal(rc, struck ? SQLITE_NOMEM : i == 0 ? SQLITE_OK : SQLITE_ERROR);
            sqlite3_free(error);
            assert_true(nth > 1 || struck);
        }
        sqlite3_value_free(value);
    }
}

/* parse(value) with the nth allocation failing; *nth becomes 0 once none has failed. */
static void parse_without_memory(sqlite3_context *context, int argc, sqlite3_value **argv) {
    (void)argc;
    int *const nth = sqlite3_user_data(context);
    char out[1000], unset[] = "not reset", *error = unset;
    oom_arm(*nth);
    const int rc =
        hx_vector_parse(shape(HNY_INT8, HNY_EUCLIDEAN, 1000), argv[0], "vector", out, &error);
    const int struck = oom_struck();
    assert_true(struck || *nth > 1);
    assert_int_equal(rc, struck ? SQLITE_NOMEM : SQLITE_OK);
    assert_null(error);
    for (size_t i = 0; !struck && i < sizeof out; i++) {
        assert_int_equal(out[i], 0);
    }
    if (!struck) {
        *nth = 0;
    }
}

/* zeroblob(N) has no bytes until they are asked for, which can fail. */
static void out_of_memory_for_zeroes(void **state) {
    (void)state;
    int nth = 1;
    assert_int_equal(sqlite3_create_function(db, "parse", 1, SQLITE_UTF8, &nth,
                                             parse_without_memory, NULL, NULL),
                     SQLITE_OK);
    for (; nth; nth += nth != 0) {
        sqlite3_exec(db, "SELECT parse(zeroblob(4000))", 0, 0, 0);
    }
}

/* -------------------------------------------------------------------- numbers against strtof -- */

static uint64_t seed;

static uint64_t random_bits(void) { /* splitmix64 */
    uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static unsigned below(unsigned limit) {
    return (unsigned)(random_bits() % limit);
}

static float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

enum { NUMBER_BYTES = 1200 };

/* Some finite float32, subnormals and the ends of binades more often than by chance. */
static float random_float(void) {
    uint32_t bits = (uint32_t)random_bits();
    switch (below(4)) {
    case 0:
        bits &= 0x80ffffff;
        break;
    case 1:
        bits &= 0xff800003;
        break;
    case 2:
        bits |= 0x007ffffc;
        break;
    }
    return (bits & 0x7f800000) == 0x7f800000 ? 0 : float_of(bits);
}

static void print_float(char *out) {
    const float value = random_float();
    sprintf(out, below(2) ? "%.*e" : "%.*g", (int)below(22), (double)value);
}

/* The middle of two neighbouring float32, exactly, or next to it by one in some digit after it. */
static void print_middle(char *out) {
    const float low = fabsf(random_float()), high = nextafterf(low, INFINITY);
    double middle = (low + (double)high) / 2;
    if (isinf(high)) {
        middle = 0x1.ffffffp127;
    }
    sprintf(out, "%.*f", 160, middle);
    char *const last = out + strlen(out) - 1;
    switch (below(4)) {
    case 0: /* any middle ends in a 5 well before the last of these digits */
        *last = '1';
        break;
    case 1: {
        char *p = last;
        while (p > out && (*p == '0' || *p == '.')) {
            p--;
        }
        *p = (char)(*p - 1);
        break;
    }
    case 2:
        memset(last + 1, '0', 500);
        strcpy(last + 501, below(2) ? "1" : "0");
        break;
    }
}

static void print_digits(char *out) {
    static const unsigned lengths[] = {1, 3, 8, 17, 19, 20, 25, 60, 130};
    const unsigned whole = 1 + below(lengths[below(9)]), fraction = below(lengths[below(9)]);
    const unsigned zeros = below(3) ? 0 : below(60);
    char *p = out;
    if (below(2)) {
        *p++ = '-';
    }
    if (below(2)) {
        *p++ = '0';
    } else {
        for (unsigned i = 0; i < whole; i++) {
            *p++ = (char)('0' + (i ? below(10) : 1 + below(9)));
        }
    }
    if (fraction) {
        *p++ = '.';
        for (unsigned i = 0; i < zeros; i++) {
            *p++ = '0';
        }
        for (unsigned i = 0; i < fraction; i++) {
            *p++ = (char)('0' + below(10));
        }
    }
    *p = '\0';
    if (below(2)) {
        sprintf(p, "%c%s%d", below(2) ? 'e' : 'E', below(2) ? "+" : "", (int)below(60));
    } else if (below(2)) {
        sprintf(p, "e-%u", below(80));
    }
}

/* One number against strtof, which glibc rounds correctly.  Both agree on what overflows, too. */
static void check_number(const char *number, float wanted) {
    char text[NUMBER_BYTES + 3];
    hx_json_fault fault;
    float got = 7;
    size_t count;
    const int length = sprintf(text, "[%s]", number);
    const int rc = hx_json_floats(text, (size_t)length, &got, 1, &count, &fault);
    if (isinf(wanted)) {
        if (rc == 0 || fault.expected || fault.position != 2 || fault.element != 1 ||
            fault.width != strlen(number)) {
            fail_msg("%s: taken for %g, or the fault is wrong", number, (double)got);
        }
    } else if (rc != 0 || count != 1 || memcmp(&got, &wanted, sizeof got)) {
        fail_msg("%s: %a instead of %a", number, (double)got, (double)wanted);
    }
}

enum { NUMBERS = 100000 };

static void random_numbers(void (*print)(char *)) {
    static char number[NUMBER_BYTES];
    print_message("seed %llu (TEST_SEED sets it)\n", (unsigned long long)seed);
    for (int i = 0; i < NUMBERS; i++) {
        print(number);
        check_number(number, strtof(number, NULL));
    }
}

static void numbers_printed(void **state) {
    (void)state;
    random_numbers(print_float);
}

static void numbers_in_the_middle(void **state) {
    (void)state;
    random_numbers(print_middle);
}

static void numbers_of_digits(void **state) {
    (void)state;
    random_numbers(print_digits);
}

static void numbers_chosen(void **state) {
    (void)state;
    static const char *const numbers[] = {"0",
                                          "-0",
                                          "0e0",
                                          "0E+999999999999999999999",
                                          "-0.000e-5",
                                          "1",
                                          "-1",
                                          "10",
                                          "0.1",
                                          "16777216",
                                          "16777217",
                                          "16777218",
                                          "16777219",
                                          "16777217.0000000000000000000000000001",
                                          "33554435",
                                          "9007199254740993",
                                          "18446744073709551615",
                                          "18446744073709551616",
                                          "1e22",
                                          "1e23",
                                          "1e-22",
                                          "1e-23",
                                          "1e38",
                                          "3.4028234663852886e38",
                                          "3.4028235677973365e38",
                                          "3.4028235677973366e38",
                                          "340282356779733661637539395458142568447",
                                          "340282356779733661637539395458142568448",
                                          "1e39",
                                          "1e40",
                                          "1e308",
                                          "1e309",
                                          "1.17549435e-38",
                                          "1.1754943508222875e-38",
                                          "1.1754942106924411e-38",
                                          "1.4e-45",
                                          "1e-45",
                                          "7.006492321624085e-46",
                                          "7.006492321624086e-46",
                                          "7e-46",
                                          "1e-46",
                                          "1e-400",
                                          "1e99999999999999999999",
                                          "1e-99999999999999999999",
                                          "-1e99999999999999999999",
                                          "12345678901234567890123456789e-10",
                                          "0.00000000000000000000000000000000000000000000012345",
                                          "100000000000000000000000000000000000000000e-20",
                                          "1.00000017881393432617187499",
                                          "1.00000017881393432617187500",
                                          "1.00000017881393432617187501",
                                          "1.000000059604644775390625"};
    for (size_t i = 0; i < COUNT(numbers); i++) {
        check_number(numbers[i], strtof(numbers[i], NULL));
    }
}

/* As many zeros as an exponent takes back, and digits beyond all that can matter. */
static void numbers_of_length(void **state) {
    (void)state;
    enum { ZEROS = 2000000 };
    char *const text = malloc(2 * ZEROS + 100);
    assert_non_null(text);
    for (int way = 0; way < 3; way++) {
        char *p = text;
        p += sprintf(p, way == 0 ? "[0." : way == 1 ? "[25" : "[1.00000005960464477539062");
        memset(p, way == 2 ? '5' : '0', ZEROS);
        p += ZEROS;
        if (way == 0) {
            p += sprintf(p, "25e%d]", ZEROS + 1);
        } else {
            p += sprintf(p, way == 1 ? "e-%d]" : "]", ZEROS + 1);
        }
        float got;
        size_t count;
        hx_json_fault fault;
        assert_int_equal(hx_json_floats(text, (size_t)(p - text), &got, 1, &count, &fault), 0);
        assert_true(got == (way == 2 ? 0x1.000002p0f : 2.5f));
    }
    free(text);
}

/* What a host does to the locale or to the rounding mode changes nothing. */
static void numbers_in_any_locale(void **state) {
    (void)state;
    char saved[100];
    snprintf(saved, sizeof saved, "%s", setlocale(LC_NUMERIC, NULL));
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8") && !setlocale(LC_NUMERIC, "fr_FR.UTF-8")) {
        print_message("neither de_DE.UTF-8 nor fr_FR.UTF-8 is installed\n");
        skip();
    }
    assert_string_equal(localeconv()->decimal_point, ",");
    check_number("1.5", 1.5f);
    check_number("16777217.0000000000000001", 16777218.f);
    refused(shape(HNY_FLOAT32, HNY_COSINE, 1), json("[1,5]"),
            "hannoy: the vector has 2 dimensions, the table 1");
    refused(shape(HNY_INT8, HNY_EUCLIDEAN, 1), json("[1.5]"), WHOLE("1", "1.5", "euclidean"));
    setlocale(LC_NUMERIC, saved);
}

static void numbers_in_any_rounding_mode(void **state) {
    (void)state;
    static char number[NUMBER_BYTES];
    static const int modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    void (*const prints[])(char *) = {print_float, print_middle, print_digits};
    for (int i = 0; i < NUMBERS / 10; i++) {
        prints[i % 3](number);
        const float wanted = strtof(number, NULL);
        for (size_t mode = 0; mode < COUNT(modes); mode++) {
            fesetround(modes[mode]);
            check_number(number, wanted);
            fesetround(FE_TONEAREST);
        }
    }
}

/* A number without its leading zero is read as the same number. */
static void numbers_without_a_zero(void **state) {
    (void)state;
    static const char *const numbers[] = {
        "0.5", "0.000001", "0.10000000149011611938", "0.5e-3",
        "0.00000000000000000000000000000000000000000000140129846"};
    for (size_t i = 0; i < 2 * COUNT(numbers); i++) {
        const char *const number = numbers[i / 2];
        char text[80];
        float got[2] = {7, 7};
        size_t count;
        hx_json_fault fault;
        const int length = sprintf(text, "[%s%s,1]", i % 2 ? "-" : "", number + 1);
        const float wanted = strtof(number, NULL) * (i % 2 ? -1.0f : 1.0f);
        assert_int_equal(hx_json_floats(text, (size_t)length, got, 2, &count, &fault), 0);
        assert_true(count == 2 && got[0] == wanted && got[1] == 1);
    }
}

/* The first `capacity` elements are stored, all are counted, and nothing beyond is touched. */
static void more_than_there_is_room_for(void **state) {
    (void)state;
    float out[3] = {0, 0, 9};
    size_t count = 0;
    hx_json_fault fault;
    assert_int_equal(hx_json_floats("[1,2,3,4,5]", 11, out, 2, &count, &fault), 0);
    assert_int_equal(count, 5);
    assert_true(out[0] == 1 && out[1] == 2 && out[2] == 9);
    /* The length decides, not a terminator. */
    assert_int_equal(hx_json_floats("[12345678]9", 10, out, 2, &count, &fault), 0);
    assert_int_equal(hx_json_floats("[12345678]9", 7, out, 2, &count, &fault), -1);
    assert_int_equal(fault.position, 8);
    assert_int_equal(hx_json_floats("[]", 2, NULL, 0, &count, &fault), 0);
    assert_int_equal(count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(into_float32),
        cmocka_unit_test(into_float16),
        cmocka_unit_test(into_int8),
        cmocka_unit_test(into_int8_scaled),
        cmocka_unit_test(into_bits),
        cmocka_unit_test(unaligned_blob),
        cmocka_unit_test(largest_dimension),
        cmocka_unit_test(wrong_kind),
        cmocka_unit_test(wrong_length_float32),
        cmocka_unit_test(wrong_length_others),
        cmocka_unit_test(not_finite),
        cmocka_unit_test(out_of_range),
        cmocka_unit_test(json_overflow),
        cmocka_unit_test(json_syntax),
        cmocka_unit_test(out_of_memory),
        cmocka_unit_test(out_of_memory_for_zeroes),
        cmocka_unit_test(numbers_printed),
        cmocka_unit_test(numbers_in_the_middle),
        cmocka_unit_test(numbers_of_digits),
        cmocka_unit_test(numbers_chosen),
        cmocka_unit_test(numbers_of_length),
        cmocka_unit_test(numbers_in_any_locale),
        cmocka_unit_test(numbers_in_any_rounding_mode),
        cmocka_unit_test(numbers_without_a_zero),
        cmocka_unit_test(more_than_there_is_room_for),
    };
    const char *const given = getenv("TEST_SEED");
    seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    oom_install();
    return cmocka_run_group_tests_name("vector", tests, open_database, close_database);
}
