/* Bounded heap of the nearest hits.  The contract is in hit_heap.h. */
#include "query/hit_heap.h"

#include <stdlib.h>

#include "sqlite_api.h"
#include "values/array.h"

void hx_hit_heap_begin(hx_hit_heap *hits, size_t limit) {
    hits->count = 0;
    hits->limit = limit;
}

int hx_hit_heap_reserve(hx_hit_heap *hits, size_t count) {
    if (count == 0) {
        return SQLITE_OK;
    }
    hny_hit *const items = hx_array_grow(hits->items, &hits->capacity, count, sizeof *items);
    if (!items) {
        return SQLITE_NOMEM;
    }
    hits->items = items;
    return SQLITE_OK;
}

/* Restores the heap below `parent`; the farthest hit stays on top. */
static void sift_farthest(hny_hit *heap, size_t count, size_t parent) {
    const hny_hit moved = heap[parent];
    for (size_t child = 2 * parent + 1; child < count; child = 2 * parent + 1) {
        if (child + 1 < count && hny_hit_compare(&heap[child + 1], &heap[child]) > 0) {
            child++;
        }
        if (hny_hit_compare(&heap[child], &moved) <= 0) {
            break;
        }
        heap[parent] = heap[child];
        parent = child;
    }
    heap[parent] = moved;
}

static int append_hit(hx_hit_heap *hits, hny_hit hit) {
    const int rc = hx_hit_heap_reserve(hits, hits->count + 1);
    if (rc == SQLITE_OK) {
        hits->items[hits->count++] = hit;
    }
    return rc;
}

int hx_hit_heap_offer(hx_hit_heap *hits, hny_hit hit) {
    if (hits->count < hits->limit) {
        const int rc = append_hit(hits, hit);
        if (rc) {
            return rc;
        }
        if (hits->count == hits->limit) {
            for (size_t i = hits->count / 2; i-- > 0;) {
                sift_farthest(hits->items, hits->count, i);
            }
        }
    } else if (hits->limit && hny_hit_compare(&hit, &hits->items[0]) < 0) {
        hits->items[0] = hit;
        sift_farthest(hits->items, hits->count, 0);
    }
    return SQLITE_OK;
}

/* Up to this many hits an insertion sort beats qsort. */
#define INSERTION_SORT_MAX 64

void hx_hit_heap_order(hx_hit_heap *hits, int (*compare)(const void *, const void *)) {
    hny_hit *const items = hits->items;
    if (hits->count > INSERTION_SORT_MAX) {
        qsort(items, hits->count, sizeof *items, compare);
        return;
    }
    for (size_t i = 1; i < hits->count; i++) {
        const hny_hit moved = items[i];
        size_t j = i;
        for (; j > 0 && compare(&moved, &items[j - 1]) < 0; j--) {
            items[j] = items[j - 1];
        }
        items[j] = moved;
    }
}

void hx_hit_heap_sort(hx_hit_heap *hits) {
    hx_hit_heap_order(hits, hny_hit_compare);
}

int hx_hit_heap_push(hx_hit_heap *hits, hny_hit hit) {
    const int rc = append_hit(hits, hit);
    if (rc) {
        return rc;
    }
    hny_hit *const heap = hits->items;
    size_t child = hits->count - 1;
    for (size_t parent = (child - 1) / 2; child > 0 && hny_hit_compare(&hit, &heap[parent]) < 0;
         parent = (child - 1) / 2) {
        heap[child] = heap[parent];
        child = parent;
    }
    heap[child] = hit;
    return SQLITE_OK;
}

void hx_hit_heap_pop(hx_hit_heap *hits) {
    hny_hit *const heap = hits->items;
    const size_t count = --hits->count;
    const hny_hit moved = heap[count];
    size_t parent = 0;
    for (size_t child = 1; child < count; child = 2 * parent + 1) {
        if (child + 1 < count && hny_hit_compare(&heap[child + 1], &heap[child]) < 0) {
            child++;
        }
        if (hny_hit_compare(&moved, &heap[child]) <= 0) {
            break;
        }
        heap[parent] = heap[child];
        parent = child;
    }
    heap[parent] = moved;
}

void hx_hit_heap_free(hx_hit_heap *hits) {
    sqlite3_free(hits->items);
    *hits = (hx_hit_heap){NULL, 0, 0, 0};
}
