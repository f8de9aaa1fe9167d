/*
** Interface to hits.c: the best hits of a pass, by hny_hit_compare, in a bounded heap.
*/
#ifndef HX_HIT_HEAP_H
#define HX_HIT_HEAP_H

#include <stddef.h>

#include "hannoy.h"

typedef struct hx_hit_heap {
    hny_hit *at;  /* in order after hx_hit_heap_sort; freed by hx_hit_heap_free */
    size_t count; /* at most `limit` */
    size_t room;  /* grows with what is found, never with what was asked for */
    size_t limit; /* a pass keeps so many of the nearest */
} hx_hit_heap;

/* Empties it for a pass. */
void hx_hit_heap_begin(hx_hit_heap *hits, size_t limit);

/* Makes room for `count` hits, for an engine that writes into `at`.  SQLITE_OK or SQLITE_NOMEM. */
int hx_hit_heap_reserve(hx_hit_heap *hits, size_t count);

/* SQLITE_OK or SQLITE_NOMEM. */
int hx_hit_heap_offer(hx_hit_heap *hits, hny_hit hit);

void hx_hit_heap_sort(hx_hit_heap *hits);

/* The same in another order.  Fast where there are few, or nearly in order already. */
void hx_hit_heap_order(hx_hit_heap *hits, int (*compare)(const void *, const void *));

/* The same memory as a heap without a limit, the nearest hit first at `at`. */
int hx_hit_heap_push(hx_hit_heap *hits, hny_hit hit); /* SQLITE_OK or SQLITE_NOMEM */
void hx_hit_heap_pop(hx_hit_heap *hits);              /* drops the nearest */

void hx_hit_heap_free(hx_hit_heap *hits);

#endif
