/*
** Interface to filter_bitmap.c: the slots that pass a filter, one bit each, live ones only.
**
** Making a bitmap reads all attributes of a table, or looks up all rowids of a list.  A reader
** caches the bitmaps of the filters used last as long as the pinned version stays the same: queries
** for one tenant come one after another.
*/
#ifndef HNY_FILTER_BITMAP_H
#define HNY_FILTER_BITMAP_H

#include "read/filter.h"
#include "sidecar/view.h"

typedef struct hny__filter_bitmap {
    uint64_t digest[2]; /* of the filter */
    uint64_t *bits;     /* NULL: the place is free */
    uint32_t words;     /* of `bits` */
    uint32_t count;     /* of bits that are set */
    uint32_t used;      /* the cache's clock when it was used last */
} hny__filter_bitmap;

static inline bool hny__filter_bitmap_has(const hny__filter_bitmap *bitmap, uint32_t slot) {
    return bitmap->bits[slot / 64] >> (slot % 64) & 1;
}

#define HNY__FILTER_BITMAPS 8 /* a megabyte or so each in a table of 10 million rows */

/* All zero: empty. */
typedef struct hny__filter_cache {
    hny__filter_bitmap bitmaps[HNY__FILTER_BITMAPS];
    uint32_t clock;
} hny__filter_cache;

/* The bitmap of a filter, or NULL if it is not cached. */
const hny__filter_bitmap *hny__filter_cache_find(hny__filter_cache *cache,
                                                 const hny_filter *filter);

/*
** The same, computed from the pinned view if it is not cached; replaces the bitmap that was used
** longest ago.  *out is valid until the next call.  HNY_OK, HNY_NOMEM, HNY_INTERRUPT, or the status
** of the view.
*/
int hny__filter_cache_get(hny__filter_cache *cache, hny__view *view, const hny_filter *filter,
                          hny_interrupt interrupt, const hny__filter_bitmap **out);

/* Frees all bitmaps. */
void hny__filter_cache_clear(hny__filter_cache *cache);

/*
** Does the row of a slot pass the filter?  False with the view's status set if it cannot be read.
*/
bool hny__filter_passes_slot(const hny_filter *filter, hny__view *view, uint32_t slot);

/* Estimates the share of slots that pass, 0 .. 1, from a sample.  Returns the view's status. */
int hny__filter_estimate(const hny_filter *filter, hny__view *view, double *share);

#endif
