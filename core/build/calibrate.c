#include "build/calibrate.h"

#include <stdlib.h>

#include "base/heap.h"
#include "graph/effort.h"

/*
** 512 queries for ten neighbours each tell a recall of 0.95 to within 0.007 (two deviations), at some 7 %
** of a build.  With 256 two tables of the same rows differed by 0.01 at the same ef.
*/
#define MOST_SAMPLES  512
#define LEAST_SAMPLES 64
#define LEAST_NODES   2000

#define SCANNED_TOGETHER 8 /* queries: a row is read once for all */
#define SCANNED_ROWS     64
#define NEAR             HNY__CURVE_K_NEAR
#define FAR              HNY__CURVE_K_FAR
#define SPARE                                                                                      \
    160 /* by code, so that the FAR nearest are among them; if not, the recall looks worse */
#define FAR_SAMPLES 64 /* each has ten times the neighbours to find */
#define FLAT        0.98
/*
** A point of a curve may cost this share of what it took to link all rows.  On real vectors the walks that
** matter are short, and all queries are asked; of 50,000 random rows, whose ten nearest it takes an ef of
** 300 to find, long walks of all of them were a third of a build.
*/
#define SHARE (1.0 / 128)

uint32_t hny__calibrate_sample(const hny__table_record *record, uint64_t new_nodes) {
    const uint64_t live = record->live;
    if (live < LEAST_NODES || new_nodes < LEAST_SAMPLES) return 0;
    if (record->calibrated && live < 2 * (uint64_t)record->calibrated) return 0;
    const uint64_t share = live / 100 < new_nodes / 2 ? live / 100 : new_nodes / 2;
    if (share < LEAST_SAMPLES) return LEAST_SAMPLES;
    return share < MOST_SAMPLES ? (uint32_t)share : MOST_SAMPLES;
}

/* ------------------------------------------------------------------------------------ queries -- */

typedef struct near {
    double distance;
    uint32_t slot;
} near;

typedef struct query {
    uint32_t slot;
    uint32_t known; /* of its neighbours: FAR, or fewer where there are not so many */
    near nearest[SPARE];
} query;

typedef struct calibration {
    query *queries;
    uint32_t count;
    roaring_bitmap_t *kept; /* the sample's slots */
    /* Of one pass over all queries: */
    uint32_t k, step; /* of every step-th query */
    hny__effort effort;
    atomic_uint hits, wanted; /* of the k nearest: found, and how many there were */
} calibration;

static int compare_near(const void *a, const void *b) {
    const near *const x = a, *const y = b;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return (x->slot > y->slot) - (x->slot < y->slot);
}

/* The tools of one thread, for one piece of work. */
typedef struct bench {
    hny__worker *worker;
    hny__encoder encoder;
    hny__scorer query;
} bench;

static int bench_open(bench *b, hny__worker *worker) {
    b->worker = worker;
    return hny__encoder_init(&b->encoder, &worker->graph->geometry.quantizer);
}

/* As if a row were a query of the user's. */
static int look_from(bench *b, uint32_t slot) {
    hny__view *const view = &b->worker->view;
    const uint8_t *const code = hny__view_code(view, slot),
                         *residual = hny__view_residual(view, slot);
    if (!code || (view->geometry.quantizer.residual_bytes && !residual)) return view->status;
    hny__encoder_decode(&b->encoder, code, residual);
    hny__scorer_of_vector(&b->query, &b->encoder, code);
    return HNY_OK;
}

/* The distances of slots to the row looked from, as the best codes tell them, and their order. */
static int measure(bench *b, uint32_t slot, near *list, uint32_t count) {
    hny__view *const view = &b->worker->view;
    const uint8_t *const code = hny__view_code(view, slot);
    for (uint32_t i = 0; i < count; i++) {
        double error;
        const uint8_t *const other = hny__view_code(view, list[i].slot);
        const uint8_t *const other_residual = hny__view_residual(view, list[i].slot);
        if (!other || (view->geometry.quantizer.residual_bytes && !other_residual))
            return view->status;
        list[i].distance = hny__encoder_distance(&b->encoder, code, other, other_residual, &error);
    }
    qsort(list, count, sizeof *list, compare_near);
    return HNY_OK;
}

/* --------------------------------------------------------------------------- the exact answers -- */

static int farther(const near *a, const near *b) {
    return a->distance > b->distance;
}

HNY__DEFINE_HEAP(nearest, near, farther)

/* Keeps the SPARE nearest by rank, in a heap with the farthest on top. */
static void offer(query *q, double rank, uint32_t slot) {
    if (q->known < SPARE) {
        nearest_push(q->nearest, q->known++, (near){rank, slot});
    } else if (rank < q->nearest[0].distance) {
        q->nearest[0] = (near){rank, slot};
        nearest_sift_down(q->nearest, SPARE, 0);
    }
}

/* The rows of a stretch of slots that a search could return; their number. */
static uint32_t rows_of(hny__worker *worker, const calibration *c, uint32_t first, uint32_t last,
                        uint32_t *slots, const uint8_t **rows) {
    uint32_t count = 0;
    for (uint32_t slot = first; slot < last; slot++) {
        if (roaring_bitmap_contains(c->kept, slot) || hny__graph_hidden(worker, slot)) continue;
        slots[count] = slot;
        rows[count] = hny__view_code(&worker->view, slot);
        if (!rows[count++]) return 0;
    }
    return count;
}

/* Goes over all rows once for some queries. */
static int scan(hny__worker *worker, const calibration *c, query *queries, const hny__scorer *from,
                uint32_t count) {
    uint32_t slots[SCANNED_ROWS];
    const uint8_t *rows[SCANNED_ROWS];
    float ranks[SCANNED_ROWS];
    const uint32_t all = worker->graph->record.slots;
    for (uint32_t first = 0; first < all && !worker->view.status; first += SCANNED_ROWS) {
        const uint32_t last = all - first < SCANNED_ROWS ? all : first + SCANNED_ROWS;
        const uint32_t some = rows_of(worker, c, first, last, slots, rows);
        for (uint32_t i = 0; i < count; i++) {
            hny__scorer_ranks(&from[i], rows, some, ranks);
            for (uint32_t j = 0; j < some; j++) offer(&queries[i], (double)ranks[j], slots[j]);
        }
    }
    return worker->view.status;
}

/* Makes what to look from of some queries; `room` is for the numbers of all. */
static int look_from_all(bench *b, const query *queries, uint32_t count, int8_t *room,
                         hny__scorer *from) {
    const uint32_t dim = b->encoder.quantizer.shape.dim;
    for (uint32_t i = 0; i < count; i++) {
        const int rc = look_from(b, queries[i].slot);
        if (rc) return rc;
        from[i] = b->query;
        if (from[i].numbers != b->encoder.whole || !from[i].numbers) continue;
        from[i].numbers = memcpy(room + (size_t)i * dim, b->encoder.whole, dim);
    }
    return HNY_OK;
}

static int answer_some(bench *b, const calibration *c, query *queries, uint32_t count,
                       int8_t *room) {
    hny__scorer from[SCANNED_TOGETHER];
    int rc = look_from_all(b, queries, count, room, from);
    if (!rc) rc = scan(b->worker, c, queries, from, count);
    for (uint32_t i = 0; i < count && !rc; i++) {
        rc = look_from(b, queries[i].slot);
        if (!rc) rc = measure(b, queries[i].slot, queries[i].nearest, queries[i].known);
        if (queries[i].known > FAR) queries[i].known = FAR;
    }
    return rc;
}

static int answer(hny__worker *worker, void *arg, uint32_t index) {
    calibration *const c = arg;
    const uint32_t first = index * SCANNED_TOGETHER;
    const uint32_t left = c->count - first;
    const uint32_t count = left < SCANNED_TOGETHER ? left : SCANNED_TOGETHER;
    bench b;
    int rc = bench_open(&b, worker);
    if (rc) return rc;
    int8_t *const room = malloc((size_t)SCANNED_TOGETHER * b.encoder.quantizer.shape.dim);
    rc = room ? answer_some(&b, c, &c->queries[first], count, room) : HNY_NOMEM;
    free(room);
    hny__encoder_free(&b.encoder);
    return rc;
}

/* ------------------------------------------------------------------------------- the searches -- */

static void score(calibration *c, const query *q, const near *found, uint32_t count) {
    const uint32_t wanted = q->known < c->k ? q->known : c->k;
    uint32_t hits = 0;
    for (uint32_t i = 0; i < count && i < c->k; i++) {
        for (uint32_t j = 0; j < wanted; j++) hits += q->nearest[j].slot == found[i].slot;
    }
    atomic_fetch_add(&c->hits, hits);
    atomic_fetch_add(&c->wanted, wanted);
}

/* As a query's: the best of the pool by code, measured again. */
static int judge(bench *b, calibration *c, const query *q) {
    const size_t limit = hny__quantizer_rerank(&b->encoder.quantizer, c->k, 0);
    near *const found = malloc((limit + 1) * sizeof *found);
    size_t at = 0;
    uint32_t count = 0;
    hny__found next;
    if (!found) return HNY_NOMEM;
    while (count < limit && hny__beam_next(&b->worker->beam, &at, &next)) {
        found[count++] = (near){0, next.node};
    }
    const int rc = measure(b, q->slot, found, count);
    if (!rc) score(c, q, found, count);
    free(found);
    return rc;
}

static int search_from(bench *b, calibration *c, const query *q) {
    hny__beam *const beam = &b->worker->beam;
    hny__found start;
    int rc = look_from(b, q->slot);
    if (!rc) rc = hny__beam_descend(beam, &b->query, &b->worker->graph->entry, 0, &start);
    if (!rc) rc = hny__beam_search(beam, HNY__LINKS, &b->query, start, c->effort);
    return rc ? rc : judge(b, c, q);
}

static int search(hny__worker *worker, void *arg, uint32_t index) {
    calibration *const c = arg;
    bench b;
    int rc = bench_open(&b, worker);
    if (rc) return rc;
    rc = search_from(&b, c, &c->queries[index * c->step]);
    hny__encoder_free(&b.encoder);
    return rc;
}

static const hny__phase phase = {.name = "calibrating"};

/* Every how-manieth query is asked at a point of a curve: all, or what its share allows; `step` or more. */
static uint32_t step_at(const hny__graph *graph, const calibration *c, uint32_t step, int i) {
    const double all = (double)graph->record.live * graph->ef_construction;
    const double most = all * SHARE / hny__curve_ef(i);
    const uint32_t least = (uint32_t)(c->count / (most < 1 ? 1 : most)) + 1;
    return least > step ? least : step;
}

static int run_point(hny__worker_pool *pool, calibration *c, double *recall) {
    atomic_store(&c->hits, 0);
    atomic_store(&c->wanted, 0);
    const int rc = hny__worker_pool_run(pool, (c->count - 1) / c->step + 1, search, c, phase);
    *recall = (double)atomic_load(&c->hits) / (atomic_load(&c->wanted) + 1e-9);
    return rc;
}

/*
** One curve.  Once it is as good as 1, or rises no more near that, what is left of it costs time and tells
** nothing.
*/
static int run_curve(hny__worker_pool *pool, calibration *c, int adaptive, uint32_t step,
                     uint16_t *curve) {
    double recall = 0;
    int done = 0;
    for (int i = 0; i < HNY__CURVE; i++) {
        c->effort = hny__curve_effort(&pool->graph->record, adaptive, c->k, i);
        if (!done && c->effort.ef >= c->k) {
            double found;
            c->step = step_at(pool->graph, c, step, i);
            const int rc = run_point(pool, c, &found);
            if (rc) return rc;
            done = found >= HNY__CURVE_TOP || (found <= recall && recall >= FLAT);
            if (found > recall) recall = found; /* fewer queries may find less */
        }
        curve[i] = (uint16_t)(recall * HNY__RECALL_UNIT);
    }
    return HNY_OK;
}

static int run_curves(hny__worker_pool *pool, calibration *c) {
    static const uint32_t ks[2] = {NEAR, FAR};
    hny__curves curves;
    int rc = HNY_OK;
    for (int i = 0; i < 2 && !rc; i++) {
        const uint32_t step = i == 0 || c->count < FAR_SAMPLES ? 1 : c->count / FAR_SAMPLES;
        c->k = ks[i];
        rc = run_curve(pool, c, 0, step, curves.classic[i]);
        if (!rc) rc = run_curve(pool, c, 1, step, curves.adaptive[i]);
    }
    if (rc) return rc;
    pool->graph->record.curves = curves;
    pool->graph->record.calibrated = pool->graph->record.live;
    return HNY_OK;
}

int hny__calibrate(hny__worker_pool *pool, const hny__new_node *sample, uint32_t count) {
    calibration c = {.queries = calloc(count, sizeof *c.queries),
                     .count = count,
                     .kept = roaring_bitmap_create()};
    int rc = c.queries && c.kept ? HNY_OK : HNY_NOMEM;
    for (uint32_t i = 0; i < count && !rc; i++) {
        c.queries[i].slot = sample[i].slot;
        roaring_bitmap_add(c.kept, sample[i].slot);
    }
    if (!rc) {
        rc = hny__worker_pool_run(pool, (count + SCANNED_TOGETHER - 1) / SCANNED_TOGETHER, answer,
                                  &c, phase);
    }
    if (!rc) rc = run_curves(pool, &c);
    free(c.queries);
    if (c.kept) roaring_bitmap_free(c.kept);
    return rc;
}
