/*
** Interface to filter.c: what a filter is made of, for matches.c.
*/
#ifndef HNY_FILTER_H
#define HNY_FILTER_H

#include <roaring/roaring.h>

#include "read/attribute.h"

/* A condition on one attribute. */
typedef struct hny__term {
    uint32_t attribute;
    hny_op op;
    hny_attribute *attributes; /* of HNY_IN ascending, by hny__attribute_total */
    size_t count;
} hny__term;

/* Rowids as sets of their low words, by high word, ascending. */
typedef struct hny__rowids {
    struct hny__rowids_part {
        int32_t high;
        roaring_bitmap_t *low;
    } * parts;
    size_t count, room;
    uint64_t size; /* rowids in it */
} hny__rowids;

struct hny_filter {
    hny__term *terms;
    size_t terms_count, terms_capacity;
    hny__rowids *sets;
    size_t sets_count, sets_capacity;
    uint64_t digest[2]; /* of all that it says: filters with the same let the same rows through */
};

hny_answer hny__filter_attributes(const hny_filter *filter, const hny_attribute *attributes);
int hny__filter_rowid(const hny_filter *filter, int64_t rowid);

/* Calls back for each rowid of a set, until nonzero is returned. */
int hny__rowids_each(const hny__rowids *set, int (*visit)(void *arg, int64_t rowid), void *arg);

/* The smallest of its sets; NULL: it has none. */
const hny__rowids *hny__filter_smallest(const hny_filter *filter);

#endif
