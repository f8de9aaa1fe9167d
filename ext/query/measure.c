/* Exact distances of rows.  The contract is in measure.h. */
#include "query/measure.h"

#include <string.h>

#include "query/index_view.h"
#include "shadow/content.h"

/* ----------------------------------------------------------------------------------- one row -- */

typedef struct measurement {
    hx_view *view;
    const hny_distance_computer *computer;
    hx_vector_cache *cache; /* NULL: the vector may not be the snapshot's, and is not cached */
    hny_hit *hit;
    bool found;
} measurement;

static int measure_vector(void *arg, int64_t id, const void *vector,
                          const hny_attribute *attributes) {
    measurement *const m = arg;
    (void)attributes;
    m->found = vector != NULL;
    if (!vector) {
        return SQLITE_OK;
    }
    const double distance = hny_distance_computer_distance(m->computer, vector);
    if (m->hit->error > 0 || m->hit->distance == distance) {
        hx_presence_note_vector(m->view, id);
    }
    *m->hit = (hny_hit){distance, id, 0};
    if (m->cache) {
        hx_vector_cache_put(m->cache, id, vector);
    }
    return SQLITE_OK;
}

/*
** Vectors are cached for the merge base of the present snapshot.  They are of it unless the hit is
** from another snapshot, or the connection wrote since: an open cursor sees its own writes.
*/
static bool is_cacheable(const hx_view *view, uint64_t serial) {
    return !hx_columns_external(&view->shadow->columns) && serial == view->snapshot.serial &&
           sqlite3_total_changes(view->shadow->db) == view->snapshot.changes;
}

int hx_measure_row(hx_view *view, const hny_distance_computer *computer, uint64_t serial,
                   hny_hit *hit, bool *found) {
    measurement m = {view, computer, NULL, hit, true};
    if (is_cacheable(view, serial)) {
        m.cache = &view->cache;
        hx_vector_cache_begin(m.cache, view->snapshot.base.boundary, hx_view_bytes(view));
        const void *const vector = hx_vector_cache_find(m.cache, hit->rowid);
        if (vector && hx_presence_has_vector(view, hit->rowid)) {
            *hit = (hny_hit){hny_distance_computer_distance(computer, vector), hit->rowid, 0};
            *found = true;
            return SQLITE_OK;
        }
    }
    const int rc =
        hx_content_each_of(view->shadow, view->vector, &hit->rowid, 1, measure_vector, &m);
    *found = m.found;
    return rc;
}

/* ---------------------------------------------------------------------------------- all rows -- */

/* The place of an id in the hash table, or the free place for it. */
static size_t place_of_id(const hx_measured *measured, int64_t id) {
    const size_t mask = measured->ids_capacity - 1;
    size_t place = (size_t)((uint64_t)id * 0x9e3779b97f4a7c15u >> 20) & mask;
    while (measured->ids[place] && measured->ids[place] != id) {
        place = (place + 1) & mask;
    }
    return place;
}

#define MIN_IDS 32

/* Makes the hash table twice as large before it is half full. */
static int reserve_id(hx_measured *measured) {
    if (2 * (measured->ids_count + 1) <= measured->ids_capacity) {
        return SQLITE_OK;
    }
    const size_t capacity = measured->ids_capacity ? 2 * measured->ids_capacity : MIN_IDS;
    int64_t *const ids = sqlite3_malloc64(capacity * sizeof *ids);
    if (!ids) {
        return SQLITE_NOMEM;
    }
    memset(ids, 0, capacity * sizeof *ids);
    hx_measured wider = {.ids = ids, .ids_capacity = capacity};
    for (size_t i = 0; i < measured->ids_capacity; i++) {
        if (measured->ids[i]) {
            ids[place_of_id(&wider, measured->ids[i])] = measured->ids[i];
        }
    }
    sqlite3_free(measured->ids);
    measured->ids = ids;
    measured->ids_capacity = capacity;
    return SQLITE_OK;
}

int hx_measured_note(hx_measured *measured, int64_t rowid) {
    const int rc = reserve_id(measured);
    if (rc) {
        return rc;
    }
    if (rowid == 0) {
        measured->has_zero = true;
    } else if (!hx_measured_has(measured, rowid)) {
        measured->ids[place_of_id(measured, rowid)] = rowid;
        measured->ids_count++;
    }
    return SQLITE_OK;
}

int hx_measured_add(hx_measured *measured, hny_hit hit) {
    const int rc = hx_measured_note(measured, hit.rowid);
    return rc ? rc : hx_hit_heap_push(&measured->hits, hit);
}

bool hx_measured_has(const hx_measured *measured, int64_t rowid) {
    if (rowid == 0) {
        return measured->has_zero;
    }
    return measured->ids_capacity && measured->ids[place_of_id(measured, rowid)] == rowid;
}

const hny_hit *hx_measured_nearest(const hx_measured *measured) {
    return measured->hits.count ? &measured->hits.items[0] : NULL;
}

void hx_measured_pop(hx_measured *measured) {
    hx_hit_heap_pop(&measured->hits);
}

void hx_measured_clear(hx_measured *measured) {
    if (measured->ids_count) {
        memset(measured->ids, 0, measured->ids_capacity * sizeof(int64_t));
    }
    measured->ids_count = 0;
    measured->has_zero = false;
    measured->hits.count = 0;
}

void hx_measured_free(hx_measured *measured) {
    sqlite3_free(measured->ids);
    hx_hit_heap_free(&measured->hits);
}
