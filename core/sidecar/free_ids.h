/*
** Interface to slots.c: which numbers are in use.  Slots and upper rows are numbered alike: freed
** numbers are used again first, lowest first, and only by the build after the one that freed them,
** so that no state that a reader has pinned sees another's row in a slot it knows.
*/
#ifndef HNY_FREE_IDS_H
#define HNY_FREE_IDS_H

#include <roaring/roaring.h>

#include "sidecar/records.h"
#include "sidecar/view.h"

typedef struct hny__free_ids {
    hny__kind kind;          /* HNY__KIND_FREE_SLOTS or HNY__KIND_FREE_UPPER */
    uint32_t chunk;          /* the one that `here` is of */
    roaring_bitmap_t *here;  /* what is left of it; NULL: none was read */
    roaring_bitmap_t *taken; /* freed numbers that this build uses again */
} hny__free_ids;

int hny__free_ids_init(hny__free_ids *numbers, hny__kind kind);
void hny__free_ids_free(hny__free_ids *numbers);

/*
** The next number: a freed one while *free counts any that the pinned view has, else *next, which
** goes up.  Both belong to the record of the build.
*/
int hny__free_ids_take(hny__free_ids *numbers, hny__view *view, uint32_t *free, uint32_t *next,
                       uint32_t *out);

/* Adds all deleted nodes of the pinned view to `tombs`: what is dead and not free. */
int hny__deleted_ids_read(hny__view *view, roaring_bitmap_t *deleted_ids);

/* All free numbers of the pinned view. */
int hny__free_ids_read(hny__view *view, hny__kind kind, roaring_bitmap_t *out);

/* In a write transaction: takes `taken` out of the free sets of a space and adds `freed`. */
int hny__free_ids_write(hny__txn *txn, uint32_t space, hny__kind kind,
                        const roaring_bitmap_t *taken, const roaring_bitmap_t *freed);

#endif
