/* Interface to arena.c: memory that is given back all at once, for one operation on one thread. */
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

#endif
