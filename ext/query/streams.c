/*
** The hits of the index and of the delta, refilled as a search goes on.  The contract is in
** streams.h.
*/
#include "query/streams.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "query/index_view.h"
#include "shadow/error.h"
#include "shadow/host_interrupt.h"

/* How many hits a refill asks for: few at first, since most statements end soon. */
#define FIRST_EXACT 256
#define FIRST_SCAN  4096
#define GROWTH      4

/* 24 MiB of hits: a sort of 10 million rows takes some ten passes over them. */
#define MAX_HITS ((int64_t)1 << 20)

/*
** A stream returns half of what its first graph search finds.  A narrow search misses near rows,
** which would then come out of order, or never: the ef of the first one is at least this.
*/
#define STREAM_EF 64

/* After this many times `ef` rows, graph searches cost more than a scan, and lose rows. */
#define FAR 16

bool hx_streams_external(const hx_streams *streams) {
    return hx_columns_external(&streams->view->shadow->columns);
}

/* May a row that was found be rejected in the end? */
static bool may_reject_rows(const hx_streams *streams) {
    return hx_conditions_unsure(streams->request.conditions) || streams->by_rows ||
           hx_streams_external(streams);
}

static void start_scanning(hx_streams *streams) {
    streams->scanning = true;
    streams->index.step = FIRST_SCAN;
}

/* With a lower bound the streams start as if the last row before it had been returned. */
static void start_above(hx_streams *streams) {
    const hx_bound above = streams->request.above;
    if (!above.given) {
        return;
    }
    const double before = above.inclusive ? nextafter(above.distance, -INFINITY) : above.distance;
    streams->started = true;
    streams->last = (hny_hit){before, INT64_MAX, 0};
}

int hx_streams_init(hx_streams *streams, hx_view *view, const void *vector,
                    const hx_knn_request *request) {
    const hny_shape shape = hx_view_options(view)->shape;
    memset(streams, 0, sizeof *streams);
    streams->view = view;
    streams->metric = shape.metric;
    streams->request = *request;
    streams->left = request->k;
    streams->bounded = request->k != HX_NO_LIMIT && !request->above.given &&
                       !hx_conditions_selective(request->conditions);
    streams->exact = request->distances || !streams->bounded || request->below.given ||
                     hx_streams_external(streams);
    streams->delta.step = FIRST_EXACT;
    start_above(streams);
    if (request->exact || (request->below.given && request->k == HX_NO_LIMIT)) {
        start_scanning(streams);
    }
    streams->vector = sqlite3_malloc64(hx_view_bytes(view));
    if (!streams->vector) {
        return SQLITE_NOMEM;
    }
    memcpy(streams->vector, vector, hx_view_bytes(view));
    const int status = hny_distance_computer_new(shape, vector, &streams->computer);
    if (status) {
        streams->computer = NULL;
    }
    return status ? SQLITE_NOMEM : SQLITE_OK;
}

void hx_streams_free(hx_streams *streams) {
    hx_conditions_free(streams->request.conditions);
    hny_distance_computer_free(streams->computer);
    hx_hit_heap_free(&streams->index.hits);
    hx_hit_heap_free(&streams->delta.hits);
    sqlite3_free(streams->vector);
}

/* ----------------------------------------------------------------------------------- buffers -- */

static void empty_stream(hx_stream *s) {
    s->hits.count = s->next = 0;
    s->ended = false;
}

static void end_stream(hx_stream *s) {
    empty_stream(s);
    s->ended = true;
}

static int64_t min_of(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static const hny_hit *last_returned(const hx_streams *streams) {
    return streams->started ? &streams->last : NULL;
}

/* Rows to look for: one more where one is left out. */
static int64_t rows_wanted(const hx_streams *streams) {
    const int64_t more = streams->request.excludes + (streams->repeats ? streams->taken : 0);
    return streams->left < INT64_MAX - more ? streams->left + more : streams->left;
}

/*
** The size of this refill; the next one is larger.  The first one of a search with a k asks for k
** rows.  Where the distances of all rows are alike it decides nothing, and a refill is a scan.
*/
static int64_t take_step(const hx_streams *streams, hx_stream *s) {
    if (streams->bounded && !s->refilled) {
        s->refilled = true;
        return min_of(rows_wanted(streams), MAX_HITS);
    }
    const int64_t step = s->step;
    s->step = min_of(s->step * GROWTH, MAX_HITS);
    return step;
}

static const hny_filter *filter_of(const hx_streams *streams) {
    return hx_conditions_filter(streams->request.conditions);
}

bool hx_streams_passed(const hx_streams *streams, const hny_hit *hit) {
    if (!streams->started) {
        return false;
    }
    if (hit->error > 0) {
        return hit->distance + hit->error < streams->last.distance;
    }
    return hny_hit_compare(hit, &streams->last) <= 0;
}

/* ------------------------------------------------------------------------------ delta stream -- */

static int fill_delta(hx_streams *streams) {
    hx_stream *const s = &streams->delta;
    hx_view *const view = streams->view;
    empty_stream(s);
    hx_hit_heap_begin(&s->hits, (size_t)take_step(streams, s));
    const int rc = hx_delta_scan(view->shadow, &view->snapshot.delta, streams->computer,
                                 filter_of(streams), last_returned(streams), &s->hits);
    s->ended = s->hits.count < s->hits.limit;
    return rc;
}

/* ------------------------------------------------------------------------------ index stream -- */

/* These return the engine's status. */

static void set_floor(hx_streams *streams, const hny_hit *last) {
    streams->floor = (hny_hit){hny_hit_lower_bound(last), last->rowid, 0};
}

void hx_streams_prefetch(const hx_streams *streams, size_t ahead) {
    const hx_hit_heap *const hits = &streams->index.hits;
    const size_t place = streams->index.next + ahead;
    if (place >= hits->count) {
        return;
    }
    hx_vector_cache_prefetch(&streams->view->cache, hits->items[place].rowid);
}

/*
** If the statement does not read `distance`, orders by the approximate distance, unless that is
** degenerate: of near duplicates, and of numbers whose squares underflow.
*/
static void order_index_hits(hx_streams *streams) {
    hx_hit_heap *const hits = &streams->index.hits;
    for (size_t i = 0; !streams->exact && i < hits->count; i++) {
        if (hits->items[i].error < hits->items[i].distance) {
            hits->items[i].error = 0;
        }
    }
    hx_hit_heap_order(hits, hny_hit_compare_lower_bound);
    for (size_t i = 0; streams->exact && i < HX_PREFETCHED; i++) {
        hx_streams_prefetch(streams, i);
    }
}

static hny_hit *reserve_hits(void *arg, size_t capacity) {
    hx_hit_heap *const hits = arg;
    return hx_hit_heap_reserve(hits, capacity) ? NULL : hits->items;
}

/* A search for what the statement asks for, whose hits go to the buffer of the index. */
static hny_search new_search(hx_streams *streams) {
    return (hny_search){.vector = streams->vector,
                        .filter = filter_of(streams),
                        .interrupt = hx_interrupt(streams->view->shadow),
                        .reserve = reserve_hits,
                        .arg = &streams->index.hits};
}

/* The same for k rows, with the ef and recall of the statement or the table. */
static hny_search search_for(hx_streams *streams, int64_t k) {
    const hx_options *const options = hx_view_options(streams->view);
    int64_t ef = streams->request.ef ? streams->request.ef : hx_options_ef(options, k);
    if (ef && ef < k) {
        ef = k;
    }
    if (ef > INT32_MAX) {
        ef = INT32_MAX;
    }
    hny_search search = new_search(streams);
    search.k = (uint64_t)k;
    search.ef = (uint32_t)ef;
    search.recall = hx_options_recall(options);
    return search;
}

static int scan_index(hx_streams *streams) {
    hx_stream *const s = &streams->index;
    hny_search search = search_for(streams, take_step(streams, s));
    if (streams->resumes) {
        search.after = &streams->resume;
    }
    empty_stream(s);
    const int status = hny_reader_scan(streams->view->reader, &search);
    s->hits.count = search.count;
    s->ended = status || search.exhaustive;
    streams->resumes = !s->ended;
    if (streams->resumes) {
        streams->resume = s->hits.items[s->hits.count - 1];
        set_floor(streams, &streams->resume);
    }
    order_index_hits(streams);
    return status;
}

static int search_graph(hx_streams *streams, hny_search *search) {
    hx_stream *const s = &streams->index;
    empty_stream(s);
    const int status = hny_reader_search(streams->view->reader, search);
    s->hits.count = search->count;
    return status;
}

/*
** Hits whose approximate distance says something.  Where squares overflow, the error is infinite.
*/
static int64_t count_informative(const hx_hit_heap *hits) {
    int64_t count = 0;
    for (size_t i = 0; i < hits->count; i++) {
        count += hits->items[i].error < (double)INFINITY;
    }
    return count;
}

/*
** Asks for all k rows at once.  A graph search that finds fewer, or fewer informative ones, is not
** trusted: the index is scanned.  Where rows may be rejected, a scan finds those that replace them.
*/
static int fill_bounded(hx_streams *streams, int64_t rows) {
    hx_hit_heap *const hits = &streams->index.hits;
    const int64_t k = min_of(rows_wanted(streams), rows);
    hny_search search = search_for(streams, k);
    const int status = search_graph(streams, &search);
    if (status) {
        return status;
    }
    if (count_informative(hits) < k && !search.exhaustive) {
        start_scanning(streams);
        return scan_index(streams);
    }
    order_index_hits(streams);
    streams->index.ended = search.exhaustive || !may_reject_rows(streams);
    if (streams->index.ended) {
        return HNY_OK;
    }
    set_floor(streams, &hits->items[hits->count - 1]);
    start_scanning(streams);
    return HNY_OK;
}

/* The ef of a stream's first graph search: for k rows that are half of what it finds. */
static int64_t first_ef(hx_streams *streams) {
    const hny_search search = search_for(streams, STREAM_EF / 2);
    const int64_t ef =
        search.ef ? search.ef : hny_reader_ef(streams->view->reader, search.k, search.recall);
    return ef > STREAM_EF ? ef : STREAM_EF;
}

/*
** Are the hits from the last of `kept` on as near as one another?  Then rows that are as near may
** be missing, and come before some of those found, by their rowids.
*/
static bool ends_in_tie(const hx_hit_heap *hits, size_t kept) {
    return kept > 0 && hny_hit_lower_bound(&hits->items[kept - 1]) >=
                           hny_hit_lower_bound(&hits->items[hits->count - 1]);
}

/*
** One graph search of a stream that widens: keeps the nearer half, since farther out it misses
** more.
*/
static int widen_once(hx_streams *streams, int64_t rows, int64_t first) {
    hx_stream *const s = &streams->index;
    const int64_t ef = min_of(s->step, rows);
    hny_search search = new_search(streams);
    search.ef = (uint32_t)ef;
    const int status = search_graph(streams, &search);
    if (status) {
        return status;
    }
    const bool short_of = (int64_t)s->hits.count < ef;
    const size_t kept = (s->hits.count + 1) / 2;
    s->ended = search.exhaustive;
    order_index_hits(streams);
    if (!s->ended && ends_in_tie(&s->hits, kept)) {
        empty_stream(s);
        start_scanning(streams);
        return HNY_OK;
    }
    if (!s->ended) {
        s->hits.count = kept;
    }
    if (s->hits.count) {
        set_floor(streams, &s->hits.items[s->hits.count - 1]);
    }
    while (s->next < s->hits.count && hx_streams_passed(streams, &s->hits.items[s->next])) {
        s->next++;
    }
    streams->walked += (int64_t)(s->hits.count - s->next);
    s->step = ef * GROWTH;
    if (short_of || s->step > rows / 10 || streams->walked >= FAR * first) {
        start_scanning(streams);
    }
    return HNY_OK;
}

/* Graph searches that widen, until a scan is cheaper. */
static int fill_widening(hx_streams *streams, int64_t rows) {
    hx_stream *const s = &streams->index;
    const int64_t first = first_ef(streams);
    if (!s->step) {
        s->step = first;
    }
    while (hx_stream_is_dry(s) && !streams->scanning) {
        const int status = widen_once(streams, rows, first);
        if (status || s->ended) {
            return status;
        }
    }
    return hx_stream_is_dry(s) ? scan_index(streams) : HNY_OK;
}

static int fill_index(hx_streams *streams) {
    const int64_t rows = (int64_t)streams->view->snapshot.stats.rows;
    const bool small = rows < hx_view_options(streams->view)->linear_below;
    const bool many = streams->bounded && (streams->started || rows_wanted(streams) > rows / 10);
    if (rows == 0) {
        end_stream(&streams->index);
        return HNY_OK;
    }
    if (!streams->scanning && (small || many)) {
        start_scanning(streams);
    }
    if (streams->scanning) {
        return scan_index(streams);
    }
    return streams->bounded ? fill_bounded(streams, rows) : fill_widening(streams, rows);
}

/* ----------------------------------------------------------------------------------- refills -- */

/*
** Drops what was filled from another snapshot.  Where approximate distances decided the order so
** far, the last row says nothing of which ones were returned: all come again, in the exact order.
*/
static void restart_streams(hx_streams *streams) {
    empty_stream(&streams->index);
    empty_stream(&streams->delta);
    streams->resumes = false;
    streams->serial = streams->view->snapshot.serial;
    if (!streams->exact && streams->started) {
        streams->repeats = true;
        streams->exact = true;
        streams->started = false;
    }
}

/* For hannoy_info. */
static void note_work(const hx_streams *streams) {
    hx_last *const last = streams->view->last;
    const hny_work *const work = hny_reader_work(streams->view->reader);
    last->strategy = work->strategy;
    last->distances += work->distances;
    last->matches = (int64_t)work->matches;
}

/*
** Columns were added or dropped since the index was built: its filter passes all rows, so k rows of
** it are not k rows that pass.
*/
static void note_foreign_attributes(hx_streams *streams) {
    const hx_view *const view = streams->view;
    streams->by_rows = view->snapshot.indexed && !hny_reader_has_attributes(view->reader) &&
                       hx_conditions_by_attributes(streams->request.conditions);
    if (streams->by_rows) {
        streams->bounded = false;
        streams->exact = true;
    }
}

/* Fills what is dry from the present snapshot; *status is the engine's, if it failed. */
static int fill_streams(hx_streams *streams, int *status) {
    hx_view *const view = streams->view;
    *status = HNY_OK;
    if (streams->metric != hx_view_options(view)->shape.metric) {
        return hx_fail(view->shadow, SQLITE_ABORT,
                       "hannoy: the metric of %s was changed while its rows were being read; run "
                       "the statement again",
                       view->shadow->name);
    }
    if (view->snapshot.serial != streams->serial) {
        restart_streams(streams);
    }
    if (!view->snapshot.indexed) {
        end_stream(&streams->index);
    }
    note_foreign_attributes(streams);
    if (hx_stream_is_dry(&streams->index)) {
        *status = fill_index(streams);
        if (view->snapshot.stats.rows) {
            note_work(streams);
        }
    }
    if (*status || !hx_stream_is_dry(&streams->delta)) {
        return SQLITE_OK;
    }
    view->last->delta_rows = (int64_t)view->snapshot.delta.count;
    return fill_delta(streams);
}

static int64_t monotonic_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int hx_streams_refill(hx_streams *streams, bool lacking) {
    hx_view *const view = streams->view;
    const int64_t began = monotonic_nanoseconds();
    int status = HNY_OK;
    int rc = hx_snapshot_begin(view);
    if (rc) {
        return rc;
    }
    if (lacking && view->snapshot.serial == streams->serial) {
        status = HNY_CORRUPT;
    } else {
        rc = fill_streams(streams, &status);
    }
    if (status == HNY_NOMEM || status == HNY_INTERRUPT) {
        rc = hx_fail_status(view->shadow, status);
    } else if (rc == SQLITE_OK && (status || !hx_snapshot_holds(view))) {
        rc = hx_snapshot_discard(view, status ? status : HNY_BUSY);
        if (rc == SQLITE_OK) {
            rc = fill_streams(streams, &status);
        }
    }
    hx_snapshot_end(view);
    view->last->nanoseconds += monotonic_nanoseconds() - began;
    return rc;
}
