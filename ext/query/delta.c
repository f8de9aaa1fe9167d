#include "query/delta.h"

#include <string.h>

#include "shadow/content.h"
#include "shadow/error.h"
#include "shadow/interrupt.h"
#include "shadow/shadow.h"

/*
** Reading a row again costs 2 to 4 us, its distance a tenth of that, so a delta is worth keeping;
** this much of it in each connection and table at most.
*/
#define KEEP_BYTES ((size_t)64 << 20)

#define POLL_ROWS 1024

/* Every row of the delta, from v_content. */
static int each_row(hx_shadow *shadow, const hx_delta *delta, hx_visit visit, void *arg) {
    if (delta->whole) return hx_content_each(shadow, delta->vector, visit, arg);
    return hx_content_each_of(shadow, delta->vector, delta->ids.at, delta->ids.count, visit, arg);
}

/* ----------------------------------------------------------------------------------- keeping -- */

/* Internal to this file: what is to be kept does not fit. */
#define TOO_LARGE SQLITE_TOOBIG

typedef struct keeper {
    hx_delta *delta;
    size_t width;      /* bytes of a vector */
    size_t attributes; /* of a row */
} keeper;

static keeper keeper_of(const hx_shadow *shadow, int vector, hx_delta *delta) {
    return (keeper){delta, shadow->vector_bytes[vector], (size_t)shadow->columns.attributes};
}

static void drop_rows(hx_delta *delta) {
    sqlite3_free(delta->rows);
    sqlite3_free(delta->vectors);
    sqlite3_free(delta->attributes);
    delta->rows = NULL;
    delta->vectors = NULL;
    delta->attributes = NULL;
    delta->count = delta->room = delta->vectors_count = delta->vectors_room = 0;
    delta->kept = false;
}

static int reserve_row(hx_delta *delta) {
    if (delta->count < delta->room) return SQLITE_OK;
    const size_t room = delta->room ? 2 * delta->room : 64;
    hx_kept *const rows = sqlite3_realloc64(delta->rows, room * sizeof *rows);
    if (!rows) return SQLITE_NOMEM;
    delta->rows = rows;
    delta->room = room;
    return SQLITE_OK;
}

static int reserve_vector(const keeper *k) {
    hx_delta *const delta = k->delta;
    const size_t width = k->width + k->attributes * sizeof *delta->attributes;
    if ((delta->vectors_count + 1) * width > KEEP_BYTES) return TOO_LARGE;
    if (delta->vectors_count < delta->vectors_room) return SQLITE_OK;
    const size_t room = delta->vectors_room ? 2 * delta->vectors_room : 16;
    unsigned char *const vectors = sqlite3_realloc64(delta->vectors, room * k->width);
    if (!vectors) return SQLITE_NOMEM;
    delta->vectors = vectors;
    if (k->attributes) {
        hny_attribute *const attributes =
            sqlite3_realloc64(delta->attributes, room * k->attributes * sizeof *attributes);
        if (!attributes) return SQLITE_NOMEM;
        delta->attributes = attributes;
    }
    delta->vectors_room = room;
    return SQLITE_OK;
}

static void put_vector(const keeper *k, size_t at, const void *vector,
                       const hny_attribute *attributes) {
    memcpy(k->delta->vectors + at * k->width, vector, k->width);
    if (k->attributes)
        memcpy(k->delta->attributes + at * k->attributes, attributes,
               k->attributes * sizeof *attributes);
}

static int add_vector(const keeper *k, const void *vector, const hny_attribute *attributes,
                      size_t *at) {
    const int rc = reserve_vector(k);
    if (rc) return rc;
    *at = k->delta->vectors_count++;
    put_vector(k, *at, vector, attributes);
    return SQLITE_OK;
}

static int keep_row(void *arg, int64_t id, const void *vector, const hny_attribute *attributes) {
    const keeper *const k = arg;
    size_t at = HX_ABSENT;
    int rc = reserve_row(k->delta);
    if (rc == SQLITE_OK && vector) rc = add_vector(k, vector, attributes, &at);
    if (rc == SQLITE_OK) k->delta->rows[k->delta->count++] = (hx_kept){id, at};
    return rc;
}

int hx_delta_keep(hx_shadow *shadow, hx_delta *delta) {
    keeper k = keeper_of(shadow, delta->vector, delta);
    drop_rows(delta);
    const int rc = each_row(shadow, delta, keep_row, &k);
    delta->kept = rc == SQLITE_OK;
    if (rc) drop_rows(delta);
    return rc == TOO_LARGE ? SQLITE_OK : rc;
}

void hx_delta_free(hx_delta *delta) {
    drop_rows(delta);
    hx_ids_free(&delta->ids);
    delta->whole = false;
}

/* --------------------------------------------------------------------------------- extending -- */

/* The position of the first row whose id is not below this one. */
static size_t seek(const hx_delta *delta, int64_t id) {
    size_t low = 0, high = delta->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (delta->rows[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int insert_row(hx_delta *delta, size_t position, hx_kept row) {
    const int rc = reserve_row(delta);
    if (rc) return rc;
    hx_kept *const at = delta->rows + position;
    memmove(at + 1, at, (delta->count - position) * sizeof *at);
    *at = row;
    delta->count++;
    return SQLITE_OK;
}

static int renew_row(void *arg, int64_t id, const void *vector, const hny_attribute *attributes) {
    const keeper *const k = arg;
    hx_delta *const delta = k->delta;
    const size_t position = seek(delta, id);
    const bool known = position < delta->count && delta->rows[position].id == id;
    size_t at = known ? delta->rows[position].at : HX_ABSENT;
    int rc = SQLITE_OK;
    if (!vector)
        at = HX_ABSENT;
    else if (at == HX_ABSENT)
        rc = add_vector(k, vector, attributes, &at);
    else
        put_vector(k, at, vector, attributes);
    if (rc) return rc;
    if (!known) return insert_row(delta, position, (hx_kept){id, at});
    delta->rows[position].at = at;
    return SQLITE_OK;
}

int hx_delta_extend(hx_shadow *shadow, hx_delta *delta, const hx_ids *changed, bool *grown) {
    const size_t before = delta->ids.count;
    keeper k = keeper_of(shadow, delta->vector, delta);
    int rc = delta->whole ? SQLITE_OK : hx_ids_merge(&delta->ids, changed);
    *grown = delta->ids.count > before;
    if (rc || !delta->kept) return rc;
    rc = hx_content_each_of(shadow, delta->vector, changed->at, changed->count, renew_row, &k);
    return rc == TOO_LARGE ? hx_delta_keep(shadow, delta) : rc;
}

/* ---------------------------------------------------------------------------------- scanning -- */

typedef struct pass {
    hx_shadow *shadow;
    const hny_distance_computer *probe;
    const hny_filter *filter;
    const hny_hit *after;
    hx_hit_heap *hits;
    size_t seen;
} pass;

static int look_at(void *arg, int64_t id, const void *vector, const hny_attribute *attributes) {
    pass *const p = arg;
    if (++p->seen % POLL_ROWS == 0 && hx_interrupted(p->shadow))
        return hx_fail_status(p->shadow, HNY_INTERRUPT);
    if (!vector) return SQLITE_OK;
    if (p->filter && hny_filter_test(p->filter, id, attributes) == HNY_NO) return SQLITE_OK;
    const hny_hit hit = {hny_distance_computer_distance(p->probe, vector), id, 0};
    if (p->after && hny_hit_compare(&hit, p->after) <= 0) return SQLITE_OK;
    return hx_hit_heap_offer(p->hits, hit);
}

static int each_kept(const hx_delta *delta, const keeper *k, hx_visit visit, void *arg) {
    int rc = SQLITE_OK;
    for (size_t i = 0; rc == SQLITE_OK && i < delta->count; i++) {
        const hx_kept row = delta->rows[i];
        if (row.at == HX_ABSENT) continue;
        rc = visit(arg, row.id, delta->vectors + row.at * k->width,
                   k->attributes ? delta->attributes + row.at * k->attributes : NULL);
    }
    return rc;
}

int hx_delta_scan(hx_shadow *shadow, const hx_delta *delta, const hny_distance_computer *probe,
                  const hny_filter *filter, const hny_hit *after, hx_hit_heap *hits) {
    const keeper k = keeper_of(shadow, delta->vector, NULL);
    pass p = {shadow, probe, filter, after, hits, 0};
    const int rc =
        delta->kept ? each_kept(delta, &k, look_at, &p) : each_row(shadow, delta, look_at, &p);
    if (rc == SQLITE_OK) hx_hit_heap_sort(hits);
    return rc;
}
