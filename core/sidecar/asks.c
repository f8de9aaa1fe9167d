/* Pages that are asked for together, in runs. */
#include "sidecar/asks.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/os_map.h"
#include "sidecar/records.h"

/* Places for the pages of a file, one for each as far as this many bits go: 4 MiB. */
#define MIN_SEEN_BITS 12
#define MAX_SEEN_BITS 20
#define HASH_FACTOR   UINT64_C(0x9e3779b97f4a7c15)

/* Searches are counted in the lower half of a place, and in the upper one is a tag of the page. */
#define SEARCHES 65536u

void hny__asks_free(hny__asks *asks) {
    free(asks->rows);
    free(asks->pages);
    free(asks->seen);
    memset(asks, 0, sizeof *asks);
}

/* Without memory for it, pages may be asked for repeatedly. */
static void make_seen(hny__asks *asks) {
    const uint64_t pages = hny__all_pages(asks->view->txn).size / asks->page_bytes;
    unsigned bits = MIN_SEEN_BITS;
    while (bits < MAX_SEEN_BITS && (UINT64_C(1) << bits) < pages) {
        bits++;
    }
    if (asks->seen && asks->seen_bits == bits) {
        return;
    }
    free(asks->seen);
    asks->seen = calloc((size_t)1 << bits, sizeof *asks->seen);
    asks->seen_bits = bits;
}

void hny__asks_begin(hny__asks *asks, hny__view *view, unsigned horizon) {
    asks->view = view;
    asks->count = asks->page_count = 0;
    asks->page_bytes = hny__os_page_bytes();
    asks->search = (asks->search + 1) % SEARCHES;
    asks->horizon = horizon;
    make_seen(asks);
}

void hny__asks_add(hny__asks *asks, hny__family family, uint32_t row) {
    if (asks->view->geometry.layout[family].per_block == 0 ||
        hny__grow((void **)&asks->rows, &asks->capacity, asks->count, sizeof *asks->rows)) {
        return;
    }
    asks->rows[asks->count++] = (hny__ask){row, family};
}

/* ------------------------------------------------------------------------------------- pages -- */

/* Was the page read lately?  It is from now on. */
static bool was_seen(hny__asks *asks, uintptr_t page) {
    if (!asks->seen) {
        return false;
    }
    const uint64_t hash = page / asks->page_bytes * HASH_FACTOR;
    uint32_t *const place = &asks->seen[hash >> (64 - asks->seen_bits)];
    const uint32_t tag = (uint32_t)(hash >> (48 - asks->seen_bits)) | 1; /* 0: no page */
    const uint32_t before = *place;
    *place = tag << 16 | asks->search;
    return (before ^ *place) < SEARCHES && (asks->search - before) % SEARCHES <= asks->horizon;
}

static void ask_for_bytes(hny__asks *asks, const void *data, size_t size) {
    const uintptr_t end = (uintptr_t)data + size;
    for (uintptr_t page = (uintptr_t)data / asks->page_bytes * asks->page_bytes; page < end;
         page += asks->page_bytes) {
        if (was_seen(asks, page) || hny__grow((void **)&asks->pages, &asks->page_capacity,
                                              asks->page_count, sizeof *asks->pages)) {
            continue;
        }
        asks->pages[asks->page_count++] = page;
    }
}

static int compare_addresses(const void *a, const void *b) {
    const uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
    return (x > y) - (x < y);
}

/* Pages that follow each other are one request. */
static void request_pages(hny__asks *asks) {
    const uintptr_t *const pages = asks->pages;
    if (asks->page_count == 0) {
        return;
    }
    qsort(asks->pages, asks->page_count, sizeof *asks->pages, compare_addresses);
    for (size_t first = 0, end; first < asks->page_count; first = end) {
        uintptr_t next = pages[first];
        for (end = first; end < asks->page_count && pages[end] == next; end++) {
            next += asks->page_bytes;
        }
        hny__os_ask_for_pages((void *)pages[first], next - pages[first]);
    }
    asks->page_count = 0;
}

/* -------------------------------------------------------------------------------------- rows -- */

static uint32_t block_of_ask(const hny__view *view, const hny__ask *ask) {
    return hny__layout_block(&view->geometry.layout[ask->family], ask->row);
}

static hny__key key_of_ask(const hny__view *view, const hny__ask *ask) {
    const hny__kind kind = view->geometry.layout[ask->family].kind;
    return hny__key_make(hny__space_of(&view->table, kind), kind, block_of_ask(view, ask));
}

/* The pages of LMDB's tree that tell where the blocks are which were not read before. */
static void ask_for_leaves(hny__asks *asks, const hny__view *view) {
    for (size_t i = 0; i < asks->count; i++) {
        const hny__ask *const ask = &asks->rows[i];
        hny__value leaf;
        if (hny__view_known(view, ask->family, block_of_ask(view, ask))) {
            continue;
        }
        const hny__key key = key_of_ask(view, ask);
        if (!hny__locate_leaf(view->txn, &key, &leaf)) {
            ask_for_bytes(asks, leaf.data, leaf.size);
        }
    }
}

/*
** A block that is read for the first time is read with LMDB's header before it, and unless its rows
** have digests of their own, whole.
*/
static void ask_for_new_block(hny__asks *asks, const hny__view *view, const hny__ask *ask) {
    const hny__layout *const layout = &view->geometry.layout[ask->family];
    const hny__key key = key_of_ask(view, ask);
    hny__value value;
    if (hny__locate(view->txn, &key, &value) || value.size != layout->bytes) {
        return;
    }
    if (ask->family != HNY__CODES) {
        ask_for_bytes(asks, value.data, value.size);
        return;
    }
    ask_for_bytes(asks, value.data, 1);
    ask_for_bytes(asks, hny__row_at(layout, value.data, ask->row % layout->per_block),
                  layout->pitch);
}

static void ask_for_row(hny__asks *asks, const hny__view *view, const hny__ask *ask) {
    const hny__layout *const layout = &view->geometry.layout[ask->family];
    const uint8_t *const block = hny__view_known(view, ask->family, block_of_ask(view, ask));
    if (!block) {
        ask_for_new_block(asks, view, ask);
    } else if (layout->bytes <= HNY__SMALL_BLOCK) {
        ask_for_bytes(asks, block, layout->bytes);
    } else {
        ask_for_bytes(asks, hny__row_at(layout, block, ask->row % layout->per_block),
                      layout->pitch);
    }
}

void hny__asks_send(hny__asks *asks) {
    const hny__view *const view = asks->view;
    ask_for_leaves(asks, view);
    request_pages(asks);
    for (size_t i = 0; i < asks->count; i++) {
        ask_for_row(asks, view, &asks->rows[i]);
    }
    request_pages(asks);
    asks->count = 0;
}

/* ----------------------------------------------------------------------------------- samples -- */

unsigned hny__count_absent_pages(const hny__view *view, unsigned samples) {
    const size_t bytes = hny__os_page_bytes();
    const hny__value file = hny__all_pages(view->txn);
    const uint64_t pages = file.size / bytes;
    unsigned absent = 0;
    for (unsigned i = 0; i < samples; i++) {
        const uint8_t *const start = file.data;
        absent += hny__os_is_page_absent(start + pages * i / samples * bytes);
    }
    return absent;
}
