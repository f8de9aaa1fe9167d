/* Warm-up of a reader: the system is asked for the blocks around the entry point, breadth first. */
#include "read/warmup.h"

#include <roaring/roaring.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/os_file.h"
#include "base/os_map.h"
#include "sidecar/records.h"

size_t hny__warmup_budget(size_t otherwise) {
    return hny__os_variable_bytes("HANNOY_READER_PREFETCH_MEMORY", otherwise);
}

typedef struct warmup {
    hny__view *view;
    size_t left;                                /* bytes that may still be requested */
    roaring_bitmap_t *requested[HNY__FAMILIES]; /* blocks */
    roaring_bitmap_t *visited;                  /* slots */
    uint32_t *frontier, *next; /* slots at one distance from the entry, and farther */
    size_t frontier_count, next_count, next_capacity;
} warmup;

/* Does not read the block: finding where it lies costs some pages of LMDB's tree. */
static void request_block(warmup *w, hny__family family, uint32_t number) {
    const hny__layout *const layout = &w->view->geometry.layout[family];
    const hny__key key =
        hny__key_make(hny__space_of(&w->view->table, layout->kind), layout->kind, number);
    const uintptr_t page = hny__os_page_bytes();
    hny__value value;
    if (layout->per_block == 0) {
        return;
    }
    if (!roaring_bitmap_add_checked(w->requested[family], number)) {
        return;
    }
    if (w->left < layout->bytes || hny__locate(w->view->txn, &key, &value)) {
        w->left = 0;
        return;
    }
    const uintptr_t first = (uintptr_t)value.data / page * page;
    hny__os_ask_for_pages((void *)first, (uintptr_t)value.data + value.size - first);
    w->left -= layout->bytes;
}

static void request_slot(warmup *w, uint32_t slot) {
    const hny__layout *const layouts = w->view->geometry.layout;
    request_block(w, HNY__LINKS, hny__layout_block(&layouts[HNY__LINKS], slot));
    request_block(w, HNY__CODES, hny__layout_block(&layouts[HNY__CODES], slot));
}

static int push_next_slot(warmup *w, uint32_t slot) {
    if (!roaring_bitmap_add_checked(w->visited, slot)) {
        return HNY_OK;
    }
    const int rc = hny__grow((void **)&w->next, &w->next_capacity, w->next_count, sizeof *w->next);
    if (!rc) {
        w->next[w->next_count++] = slot;
    }
    return rc;
}

/* One step outwards: all blocks are requested first, so that the kernel reads them together. */
static int expand_frontier(warmup *w) {
    uint32_t links[HNY__MAX_LINKS];
    free(w->frontier);
    w->frontier = w->next;
    w->frontier_count = w->next_count;
    w->next = NULL;
    w->next_count = w->next_capacity = 0;
    for (size_t i = 0; i < w->frontier_count && w->left; i++) {
        request_slot(w, w->frontier[i]);
    }
    for (size_t i = 0; i < w->frontier_count && w->left; i++) {
        const uint32_t count = hny__view_links(w->view, HNY__LINKS, w->frontier[i], links);
        for (uint32_t j = 0; j < count; j++) {
            const int rc = push_next_slot(w, HNY__NODE(links[j]));
            if (rc) {
                return rc;
            }
        }
    }
    return w->view->status;
}

static int start_at_entry(warmup *w) {
    w->visited = roaring_bitmap_create();
    for (int f = 0; f < HNY__FAMILIES; f++) {
        w->requested[f] = roaring_bitmap_create();
        if (!w->requested[f]) {
            return HNY_NOMEM;
        }
    }
    return w->visited ? push_next_slot(w, w->view->table.entry_slot) : HNY_NOMEM;
}

void hny__warmup(hny__view *view, size_t bytes) {
    warmup w = {.view = view, .left = bytes};
    if (bytes == 0 || view->table.entry_slot == HNY__NONE) {
        return;
    }
    int rc = start_at_entry(&w);
    for (uint32_t i = 0; !rc && i < view->blocks[HNY__UPPER].count && w.left; i++) {
        request_block(&w, HNY__UPPER, i);
    }
    while (!rc && w.left && w.next_count) {
        rc = expand_frontier(&w);
    }
    for (int f = 0; f < HNY__FAMILIES; f++) {
        if (w.requested[f]) {
            roaring_bitmap_free(w.requested[f]);
        }
    }
    if (w.visited) {
        roaring_bitmap_free(w.visited);
    }
    free(w.frontier);
    free(w.next);
}
