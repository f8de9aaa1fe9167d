#include "read/warmup.h"

#include "base/memory.h"
#include "base/os.h"
#include "graph/beam_search.h"
#include "sidecar/records.h"

#include <roaring/roaring.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

size_t hny__warmup_budget(void) {
    return hny__os_variable_bytes("HANNOY_READER_PREFETCH_MEMORY", 0);
}

typedef struct prefetch {
    hny__view *view;
    size_t left;                            /* bytes that may still be asked for */
    roaring_bitmap_t *asked[HNY__FAMILIES]; /* blocks */
    roaring_bitmap_t *met;                  /* slots */
    uint32_t *frontier, *next;              /* slots at the same distance from the entry */
    size_t frontier_count, next_count, next_capacity;
} prefetch;

/* Where a block lies, unread: finding it costs some pages of the tree. */
static void ask(prefetch *p, hny__family family, uint32_t number) {
    const hny__layout *const layout = &p->view->geometry.layout[family];
    const hny__key key = hny__key_make(p->view->table.space, layout->kind, number);
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    hny__value value;
    if (layout->per_block == 0 || !roaring_bitmap_add_checked(p->asked[family], number)) return;
    if (p->left < layout->bytes || hny__get(p->view->txn, &key, &value)) {
        p->left = 0;
        return;
    }
    const uintptr_t first = (uintptr_t)value.data / page * page;
    madvise((void *)first, (uintptr_t)value.data + value.size - first, MADV_WILLNEED);
    p->left -= layout->bytes;
}

static void ask_for_slot(prefetch *p, uint32_t slot) {
    const hny__layout *const layouts = p->view->geometry.layout;
    ask(p, HNY__LINKS, hny__layout_block(&layouts[HNY__LINKS], slot));
    ask(p, HNY__CODES, hny__layout_block(&layouts[HNY__CODES], slot));
}

static int push(prefetch *p, uint32_t slot) {
    if (!roaring_bitmap_add_checked(p->met, slot)) return 0;
    if (hny__grow((void **)&p->next, &p->next_capacity, p->next_count, sizeof *p->next)) {
        return HNY_NOMEM;
    }
    p->next[p->next_count++] = slot;
    return 0;
}

/* One step outwards: first all blocks are asked for, so that they come together. */
static int widen(prefetch *p) {
    uint32_t links[HNY__MAX_LINKS];
    uint32_t *const done = p->frontier;
    p->frontier = p->next;
    p->frontier_count = p->next_count;
    p->next = NULL;
    p->next_count = p->next_capacity = 0;
    free(done);
    for (size_t i = 0; i < p->frontier_count && p->left; i++) ask_for_slot(p, p->frontier[i]);
    for (size_t i = 0; i < p->frontier_count && p->left; i++) {
        const uint32_t count = hny__view_links(p->view, HNY__LINKS, p->frontier[i], links);
        for (uint32_t j = 0; j < count; j++) {
            if (push(p, HNY__NODE(links[j]))) return HNY_NOMEM;
        }
    }
    return p->view->status;
}

static int start(prefetch *p) {
    p->met = roaring_bitmap_create();
    for (int f = 0; f < HNY__FAMILIES; f++) {
        p->asked[f] = roaring_bitmap_create();
        if (!p->asked[f]) return HNY_NOMEM;
    }
    return p->met ? push(p, p->view->table.entry_slot) : HNY_NOMEM;
}

void hny__warmup(hny__view *view, size_t bytes) {
    prefetch p = {.view = view, .left = bytes};
    if (bytes == 0 || view->table.entry_slot == HNY__NONE) return;
    int rc = start(&p);
    for (uint32_t i = 0; !rc && i < view->blocks[HNY__UPPER].count && p.left; i++) {
        ask(&p, HNY__UPPER, i);
    }
    while (!rc && p.left && p.next_count) rc = widen(&p);
    for (int f = 0; f < HNY__FAMILIES; f++) {
        if (p.asked[f]) roaring_bitmap_free(p.asked[f]);
    }
    if (p.met) roaring_bitmap_free(p.met);
    free(p.frontier);
    free(p.next);
}
