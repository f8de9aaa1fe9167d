/* Calibration: recall of searches for held-out nodes, over a grid of efforts. */
#include "build/calibrate.h"

#include <stdlib.h>

#include "base/heap.h"
#include "build/copies.h"
#include "graph/effort.h"
#include "vector/rerank.h"

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

/*
** Nearest rows by code that are measured, so that the FAR_K nearest are among them; and as many as
** a search keeps at most, of near-duplicates.
*/
#define SCANNED_NEIGHBORS 160
#define MAX_SCANNED       HNY__MAX_KEPT

#define SCAN_QUERIES 8 /* queries of one scan: a row is read once for all of them */
#define SCAN_ROWS    64

/*
** A point of a curve may cost this share of what linking all rows cost.  On real vectors the
** searches that matter are short, and all queries are run.  Of 50,000 random rows, whose ten
** nearest take an ef of 300 to find, long searches for all queries were a third of a build.
*/
#define POINT_SHARE (1.0 / 128)

/* Rows that a walk can reach, or will when the build has ended. */
static uint64_t count_linked_rows(const hny__table_record *record) {
    return record->live > record->unlinked ? record->live - record->unlinked : 0;
}

uint32_t hny__calibrate_sample(const hny__table_record *record, uint64_t new_nodes) {
    const uint64_t live = count_linked_rows(record);
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
    neighbor nearest[FAR_K];
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
    atomic_ullong distances;
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
    hny__rerank rerank;
} query_tools;

static int query_tools_init(query_tools *tools, hny__worker *worker) {
    *tools = (query_tools){.worker = worker};
    return hny__encoder_init(&tools->encoder, &worker->graph->geometry.quantizer);
}

static void query_tools_free(query_tools *tools) {
    hny__encoder_free(&tools->encoder);
    hny__rerank_free(&tools->rerank);
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

/* Measures a row against the query row, that of `slot`, on the finest codes. */
static int measure_neighbor(query_tools *tools, uint32_t slot, neighbor *other, double *error) {
    hny__view *const view = &tools->worker->view;
    const uint8_t *const query = hny__view_code(view, slot);
    const uint8_t *const code = hny__view_code(view, other->slot);
    const uint8_t *const residual = hny__view_residual(view, other->slot);
    if (!code || (view->geometry.quantizer.residual_bytes && !residual)) {
        return view->status;
    }
    other->distance = hny__encoder_distance(&tools->encoder, query, code, residual, error);
    return HNY_OK;
}

/* -------------------------------------------------------------------------- exact neighbours -- */

static bool is_farther_neighbor(const neighbor *a, const neighbor *b) {
    return a->distance > b->distance;
}

HNY__DEFINE_HEAP(farthest_neighbor, neighbor, is_farther_neighbor)

/* A scan for some queries, and for each the nearest by rank, the farthest of them on top. */
typedef struct query_scan {
    sample_query *queries;
    uint32_t count, limit; /* of queries; of rows that are kept for each */
    neighbor *lists[SCAN_QUERIES];
    uint32_t list_counts[SCAN_QUERIES];
    hny__scorer scorers[SCAN_QUERIES];
    int8_t *numbers; /* of the scorers */
} query_scan;

static void offer_neighbor(query_scan *scan, uint32_t i, double rank, uint32_t slot) {
    neighbor *const list = scan->lists[i];
    if (scan->list_counts[i] < scan->limit) {
        farthest_neighbor_push(list, scan->list_counts[i]++, (neighbor){rank, slot});
    } else if (rank < list[0].distance) {
        list[0] = (neighbor){rank, slot};
        farthest_neighbor_sift_down(list, scan->limit, 0);
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
static int scan_for_queries(hny__worker *worker, const calibration *c, query_scan *scan) {
    uint32_t slots[SCAN_ROWS];
    const uint8_t *rows[SCAN_ROWS];
    float ranks[SCAN_ROWS];
    memset(scan->list_counts, 0, sizeof scan->list_counts);
    const uint32_t all = hny__linked(&worker->graph->record);
    for (uint32_t first = 0; first < all && !worker->view.status; first += SCAN_ROWS) {
        const uint32_t end = all - first < SCAN_ROWS ? all : first + SCAN_ROWS;
        const uint32_t found = collect_rows(worker, c, first, end, slots, rows);
        for (uint32_t i = 0; i < scan->count; i++) {
            hny__scorer_ranks(&scan->scorers[i], rows, found, ranks);
            for (uint32_t j = 0; j < found; j++) {
                offer_neighbor(scan, i, (double)ranks[j], slots[j]);
            }
        }
    }
    return worker->view.status;
}

/* A scorer for each query. */
static int make_scorers(query_tools *tools, query_scan *scan) {
    const uint32_t dim = tools->encoder.quantizer.shape.dim;
    for (uint32_t i = 0; i < scan->count; i++) {
        const int rc = set_query_row(tools, scan->queries[i].slot);
        if (rc) {
            return rc;
        }
        hny__scorer *const scorer = &scan->scorers[i];
        *scorer = tools->scorer;
        if (scorer->numbers && scorer->numbers == tools->encoder.whole) {
            scorer->numbers = memcpy(scan->numbers + (size_t)i * dim, tools->encoder.whole, dim);
        }
    }
    return HNY_OK;
}

/*
** Measures the list of a query.  *lacks: it is full, and rows behind it may be among the NEAR_K
** nearest, since the codes hardly tell its rows apart.
*/
static int measure_list(query_tools *tools, query_scan *scan, uint32_t i, bool *lacks) {
    sample_query *const query = &scan->queries[i];
    neighbor *const list = scan->lists[i];
    const uint32_t count = scan->list_counts[i];
    const float last = count ? (float)list[0].distance : 0;
    int rc = set_query_row(tools, query->slot);
    if (!rc) {
        rc = hny__rerank_begin(&tools->rerank, &tools->encoder.quantizer, NEAR_K, 0);
    }
    for (uint32_t j = 0; j < count && !rc; j++) {
        const float rank = (float)list[j].distance;
        double error;
        rc = measure_neighbor(tools, query->slot, &list[j], &error);
        if (!rc) {
            hny__rerank_add(&tools->rerank, rank, list[j].distance, error, 1);
        }
    }
    if (rc) {
        return rc;
    }
    *lacks |= count == scan->limit && hny__rerank_compares(&tools->encoder.quantizer) &&
              hny__rerank_wants(&tools->rerank, last);
    qsort(list, count, sizeof *list, compare_neighbors);
    query->count = count < FAR_K ? count : FAR_K;
    memcpy(query->nearest, list, query->count * sizeof *list);
    return HNY_OK;
}

/* Finds the nearest of each query among its `limit` nearest by rank. */
static int measure_scanned(query_tools *tools, const calibration *c, query_scan *scan,
                           uint32_t limit, bool *lacks) {
    scan->limit = limit;
    int rc = scan_for_queries(tools->worker, c, scan);
    for (uint32_t i = 0; i < scan->count && !rc; i++) {
        rc = measure_list(tools, scan, i, lacks);
    }
    return rc;
}

static int find_exact_neighbors(query_tools *tools, const calibration *c, query_scan *scan) {
    bool lacks = false;
    int rc = make_scorers(tools, scan);
    if (!rc) {
        rc = measure_scanned(tools, c, scan, SCANNED_NEIGHBORS, &lacks);
    }
    return rc || !lacks ? rc : measure_scanned(tools, c, scan, MAX_SCANNED, &lacks);
}

static int exact_task(hny__worker *worker, void *arg, uint32_t index) {
    calibration *const c = arg;
    const uint32_t first = index * SCAN_QUERIES, left = c->count - first;
    query_scan scan = {.queries = &c->queries[first],
                       .count = left < SCAN_QUERIES ? left : SCAN_QUERIES};
    query_tools tools;
    int rc = query_tools_init(&tools, worker);
    if (rc) {
        return rc;
    }
    neighbor *const lists = malloc((size_t)SCAN_QUERIES * MAX_SCANNED * sizeof *lists);
    scan.numbers = malloc((size_t)SCAN_QUERIES * tools.encoder.quantizer.shape.dim);
    for (uint32_t i = 0; lists && i < SCAN_QUERIES; i++) {
        scan.lists[i] = lists + (size_t)i * MAX_SCANNED;
    }
    rc = lists && scan.numbers ? find_exact_neighbors(&tools, c, &scan) : HNY_NOMEM;
    free(scan.numbers);
    free(lists);
    query_tools_free(&tools);
    return rc;
}

/* ---------------------------------------------------------------------------------- searches -- */

static bool is_neighbor(const sample_query *query, uint32_t wanted, uint32_t slot) {
    for (uint32_t i = 0; i < wanted; i++) {
        if (query->nearest[i].slot == slot) {
            return true;
        }
    }
    return false;
}

/*
** Measures the best of the pool as a user's search does, and counts how many are as near as the
** nearest that the scan found.  Of near-duplicates a search may find nearer ones than those, and
** equal ones stand for each other.  Where codes are bits, the scan knows so few of the nearest that
** the nearer ones count as missed: they tell how hard it is to find any.
*/
static int judge_pool(query_tools *tools, calibration *c, const sample_query *query) {
    const hny__quantizer *const quantizer = &tools->encoder.quantizer;
    const bool is_vague = !hny__rerank_compares(quantizer);
    const uint32_t wanted = query->count < c->k ? query->count : c->k;
    uint32_t hits = 0, unknown = 0;
    size_t position = 0;
    hny__found next;
    int rc = hny__rerank_begin(&tools->rerank, quantizer, c->k, 0);
    while (!rc && hny__beam_next(&tools->worker->beam, &position, &next) &&
           hny__rerank_wants(&tools->rerank, next.rank)) {
        neighbor found = {0, next.node};
        double error;
        rc = measure_neighbor(tools, query->slot, &found, &error);
        if (rc) {
            return rc;
        }
        hny__rerank_add(&tools->rerank, next.rank, found.distance, error, 1);
        if (wanted && found.distance <= query->nearest[wanted - 1].distance) {
            hits++;
            unknown += is_vague && !is_neighbor(query, wanted, found.slot);
        }
    }
    hits = hits < wanted ? hits : wanted;
    atomic_fetch_add(&c->hits, hits > unknown ? hits - unknown : 0);
    atomic_fetch_add(&c->wanted, wanted);
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
    beam->distances = 0;
    int rc = begin_query(tools, query, &start);
    if (!rc) {
        rc = hny__beam_search(beam, HNY__LINKS, &tools->scorer, start, c->effort);
    }
    atomic_fetch_add(&c->distances, beam->distances);
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
    query_tools_free(&tools);
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
    query_tools_free(&tools);
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
    const double linking = (double)count_linked_rows(&graph->record) * graph->ef_construction;
    const double max_queries = linking * POINT_SHARE / hny__curve_ef(point);
    return (uint32_t)(count / (max_queries < 1 ? 1 : max_queries)) + 1;
}

/* *cost: distances of a query. */
static int measure_point(hny__worker_pool *pool, calibration *c, query_range range, double *recall,
                         double *cost) {
    const uint32_t queries = (range.count - 1) / c->step + 1;
    c->first = range.first;
    atomic_store(&c->distances, 0);
    atomic_store(&c->hits, 0);
    atomic_store(&c->wanted, 0);
    const int rc = hny__worker_pool_run(pool, queries, query_task, c, calibrating);
    *recall = (double)atomic_load(&c->hits) / (atomic_load(&c->wanted) + 1e-9);
    *cost = (double)atomic_load(&c->distances) / queries;
    return rc;
}

/* A larger stretch that misses half as much for this share of distances more is always taken. */
#define BARGAIN (1.0 / 16)

/*
** Hides the points of a curve from which such a stretch leads on: a search does not stop there.
** Near-duplicates lie at one distance, and to reach all of them costs hardly more than some.
*/
static void hide_cheap_steps(uint16_t *curve, const double *costs, int measured) {
    for (int i = 0; i < measured;) {
        int end = i;
        while (end + 1 < measured && costs[end + 1] <= costs[i] * (1 + BARGAIN)) {
            end++;
        }
        const uint16_t before = i ? curve[i - 1] : 0;
        const int missed = HNY__RECALL_UNIT - curve[end];
        for (int j = i; j < end && 2 * missed <= HNY__RECALL_UNIT - curve[j]; j++) {
            curve[j] = before;
        }
        i = end + 1;
    }
}

static int measure_curve(hny__worker_pool *pool, calibration *c, query_range range, bool adaptive,
                         uint16_t *curve) {
    double recall = 0, costs[HNY__CURVE];
    bool done = false;
    int measured = 0;
    for (int i = 0; i < HNY__CURVE; i++) {
        c->effort = hny__curve_effort(&pool->graph->record, adaptive, c->k, i);
        if (!done && c->effort.ef >= c->k) {
            double found;
            c->step = step_at_point(pool->graph, range.count, i);
            const int rc = measure_point(pool, c, range, &found, &costs[i]);
            if (rc) {
                return rc;
            }
            measured = i + 1;
            done = found >= HNY__CURVE_TOP || (found <= recall && recall >= HNY__CURVE_PLATEAU);
            if (found > recall) { /* a point with fewer queries may find less */
                recall = found;
            }
        }
        curve[i] = (uint16_t)(recall * HNY__RECALL_UNIT);
    }
    if (adaptive) {
        hide_cheap_steps(curve, costs, measured);
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
    pool->graph->record.calibrated = (uint32_t)count_linked_rows(&pool->graph->record);
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
