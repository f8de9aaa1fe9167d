/*
** Interface to recent.c: the vectors of rows that queries returned lately.
**
** An exact distance takes the row's vector, and reading that from v_content costs 2 to 3 us where a
** whole search takes 30 to 40.  What is asked for often is near the same rows often.
**
** A row that is read for the first time is only noted: to copy its vector into memory that was never
** touched takes a microsecond, and most rows are never asked for again.
**
** A vector is kept for a merge base: a row that the index speaks for has the content that it had
** there, whatever was written and rolled back since.
*/
#ifndef HX_VECTOR_CACHE_H
#define HX_VECTOR_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "hannoy.h"

typedef struct hx_vector_cache {
    hny_boundary base;
    size_t width;           /* bytes of a vector */
    size_t sets;            /* of 16 places each; 0: nothing is kept yet */
    int64_t *ids;           /* place -> the row there */
    unsigned char *used;    /* set -> how many of its places, the first ones, are in use */
    unsigned short *kept;   /* set -> a bit for each place: is its vector kept? */
    unsigned char **chunks; /* places / 64 -> their vectors; NULL: none of them is kept */
    uint64_t random;
} hx_vector_cache;

/* The vector of a row, or NULL. */
const void *hx_vector_cache_find(const hx_vector_cache *recent, int64_t id);

/* The vector of this row will be asked for soon. */
void hx_vector_cache_ahead(const hx_vector_cache *recent, int64_t id);

/*
** A row was read: notes it, or where it was noted before keeps its vector, each in the place of an older
** one if need be; out of memory, it does not.
*/
void hx_vector_cache_put(hx_vector_cache *recent, int64_t id, const void *vector);

/* Forgets everything unless it is of this base already, and is for vectors of this size. */
void hx_vector_cache_begin(hx_vector_cache *recent, hny_boundary base, size_t width);

void hx_vector_cache_free(hx_vector_cache *recent);

#endif
