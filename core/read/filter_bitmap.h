/*
** Interface to matches.c: the slots that a filter lets through, one bit each, live ones only.
**
** A reader keeps those of the filters that were asked for last, as long as the pinned version is the
** same: queries for one tenant come one after another.
*/
#ifndef HNY_FILTER_BITMAP_H
#define HNY_FILTER_BITMAP_H

#include "read/filter.h"

typedef struct hny__filter_bitmap {
    uint64_t digest[2]; /* of the filter */
    uint64_t *bits;     /* NULL: none */
    uint32_t words;
    uint32_t count; /* of bits that are set */
    uint32_t asked; /* when it was used last */
} hny__filter_bitmap;

#define HNY__FILTER_BITMAPS 8 /* a megabyte or so each in a table of 10 million rows */

static inline int hny__filter_bitmap_has(const hny__filter_bitmap *matches, uint32_t slot) {
    return matches->bits[slot / 64] >> (slot % 64) & 1;
}

/* Those of a filter, if they are kept; else NULL. */
const hny__filter_bitmap *hny__filter_bitmap_cached(hny_reader *reader, const hny_filter *filter);

/* The same, found now if need be.  HNY_OK, HNY_NOMEM, HNY_INTERRUPT or HNY_CORRUPT. */
int hny__filter_bitmap_find(hny_reader *reader, const hny_filter *filter, hny_interrupt interrupt,
                            const hny__filter_bitmap **out);

/* Does the filter let the slot's row through? */
int hny__filter_bitmap_slot(hny_reader *reader, const hny_filter *filter, uint32_t slot);

/* Of all slots, the share that is let through, judged by a sample; 0 .. 1, or a failure. */
int hny__filter_bitmap_estimate(hny_reader *reader, const hny_filter *filter, double *share);

/* Lets go of all that a reader keeps. */
void hny__filter_bitmap_drop(hny__filter_bitmap *matches);

#endif
