#include "read/filter_bitmap.h"

#include <stdlib.h>
#include <string.h>

#include "base/interrupt.h"
#include "read/reader.h"

#define POLL_ROWS (1u << 16)

void hny__filter_bitmap_drop(hny__filter_bitmap *matches) {
    for (int i = 0; i < HNY__FILTER_BITMAPS; i++) {
        free(matches[i].bits);
        matches[i] = (hny__filter_bitmap){.bits = NULL};
    }
}

const hny__filter_bitmap *hny__filter_bitmap_cached(hny_reader *reader, const hny_filter *filter) {
    for (int i = 0; i < HNY__FILTER_BITMAPS; i++) {
        hny__filter_bitmap *const m = &reader->matches[i];
        if (!m->bits || memcmp(m->digest, filter->digest, sizeof m->digest) != 0) continue;
        m->asked = ++reader->asked;
        return m;
    }
    return NULL;
}

static hny__filter_bitmap *oldest(hny_reader *reader) {
    hny__filter_bitmap *found = &reader->matches[0];
    for (int i = 1; i < HNY__FILTER_BITMAPS; i++) {
        if (reader->matches[i].asked < found->asked) found = &reader->matches[i];
    }
    return found;
}

/* ----------------------------------------------------------------------------------- one slot -- */

int hny__filter_bitmap_slot(hny_reader *reader, const hny_filter *filter, uint32_t slot) {
    hny__view *const view = &reader->view;
    if (filter->sets_count && !hny__filter_rowid(filter, hny__view_rowid(view, slot))) return 0;
    if (!filter->terms_count) return 1;
    const hny_attribute *const attributes = hny__view_attributes(view, slot);
    return attributes && hny__filter_attributes(filter, attributes) != HNY_NO;
}

/* Slots that are far apart, and the same for every query. */
#define SAMPLE 512

int hny__filter_bitmap_estimate(hny_reader *reader, const hny_filter *filter, double *share) {
    const uint64_t slots = reader->view.table.slots;
    int passed = 0;
    for (uint64_t i = 0; i < SAMPLE; i++) {
        /* Steps of the golden ratio spread evenly, whatever period the rows have. */
        const uint64_t place = i * UINT64_C(0x9e3779b97f4a7c15) >> 32;
        passed += hny__filter_bitmap_slot(reader, filter, (uint32_t)(place * slots >> 32));
    }
    *share = passed / (double)SAMPLE;
    return reader->view.status;
}

/* ----------------------------------------------------------------------------------- all slots -- */

/* The state of a pass. */
typedef struct pass {
    hny_reader *reader;
    const hny_filter *filter;
    hny_interrupt interrupt;
    hny__filter_bitmap *out;
    uint32_t polled;
} pass;

static int poll(pass *p) {
    if (++p->polled % POLL_ROWS) return HNY_OK;
    return hny__interrupted(p->interrupt) ? HNY_INTERRUPT : HNY_OK;
}

static void set(pass *p, uint32_t slot) {
    const hny__table_record *const table = &p->reader->view.table;
    if (table->dead + table->free_slots > 0 && hny__view_deleted(&p->reader->view, slot)) return;
    p->out->bits[slot / 64] |= UINT64_C(1) << (slot % 64);
    p->out->count++;
}

static int look_up(void *arg, int64_t rowid) {
    pass *const p = arg;
    uint32_t slot;
    int rc = poll(p);
    if (!rc) rc = hny__view_find(&p->reader->view, rowid, &slot);
    if (rc) return rc == HNY_MISSING ? HNY_OK : rc;
    if (hny__filter_bitmap_slot(p->reader, p->filter, slot)) set(p, slot);
    return p->reader->view.status;
}

static int look_at_all(pass *p) {
    hny__view *const view = &p->reader->view;
    int rc = HNY_OK;
    for (uint32_t slot = 0; slot < view->table.slots && !rc; slot++) {
        rc = poll(p);
        if (!rc && hny__filter_bitmap_slot(p->reader, p->filter, slot)) set(p, slot);
        if (!rc) rc = view->status;
    }
    return rc;
}

/* Looking a rowid up costs as much as testing so many rows one after another. */
#define LOOK_UP 16

static int fill(pass *p) {
    const hny__rowids *const least = hny__filter_smallest(p->filter);
    if (least && least->size < p->reader->view.table.slots / LOOK_UP) {
        return hny__rowids_each(least, look_up, p);
    }
    return look_at_all(p);
}

int hny__filter_bitmap_find(hny_reader *reader, const hny_filter *filter, hny_interrupt interrupt,
                            const hny__filter_bitmap **out) {
    *out = hny__filter_bitmap_cached(reader, filter);
    if (*out) return HNY_OK;
    hny__filter_bitmap *const m = oldest(reader);
    pass p = {reader, filter, interrupt, m, 0};
    free(m->bits);
    *m = (hny__filter_bitmap){.words = reader->view.table.slots / 64 + 1, .asked = ++reader->asked};
    m->bits = calloc(m->words, sizeof *m->bits);
    if (!m->bits) return HNY_NOMEM;
    memcpy(m->digest, filter->digest, sizeof m->digest);
    const int rc = fill(&p);
    if (rc) {
        free(m->bits);
        *m = (hny__filter_bitmap){.bits = NULL};
        return rc;
    }
    *out = m;
    return HNY_OK;
}
