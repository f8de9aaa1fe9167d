/*
** Interface to memory.c: memory that grows.
**
** An arena hands out memory that is freed all at once; it belongs to one operation on one thread.
*/
#ifndef HNY_MEMORY_H
#define HNY_MEMORY_H

#include <stddef.h>

typedef struct hny__arena {
    struct hny__chunk *first;
    size_t left; /* bytes of the first chunk that are free */
} hny__arena;

/* Aligned to 16 bytes, not zeroed; NULL: out of memory. */
void *hny__arena_alloc(hny__arena *arena, size_t size);
void hny__arena_free(hny__arena *arena);

/*
** Makes `*list`, an array of `count` items of `size` bytes, large enough for one more.  It grows by
** half, so that appending takes constant time on average.  HNY_OK or HNY_NOMEM.
*/
int hny__grow(void **list, size_t *capacity, size_t count, size_t size);

/*
** Zeroed memory for a table that is accessed at random, to be freed with free().  Its pages are
** faulted in here, together: faulted in one by one, those of a search among 810,000 rows took a
** seventh of a process's first query.
*/
void *hny__zeros(size_t bytes);

#endif
