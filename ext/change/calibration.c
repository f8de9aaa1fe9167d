/* The command calibrate; the contract is in calibration.h. */
#include "change/calibration.h"

#include <math.h>

#include "change/writer.h"
#include "query/recall.h"
#include "shadow/error.h"

/* Fewer say little, and one is a mistake: the command takes all queries at once. */
#define MIN_QUERIES 20

/*
** The queries are a sample of those to come, of which the aim would be reached by half.  This share
** of what the recall may miss is held in reserve.
*/
#define SAMPLE_RESERVE 0.2

#define TOP_RECALL 9999   /* in units of HX_RECALL_UNIT */
#define FIRST_EF   256    /* finds less than a search that aims at the top */
#define TOP_EF     100000 /* of the option */

/* The calibration of one vector. */
typedef struct calibration {
    hx_recall recall;
    hx_options *options; /* of the vector, of which the aim is tried */
    double wanted;
} calibration;

/* *out: with this aim the queries find enough. */
static int try_aim(calibration *c, uint32_t recall, uint32_t ef, bool *out) {
    double found = 0;
    c->options->aim_recall = recall;
    c->options->aim_ef = ef;
    const int rc = hx_recall_measure(&c->recall, &found);
    *out = found >= c->wanted;
    return rc;
}

/*
** Halves the interval between an aim that finds too little and one that finds enough, until they
** are a few percent apart.  Recalls are halved by what they miss.
*/
static int narrow_recall(calibration *c, uint32_t low, uint32_t *high) {
    int rc = SQLITE_OK;
    while (rc == SQLITE_OK) {
        const double missed = (HX_RECALL_UNIT - low) / (HX_RECALL_UNIT - *high);
        bool enough;
        uint32_t middle = low;
        if (missed > 1.2) {
            middle = (uint32_t)(HX_RECALL_UNIT - (HX_RECALL_UNIT - low) / sqrt(missed));
        }
        if (middle <= low || middle >= *high) {
            return SQLITE_OK;
        }
        rc = try_aim(c, middle, 0, &enough);
        *(enough ? high : &low) = middle;
    }
    return rc;
}

static int narrow_ef(calibration *c, uint32_t low, uint32_t *high) {
    int rc = SQLITE_OK;
    while (rc == SQLITE_OK && *high - low > *high / 16) {
        const uint32_t middle = low + (*high - low) / 2;
        bool enough;
        rc = try_aim(c, TOP_RECALL, middle, &enough);
        *(enough ? high : &low) = middle;
    }
    return rc;
}

/* Where no recall suffices: doubles the ef. */
static int find_ef(calibration *c, uint32_t *ef) {
    bool enough = false;
    uint32_t low = FIRST_EF / 2;
    *ef = FIRST_EF;
    int rc = try_aim(c, TOP_RECALL, *ef, &enough);
    while (rc == SQLITE_OK && !enough && *ef < TOP_EF) {
        low = *ef;
        *ef = 2 * low < TOP_EF ? 2 * low : TOP_EF;
        rc = try_aim(c, TOP_RECALL, *ef, &enough);
    }
    return rc || !enough ? rc : narrow_ef(c, low, ef);
}

/* Finds the smallest aim that suffices and leaves it in the options. */
static int find_aim(calibration *c) {
    const uint32_t least = c->options->recall;
    uint32_t recall = least, ef = 0;
    bool enough;
    int rc = try_aim(c, recall, 0, &enough);
    if (rc == SQLITE_OK && !enough) {
        recall = TOP_RECALL;
        rc = try_aim(c, recall, 0, &enough);
        if (rc == SQLITE_OK) {
            rc = enough ? narrow_recall(c, least, &recall) : find_ef(c, &ef);
        }
    }
    c->options->aim_recall = recall;
    c->options->aim_ef = ef;
    return rc;
}

/* Searches that scan find all: there is nothing to calibrate, and the aim would be wrong later. */
static int check_walk(hx_writer *writer, int vector) {
    if (writer->views[vector].last->strategy == HNY_GRAPH) {
        return SQLITE_OK;
    }
    return hx_fail(writer->shadow, SQLITE_ERROR,
                   "hannoy: searches of %s scan its rows, so there is nothing to calibrate; build "
                   "an index of at least linear_below rows first",
                   writer->shadow->name);
}

static int check_queries(hx_shadow *shadow, const hx_options *options, size_t count) {
    if (options->ef) {
        return hx_fail(shadow, SQLITE_ERROR,
                       "hannoy: searches of %s go by ef=%u and not by recall; set ef=0 first",
                       shadow->name, options->ef);
    }
    if (count < MIN_QUERIES) {
        return hx_fail(shadow, SQLITE_ERROR,
                       "hannoy: calibrate takes at least %d queries at once, better some hundred, "
                       "not %lld",
                       MIN_QUERIES, (long long)count);
    }
    return SQLITE_OK;
}

/*
** Searches with the aims that are tried through the loaded configuration, which nothing reads again
** meanwhile: only this connection writes.
*/
static int aim_queries(hx_writer *writer, int vector, const hx_query_set *set,
                       hx_options *options) {
    hx_options *const loaded = &writer->shadow->config.vectors[vector].options;
    const hx_options before = *loaded;
    calibration c = {.options = loaded};
    c.wanted = (before.recall + SAMPLE_RESERVE * (HX_RECALL_UNIT - before.recall)) / HX_RECALL_UNIT;
    int rc = hx_recall_init(&c.recall, writer->shadow, vector, set);
    if (rc == SQLITE_OK) {
        rc = find_aim(&c);
    }
    if (rc == SQLITE_OK) {
        rc = check_walk(writer, vector);
    }
    options->aim_recall = loaded->aim_recall;
    options->aim_ef = loaded->aim_ef;
    *loaded = before;
    hx_recall_free(&c.recall);
    return rc;
}

int hx_calibrate(hx_writer *writer, int vector, sqlite3_value *queries) {
    hx_shadow *const shadow = writer->shadow;
    hx_options options[HX_MAX_VECTORS];
    hx_query_set set;
    for (int i = 0; i < shadow->columns.vectors; i++) {
        options[i] = shadow->config.vectors[i].options;
    }
    int rc = hx_query_set_read(shadow, vector, queries, &set);
    if (rc == SQLITE_OK) {
        rc = check_queries(shadow, &options[vector], set.count);
    }
    if (rc == SQLITE_OK) {
        rc = aim_queries(writer, vector, &set, &options[vector]);
    }
    if (rc == SQLITE_OK) {
        rc = hx_config_write_options(shadow, options);
    }
    hx_query_set_free(&set);
    return rc;
}
