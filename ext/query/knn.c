/* Merges the streams of a search into one order of exact distances.  The contract is in knn.h. */
#include "query/knn.h"

#include <string.h>

#include "query/index_view.h"
#include "query/measure.h"
#include "query/streams.h"

/*
** A hit of the index comes with a distance that may be off (hny_hit.error).  It is *measured*, by a
** point read of its vector, only once its lower bound is no farther than the nearest distance that
** is known exactly, and is kept in `measured` until no other row can come before it.  So ten rows
** in exact order take ten point reads or a few more, 2 us each.
*/
struct hx_knn {
    hx_streams streams;
    hx_measured measured;
    uint64_t serial;      /* of `streams` when `measured` was filled */
    hx_measured returned; /* without an exact order: all rows so far */
};

int hx_knn_new(hx_view *view, const void *vector, const hx_knn_request *request, hx_knn **out) {
    hx_knn *const knn = sqlite3_malloc(sizeof *knn);
    if (!knn) {
        hx_conditions_free(request->conditions);
        return SQLITE_NOMEM;
    }
    memset(knn, 0, sizeof *knn);
    *view->last = (hx_last){.strategy = 0};
    const int rc = hx_streams_init(&knn->streams, view, vector, request);
    if (rc) {
        hx_knn_free(knn);
        return rc;
    }
    *out = knn;
    return SQLITE_OK;
}

void hx_knn_free(hx_knn *knn) {
    if (!knn) {
        return;
    }
    hx_streams_free(&knn->streams);
    hx_measured_free(&knn->measured);
    hx_measured_free(&knn->returned);
    sqlite3_free(knn);
}

/* ----------------------------------------------------------------------------------- merging -- */

static int refill_streams(hx_knn *knn, bool lacking) {
    const int rc = hx_streams_refill(&knn->streams, lacking);
    if (knn->serial != knn->streams.serial) {
        hx_measured_clear(&knn->measured);
        knn->serial = knn->streams.serial;
    }
    return rc;
}

static int measure_hit(const hx_streams *streams, hny_hit *hit, bool *found) {
    hx_streams_prefetch(streams, HX_PREFETCHED - 1);
    return hx_measure_row(streams->view, streams->computer, streams->serial, hit, found);
}

/* The distance of an exact code is the row's own if the index is right, which a read confirms. */
static bool needs_vector(const hx_streams *streams, const hny_hit *hit) {
    return hit->error > 0 || hx_streams_external(streams) ||
           (streams->exact && !hx_presence_has_vector(streams->view, hit->rowid));
}

/*
** Moves the head of the index stream to the measured rows, unless it is there: a wider search finds
** the same rows again.
*/
static int measure_head(hx_knn *knn) {
    hx_streams *const streams = &knn->streams;
    hny_hit hit = *hx_stream_head(&streams->index);
    bool found = true;
    streams->index.next++;
    if (hx_streams_passed(streams, &hit)) {
        return SQLITE_OK;
    }
    if (hx_measured_has(&knn->measured, hit.rowid)) {
        return SQLITE_OK;
    }
    const int rc = needs_vector(streams, &hit)
                       ? measure_hit(streams, &hit, &found)
                       : hx_presence_check(streams->view, hit.rowid, &found);
    if (rc) {
        return rc;
    }
    if (!found) {
        return hx_streams_external(streams) ? SQLITE_OK : refill_streams(knn, true);
    }
    if (hx_streams_passed(streams, &hit)) {
        return SQLITE_OK;
    }
    return hx_measured_add(&knn->measured, hit);
}

/* The nearest row whose exact distance is known. */
static const hny_hit *nearest_known(const hx_knn *knn) {
    const hny_hit *const a = hx_measured_nearest(&knn->measured);
    const hny_hit *const b = hx_stream_head(&knn->streams.delta);
    if (!a || !b) {
        return a ? a : b;
    }
    return hny_hit_compare(a, b) < 0 ? a : b;
}

/* May a row beyond the buffers come before this one? */
static bool needs_refill(const hx_knn *knn, const hny_hit *known) {
    if (hx_stream_is_dry(&knn->streams.delta)) {
        return true;
    }
    if (!hx_stream_is_dry(&knn->streams.index)) {
        return false;
    }
    return !known || hny_hit_compare(&knn->streams.floor, known) < 0;
}

/* May the head of the index come before this row? */
static bool needs_measuring(const hx_knn *knn, const hny_hit *known) {
    const hny_hit *const head = hx_stream_head(&knn->streams.index);
    return head && (!known || hny_hit_lower_bound(head) <= known->distance);
}

/* The next row in order; *out NULL: there is none. */
static int find_next(hx_knn *knn, const hny_hit **out) {
    int rc = SQLITE_OK;
    for (bool settled = false; !settled && rc == SQLITE_OK;) {
        *out = nearest_known(knn);
        if (needs_measuring(knn, *out)) {
            rc = measure_head(knn);
        } else if (needs_refill(knn, *out)) {
            rc = refill_streams(knn, false);
        } else {
            settled = true;
        }
    }
    return rc;
}

/* Takes the row out of its stream.  *delta: that is the delta.  *again: it was returned before. */
static int take_row(hx_knn *knn, const hny_hit *known, bool *delta, bool *again) {
    hx_streams *const streams = &knn->streams;
    *delta = known == hx_stream_head(&streams->delta);
    *again = streams->repeats && hx_measured_has(&knn->returned, known->rowid);
    streams->last = *known;
    streams->started = true;
    if (*delta) {
        streams->delta.next++;
    } else {
        hx_measured_pop(&knn->measured);
    }
    if (streams->exact) {
        return SQLITE_OK;
    }
    streams->taken++;
    return hx_measured_note(&knn->returned, streams->last.rowid);
}

static bool is_beyond(const hx_knn *knn, const hny_hit *hit) {
    const hx_bound below = knn->streams.request.below;
    if (!below.given || hit->distance < below.distance) {
        return false;
    }
    return !below.inclusive || hit->distance > below.distance;
}

/* A row of the delta was read some time ago; the table may have lost it since. */
static int check_presence(hx_knn *knn, const hny_hit *hit, bool *out) {
    hny_hit again = *hit;
    if (!hx_streams_external(&knn->streams)) {
        return hx_presence_check(knn->streams.view, hit->rowid, out);
    }
    return hx_measure_row(knn->streams.view, knn->streams.computer, knn->serial, &again, out);
}

/*
** Does the row pass, apart from its distance?  *counts: it is one of the k rows.  A row may pass
** without being one of them: SQLite checks it again (row_check.h).
*/
static int check_hit(hx_knn *knn, const hny_hit *hit, bool delta, bool *out, bool *counts) {
    const hx_knn_request *const request = &knn->streams.request;
    int rc = SQLITE_OK;
    *counts = true;
    *out = !(request->excludes && hit->rowid == request->excluded);
    if (*out && delta) {
        rc = check_presence(knn, hit, out);
    }
    if (*out && !delta && knn->streams.by_rows && rc == SQLITE_OK) {
        rc = hx_conditions_test(knn->streams.view->shadow, request->conditions, hit->rowid, out);
    }
    if (rc || !*out || !hx_conditions_unsure(request->conditions)) {
        return rc;
    }
    return hx_conditions_check(knn->streams.view->shadow, request->conditions, hit->rowid, out,
                               counts);
}

int hx_knn_next(hx_knn *knn, hny_hit *out) {
    hx_streams *const streams = &knn->streams;
    const hny_hit *known;
    bool passes = false, counts = true, delta, again;
    while (!passes) {
        if (streams->left == 0) {
            return SQLITE_DONE;
        }
        int rc = find_next(knn, &known);
        if (rc) {
            return rc;
        }
        if (!known || is_beyond(knn, known)) {
            return SQLITE_DONE;
        }
        rc = take_row(knn, known, &delta, &again);
        if (rc == SQLITE_OK && !again) {
            rc = check_hit(knn, &streams->last, delta, &passes, &counts);
        }
        if (rc) {
            return rc;
        }
    }
    *out = streams->last;
    if (streams->request.k != HX_NO_LIMIT && counts) {
        streams->left--;
    }
    return SQLITE_ROW;
}
