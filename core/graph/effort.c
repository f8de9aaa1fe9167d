/* From a recall or an ef to a beam's effort, by the curves of a table's record. */
#include "graph/effort.h"

#include <math.h>

#define NEAR HNY__CURVE_K_NEAR
#define FAR  HNY__CURVE_K_FAR

static const uint32_t grid_efs[HNY__CURVE] = {10,  14,  20,  28,  40,  56,  80,
                                              112, 160, 224, 320, 448, 640, 896};

/* Of distances; WordNet vectors reach 0.95 at 1.04, GloVe's at 1.08. */
static const double grid_stretches[HNY__CURVE] = {1,    1.01, 1.02, 1.03, 1.04, 1.05, 1.065,
                                                  1.08, 1.1,  1.13, 1.17, 1.22, 1.3,  1.5};

uint32_t hny__curve_ef(int i) {
    return grid_efs[i];
}

/* An adaptive search for k keeps some nodes more, since codes are off by a few places. */
static uint32_t adaptive_ef(uint64_t k) {
    const uint64_t ef = k < NEAR ? NEAR + NEAR / 5 : k + k / 5;
    return ef < HNY__MAX_SLOTS ? (uint32_t)ef : HNY__MAX_SLOTS;
}

/* Ranks are squares of distances, except under manhattan. */
static float stretch_of_ranks(const hny__table_record *record, double stretch) {
    return (float)(record->metric == HNY_MANHATTAN ? stretch : stretch * stretch);
}

hny__effort hny__curve_effort(const hny__table_record *record, bool adaptive, uint32_t k, int i) {
    if (!adaptive) {
        return (hny__effort){grid_efs[i], 0};
    }
    return (hny__effort){adaptive_ef(k), stretch_of_ranks(record, grid_stretches[i])};
}

/* ------------------------------------------------------------------------------------ lookup -- */

/*
** A sample is smaller than the set of all queries, and users' queries may lie elsewhere than the
** table's vectors.  So the search aims two fifths of the way from the requested recall to 1.  With
** a quarter, searches for 0.95 on WordNet vectors found 0.946 to 0.951.  Under dot it is three
** fifths: the nearest rows are the long ones, and how long they are differs from query to query.
*/
static double recall_with_reserve(const hny__table_record *record, double recall) {
    return recall + (record->metric == HNY_DOT ? 0.6 : 0.4) * (1 - recall);
}

/* Where a curve reaches a recall, on the axis of its grid: 1.5 is halfway from point 1 to 2. */
static double curve_position(const uint16_t *curve, double wanted) {
    int i = 0;
    while (i < HNY__CURVE && curve[i] < wanted) {
        i++;
    }
    if (i == 0) {
        return 0;
    }
    if (i == HNY__CURVE) {
        return HNY__CURVE - 1;
    }
    return i - 1 + (wanted - curve[i - 1]) / (curve[i] - curve[i - 1]);
}

static double ef_at_position(double position) {
    const int i = position < HNY__CURVE - 1 ? (int)position : HNY__CURVE - 2;
    return grid_efs[i] + (position - i) * (grid_efs[i + 1] - grid_efs[i]);
}

static double stretch_at_position(double position) {
    const int i = position < HNY__CURVE - 1 ? (int)position : HNY__CURVE - 2;
    return grid_stretches[i] + (position - i) * (grid_stretches[i + 1] - grid_stretches[i]);
}

/* The recall of the classic curve at an ef within its grid. */
static double recall_at_ef(const uint16_t *curve, double ef) {
    int i = 0;
    while (i < HNY__CURVE - 2 && grid_efs[i + 1] < ef) {
        i++;
    }
    const double part = (ef - grid_efs[i]) / (grid_efs[i + 1] - grid_efs[i]);
    return curve[i] + (part > 0 ? part : 0) * (curve[i + 1] - curve[i]);
}

/* Between the values of the two measured k, on a line; constant outside them. */
static double interpolate_k(double near, double far, uint64_t k) {
    const double part = k <= NEAR ? 0 : k >= FAR ? 1 : (double)(k - NEAR) / (FAR - NEAR);
    return near + (far - near) * part;
}

/* For tables without curves: a recall of 0.95 and more on all but the hardest real data sets. */
static uint32_t default_ef(uint64_t k) {
    if (k <= 50) {
        return 100;
    }
    return k < HNY__MAX_SLOTS / 2 ? 2 * (uint32_t)k : HNY__MAX_SLOTS;
}

uint32_t hny__ef_for(const hny__table_record *record, uint64_t k, double recall) {
    if (!record->calibrated) {
        return default_ef(k);
    }
    const double wanted = recall_with_reserve(record, recall) * HNY__RECALL_UNIT;
    double ef = interpolate_k(ef_at_position(curve_position(record->curves.classic[0], wanted)),
                              ef_at_position(curve_position(record->curves.classic[1], wanted)), k);
    if (k > FAR) {
        ef *= (double)k / FAR;
    }
    return ef < HNY__MAX_SLOTS ? (uint32_t)ceil(ef) : HNY__MAX_SLOTS;
}

hny__effort hny__effort_for(const hny__table_record *record, uint64_t k, uint32_t ef,
                            double recall) {
    if (!record->calibrated) {
        return (hny__effort){ef ? ef : default_ef(k), 0};
    }
    const double scaled_ef = k > FAR ? (double)ef * FAR / (double)k : ef;
    double wanted[2]; /* recall of the 10 and of the 100 nearest */
    for (int i = 0; i < 2; i++) {
        wanted[i] = ef ? recall_at_ef(record->curves.classic[i], scaled_ef)
                       : recall_with_reserve(record, recall) * HNY__RECALL_UNIT;
    }
    if (scaled_ef > grid_efs[HNY__CURVE - 1] ||
        wanted[k > NEAR] >= HNY__CURVE_TOP * HNY__RECALL_UNIT) {
        return (hny__effort){ef ? ef : hny__ef_for(record, k, recall), 0};
    }
    const double near = stretch_at_position(curve_position(record->curves.adaptive[0], wanted[0]));
    const double far = stretch_at_position(curve_position(record->curves.adaptive[1], wanted[1]));
    return (hny__effort){adaptive_ef(k), stretch_of_ranks(record, interpolate_k(near, far, k))};
}
