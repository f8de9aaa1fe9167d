/* The rows of a snapshot that the index does not cover.  The contract is in delta.h. */
#include "query/delta.h"

#include <string.h>

#include "shadow/content.h"
#include "shadow/error.h"
#include "shadow/host_interrupt.h"
#include "shadow/shadow.h"
#include "values/array.h"

/*
** Reading a row takes 2 to 4 us, its distance a tenth of that, so a delta is worth keeping in
** memory; at most this much of it for each connection and table.
*/
#define KEPT_BYTES ((size_t)64 << 20)

#define POLL_ROWS 1024

/* Visits every row of the delta in v_content. */
static int each_delta_row(hx_shadow *shadow, const hx_delta *delta, hx_visit visit, void *arg) {
    if (delta->whole) {
        return hx_content_each(shadow, delta->vector, visit, arg);
    }
    return hx_content_each_of(shadow, delta->vector, delta->ids.items, delta->ids.count, visit,
                              arg);
}

/* ----------------------------------------------------------------------------------- keeping -- */

/* Internal to this file: the delta does not fit into KEPT_BYTES. */
#define TOO_LARGE SQLITE_TOOBIG

typedef struct keeper {
    hx_delta *delta;
    size_t width;      /* bytes of a vector */
    size_t attributes; /* of a row */
} keeper;

static keeper keeper_of(const hx_shadow *shadow, int vector, hx_delta *delta) {
    return (keeper){delta, shadow->vector_bytes[vector], (size_t)shadow->columns.attributes};
}

static void drop_kept_rows(hx_delta *delta) {
    sqlite3_free(delta->rows);
    sqlite3_free(delta->vectors);
    sqlite3_free(delta->attributes);
    delta->rows = NULL;
    delta->vectors = NULL;
    delta->attributes = NULL;
    delta->count = delta->capacity = delta->slots_used = delta->slots_capacity = 0;
    delta->kept = false;
}

static int reserve_kept_row(hx_delta *delta) {
    hx_kept *const rows =
        hx_array_grow(delta->rows, &delta->capacity, delta->count + 1, sizeof *rows);
    if (!rows) {
        return SQLITE_NOMEM;
    }
    delta->rows = rows;
    return SQLITE_OK;
}

/* Reserves a slot for a vector and its attributes. */
static int reserve_slot(const keeper *k) {
    hx_delta *const delta = k->delta;
    const size_t needed = delta->slots_used + 1;
    const size_t row_bytes = k->attributes * sizeof *delta->attributes;
    size_t capacity = delta->slots_capacity, beside = delta->slots_capacity;
    if (needed * (k->width + row_bytes) > KEPT_BYTES) {
        return TOO_LARGE;
    }
    unsigned char *const vectors = hx_array_grow(delta->vectors, &capacity, needed, k->width);
    if (!vectors) {
        return SQLITE_NOMEM;
    }
    delta->vectors = vectors;
    if (k->attributes) {
        hny_attribute *const attributes =
            hx_array_grow(delta->attributes, &beside, needed, row_bytes);
        if (!attributes) {
            return SQLITE_NOMEM;
        }
        delta->attributes = attributes;
    }
    delta->slots_capacity = capacity;
    return SQLITE_OK;
}

static void fill_slot(const keeper *k, size_t slot, const void *vector,
                      const hny_attribute *attributes) {
    memcpy(k->delta->vectors + slot * k->width, vector, k->width);
    if (k->attributes) {
        memcpy(k->delta->attributes + slot * k->attributes, attributes,
               k->attributes * sizeof *attributes);
    }
}

static int add_slot(const keeper *k, const void *vector, const hny_attribute *attributes,
                    size_t *slot) {
    const int rc = reserve_slot(k);
    if (rc) {
        return rc;
    }
    *slot = k->delta->slots_used++;
    fill_slot(k, *slot, vector, attributes);
    return SQLITE_OK;
}

static int keep_row(void *arg, int64_t id, const void *vector, const hny_attribute *attributes) {
    const keeper *const k = arg;
    size_t slot = HX_ABSENT;
    int rc = reserve_kept_row(k->delta);
    if (rc == SQLITE_OK && vector) {
        rc = add_slot(k, vector, attributes, &slot);
    }
    if (rc == SQLITE_OK) {
        k->delta->rows[k->delta->count++] = (hx_kept){id, slot};
    }
    return rc;
}

int hx_delta_keep(hx_shadow *shadow, hx_delta *delta) {
    keeper k = keeper_of(shadow, delta->vector, delta);
    drop_kept_rows(delta);
    const int rc = each_delta_row(shadow, delta, keep_row, &k);
    delta->kept = rc == SQLITE_OK;
    if (rc) {
        drop_kept_rows(delta);
    }
    return rc == TOO_LARGE ? SQLITE_OK : rc;
}

void hx_delta_free(hx_delta *delta) {
    drop_kept_rows(delta);
    hx_ids_free(&delta->ids);
    delta->whole = false;
}

/* --------------------------------------------------------------------------------- extending -- */

/* The position of the first kept row whose id is not below this one. */
static size_t seek_kept_row(const hx_delta *delta, int64_t id) {
    size_t low = 0, high = delta->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (delta->rows[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static int insert_kept_row(hx_delta *delta, size_t position, hx_kept row) {
    const int rc = reserve_kept_row(delta);
    if (rc) {
        return rc;
    }
    hx_kept *const place = delta->rows + position;
    memmove(place + 1, place, (delta->count - position) * sizeof *place);
    *place = row;
    delta->count++;
    return SQLITE_OK;
}

static int renew_row(void *arg, int64_t id, const void *vector, const hny_attribute *attributes) {
    const keeper *const k = arg;
    hx_delta *const delta = k->delta;
    const size_t position = seek_kept_row(delta, id);
    const bool known = position < delta->count && delta->rows[position].id == id;
    size_t slot = known ? delta->rows[position].slot : HX_ABSENT;
    int rc = SQLITE_OK;
    if (!vector) {
        slot = HX_ABSENT;
    } else if (slot == HX_ABSENT) {
        rc = add_slot(k, vector, attributes, &slot);
    } else {
        fill_slot(k, slot, vector, attributes);
    }
    if (rc) {
        return rc;
    }
    if (!known) {
        return insert_kept_row(delta, position, (hx_kept){id, slot});
    }
    delta->rows[position].slot = slot;
    return SQLITE_OK;
}

int hx_delta_extend(hx_shadow *shadow, hx_delta *delta, const hx_ids *changed) {
    keeper k = keeper_of(shadow, delta->vector, delta);
    int rc = delta->whole ? SQLITE_OK : hx_ids_merge(&delta->ids, changed);
    if (rc || !delta->kept) {
        return rc;
    }
    rc = hx_content_each_of(shadow, delta->vector, changed->items, changed->count, renew_row, &k);
    return rc == TOO_LARGE ? hx_delta_keep(shadow, delta) : rc;
}

/* ---------------------------------------------------------------------------------- scanning -- */

typedef struct delta_pass {
    hx_shadow *shadow;
    const hny_distance_computer *computer;
    const hny_filter *filter;
    const hny_hit *after;
    hx_hit_heap *hits;
    size_t seen;
} delta_pass;

static int offer_row(void *arg, int64_t id, const void *vector, const hny_attribute *attributes) {
    delta_pass *const p = arg;
    if (++p->seen % POLL_ROWS == 0 && hx_interrupted(p->shadow)) {
        return hx_fail_status(p->shadow, HNY_INTERRUPT);
    }
    if (!vector) {
        return SQLITE_OK;
    }
    if (p->filter && hny_filter_test(p->filter, id, attributes) == HNY_NO) {
        return SQLITE_OK;
    }
    const hny_hit hit = {hny_distance_computer_distance(p->computer, vector), id, 0};
    if (p->after && hny_hit_compare(&hit, p->after) <= 0) {
        return SQLITE_OK;
    }
    return hx_hit_heap_offer(p->hits, hit);
}

/* Visits every row of the delta in memory. */
static int each_kept_row(const hx_delta *delta, const keeper *k, hx_visit visit, void *arg) {
    int rc = SQLITE_OK;
    for (size_t i = 0; rc == SQLITE_OK && i < delta->count; i++) {
        const hx_kept row = delta->rows[i];
        if (row.slot == HX_ABSENT) {
            continue;
        }
        rc = visit(arg, row.id, delta->vectors + row.slot * k->width,
                   k->attributes ? delta->attributes + row.slot * k->attributes : NULL);
    }
    return rc;
}

int hx_delta_scan(hx_shadow *shadow, const hx_delta *delta, const hny_distance_computer *computer,
                  const hny_filter *filter, const hny_hit *after, hx_hit_heap *hits) {
    const keeper k = keeper_of(shadow, delta->vector, NULL);
    delta_pass p = {shadow, computer, filter, after, hits, 0};
    const int rc = delta->kept ? each_kept_row(delta, &k, offer_row, &p)
                               : each_delta_row(shadow, delta, offer_row, &p);
    if (rc == SQLITE_OK) {
        hx_hit_heap_sort(hits);
    }
    return rc;
}
