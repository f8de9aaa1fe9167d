/* Bitmaps of the slots that pass a filter, and their cache. */
#include "read/filter_bitmap.h"

#include <stdlib.h>
#include <string.h>

#include "base/interrupt.h"

static void bitmap_free(hny__filter_bitmap *bitmap) {
    free(bitmap->bits);
    *bitmap = (hny__filter_bitmap){.bits = NULL};
}

void hny__filter_cache_clear(hny__filter_cache *cache) {
    for (int i = 0; i < HNY__FILTER_BITMAPS; i++) {
        bitmap_free(&cache->bitmaps[i]);
    }
}

const hny__filter_bitmap *hny__filter_cache_find(hny__filter_cache *cache,
                                                 const hny_filter *filter) {
    for (int i = 0; i < HNY__FILTER_BITMAPS; i++) {
        hny__filter_bitmap *const bitmap = &cache->bitmaps[i];
        if (!bitmap->bits) {
            continue;
        }
        if (memcmp(bitmap->digest, filter->digest, sizeof bitmap->digest) != 0) {
            continue;
        }
        bitmap->used = ++cache->clock;
        return bitmap;
    }
    return NULL;
}

static hny__filter_bitmap *least_recently_used(hny__filter_cache *cache) {
    hny__filter_bitmap *found = &cache->bitmaps[0];
    for (int i = 1; i < HNY__FILTER_BITMAPS; i++) {
        if (cache->bitmaps[i].used < found->used) {
            found = &cache->bitmaps[i];
        }
    }
    return found;
}

/* ---------------------------------------------------------------------------------- one slot -- */

bool hny__filter_passes_slot(const hny_filter *filter, hny__view *view, uint32_t slot) {
    if (filter->sets_count && !hny__filter_passes_rowid(filter, hny__view_rowid(view, slot))) {
        return false;
    }
    if (!filter->terms_count || view->foreign_attributes) {
        return true;
    }
    const hny_attribute *const attributes = hny__view_attributes(view, slot);
    return attributes && hny__filter_test_attributes(filter, attributes) != HNY_NO;
}

#define SAMPLE_SLOTS 512

int hny__filter_estimate(const hny_filter *filter, hny__view *view, double *share) {
    const uint64_t slots = view->table.slots;
    int passed = 0;
    for (uint64_t i = 0; i < SAMPLE_SLOTS; i++) {
        /* Multiples of the golden ratio spread evenly, whatever period the rows have. */
        const uint64_t place = i * UINT64_C(0x9e3779b97f4a7c15) >> 32;
        passed += hny__filter_passes_slot(filter, view, (uint32_t)(place * slots >> 32));
    }
    *share = passed / (double)SAMPLE_SLOTS;
    return view->status;
}

/* --------------------------------------------------------------------------------- all slots -- */

#define POLL_ROWS (1u << 16)

/* The computation of one bitmap. */
typedef struct bitmap_pass {
    hny__view *view;
    const hny_filter *filter;
    hny_interrupt interrupt;
    hny__filter_bitmap *bitmap;
    uint32_t rows; /* tested so far */
} bitmap_pass;

static int poll_bitmap_pass(bitmap_pass *p) {
    if (++p->rows % POLL_ROWS) {
        return HNY_OK;
    }
    return hny__interrupted(p->interrupt) ? HNY_INTERRUPT : HNY_OK;
}

/* Sets the bit of a slot if its row is live and passes. */
static int test_slot(bitmap_pass *p, uint32_t slot) {
    const hny__table_record *const table = &p->view->table;
    const bool may_be_deleted = table->deleted + table->free_slots > 0;
    if (hny__filter_passes_slot(p->filter, p->view, slot) &&
        !(may_be_deleted && hny__view_deleted(p->view, slot))) {
        p->bitmap->bits[slot / 64] |= UINT64_C(1) << (slot % 64);
        p->bitmap->count++;
    }
    return p->view->status;
}

static int test_rowid(void *arg, int64_t rowid) {
    bitmap_pass *const p = arg;
    uint32_t slot;
    int rc = poll_bitmap_pass(p);
    if (!rc) {
        rc = hny__view_find(p->view, rowid, &slot);
    }
    if (rc) {
        return rc == HNY_MISSING ? HNY_OK : rc;
    }
    return test_slot(p, slot);
}

static int test_all_slots(bitmap_pass *p) {
    int rc = HNY_OK;
    for (uint32_t slot = 0; slot < p->view->table.slots && !rc; slot++) {
        rc = poll_bitmap_pass(p);
        if (!rc) {
            rc = test_slot(p, slot);
        }
    }
    return rc;
}

/* The lookup of a rowid costs as much as testing so many rows one after another. */
#define LOOKUP_COST 16

static int run_bitmap_pass(bitmap_pass *p) {
    const hny__rowids *const smallest = hny__filter_smallest_set(p->filter);
    if (smallest && smallest->size < p->view->table.slots / LOOKUP_COST) {
        return hny__rowids_each(smallest, test_rowid, p);
    }
    return test_all_slots(p);
}

int hny__filter_cache_get(hny__filter_cache *cache, hny__view *view, const hny_filter *filter,
                          hny_interrupt interrupt, const hny__filter_bitmap **out) {
    *out = hny__filter_cache_find(cache, filter);
    if (*out) {
        return HNY_OK;
    }
    hny__filter_bitmap *const bitmap = least_recently_used(cache);
    bitmap_free(bitmap);
    bitmap->words = view->table.slots / 64 + 1;
    bitmap->used = ++cache->clock;
    bitmap->bits = calloc(bitmap->words, sizeof *bitmap->bits);
    if (!bitmap->bits) {
        return HNY_NOMEM;
    }
    memcpy(bitmap->digest, filter->digest, sizeof bitmap->digest);
    bitmap_pass p = {view, filter, interrupt, bitmap, 0};
    const int rc = run_bitmap_pass(&p);
    if (rc) {
        bitmap_free(bitmap);
        return rc;
    }
    *out = bitmap;
    return HNY_OK;
}
