/* Arenas, arrays that grow, and zeroed tables. */
#include "base/memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/os_map.h"
#include "hannoy.h"

#define CHUNK_BYTES ((size_t)256 << 10)
#define ALIGN       16

struct hny__chunk {
    struct hny__chunk *next;
    size_t size; /* of bytes */
    _Alignas(ALIGN) unsigned char bytes[];
};

static bool add_chunk(hny__arena *arena, size_t size) {
    const size_t capacity = size > CHUNK_BYTES ? size : CHUNK_BYTES;
    struct hny__chunk *const chunk = malloc(sizeof *chunk + capacity);
    if (!chunk) {
        return false;
    }
    chunk->next = arena->first;
    chunk->size = capacity;
    arena->first = chunk;
    arena->left = capacity;
    return true;
}

void *hny__arena_alloc(hny__arena *arena, size_t size) {
    size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (size > arena->left && !add_chunk(arena, size)) {
        return NULL;
    }
    struct hny__chunk *const chunk = arena->first;
    void *const result = chunk->bytes + (chunk->size - arena->left);
    arena->left -= size;
    return result;
}

void hny__arena_free(hny__arena *arena) {
    for (struct hny__chunk *chunk = arena->first; chunk;) {
        struct hny__chunk *const next = chunk->next;
        free(chunk);
        chunk = next;
    }
    arena->first = NULL;
    arena->left = 0;
}

int hny__grow(void **list, size_t *capacity, size_t count, size_t size) {
    if (count < *capacity) {
        return HNY_OK;
    }
    const size_t more = *capacity + *capacity / 2 + 16;
    void *const bigger = realloc(*list, more * size);
    if (!bigger) {
        return HNY_NOMEM;
    }
    *list = bigger;
    *capacity = more;
    return HNY_OK;
}

void *hny__zeros(size_t bytes) {
    void *const zeros = calloc(bytes, 1);
    if (zeros) {
        hny__os_fill_pages(zeros, bytes);
    }
    return zeros;
}
