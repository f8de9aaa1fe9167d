/* Calibration: recall of searches for held-out nodes, over a grid of efforts. */
#include "build/calibrate.h"

#include <stdlib.h>

#include "base/heap.h"
#include "build/copies.h"
#include "graph/effort.h"

/*
** 512 queries for ten neighbours each measure a recall of 0.95 to within 0.007 (two deviations),
** in some 7 % of a build.  With 256 queries, two tables of the same rows differed by 0.01 at the
** same ef.
*/
#define MAX_SAMPLE 512
#define MIN_SAMPLE 64
#define MIN_LIVE   2000 /* rows of a table that is calibrated */

#define NEAR_K HNY__CURVE_K_NEAR
#define FAR_K  HNY__CURVE_K_FAR

#define FAR_SAMPLE 64 /* queries for FAR_K neighbours, since each has ten times as many to find */

/* Nearest rows by code that are measured, so that the FAR_K nearest are among them. */
#define SCANNED_NEIGHBORS 160

#define SCAN_QUERIES 8 /* queries of one scan: a row is read once for all of them */
#define SCAN_ROWS    64

/*
** A point of a curve may cost this share of what linking all rows cost.  On real vectors the
** searches that matter are short, and all queries are run.  Of 50,000 random rows, whose ten
** nearest take an ef of 300 to find, long searches for all queries were a third of a build.
*/
#define POINT_SHARE (1.0 / 128)

uint32_t hny__calibrate_sample(const hny__table_record *record, uint64_t new_nodes) {
    const uint64_t live = record->live;
    if (live < MIN_LIVE || new_nodes < MIN_SAMPLE) {
        return 0;
    }
    if (record->calibrated && live < 2 * (uint64_t)record->calibrated) {
        return 0;
    }
    const uint64_t share = live / 20 < new_nodes / 2 ? live / 20 : new_nodes / 2;
    if (share < MIN_SAMPLE) {
        return MIN_SAMPLE;
    }
    return share < MAX_SAMPLE ? (uint32_t)share : MAX_SAMPLE;
}

/* ----------------------------------------------------------------------------------- queries -- */

typedef struct neighbor {
    double distance;
    uint32_t slot;
} neighbor;

/* A node of the sample. */
typedef struct sample_query {
    uint32_t slot;
    uint32_t count; /* of exact neighbours: FAR_K, or fewer if there are not so many rows */
    float crowding; /* for the present k */
    neighbor nearest[SCANNED_NEIGHBORS];
} sample_query;

typedef struct calibration {
    sample_query *queries;
    uint32_t count;
    roaring_bitmap_t *sample; /* the slots of the queries */
    /* Of one k: */
    uint32_t k;
    sample_query **order; /* the queries for it, by crowding once that is measured */
    /* Of one point of a curve: */
    uint32_t first, step; /* in `order`: from the first on every step-th query is run */
    hny__effort effort;
    atomic_uint hits, wanted; /* of the k nearest: found, and how many there are */
} calibration;

static int compare_neighbors(const void *a, const void *b) {
    const neighbor *const x = a, *const y = b;
    if (x->distance != y->distance) {
        return x->distance < y->distance ? -1 : 1;
    }
    return (x->slot > y->slot) - (x->slot < y->slot);
}

/* What one task needs to look from a row as a user's query does. */
typedef struct query_tools {
    hny__worker *worker;
    hny__encoder encoder;
    hny__scorer scorer;
} query_tools;

static int query_tools_init(query_tools *tools, hny__worker *worker) {
    tools->worker = worker;
    return hny__encoder_init(&tools->encoder, &worker->graph->geometry.quantizer);
}

/* Makes the row of a slot the query. */
static int set_query_row(query_tools *tools, uint32_t slot) {
    hny__view *const view = &tools->worker->view;
    const uint8_t *const code = hny__view_code(view, slot);
    const uint8_t *const residual = hny__view_residual(view, slot);
    if (!code || (view->geometry.quantizer.residual_bytes && !residual)) {
        return view->status;
    }
    hny__encoder_decode(&tools->encoder, code, residual);
    hny__scorer_of_vector(&tools->scorer, &tools->encoder, code);
    return HNY_OK;
}

/* Measures neighbours of the query row on the finest codes, and sorts them. */
static int measure_neighbors(query_tools *tools, uint32_t slot, neighbor *list, uint32_t count) {
    hny__view *const view = &tools->worker->view;
    const uint8_t *const code = hny__view_code(view, slot);
    for (uint32_t i = 0; i < count; i++) {
        double error;
        const uint8_t *const other = hny__view_code(view, list[i].slot);
        const uint8_t *const residual = hny__view_residual(view, list[i].slot);
        if (!other || (view->geometry.quantizer.residual_bytes && !residual)) {
            return view->status;
        }
        list[i].distance = hny__encoder_distance(&tools->encoder, code, other, residual, &error);
    }
    qsort(list, count, sizeof *list, compare_neighbors);
    return HNY_OK;
}

/* -------------------------------------------------------------------------- exact neighbours -- */

static bool is_farther_neighbor(const neighbor *a, const neighbor *b) {
    return a->distance > b->distance;
}

HNY__DEFINE_HEAP(farthest_neighbor, neighbor, is_farther_neighbor)

/* Keeps the SCANNED_NEIGHBORS nearest by rank, in a heap with the farthest on top. */
static void offer_neighbor(sample_query *query, double rank, uint32_t slot) {
    if (query->count < SCANNED_NEIGHBORS) {
        farthest_neighbor_push(query->nearest, query->count++, (neighbor){rank, slot});
    } else if (rank < query->nearest[0].distance) {
        query->nearest[0] = (neighbor){rank, slot};
        farthest_neighbor_sift_down(query->nearest, SCANNED_NEIGHBORS, 0);
    }
}

/* The rows of slots first .. end - 1 that a search can return, without copies; their number. */
static uint32_t collect_rows(hny__worker *worker, const calibration *c, uint32_t first,
                             uint32_t end, uint32_t *slots, const uint8_t **rows) {
    uint32_t count = 0;
    for (uint32_t slot = first; slot < end; slot++) {
        if (roaring_bitmap_contains(c->sample, slot) || hny__graph_hidden(worker, slot) ||
            hny__copies_unlinked(worker->graph->copies, slot)) {
            continue;
        }
        slots[count] = slot;
        rows[count] = hny__view_code(&worker->view, slot);
        if (!rows[count++]) {
            return 0;
        }
    }
    return count;
}

/* Scans all rows once for some queries. */
static int scan_for_queries(hny__worker *worker, const calibration *c, sample_query *queries,
                            const hny__scorer *scorers, uint32_t count) {
    uint32_t slots[SCAN_ROWS];
    const uint8_t *rows[SCAN_ROWS];
    float ranks[SCAN_ROWS];
    const uint32_t all = worker->graph->record.slots;
    for (uint32_t first = 0; first < all && !worker->view.status; first += SCAN_ROWS) {
        const uint32_t end = all - first < SCAN_ROWS ? all : first + SCAN_ROWS;
        const uint32_t found = collect_rows(worker, c, first, end, slots, rows);
        for (uint32_t i = 0; i < count; i++) {
            hny__scorer_ranks(&scorers[i], rows, found, ranks);
            for (uint32_t j = 0; j < found; j++) {
                offer_neighbor(&queries[i], (double)ranks[j], slots[j]);
            }
        }
    }
    return worker->view.status;
}

/* A scorer for each query.  `numbers` has space for dim numbers of each. */
static int make_scorers(query_tools *tools, const sample_query *queries, uint32_t count,
                        int8_t *numbers, hny__scorer *scorers) {
    const uint32_t dim = tools->encoder.quantizer.shape.dim;
    for (uint32_t i = 0; i < count; i++) {
        const int rc = set_query_row(tools, queries[i].slot);
        if (rc) {
            return rc;
        }
        scorers[i] = tools->scorer;
        if (scorers[i].numbers && scorers[i].numbers == tools->encoder.whole) {
            scorers[i].numbers = memcpy(numbers + (size_t)i * dim, tools->encoder.whole, dim);
        }
    }
    return HNY_OK;
}

static int find_exact_neighbors(query_tools *tools, const calibration *c, sample_query *queries,
                                uint32_t count, int8_t *numbers) {
    hny__scorer scorers[SCAN_QUERIES];
    int rc = make_scorers(tools, queries, count, numbers, scorers);
    if (!rc) {
        rc = scan_for_queries(tools->worker, c, queries, scorers, count);
    }
    for (uint32_t i = 0; i < count && !rc; i++) {
        sample_query *const query = &queries[i];
        rc = set_query_row(tools, query->slot);
        if (!rc) {
            rc = measure_neighbors(tools, query->slot, query->nearest, query->count);
        }
        if (query->count > FAR_K) {
            query->count = FAR_K;
        }
    }
    return rc;
}

static int exact_task(hny__worker *worker, void *arg, uint32_t index) {
    calibration *const c = arg;
    const uint32_t first = index * SCAN_QUERIES, left = c->count - first;
    const uint32_t count = left < SCAN_QUERIES ? left : SCAN_QUERIES;
    query_tools tools;
    int rc = query_tools_init(&tools, worker);
    if (rc) {
        return rc;
    }
    int8_t *const numbers = malloc((size_t)SCAN_QUERIES * tools.encoder.quantizer.shape.dim);
    rc = numbers ? find_exact_neighbors(&tools, c, &c->queries[first], count, numbers) : HNY_NOMEM;
    free(numbers);
    hny__encoder_free(&tools.encoder);
    return rc;
}

/* ---------------------------------------------------------------------------------- searches -- */

/* Counts how many of the query's k nearest are among those found. */
static void count_hits(calibration *c, const sample_query *query, const neighbor *found,
                       uint32_t count) {
    const uint32_t wanted = query->count < c->k ? query->count : c->k;
    uint32_t hits = 0;
    for (uint32_t i = 0; i < count && i < c->k; i++) {
        for (uint32_t j = 0; j < wanted; j++) {
            hits += query->nearest[j].slot == found[i].slot;
        }
    }
    atomic_fetch_add(&c->hits, hits);
    atomic_fetch_add(&c->wanted, wanted);
}

/* Measures the best of the pool, as a user's search does. */
static int judge_pool(query_tools *tools, calibration *c, const sample_query *query) {
    const size_t limit = hny__quantizer_rerank(&tools->encoder.quantizer, c->k, 0);
    neighbor *const found = malloc((limit + 1) * sizeof *found);
    size_t position = 0;
    uint32_t count = 0;
    hny__found next;
    if (!found) {
        return HNY_NOMEM;
    }
    while (count < limit && hny__beam_next(&tools->worker->beam, &position, &next)) {
        found[count++] = (neighbor){0, next.node};
    }
    const int rc = measure_neighbors(tools, query->slot, found, count);
    if (!rc) {
        count_hits(c, query, found, count);
    }
    free(found);
    return rc;
}

/* Makes a query the scorer's, and finds the node of level 0 where its search begins. */
static int begin_query(query_tools *tools, const sample_query *query, hny__found *start) {
    const int rc = set_query_row(tools, query->slot);
    if (rc) {
        return rc;
    }
    return hny__beam_descend(&tools->worker->beam, &tools->scorer, &tools->worker->graph->entry, 0,
                             start);
}

static int run_query(query_tools *tools, calibration *c, const sample_query *query) {
    hny__beam *const beam = &tools->worker->beam;
    hny__found start;
    int rc = begin_query(tools, query, &start);
    if (!rc) {
        rc = hny__beam_search(beam, HNY__LINKS, &tools->scorer, start, c->effort);
    }
    return rc ? rc : judge_pool(tools, c, query);
}

static int query_task(hny__worker *worker, void *arg, uint32_t index) {
    calibration *const c = arg;
    query_tools tools;
    int rc = query_tools_init(&tools, worker);
    if (rc) {
        return rc;
    }
    rc = run_query(&tools, c, c->order[c->first + index * c->step]);
    hny__encoder_free(&tools.encoder);
    return rc;
}

static int crowding_task(hny__worker *worker, void *arg, uint32_t index) {
    const calibration *const c = arg;
    const hny__table_record *const record = &worker->graph->record;
    sample_query *const query = c->order[index];
    query_tools tools;
    hny__found start;
    int rc = query_tools_init(&tools, worker);
    if (rc) {
        return rc;
    }
    rc = begin_query(&tools, query, &start);
    if (!rc) {
        rc = hny__beam_measure_crowding(&worker->beam, &tools.scorer, start,
                                        hny__crowding_effort(record, c->k),
                                        hny__crowding_reach(record), &query->crowding);
    }
    hny__encoder_free(&tools.encoder);
    return rc;
}

/* ------------------------------------------------------------------------------------ curves -- */

static const hny__phase calibrating = {.name = "calibrating"};

/* A part of the queries in order. */
typedef struct query_range {
    uint32_t first, count;
} query_range;

/* Stride over the queries of a range at a point of a curve, as large as its share asks for. */
static uint32_t step_at_point(const hny__graph *graph, uint32_t count, int point) {
    const double linking = (double)graph->record.live * graph->ef_construction;
    const double max_queries = linking * POINT_SHARE / hny__curve_ef(point);
    return (uint32_t)(count / (max_queries < 1 ? 1 : max_queries)) + 1;
}

static int measure_point(hny__worker_pool *pool, calibration *c, query_range range,
                         double *recall) {
    c->first = range.first;
    atomic_store(&c->hits, 0);
    atomic_store(&c->wanted, 0);
    const int rc =
        hny__worker_pool_run(pool, (range.count - 1) / c->step + 1, query_task, c, calibrating);
    *recall = (double)atomic_load(&c->hits) / (atomic_load(&c->wanted) + 1e-9);
    return rc;
}

static int measure_curve(hny__worker_pool *pool, calibration *c, query_range range, bool adaptive,
                         uint16_t *curve) {
    double recall = 0;
    bool done = false;
    for (int i = 0; i < HNY__CURVE; i++) {
        c->effort = hny__curve_effort(&pool->graph->record, adaptive, c->k, i);
        if (!done && c->effort.ef >= c->k) {
            double found;
            c->step = step_at_point(pool->graph, range.count, i);
            const int rc = measure_point(pool, c, range, &found);
            if (rc) {
                return rc;
            }
            done = found >= HNY__CURVE_TOP || (found <= recall && recall >= HNY__CURVE_PLATEAU);
            if (found > recall) { /* a point with fewer queries may find less */
                recall = found;
            }
        }
        curve[i] = (uint16_t)(recall * HNY__RECALL_UNIT);
    }
    return HNY_OK;
}

static int compare_crowding(const void *a, const void *b) {
    const sample_query *const x = *(sample_query *const *)a, *const y = *(sample_query *const *)b;
    if (x->crowding != y->crowding) {
        return x->crowding < y->crowding ? -1 : 1;
    }
    return (x->slot > y->slot) - (x->slot < y->slot);
}

/* Sorts the queries for this k by crowding, and measures the curves of each class. */
static int measure_classes(hny__worker_pool *pool, calibration *c, uint32_t count,
                           uint16_t curves[HNY__CROWD_CLASSES][HNY__CURVE], uint32_t *limits) {
    query_range range = {0, 0};
    int rc = hny__worker_pool_run(pool, count, crowding_task, c, calibrating);
    if (rc) {
        return rc;
    }
    qsort(c->order, count, sizeof *c->order, compare_crowding);
    for (int crowd = 0; crowd < HNY__CROWD_CLASSES && !rc; crowd++) {
        const uint32_t end = (uint32_t)(hny__crowd_class_end(crowd) * count);
        range = (query_range){range.first + range.count, end - range.first - range.count};
        rc = measure_curve(pool, c, range, true, curves[crowd]);
        if (crowd < HNY__CROWD_CLASSES - 1) {
            limits[crowd] = (uint32_t)c->order[end - 1]->crowding;
        }
    }
    return rc;
}

/* Takes every so many of the queries for this k. */
static uint32_t choose_queries(calibration *c, uint32_t k) {
    const uint32_t step = k == NEAR_K || c->count < FAR_SAMPLE ? 1 : c->count / FAR_SAMPLE;
    uint32_t count = 0;
    for (uint32_t i = 0; i < c->count; i += step) {
        c->order[count++] = &c->queries[i];
    }
    c->k = k;
    return count;
}

static int measure_curves(hny__worker_pool *pool, calibration *c) {
    static const uint32_t ks[2] = {NEAR_K, FAR_K};
    hny__curves curves;
    int rc = HNY_OK;
    for (int i = 0; i < 2 && !rc; i++) {
        const uint32_t count = choose_queries(c, ks[i]);
        rc = measure_curve(pool, c, (query_range){0, count}, false, curves.classic[i]);
        if (!rc) {
            rc = measure_classes(pool, c, count, curves.adaptive[i], curves.crowding[i]);
        }
    }
    if (rc) {
        return rc;
    }
    pool->graph->record.curves = curves;
    pool->graph->record.calibrated = pool->graph->record.live;
    return HNY_OK;
}

int hny__calibrate(hny__worker_pool *pool, const hny__new_node *sample, uint32_t count) {
    const uint32_t scans = (count + SCAN_QUERIES - 1) / SCAN_QUERIES;
    calibration c = {.queries = calloc(count, sizeof *c.queries),
                     .count = count,
                     .order = calloc(count, sizeof *c.order),
                     .sample = roaring_bitmap_create()};
    int rc = c.queries && c.order && c.sample ? HNY_OK : HNY_NOMEM;
    for (uint32_t i = 0; i < count && !rc; i++) {
        c.queries[i].slot = sample[i].slot;
        roaring_bitmap_add(c.sample, sample[i].slot);
    }
    if (!rc) {
        rc = hny__worker_pool_run(pool, scans, exact_task, &c, calibrating);
    }
    if (!rc) {
        rc = measure_curves(pool, &c);
    }
    free(c.queries);
    free(c.order);
    if (c.sample) {
        roaring_bitmap_free(c.sample);
    }
    return rc;
}
