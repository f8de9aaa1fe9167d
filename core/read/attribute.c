#include "read/attribute.h"

#include <math.h>
#include <string.h>
#include <xxhash.h>

hny_cell hny_cell_null(void) {
    return (hny_cell){0, HNY__NULL};
}

hny_cell hny_cell_integer(int64_t value) {
    return (hny_cell){(uint64_t)value, HNY__INTEGER};
}

/* A real that is a whole number is kept as one, so that equal numbers are equal cells. */
hny_cell hny_cell_real(double value) {
    uint64_t word;
    if (value >= -0x1p63 && value < 0x1p63 && value == trunc(value)) {
        return hny_cell_integer((int64_t)value);
    }
    memcpy(&word, &value, sizeof word);
    return (hny_cell){word, HNY__REAL};
}

static hny_cell of_bytes(const void *bytes, size_t count, hny__class class) {
    const unsigned char *const at = bytes;
    uint64_t word = 0;
    for (size_t i = 0; i < 8; i++) word = word << 8 | (i < count ? at[i] : 0);
    return (hny_cell){word, XXH64(count ? bytes : "", count, 0) << 8 | class};
}

hny_cell hny_cell_text(const void *text, size_t bytes) {
    return of_bytes(text, bytes, HNY__TEXT);
}

hny_cell hny_cell_blob(const void *blob, size_t bytes) {
    return of_bytes(blob, bytes, HNY__BLOB);
}

static double real_of(hny_cell cell) {
    double value;
    memcpy(&value, &cell.word, sizeof value);
    return value;
}

static hny__order order(int before, int after) {
    return before ? HNY__BEFORE : after ? HNY__AFTER : HNY__SAME;
}

/*
** A real cell is never a whole number within the range of integers, so that against an integer it
** lies outside that range, or below 2^53, where an integer beside it is exact as a double.
*/
static hny__order compare_mixed(int64_t integer, double real) {
    if (real >= 0x1p63) return HNY__BEFORE;
    if (real < -0x1p63) return HNY__AFTER;
    const int64_t below = (int64_t)floor(real);
    return integer <= below ? HNY__BEFORE : HNY__AFTER;
}

static hny__order compare_numbers(hny_cell a, hny_cell b) {
    const int whole_a = hny__cell_class(a) == HNY__INTEGER;
    const int whole_b = hny__cell_class(b) == HNY__INTEGER;
    if (whole_a && whole_b)
        return order((int64_t)a.word<(int64_t)b.word, (int64_t)a.word>(int64_t) b.word);
    if (whole_a) return compare_mixed((int64_t)a.word, real_of(b));
    if (whole_b) return (hny__order)-compare_mixed((int64_t)b.word, real_of(a));
    return order(real_of(a) < real_of(b), real_of(a) > real_of(b));
}

static int rank_of(hny_cell cell) {
    const hny__class class = hny__cell_class(cell);
    return class == HNY__REAL ? HNY__INTEGER : (int)class;
}

hny__order hny__cell_compare(hny_cell a, hny_cell b) {
    const int left = rank_of(a), right = rank_of(b);
    if (left != right) return order(left<right, left> right);
    if (left == HNY__INTEGER) return compare_numbers(a, b);
    if (a.word != b.word) return order(a.word<b.word, a.word> b.word);
    return a.detail == b.detail ? HNY__SAME : HNY__UNSURE;
}
