/* Interface to filter.c: what a filter consists of, for filter_bitmap.c. */
#ifndef HNY_FILTER_H
#define HNY_FILTER_H

#include <roaring/roaring.h>

#include "read/attribute.h"

/* A condition on one attribute. */
typedef struct hny__term {
    uint32_t attribute;
    hny_op op;
    hny_attribute *operands; /* for HNY_IN sorted by their bits, for a binary search */
    size_t count;
} hny__term;

/* A set of rowids: bitmaps of their low words, by high word, ascending. */
typedef struct hny__rowids {
    struct hny__rowids_part {
        int32_t high;
        roaring_bitmap_t *low;
    } * parts;
    size_t count, capacity;
    uint64_t size; /* rowids in it */
} hny__rowids;

struct hny_filter {
    hny__term *terms;
    size_t terms_count, terms_capacity;
    hny__rowids *sets;
    size_t sets_count, sets_capacity;
    uint64_t digest[2]; /* of all terms and sets: equal digests let the same rows pass */
};

hny_answer hny__filter_test_attributes(const hny_filter *filter, const hny_attribute *attributes);
bool hny__filter_passes_rowid(const hny_filter *filter, int64_t rowid);

/* Calls `visit` for each rowid of a set until it returns nonzero; returns that, or 0. */
int hny__rowids_each(const hny__rowids *set, int (*visit)(void *arg, int64_t rowid), void *arg);

/* The set with the fewest rowids; NULL: the filter has no sets. */
const hny__rowids *hny__filter_smallest_set(const hny_filter *filter);

#endif
