/*
** Interface to vector_cache.c: the vectors of rows that recent queries measured.
**
** An exact distance needs the row's vector.  Reading it from v_content takes 2 to 3 us, where a
** whole search takes 30 to 40; queries that follow each other are often near the same rows.
**
** The first read of a row only notes its rowid; the second one keeps the vector.  Copying a vector
** into memory that was never touched takes a microsecond, and most rows are read only once.
**
** A vector is kept for a merge base: a row that the index covers has the content that it had there,
** whatever was written and rolled back since.
*/
#ifndef HX_VECTOR_CACHE_H
#define HX_VECTOR_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "hannoy.h"

typedef struct hx_vector_cache {
    hny_boundary base;
    size_t width;           /* bytes of a vector */
    size_t sets;            /* of 16 places each; 0: nothing is cached yet */
    int64_t *ids;           /* place -> the row there */
    unsigned char *used;    /* set -> how many of its places, the first ones, are in use */
    unsigned short *kept;   /* set -> a bit for each place: is its vector kept? */
    unsigned char **chunks; /* places / 64 -> their vectors; NULL: none of them is kept */
    uint64_t random;
} hx_vector_cache;

/* The vector of a row, or NULL. */
const void *hx_vector_cache_find(const hx_vector_cache *cache, int64_t id);

/* Prefetches the vector of a row into the processor's cache, if it is here. */
void hx_vector_cache_prefetch(const hx_vector_cache *cache, int64_t id);

/*
** Notes a row that was read, or keeps its vector if it was noted before.  Replaces an older row of
** a full set.  Does nothing when out of memory.
*/
void hx_vector_cache_put(hx_vector_cache *cache, int64_t id, const void *vector);

/* Empties the cache unless it is of this base and of vectors of this size. */
void hx_vector_cache_begin(hx_vector_cache *cache, hny_boundary base, size_t width);

void hx_vector_cache_free(hx_vector_cache *cache);

#endif
