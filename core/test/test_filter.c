/* Attributes and filters, against a naive implementation of SQLite's rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "read/attribute.h"
#include "read/filter.h"

/* A value in one of the classes of SQLite. */
typedef struct value {
    int class; /* 0 NULL, 1 integer, 2 real, 3 text, 4 BLOB */
    int64_t integer;
    double real;
    char bytes[24];
    size_t count;
} value;

static hny_attribute attribute_of(const value *v) {
    switch (v->class) {
    case 1:
        return hny_attribute_integer(v->integer);
    case 2:
        return hny_attribute_real(v->real);
    case 3:
        return hny_attribute_text(v->bytes, v->count);
    case 4:
        return hny_attribute_blob(v->bytes, v->count);
    default:
        return hny_attribute_null();
    }
}

/* A long double with 64 bits of mantissa holds every integer and every double exactly. */
static long double number_of(const value *v) {
    return v->class == 1 ? (long double)v->integer : (long double)v->real;
}

static int compare(const value *a, const value *b) {
    const int left = a->class == 2 ? 1 : a->class, right = b->class == 2 ? 1 : b->class;
    if (left != right) {
        return left < right ? -1 : 1;
    }
    if (left == 1) {
        return (number_of(a) > number_of(b)) - (number_of(a) < number_of(b));
    }
    const int order = memcmp(a->bytes, b->bytes, a->count < b->count ? a->count : b->count);
    if (order) {
        return order;
    }
    return (a->count > b->count) - (a->count < b->count);
}

static value integer(int64_t number) {
    return (value){.class = 1, .integer = number};
}

static value real(double number) {
    return (value){.class = 2, .real = number};
}

static value bytes(int class, const char *text, size_t count) {
    value v = {.class = class, .count = count};
    memcpy(v.bytes, text, count);
    return v;
}

#define TEXT(text) bytes(3, text, sizeof(text) - 1)
#define BLOB(text) bytes(4, text, sizeof(text) - 1)

static size_t make_values(value *v) {
    static const double reals[] = {0,       -0.0,   0.5,     -0.5,   1,
                                   1e15,    0x1p53, -0x1p53, 0x1p62, 0x1p63,
                                   -0x1p63, 1e300,  -1e300,  3.25,   0x1.fffffffffffffp62};
    static const int64_t integers[] = {0,
                                       1,
                                       -1,
                                       3,
                                       INT64_MAX,
                                       INT64_MIN,
                                       (1ll << 53) + 1,
                                       (1ll << 53) - 1,
                                       1ll << 53,
                                       1ll << 62,
                                       INT64_MAX - 1};
    size_t count = 0;
    v[count++] = (value){.class = 0};
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
        v[count++] = real(reals[i]);
    }
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
        v[count++] = integer(integers[i]);
    }
    const value texts[] = {TEXT(""),          TEXT("a"),          TEXT("a\0"),
                           TEXT("ab"),        TEXT("abcdefgh"),   TEXT("abcdefghi"),
                           TEXT("abcdefghj"), TEXT("\xff"),       BLOB(""),
                           BLOB("a"),         BLOB("abcdefgh\0"), BLOB("abcdefgh")};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        v[count++] = texts[i];
    }
    return count;
}

static void test_compare(void **unused) {
    value v[64];
    const size_t count = make_values(v);
    (void)unused;
    for (size_t i = 1; i < count; i++) {
        for (size_t j = 1; j < count; j++) {
            const int should = compare(&v[i], &v[j]);
            const hny__order is = hny__attribute_compare(attribute_of(&v[i]), attribute_of(&v[j]));
            if (is == HNY__UNSURE) {
                assert_true(v[i].class == v[j].class && should != 0);
                assert_memory_equal(v[i].bytes, v[j].bytes, 8);
            } else {
                assert_int_equal(is, (should > 0) - (should < 0));
            }
        }
    }
}

static int passes(hny_op op, const value *row, const value *with) {
    if (op == HNY_IS_NULL) {
        return row->class == 0;
    }
    if (row->class == 0) {
        return 0;
    }
    if (op == HNY_NOT_NULL) {
        return 1;
    }
    if (with->class == 0) {
        return 0;
    }
    const int order = compare(row, with);
    switch (op) {
    case HNY_EQ:
    case HNY_IN:
        return order == 0;
    case HNY_NE:
        return order != 0;
    case HNY_LT:
        return order < 0;
    case HNY_LE:
        return order <= 0;
    case HNY_GT:
        return order > 0;
    default:
        return order >= 0;
    }
}

static void test_operators(void **unused) {
    value v[64];
    const size_t count = make_values(v);
    (void)unused;
    for (hny_op op = HNY_EQ; op <= HNY_NOT_NULL; op++) {
        for (size_t j = 0; j < count; j++) {
            const hny_attribute with = attribute_of(&v[j]);
            hny_filter *filter;
            assert_int_equal(hny_filter_new(&filter), HNY_OK);
            assert_int_equal(hny_filter_where(filter, 1, op, &with, op < HNY_IS_NULL), HNY_OK);
            for (size_t i = 0; i < count; i++) {
                const hny_attribute row[2] = {hny_attribute_null(), attribute_of(&v[i])};
                const hny_answer is = hny_filter_test(filter, 5, row);
                if (is == HNY_MAYBE) {
                    assert_true(hny_filter_unsure(filter));
                } else {
                    assert_int_equal(is == HNY_YES, passes(op, &v[i], &v[j]));
                }
            }
            hny_filter_free(filter);
        }
    }
}

static void test_sets(void **unused) {
    static const int64_t some[] = {7, INT64_MIN, -1, 7, INT64_MAX, 1ll << 32, 0, (1ll << 32) + 7};
    static const int64_t others[] = {-1, 0, 7, 8};
    const hny_attribute list[] = {hny_attribute_integer(3), hny_attribute_text("x", 1),
                                  hny_attribute_integer(1)};
    const hny_attribute one = hny_attribute_real(1), two = hny_attribute_integer(2);
    hny_filter *filter;
    (void)unused;
    assert_int_equal(hny_filter_new(&filter), HNY_OK);
    assert_int_equal(hny_filter_rowids(filter, some, 8), HNY_OK);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(hny_filter_test(filter, some[i], NULL), HNY_YES);
        assert_int_equal(hny_filter_test(filter, some[i] ^ 2, NULL), HNY_NO);
    }
    assert_int_equal(hny__filter_smallest_set(filter)->size, 7);
    assert_int_equal(hny_filter_rowids(filter, others, 4), HNY_OK);
    assert_int_equal(hny__filter_smallest_set(filter)->size, 4);
    assert_int_equal(hny_filter_test(filter, 8, NULL), HNY_NO);
    assert_int_equal(hny_filter_test(filter, INT64_MAX, NULL), HNY_NO);
    assert_int_equal(hny_filter_test(filter, -1, NULL), HNY_YES);
    assert_int_equal(hny_filter_where(filter, 0, HNY_IN, list, 3), HNY_OK);
    assert_int_equal(hny_filter_test(filter, -1, &one), HNY_YES);
    assert_int_equal(hny_filter_test(filter, -1, &two), HNY_NO);
    assert_int_equal(hny_filter_rowids(filter, NULL, 0), HNY_OK);
    assert_int_equal(hny_filter_test(filter, -1, &one), HNY_NO);
    hny_filter_free(filter);
}

/* Equal filters have equal digests, and others differ. */
static void test_digest(void **unused) {
    const hny_attribute attributes[] = {hny_attribute_integer(1), hny_attribute_integer(2)};
    hny_filter *f[6];
    (void)unused;
    for (int i = 0; i < 6; i++) {
        assert_int_equal(hny_filter_new(&f[i]), HNY_OK);
    }
    assert_int_equal(hny_filter_where(f[0], 0, HNY_EQ, &attributes[0], 1), HNY_OK);
    assert_int_equal(hny_filter_where(f[1], 0, HNY_EQ, &attributes[0], 1), HNY_OK);
    assert_int_equal(hny_filter_where(f[2], 0, HNY_EQ, &attributes[1], 1), HNY_OK);
    assert_int_equal(hny_filter_where(f[3], 1, HNY_EQ, &attributes[0], 1), HNY_OK);
    assert_int_equal(hny_filter_where(f[4], 0, HNY_NE, &attributes[0], 1), HNY_OK);
    assert_int_equal(hny_filter_where(f[5], 0, HNY_IN, attributes, 2), HNY_OK);
    assert_memory_equal(f[0]->digest, f[1]->digest, sizeof f[0]->digest);
    for (int i = 2; i < 6; i++) {
        assert_memory_not_equal(f[0]->digest, f[i]->digest, sizeof f[0]->digest);
    }
    for (int i = 0; i < 6; i++) {
        hny_filter_free(f[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_operators),
        cmocka_unit_test(test_sets),
        cmocka_unit_test(test_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
