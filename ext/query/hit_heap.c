#include "query/hit_heap.h"

#include <stdlib.h>

#include "sqlite_api.h"

void hx_hit_heap_begin(hx_hit_heap *hits, size_t limit) {
    hits->count = 0;
    hits->limit = limit;
}

int hx_hit_heap_reserve(hx_hit_heap *hits, size_t count) {
    if (count <= hits->room) return SQLITE_OK;
    hny_hit *const at = sqlite3_realloc64(hits->at, count * sizeof *at);
    if (!at) return SQLITE_NOMEM;
    hits->at = at;
    hits->room = count;
    return SQLITE_OK;
}

/* The farthest hit stays on top. */
static void sift_down(hny_hit *heap, size_t count, size_t at) {
    const hny_hit moved = heap[at];
    for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && hny_hit_compare(&heap[child + 1], &heap[child]) > 0) child++;
        if (hny_hit_compare(&heap[child], &moved) <= 0) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

static int append(hx_hit_heap *hits, hny_hit hit) {
    if (hits->count == hits->room) {
        const size_t doubled = hits->room ? 2 * hits->room : 64;
        const int rc = hx_hit_heap_reserve(hits, doubled < hits->limit ? doubled : hits->limit);
        if (rc) return rc;
    }
    hits->at[hits->count++] = hit;
    return SQLITE_OK;
}

int hx_hit_heap_offer(hx_hit_heap *hits, hny_hit hit) {
    if (hits->count < hits->limit) {
        const int rc = append(hits, hit);
        if (rc) return rc;
        if (hits->count == hits->limit) {
            for (size_t i = hits->count / 2; i-- > 0;) sift_down(hits->at, hits->count, i);
        }
    } else if (hits->limit && hny_hit_compare(&hit, &hits->at[0]) < 0) {
        hits->at[0] = hit;
        sift_down(hits->at, hits->count, 0);
    }
    return SQLITE_OK;
}

#define FEW 64

void hx_hit_heap_order(hx_hit_heap *hits, int (*compare)(const void *, const void *)) {
    hny_hit *const at = hits->at;
    if (hits->count > FEW) {
        qsort(at, hits->count, sizeof *at, compare);
        return;
    }
    for (size_t i = 1; i < hits->count; i++) {
        const hny_hit moved = at[i];
        size_t j = i;
        for (; j > 0 && compare(&moved, &at[j - 1]) < 0; j--) at[j] = at[j - 1];
        at[j] = moved;
    }
}

void hx_hit_heap_sort(hx_hit_heap *hits) {
    hx_hit_heap_order(hits, hny_hit_compare);
}

int hx_hit_heap_push(hx_hit_heap *hits, hny_hit hit) {
    if (hits->count == hits->room) {
        const int rc = hx_hit_heap_reserve(hits, hits->room ? 2 * hits->room : 64);
        if (rc) return rc;
    }
    size_t at = hits->count++;
    for (; at > 0 && hny_hit_compare(&hit, &hits->at[(at - 1) / 2]) < 0; at = (at - 1) / 2)
        hits->at[at] = hits->at[(at - 1) / 2];
    hits->at[at] = hit;
    return SQLITE_OK;
}

void hx_hit_heap_pop(hx_hit_heap *hits) {
    hny_hit *const heap = hits->at;
    const size_t count = --hits->count;
    const hny_hit moved = heap[count];
    size_t at = 0;
    for (size_t child = 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && hny_hit_compare(&heap[child + 1], &heap[child]) < 0) child++;
        if (hny_hit_compare(&moved, &heap[child]) <= 0) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

void hx_hit_heap_free(hx_hit_heap *hits) {
    sqlite3_free(hits->at);
    *hits = (hx_hit_heap){NULL, 0, 0, 0};
}
