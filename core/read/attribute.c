/* Attributes: from SQLite's values to two words each, and how they compare. */
#include "read/attribute.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <xxhash.h>

hny_attribute hny_attribute_null(void) {
    return (hny_attribute){0, HNY__NULL};
}

hny_attribute hny_attribute_integer(int64_t value) {
    return (hny_attribute){(uint64_t)value, HNY__INTEGER};
}

/* A real that is a whole number becomes an integer, so that equal numbers are equal attributes. */
hny_attribute hny_attribute_real(double value) {
    uint64_t word;
    if (value >= -0x1p63 && value < 0x1p63 && value == trunc(value)) {
        return hny_attribute_integer((int64_t)value);
    }
    memcpy(&word, &value, sizeof word);
    return (hny_attribute){word, HNY__REAL};
}

static hny_attribute attribute_of_bytes(const void *bytes, size_t count,
                                        hny__attribute_class class) {
    const unsigned char *const first = bytes;
    uint64_t word = 0;
    for (size_t i = 0; i < 8; i++) {
        word = word << 8 | (i < count ? first[i] : 0);
    }
    return (hny_attribute){word, XXH64(count ? bytes : "", count, 0) << 8 | class};
}

hny_attribute hny_attribute_text(const void *text, size_t bytes) {
    return attribute_of_bytes(text, bytes, HNY__TEXT);
}

hny_attribute hny_attribute_blob(const void *blob, size_t bytes) {
    return attribute_of_bytes(blob, bytes, HNY__BLOB);
}

static double real_of_attribute(hny_attribute attribute) {
    double value;
    memcpy(&value, &attribute.word, sizeof value);
    return value;
}

static hny__order order_of(bool before, bool after) {
    return before ? HNY__BEFORE : after ? HNY__AFTER : HNY__SAME;
}

/*
** An attribute that is a real is never a whole number within the range of integers.  So it lies
** outside that range, or below 2^53, where its floor is exact as an integer.
*/
static hny__order compare_integer_with_real(int64_t integer, double real) {
    if (real >= 0x1p63) {
        return HNY__BEFORE;
    }
    if (real < -0x1p63) {
        return HNY__AFTER;
    }
    return integer <= (int64_t)floor(real) ? HNY__BEFORE : HNY__AFTER;
}

static hny__order compare_numbers(hny_attribute a, hny_attribute b) {
    const bool whole_a = hny__attribute_class_of(a) == HNY__INTEGER;
    const bool whole_b = hny__attribute_class_of(b) == HNY__INTEGER;
    if (whole_a && whole_b) {
        const int64_t x = (int64_t)a.word, y = (int64_t)b.word;
        return order_of(x<y, x> y);
    }
    if (whole_a) {
        return compare_integer_with_real((int64_t)a.word, real_of_attribute(b));
    }
    if (whole_b) {
        return (hny__order)-compare_integer_with_real((int64_t)b.word, real_of_attribute(a));
    }
    const double x = real_of_attribute(a), y = real_of_attribute(b);
    return order_of(x<y, x> y);
}

/* Integers and reals are one class in the order of values. */
static hny__attribute_class sort_class(hny_attribute attribute) {
    const hny__attribute_class class = hny__attribute_class_of(attribute);
    return class == HNY__REAL ? HNY__INTEGER : class;
}

hny__order hny__attribute_compare(hny_attribute a, hny_attribute b) {
    const hny__attribute_class left = sort_class(a), right = sort_class(b);
    if (left != right) {
        return order_of(left<right, left> right);
    }
    if (left == HNY__INTEGER) {
        return compare_numbers(a, b);
    }
    if (a.word != b.word) {
        return order_of(a.word<b.word, a.word> b.word);
    }
    return a.detail == b.detail ? HNY__SAME : HNY__UNSURE;
}
