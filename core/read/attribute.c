#include "read/attribute.h"

#include <math.h>
#include <string.h>
#include <xxhash.h>

hny_attribute hny_attribute_null(void) {
    return (hny_attribute){0, HNY__NULL};
}

hny_attribute hny_attribute_integer(int64_t value) {
    return (hny_attribute){(uint64_t)value, HNY__INTEGER};
}

/* A real that is a whole number is kept as one, so that equal numbers are equal attributes. */
hny_attribute hny_attribute_real(double value) {
    uint64_t word;
    if (value >= -0x1p63 && value < 0x1p63 && value == trunc(value)) {
        return hny_attribute_integer((int64_t)value);
    }
    memcpy(&word, &value, sizeof word);
    return (hny_attribute){word, HNY__REAL};
}

static hny_attribute of_bytes(const void *bytes, size_t count, hny__attribute_class_of class) {
    const unsigned char *const at = bytes;
    uint64_t word = 0;
    for (size_t i = 0; i < 8; i++) word = word << 8 | (i < count ? at[i] : 0);
    return (hny_attribute){word, XXH64(count ? bytes : "", count, 0) << 8 | class};
}

hny_attribute hny_attribute_text(const void *text, size_t bytes) {
    return of_bytes(text, bytes, HNY__TEXT);
}

hny_attribute hny_attribute_blob(const void *blob, size_t bytes) {
    return of_bytes(blob, bytes, HNY__BLOB);
}

static double real_of(hny_attribute attribute) {
    double value;
    memcpy(&value, &attribute.word, sizeof value);
    return value;
}

static hny__order order(int before, int after) {
    return before ? HNY__BEFORE : after ? HNY__AFTER : HNY__SAME;
}

/*
** A real attribute is never a whole number within the range of integers, so that against an integer it
** lies outside that range, or below 2^53, where an integer beside it is exact as a double.
*/
static hny__order compare_mixed(int64_t integer, double real) {
    if (real >= 0x1p63) return HNY__BEFORE;
    if (real < -0x1p63) return HNY__AFTER;
    const int64_t below = (int64_t)floor(real);
    return integer <= below ? HNY__BEFORE : HNY__AFTER;
}

static hny__order compare_numbers(hny_attribute a, hny_attribute b) {
    const int whole_a = hny__attribute_class(a) == HNY__INTEGER;
    const int whole_b = hny__attribute_class(b) == HNY__INTEGER;
    if (whole_a && whole_b)
        return order((int64_t)a.word<(int64_t)b.word, (int64_t)a.word>(int64_t) b.word);
    if (whole_a) return compare_mixed((int64_t)a.word, real_of(b));
    if (whole_b) return (hny__order)-compare_mixed((int64_t)b.word, real_of(a));
    return order(real_of(a) < real_of(b), real_of(a) > real_of(b));
}

static int rank_of(hny_attribute attribute) {
    const hny__attribute_class_of class = hny__attribute_class(attribute);
    return class == HNY__REAL ? HNY__INTEGER : (int)class;
}

hny__order hny__attribute_compare(hny_attribute a, hny_attribute b) {
    const int left = rank_of(a), right = rank_of(b);
    if (left != right) return order(left<right, left> right);
    if (left == HNY__INTEGER) return compare_numbers(a, b);
    if (a.word != b.word) return order(a.word<b.word, a.word> b.word);
    return a.detail == b.detail ? HNY__SAME : HNY__UNSURE;
}
