#include "query/knn.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "query/view.h"
#include "shadow/content.h"
#include "shadow/error.h"
#include "shadow/interrupt.h"

/* How many hits a refill asks for: few at first, since most statements end soon. */
#define FIRST_EXACT 256
#define FIRST_SCAN  4096
#define GROWTH      4

/* 24 MiB of hits: a sort of 10 million rows takes some ten passes over them. */
#define MOST_HITS ((int64_t)1 << 20)

/*
** A stream hands out half of what its first walk finds, so a nearer row that a narrow walk missed
** would come out of order, or never: it walks no narrower than this, whatever `ef` says.
*/
#define STREAM_EF 64

/* After this many times `ef` rows a graph search costs more than it saves, and loses rows. */
#define FAR 16

typedef struct stream {
    hx_hit_heap hits;
    size_t next;  /* the first one not handed out */
    bool ended;   /* nothing lies beyond the buffer */
    int64_t step; /* of the next refill */
} stream;

/*
** The rows of the index come with a distance that may be off (hny_hit.error).  In `index` they are
** ordered by the least that it can be; a row is *measured*, by a point read of its vector, only
** once that least is nearer than anything that is known exactly, and waits in `measured` until
** nothing can come before it.  So ten rows in exact order cost ten point reads or a few more, 2 us
** each.
*/
struct hx_knn {
    hx_view *view;
    unsigned char *vector;
    hny_distance_computer *probe;
    uint8_t metric; /* that the probe was made for */
    hx_knn_request wish;
    int64_t left;    /* rows still to be handed out, with a k */
    bool bounded;    /* by k, and all k are looked for at once */
    bool exact;      /* distances are read, or their order matters */
    uint64_t serial; /* of the snapshot that the buffers were filled from */
    stream index, delta;
    hx_hit_heap measured; /* a heap */
    hny_hit floor;        /* what lies beyond the buffer of the index comes no sooner than this */
    bool scanning;        /* the index is scanned, no longer walked */
    bool resumes;         /* a scan did not come to the end, but to here: */
    hny_hit resume;
    int64_t handed; /* rows taken from walks */
    hny_hit last;   /* the last row handed out, if `started` */
    bool started;
};

/* Rows of a table of the user's may be gone without a word. */
static bool is_external(const hx_knn *knn) {
    return hx_columns_external(&knn->view->shadow->columns);
}

/* May a row that was found be left out in the end? */
static bool may_turn_down(const hx_knn *knn) {
    return hx_conditions_unsure(knn->wish.where) || is_external(knn);
}

static void start_scanning(hx_knn *knn) {
    knn->scanning = true;
    knn->index.step = FIRST_SCAN;
}

/* As if the last row before the least distance had been handed out. */
static void start_above(hx_knn *knn) {
    const hx_bound above = knn->wish.above;
    if (!above.given) return;
    const double before = above.same ? nextafter(above.distance, -INFINITY) : above.distance;
    knn->started = true;
    knn->last = (hny_hit){before, INT64_MAX, 0};
}

int hx_knn_new(hx_view *view, const void *vector, const hx_knn_request *wish, hx_knn **out) {
    hx_knn *const knn = sqlite3_malloc(sizeof *knn);
    if (!knn) {
        hx_conditions_free(wish->where);
        return SQLITE_NOMEM;
    }
    memset(knn, 0, sizeof *knn);
    knn->view = view;
    view->last = (hx_last){.strategy = 0};
    knn->metric = hx_view_options(view)->shape.metric;
    knn->wish = *wish;
    knn->left = wish->k;
    knn->bounded = wish->k != HX_NO_LIMIT && !wish->above.given;
    knn->exact = wish->distances || !knn->bounded || wish->below.given || is_external(knn);
    knn->delta.step = FIRST_EXACT;
    start_above(knn);
    if (wish->exact || (wish->below.given && wish->k == HX_NO_LIMIT)) start_scanning(knn);
    knn->vector = sqlite3_malloc64(hx_view_bytes(view));
    if (knn->vector) memcpy(knn->vector, vector, hx_view_bytes(view));
    if (!knn->vector ||
        hny_distance_computer_new(hx_view_options(view)->shape, vector, &knn->probe) != HNY_OK) {
        knn->probe = NULL;
        hx_knn_free(knn);
        return SQLITE_NOMEM;
    }
    *out = knn;
    return SQLITE_OK;
}

void hx_knn_free(hx_knn *knn) {
    if (!knn) return;
    hx_conditions_free(knn->wish.where);
    hny_distance_computer_free(knn->probe);
    hx_hit_heap_free(&knn->index.hits);
    hx_hit_heap_free(&knn->delta.hits);
    hx_hit_heap_free(&knn->measured);
    sqlite3_free(knn->vector);
    sqlite3_free(knn);
}

/* ----------------------------------------------------------------------------------- streams -- */

static bool is_dry(const stream *s) {
    return s->next == s->hits.count && !s->ended;
}

static void empty(stream *s) {
    s->hits.count = s->next = 0;
    s->ended = false;
}

static void end(stream *s) {
    empty(s);
    s->ended = true;
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static const hny_hit *beyond(const hx_knn *knn) {
    return knn->started ? &knn->last : NULL;
}

/* Rows to look for: one more where one is left out. */
static int64_t wanted(const hx_knn *knn) {
    return knn->left < INT64_MAX ? knn->left + knn->wish.excludes : knn->left;
}

/* Takes the next step of a stream that widens as it goes: its size now. */
static int64_t widen(const hx_knn *knn, stream *s) {
    const int64_t step = knn->bounded ? least(wanted(knn), MOST_HITS) : s->step;
    s->step = least(s->step * GROWTH, MOST_HITS);
    return step;
}

static const hny_filter *filter_of(const hx_knn *knn) {
    return hx_conditions_filter(knn->wish.where);
}

/* ------------------------------------------------------------------------------- exact stream -- */

static int fill_delta(hx_knn *knn) {
    stream *const s = &knn->delta;
    const hx_delta *const delta = &knn->view->snapshot.delta;
    empty(s);
    hx_hit_heap_begin(&s->hits, (size_t)widen(knn, s));
    const int rc =
        hx_delta_scan(knn->view->shadow, delta, knn->probe, filter_of(knn), beyond(knn), &s->hits);
    s->ended = s->hits.count < s->hits.limit;
    return rc;
}

/* ------------------------------------------------------------------------------- index stream -- */

/* These return the engine's status. */

static void set_floor(hx_knn *knn, const hny_hit *last) {
    knn->floor = (hny_hit){hny_hit_lower_bound(last), last->rowid, 0};
}

/* The vectors of so many rows are asked for before the first of them is measured. */
#define AHEAD 4

static void look_ahead(const hx_knn *knn, size_t at) {
    const hx_hit_heap *const hits = &knn->index.hits;
    if (at < hits->count) hx_vector_cache_ahead(&knn->view->cache, hits->at[at].rowid);
}

/*
** Where nobody asks for distances, those of the sidecar will do, but not where they tell nothing: of
** near duplicates, and of numbers whose squares vanish.
*/
static void order(hx_knn *knn) {
    hx_hit_heap *const hits = &knn->index.hits;
    for (size_t i = 0; !knn->exact && i < hits->count; i++) {
        if (hits->at[i].error < hits->at[i].distance) hits->at[i].error = 0;
    }
    hx_hit_heap_order(hits, hny_hit_compare_lower_bound);
    for (size_t i = 0; knn->exact && i < AHEAD; i++) look_ahead(knn, i);
}

static hny_hit *reserve_hits(void *arg, size_t capacity) {
    hx_hit_heap *const hits = arg;
    return hx_hit_heap_reserve(hits, capacity) ? NULL : hits->at;
}

/* A search for what the statement asks for, whose hits go to the buffer of the index. */
static hny_search new_search(hx_knn *knn) {
    return (hny_search){.vector = knn->vector,
                        .filter = filter_of(knn),
                        .interrupt = hx_interrupt(knn->view->shadow),
                        .reserve = reserve_hits,
                        .arg = &knn->index.hits};
}

/* The same for k rows, with the ef and recall of the statement or the table. */
static hny_search search_for(hx_knn *knn, int64_t k) {
    const hx_options *const options = hx_view_options(knn->view);
    int64_t ef = knn->wish.ef ? knn->wish.ef : options->ef;
    if (ef && ef < k) ef = k;
    if (ef > INT32_MAX) ef = INT32_MAX;
    hny_search search = new_search(knn);
    search.k = (uint64_t)k;
    search.ef = (uint32_t)ef;
    search.recall = options->recall / HX_RECALL_UNIT;
    return search;
}

static int scan(hx_knn *knn) {
    stream *const s = &knn->index;
    hny_search search = search_for(knn, widen(knn, s));
    if (knn->resumes) search.after = &knn->resume;
    empty(s);
    const int status = hny_reader_scan(knn->view->reader, &search);
    s->hits.count = search.count;
    s->ended = status || search.exhaustive;
    knn->resumes = !s->ended;
    if (knn->resumes) {
        knn->resume = s->hits.at[s->hits.count - 1];
        set_floor(knn, &knn->resume);
    }
    order(knn);
    return status;
}

static int walk(hx_knn *knn, hny_search *search) {
    stream *const s = &knn->index;
    empty(s);
    const int status = hny_reader_search(knn->view->reader, search);
    s->hits.count = search->count;
    return status;
}

/* Hits of whose distance the codes tell something: of numbers whose squares overflow they tell nothing. */
static int64_t count_told(const hx_hit_heap *hits) {
    int64_t told = 0;
    for (size_t i = 0; i < hits->count; i++) told += hits->at[i].error < (double)INFINITY;
    return told;
}

/*
** All that k asks for at once; a walk that comes back with less, or with less that is known of, is not
** trusted.  Where rows may still be turned down, what lies beyond is scanned for.
*/
static int fill_bounded(hx_knn *knn, int64_t rows) {
    hx_hit_heap *const hits = &knn->index.hits;
    const int64_t k = least(wanted(knn), rows);
    hny_search search = search_for(knn, k);
    const int status = walk(knn, &search);
    if (status) return status;
    if (count_told(hits) < k && !search.exhaustive) {
        start_scanning(knn);
        return scan(knn);
    }
    order(knn);
    knn->index.ended = search.exhaustive || !may_turn_down(knn);
    if (knn->index.ended) return HNY_OK;
    set_floor(knn, &hits->at[hits->count - 1]);
    start_scanning(knn);
    return HNY_OK;
}

/* Is a hit of the index certainly not after the last row handed out? */
static bool is_handed(const hx_knn *knn, const hny_hit *hit) {
    if (!knn->started) return false;
    if (hit->error > 0) return hit->distance + hit->error < knn->last.distance;
    return hny_hit_compare(hit, &knn->last) <= 0;
}

/* Of a stream's first walk: what k rows would take that are half of what it finds. */
static int64_t first_ef(hx_knn *knn) {
    const hny_search search = search_for(knn, STREAM_EF / 2);
    const int64_t ef =
        search.ef ? search.ef : hny_reader_ef(knn->view->reader, search.k, search.recall);
    return ef > STREAM_EF ? ef : STREAM_EF;
}

/*
** The nearer half of what a walk finds: farther out it misses more.  The next one widens, until a
** scan is cheaper.
*/
static int fill_widening(hx_knn *knn, int64_t rows) {
    stream *const s = &knn->index;
    const int64_t first = first_ef(knn);
    if (!s->step) s->step = first;
    while (is_dry(s) && !knn->scanning) {
        const int64_t ef = least(s->step, rows);
        hny_search search = new_search(knn);
        search.ef = (uint32_t)ef;
        const int status = walk(knn, &search);
        if (status) return status;
        const bool short_of = (int64_t)s->hits.count < ef;
        s->ended = search.exhaustive;
        if (!s->ended) s->hits.count = (s->hits.count + 1) / 2;
        order(knn);
        if (s->hits.count) set_floor(knn, &s->hits.at[s->hits.count - 1]);
        while (s->next < s->hits.count && is_handed(knn, &s->hits.at[s->next])) s->next++;
        knn->handed += (int64_t)(s->hits.count - s->next);
        s->step = ef * GROWTH;
        if (short_of || s->step > rows / 10 || knn->handed >= FAR * first) start_scanning(knn);
        if (s->ended) return HNY_OK;
    }
    return is_dry(s) ? scan(knn) : HNY_OK;
}

static int fill_index(hx_knn *knn) {
    const int64_t rows = (int64_t)knn->view->snapshot.stats.rows;
    const bool small = rows < hx_view_options(knn->view)->linear_below;
    const bool many = knn->bounded && (knn->started || wanted(knn) > rows / 10);
    if (rows == 0) {
        end(&knn->index);
        return HNY_OK;
    }
    if (!knn->scanning && (small || many)) start_scanning(knn);
    if (knn->scanning) return scan(knn);
    return knn->bounded ? fill_bounded(knn, rows) : fill_widening(knn, rows);
}

/* ------------------------------------------------------------------------------------ refills -- */

/* What was filled from another snapshot is worth nothing now. */
static void start_again(hx_knn *knn) {
    empty(&knn->index);
    empty(&knn->delta);
    knn->measured.count = 0;
    knn->resumes = false;
    knn->serial = knn->view->snapshot.serial;
}

/* What hannoy_info tells of the last search. */
static void note_work(const hx_knn *knn) {
    hx_last *const last = &knn->view->last;
    const hny_work *const work = hny_reader_work(knn->view->reader);
    last->strategy = work->strategy;
    last->distances += work->distances;
    last->matches = (int64_t)work->matches;
}

/* Fills what is dry from the present snapshot; *status is the engine's, if it failed. */
static int fill(hx_knn *knn, int *status) {
    const hx_snapshot *const snapshot = &knn->view->snapshot;
    *status = HNY_OK;
    if (knn->metric != hx_view_options(knn->view)->shape.metric)
        return hx_fail(
            knn->view->shadow, SQLITE_ABORT,
            "hannoy: the metric of %s was changed while its rows were being read; run the "
            "statement again",
            knn->view->shadow->name);
    if (snapshot->serial != knn->serial) start_again(knn);
    if (!snapshot->indexed) end(&knn->index);
    if (is_dry(&knn->index)) {
        *status = fill_index(knn);
        if (snapshot->stats.rows) note_work(knn);
    }
    if (*status) return SQLITE_OK;
    if (is_dry(&knn->delta)) knn->view->last.delta_rows = (int64_t)knn->view->snapshot.delta.count;
    return is_dry(&knn->delta) ? fill_delta(knn) : SQLITE_OK;
}

static int64_t nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* `lacking`: the content has no such row as the index says, on the snapshot of these buffers. */
static int refill(hx_knn *knn, bool lacking) {
    hx_view *const view = knn->view;
    const int64_t began = nanoseconds();
    int status = HNY_OK;
    int rc = hx_snapshot_begin(view);
    if (rc) return rc;
    if (lacking && view->snapshot.serial == knn->serial)
        status = HNY_CORRUPT;
    else
        rc = fill(knn, &status);
    if (status == HNY_NOMEM || status == HNY_INTERRUPT) {
        rc = hx_fail_status(view->shadow, status);
    } else if (rc == SQLITE_OK && (status || !hx_snapshot_holds(view))) {
        rc = hx_snapshot_discard(view, status ? status : HNY_BUSY);
        if (rc == SQLITE_OK) rc = fill(knn, &status);
    }
    hx_snapshot_end(view);
    view->last.nanoseconds += nanoseconds() - began;
    return rc;
}

/* ----------------------------------------------------------------------------------- measuring -- */

typedef struct measuring {
    const hny_distance_computer *probe;
    hx_vector_cache *recent; /* where to keep the vector; NULL: it may not be the snapshot's */
    hny_hit hit;
    bool found;
} measuring;

static int measure_row(void *arg, int64_t id, const void *vector, const hny_attribute *attributes) {
    measuring *const m = arg;
    (void)attributes;
    m->found = vector != NULL;
    if (!vector) return SQLITE_OK;
    m->hit = (hny_hit){hny_distance_computer_distance(m->probe, vector), id, 0};
    if (m->recent) hx_vector_cache_put(m->recent, id, vector);
    return SQLITE_OK;
}

/*
** A cursor that is still open sees what its own connection writes: that is of no snapshot.  Nor do
** its buffers have to be of the present one, whose base the vectors are kept for.
*/
static int measure_content(hx_knn *knn, measuring *m) {
    hx_view *const view = knn->view;
    hx_vector_cache *const recent = &view->cache;
    const void *vector = NULL;
    if (!is_external(knn) && knn->serial == view->snapshot.serial &&
        sqlite3_total_changes(view->shadow->db) == view->snapshot.changes) {
        hx_vector_cache_begin(recent, view->snapshot.base.at, hx_view_bytes(view));
        vector = hx_vector_cache_find(recent, m->hit.rowid);
        m->recent = recent;
    }
    if (vector) {
        m->hit = (hny_hit){hny_distance_computer_distance(m->probe, vector), m->hit.rowid, 0};
        return SQLITE_OK;
    }
    return hx_content_each_of(view->shadow, view->vector, &m->hit.rowid, 1, measure_row, m);
}

/* A wider walk finds again what waits to be handed out. */
static bool is_measured(const hx_knn *knn, int64_t rowid) {
    for (size_t i = 0; i < knn->measured.count; i++) {
        if (knn->measured.at[i].rowid == rowid) return true;
    }
    return false;
}

/* Takes the head of the index stream over to those whose distance is known. */
static int measure(hx_knn *knn) {
    const hny_hit head = knn->index.hits.at[knn->index.next++];
    measuring m = {knn->probe, NULL, head, true};
    if (is_handed(knn, &head)) return SQLITE_OK;
    if (!knn->bounded && is_measured(knn, head.rowid)) return SQLITE_OK;
    if (head.error > 0 || is_external(knn)) {
        look_ahead(knn, knn->index.next + AHEAD - 1);
        const int rc = measure_content(knn, &m);
        if (rc) return rc;
    }
    if (!m.found) return is_external(knn) ? SQLITE_OK : refill(knn, true);
    if (is_handed(knn, &m.hit)) return SQLITE_OK;
    return hx_hit_heap_push(&knn->measured, m.hit);
}

/* --------------------------------------------------------------------------------------- order -- */

static const hny_hit *head_of(const stream *s) {
    return s->next < s->hits.count ? &s->hits.at[s->next] : NULL;
}

/* The nearest row whose distance is known. */
static const hny_hit *nearest_known(const hx_knn *knn) {
    const hny_hit *const a = knn->measured.count ? &knn->measured.at[0] : NULL;
    const hny_hit *const b = head_of(&knn->delta);
    if (!a || !b) return a ? a : b;
    return hny_hit_compare(a, b) < 0 ? a : b;
}

/* May what lies beyond the buffers come before this row? */
static bool needs_more(const hx_knn *knn, const hny_hit *known) {
    if (is_dry(&knn->delta)) return true;
    if (!is_dry(&knn->index)) return false;
    return !known || hny_hit_compare(&knn->floor, known) < 0;
}

/* May the head of the index come before this row? */
static bool needs_measuring(const hx_knn *knn, const hny_hit *known) {
    const hny_hit *const head = head_of(&knn->index);
    return head && (!known || hny_hit_lower_bound(head) <= known->distance);
}

/* The next row in order; *known NULL: there is none. */
static int settle(hx_knn *knn, const hny_hit **out) {
    const hny_hit *known = NULL;
    int rc = SQLITE_OK;
    for (bool settled = false; !settled && rc == SQLITE_OK;) {
        known = nearest_known(knn);
        settled = false;
        if (needs_measuring(knn, known))
            rc = measure(knn);
        else if (needs_more(knn, known))
            rc = refill(knn, false);
        else
            settled = true;
    }
    *out = known;
    return rc;
}

/* Takes the row that came out of its stream; returns whether that is the delta. */
static bool hand_over(hx_knn *knn, const hny_hit *known) {
    const bool delta = known == head_of(&knn->delta);
    knn->last = *known;
    knn->started = true;
    if (delta)
        knn->delta.next++;
    else
        hx_hit_heap_pop(&knn->measured);
    return delta;
}

static bool is_beyond(const hx_knn *knn, const hny_hit *hit) {
    const hx_bound below = knn->wish.below;
    if (!below.given || hit->distance < below.distance) return false;
    return !below.same || hit->distance > below.distance;
}

/* A row of the delta was read some time ago. */
static int is_present(hx_knn *knn, const hny_hit *hit, bool *out) {
    measuring m = {knn->probe, NULL, *hit, true};
    const int rc = measure_content(knn, &m);
    *out = m.found;
    return rc;
}

/* Is the row wanted, apart from its distance? */
static int is_wanted(hx_knn *knn, const hny_hit *hit, bool delta, bool *out) {
    int rc = SQLITE_OK;
    *out = !(knn->wish.excludes && hit->rowid == knn->wish.excluded);
    if (*out && delta && is_external(knn)) rc = is_present(knn, hit, out);
    if (rc || !*out || !hx_conditions_unsure(knn->wish.where)) return rc;
    return hx_conditions_check(knn->view->shadow, knn->wish.where, hit->rowid, out);
}

int hx_knn_next(hx_knn *knn, hny_hit *out) {
    const hny_hit *known;
    bool found = false;
    while (!found) {
        if (knn->left == 0) return SQLITE_DONE;
        int rc = settle(knn, &known);
        if (rc) return rc;
        if (!known || is_beyond(knn, known)) return SQLITE_DONE;
        const bool delta = hand_over(knn, known);
        rc = is_wanted(knn, &knn->last, delta, &found);
        if (rc) return rc;
    }
    *out = knn->last;
    if (knn->wish.k != HX_NO_LIMIT) knn->left--;
    return SQLITE_ROW;
}
