/*
** Interface to hits.c: the best hits of a pass, by hny_hit_compare, in a bounded heap.
*/
#ifndef HX_HITS_H
#define HX_HITS_H

#include <stddef.h>

#include "hannoy.h"

typedef struct hx_hits {
    hny_hit *at;  /* in order after hx_hits_sort; freed by hx_hits_free */
    size_t count; /* at most `limit` */
    size_t room;  /* grows with what is found, never with what was asked for */
    size_t limit; /* a pass keeps so many of the nearest */
} hx_hits;

/* Empties it for a pass. */
void hx_hits_begin(hx_hits *hits, size_t limit);

/* Makes room for `count` hits, for an engine that writes into `at`.  SQLITE_OK or SQLITE_NOMEM. */
int hx_hits_reserve(hx_hits *hits, size_t count);

/* SQLITE_OK or SQLITE_NOMEM. */
int hx_hits_offer(hx_hits *hits, hny_hit hit);

void hx_hits_sort(hx_hits *hits);

/* The same in another order.  Fast where there are few, or nearly in order already. */
void hx_hits_order(hx_hits *hits, int (*compare)(const void *, const void *));

/* The same memory as a heap without a limit, the nearest hit first at `at`. */
int hx_hits_push(hx_hits *hits, hny_hit hit); /* SQLITE_OK or SQLITE_NOMEM */
void hx_hits_pop(hx_hits *hits);              /* drops the nearest */

void hx_hits_free(hx_hits *hits);

#endif
