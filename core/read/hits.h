/* Interface to hits.c: the nearest hits of a search or scan, and their order. */
#ifndef HNY_HITS_H
#define HNY_HITS_H

#include <stdbool.h>

#include "hannoy.h"

/*
** The best `limit` hits so far, by lower bound: a heap with the worst one on top once it is full.
*/
typedef struct hny__best_hits {
    hny_hit *items; /* memory for `limit` hits, borrowed */
    size_t count, limit;
} hny__best_hits;

/* Would the hit be kept?  False: `limit` better ones are there. */
bool hny__best_hits_wants(const hny__best_hits *best, const hny_hit *hit);

/* Adds a hit, or drops it if `limit` better ones are there. */
void hny__best_hits_add(hny__best_hits *best, const hny_hit *hit);

/* Sorts by hny_hit_compare.  Fast where the hits are few, or nearly sorted. */
void hny__hits_sort(hny_hit *hits, size_t count);

#endif
