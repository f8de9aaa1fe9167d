/*
** Interface to hit_heap.c: the nearest hits of a pass, by hny_hit_compare, in a bounded heap.
*/
#ifndef HX_HIT_HEAP_H
#define HX_HIT_HEAP_H

#include <stddef.h>

#include "hannoy.h"

typedef struct hx_hit_heap {
    hny_hit *items;  /* in order after hx_hit_heap_sort; freed by hx_hit_heap_free */
    size_t count;    /* at most `limit` */
    size_t capacity; /* grows with the hits that are found, never with `limit` */
    size_t limit;    /* a pass keeps this many of the nearest */
} hx_hit_heap;

/* Empties the heap for a pass. */
void hx_hit_heap_begin(hx_hit_heap *hits, size_t limit);

/* Reserves `count` items, for an engine that writes into `items`.  SQLITE_OK or SQLITE_NOMEM. */
int hx_hit_heap_reserve(hx_hit_heap *hits, size_t count);

/* Keeps the hit if it is among the nearest.  SQLITE_OK or SQLITE_NOMEM. */
int hx_hit_heap_offer(hx_hit_heap *hits, hny_hit hit);

/* Sorts the hits by hny_hit_compare; the heap accepts no more of them until the next begin. */
void hx_hit_heap_sort(hx_hit_heap *hits);

/* Sorts by another order.  Fast for few hits, and for hits that are nearly in order. */
void hx_hit_heap_order(hx_hit_heap *hits, int (*compare)(const void *, const void *));

/* The same memory as a heap without a limit, with the nearest hit in items[0]. */
int hx_hit_heap_push(hx_hit_heap *hits, hny_hit hit); /* SQLITE_OK or SQLITE_NOMEM */
void hx_hit_heap_pop(hx_hit_heap *hits);              /* drops the nearest */

void hx_hit_heap_free(hx_hit_heap *hits);

#endif
