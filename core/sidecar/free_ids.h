/*
** Interface to free_ids.c: the allocation of slots and of upper rows.
**
** Both are numbered alike.  Freed numbers are reused first, lowest first, and only by a later
** build than the one that freed them, so that no state that a reader has pinned sees another row
** in one of its slots.
*/
#ifndef HNY_FREE_IDS_H
#define HNY_FREE_IDS_H

#include <roaring/roaring.h>

#include "sidecar/records.h"
#include "sidecar/view.h"

typedef struct hny__free_ids {
    hny__kind kind;          /* HNY__KIND_FREE_SLOTS or HNY__KIND_FREE_UPPER */
    uint32_t chunk_number;   /* of `chunk` */
    roaring_bitmap_t *chunk; /* what is left of the chunk read last; NULL: none was read */
    roaring_bitmap_t *taken; /* freed numbers that this build reuses */
} hny__free_ids;

int hny__free_ids_init(hny__free_ids *ids, hny__kind kind);
void hny__free_ids_free(hny__free_ids *ids);

/*
** Takes the next number: a freed one of the pinned view while *free_count, which goes down, is
** above 0; else *next, which goes up.  Both are members of the build's table record.
*/
int hny__free_ids_take(hny__free_ids *ids, hny__view *view, uint32_t *free_count, uint32_t *next,
                       uint32_t *out);

/*
** Adds the deleted nodes of the pinned view to `deleted_ids`: slots with the bit that are not
** free.
*/
int hny__deleted_ids_read(hny__view *view, roaring_bitmap_t *deleted_ids);

/* Adds all free numbers of the pinned view to `out`. */
int hny__free_ids_read(hny__view *view, hny__kind kind, roaring_bitmap_t *out);

/* In a write transaction: removes `taken` from the free numbers of a space and adds `freed`. */
int hny__free_ids_write(hny__txn *txn, uint32_t space, hny__kind kind,
                        const roaring_bitmap_t *taken, const roaring_bitmap_t *freed);

#endif
