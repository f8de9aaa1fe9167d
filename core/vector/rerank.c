/* Reranking: the order of codes against that of distances.  The contract is in rerank.h. */
#include "vector/rerank.h"

#include <math.h>
#include <stdlib.h>

#include "base/heap.h"

/*
** Of 500 WordNet queries and 500 of another kind, three deviations lost 2 and 8 of the 5,000
** neighbours that were in the pool, four lost none, for one row more a query.
*/
#define DEVIATIONS 4

/*
** From the middle of a pool to its end, ranks differ by some six deviations where it holds 12
** nodes of WordNet vectors, and more where it holds as many as a search by recall keeps.
*/
#define BLIND_DEVIATIONS 5

static bool is_farther_bound(const double *a, const double *b) {
    return *a > *b;
}

HNY__DEFINE_HEAP(farthest_bound, double, is_farther_bound)

#define LEAST_MEASURED 10

/* How many rows tell how far ranks are off. */
static size_t min_measured(const hny__quantizer *quantizer, size_t k, size_t ef) {
    if (quantizer->exact) {
        return k;
    }
    if (!hny__rerank_compares(quantizer)) {
        return hny__quantizer_rerank(quantizer, k, ef);
    }
    return k + k / 4 + 4 > LEAST_MEASURED ? k + k / 4 + 4 : LEAST_MEASURED;
}

int hny__rerank_begin(hny__rerank *rerank, const hny__quantizer *quantizer, size_t k, size_t ef) {
    if (k > rerank->capacity) {
        double *const nearest = realloc(rerank->nearest, k * sizeof *nearest);
        if (!nearest) {
            return HNY_NOMEM;
        }
        rerank->nearest = nearest;
        rerank->capacity = k;
    }
    rerank->quantizer = quantizer;
    rerank->k = k;
    rerank->min = min_measured(quantizer, k, ef);
    rerank->rows = rerank->near_count = rerank->count = 0;
    rerank->first = rerank->sum = rerank->squares = 0;
    rerank->chance = -INFINITY;
    return HNY_OK;
}

void hny__rerank_free(hny__rerank *rerank) {
    free(rerank->nearest);
    *rerank = (hny__rerank){.nearest = NULL};
}

static double mean_difference(const hny__rerank *rerank) {
    return rerank->first + rerank->sum / (double)rerank->count;
}

static double difference_deviation(const hny__rerank *rerank) {
    const double n = (double)rerank->count;
    const double squares = rerank->squares - rerank->sum * rerank->sum / n;
    return n > 1 && squares > 0 ? sqrt(squares / (n - 1)) : 0;
}

/* The rank up to which a node may be among the k nearest. */
static double reach_of_ranks(const hny__rerank *rerank) {
    const hny__row_format *const format = &rerank->quantizer->format;
    const float farthest = hny__rank_of_distance(format, rerank->nearest[0]);
    /* Ranks are float32, and one that is larger by a rounding may be as near. */
    const double slack = 2 * (double)hny__rank_slack(format, farthest);
    return (double)farthest + mean_difference(rerank) + slack +
           DEVIATIONS * difference_deviation(rerank);
}

bool hny__rerank_wants(const hny__rerank *rerank, float rank) {
    if (rerank->rows < rerank->min || rerank->near_count < rerank->k) {
        return true;
    }
    if (!hny__rerank_compares(rerank->quantizer)) {
        return rank <= rerank->chance;
    }
    return (double)rank <= reach_of_ranks(rerank);
}

/*
** Of vectors at one small angle, bits differ in a Poisson distribution.  A node of this rank may
** be the luckiest of thousands, by three deviations, and one as near may have as bad luck.
*/
#define LUCKY 3

/* Of WordNet vectors a fifth of the bits differ at the nearest row. */
#define DUPLICATE_SHARE (1.0 / 12)

float hny__rerank_chance(const hny__quantizer *quantizer, float rank) {
    if (rank > DUPLICATE_SHARE * quantizer->shape.dim) {
        return -INFINITY;
    }
    const double root = (LUCKY + sqrt(LUCKY * LUCKY + 4 * (double)rank)) / 2; /* of the mean */
    return (float)(root * root + LUCKY * root);
}

float hny__rerank_reach(const hny__rerank *rerank) {
    if (!hny__rerank_compares(rerank->quantizer)) {
        return rerank->chance;
    }
    const bool is_known = rerank->count > 1 && rerank->near_count == rerank->k;
    return is_known ? (float)reach_of_ranks(rerank) : -INFINITY;
}

bool hny__rerank_is_blind(const hny__rerank *rerank, float difference) {
    return (double)difference < BLIND_DEVIATIONS * difference_deviation(rerank);
}

bool hny__rerank_keeps(const hny__rerank *rerank, double lower_bound) {
    return rerank->rows < rerank->min || rerank->near_count < rerank->k ||
           lower_bound <= rerank->nearest[0];
}

static void add_bound(hny__rerank *rerank, double bound) {
    if (rerank->near_count < rerank->k) {
        farthest_bound_push(rerank->nearest, rerank->near_count++, bound);
    } else if (bound < rerank->nearest[0]) {
        rerank->nearest[0] = bound;
        farthest_bound_sift_down(rerank->nearest, rerank->near_count, 0);
    }
}

void hny__rerank_add(hny__rerank *rerank, float rank, double distance, double error, size_t rows) {
    const hny__row_format *const format = &rerank->quantizer->format;
    const double off = (double)rank - (double)hny__rank_of_distance(format, distance);
    for (size_t i = 0; i < rows && i < rerank->k; i++) {
        add_bound(rerank, distance + error);
    }
    if (rerank->count++ == 0) {
        rerank->first = off;
    }
    rerank->sum += off - rerank->first;
    rerank->squares += (off - rerank->first) * (off - rerank->first);
    rerank->rows += rows;
}
