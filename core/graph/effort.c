/* From a recall or an ef to a beam's effort, by the curves of a table's record. */
#include "graph/effort.h"

#include <math.h>

#define CURVE_TOP (HNY__CURVE_TOP * HNY__RECALL_UNIT)

#define NEAR HNY__CURVE_K_NEAR
#define FAR  HNY__CURVE_K_FAR

static const uint32_t grid_efs[HNY__CURVE] = {10,  14,  20,  28,  40,  56,  80,
                                              112, 160, 224, 320, 448, 640, 896};

/* Of distances; WordNet vectors reach 0.95 at 1.04, GloVe's at 1.08. */
static const double grid_stretches[HNY__CURVE] = {1,    1.01, 1.02, 1.03, 1.04, 1.05, 1.065,
                                                  1.08, 1.1,  1.13, 1.17, 1.22, 1.3,  1.5};

/*
** The share of the sample up to the end of each class.  The last class is small: its curve is also
** that of the queries unlike the rows, which are even more crowded.
*/
static const double class_ends[HNY__CROWD_CLASSES] = {0.5, 0.75, 0.9, 1};

double hny__crowd_class_end(int crowd) {
    return class_ends[crowd];
}

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
        return hny__classic_effort(grid_efs[i]);
    }
    const uint32_t ef = adaptive_ef(k);
    return (hny__effort){ef, ef, stretch_of_ranks(record, grid_stretches[i])};
}

/* Of distances.  A smaller search meets too few nodes to tell how many there are within reach. */
#define CROWDING_STRETCH 1.02

/*
** Searches for which this is enough are the same for all queries: measuring crowding would make
** them dearer by a quarter.
*/
#define UNIFORM_STRETCH 1.01

hny__effort hny__crowding_effort(const hny__table_record *record, uint64_t k) {
    const uint32_t ef = adaptive_ef(k);
    return (hny__effort){ef, ef, stretch_of_ranks(record, CROWDING_STRETCH)};
}

float hny__crowding_reach(const hny__table_record *record) {
    return stretch_of_ranks(record, HNY__CROWD_REACH);
}

/* ------------------------------------------------------------------------------------ lookup -- */

/*
** A sample is smaller than the set of all queries, and users' queries may lie elsewhere than the
** table's vectors.  So a search aims at a recall between the requested one and 1.  Most queries
** unlike the rows are in the last class of crowding, which has more in reserve.  Under dot all
** have: the nearest rows are the long ones, and how long they are differs from query to query.
*/
#define RESERVE      0.35
#define RESERVE_LAST 0.5
#define RESERVE_DOT  0.6

static double with_reserve(double recall, double reserve) {
    return recall + reserve * (1 - recall);
}

/* A curve that rises by more from point to point is no line between them. */
#define STEEP 0.1

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
    if (curve[i] - curve[i - 1] > STEEP * HNY__RECALL_UNIT) {
        return i;
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
    const double reserve = record->metric == HNY_DOT ? RESERVE_DOT : RESERVE;
    const double wanted = with_reserve(recall, reserve) * HNY__RECALL_UNIT;
    double ef = interpolate_k(ef_at_position(curve_position(record->curves.classic[0], wanted)),
                              ef_at_position(curve_position(record->curves.classic[1], wanted)), k);
    if (k > FAR) {
        ef *= (double)k / FAR;
    }
    return ef < HNY__MAX_SLOTS ? (uint32_t)ceil(ef) : HNY__MAX_SLOTS;
}

hny__effort_plan hny__uniform_plan(hny__effort effort) {
    hny__effort_plan plan = {.first = effort};
    for (int i = 0; i < HNY__PLAN_CLASSES; i++) {
        plan.efforts[i] = effort;
    }
    return plan;
}

/* What a search wants, as recalls of the curves of the 10 and of the 100 nearest. */
typedef struct target {
    double recall[2];
    double last[2];  /* of the last class of crowding */
    uint32_t min_ef; /* where the curves do not suffice; else 0 */
} target;

static target target_of_ef(const hny__table_record *record, uint64_t k, uint32_t ef) {
    target t = {.min_ef = 0};
    const double scaled_ef = k > FAR ? (double)ef * FAR / (double)k : ef;
    for (int i = 0; i < 2; i++) {
        t.recall[i] = t.last[i] = recall_at_ef(record->curves.classic[i], scaled_ef);
    }
    const uint16_t *const curve = record->curves.classic[k > NEAR];
    if (t.recall[k > NEAR] >= fmin(CURVE_TOP, curve[HNY__CURVE - 1])) {
        t.min_ef = ef;
    }
    return t;
}

static target target_of_recall(const hny__table_record *record, uint64_t k, double recall) {
    const bool is_dot = record->metric == HNY_DOT;
    const double wanted = with_reserve(recall, is_dot ? RESERVE_DOT : RESERVE) * HNY__RECALL_UNIT;
    const double last =
        with_reserve(recall, is_dot ? RESERVE_DOT : RESERVE_LAST) * HNY__RECALL_UNIT;
    target t = {{wanted, wanted}, {last, last}, 0};
    if (wanted >= CURVE_TOP) {
        t.min_ef = hny__ef_for(record, k, recall);
    }
    return t;
}

/*
** Where a curve reaches a recall, or its plateau.  A class of few queries may miss a neighbour that
** no stretch finds: a larger stretch would only cost more.
*/
static double stretch_on_curve(const uint16_t *curve, double wanted) {
    const uint16_t end = curve[HNY__CURVE - 1];
    const bool has_plateau = end >= HNY__CURVE_PLATEAU * HNY__RECALL_UNIT;
    return stretch_at_position(curve_position(curve, has_plateau ? fmin(wanted, end) : wanted));
}

/* The stretch of distances with which a curve for each measured k reaches these recalls. */
static double stretch_for(const uint16_t *near, const uint16_t *far, const double wanted[2],
                          uint64_t k) {
    return interpolate_k(stretch_on_curve(near, wanted[0]), stretch_on_curve(far, wanted[1]), k);
}

/* The curve of all queries. */
static void mean_curve(const uint16_t (*curves)[HNY__CURVE], uint16_t *out) {
    for (int i = 0; i < HNY__CURVE; i++) {
        double sum = 0, begin = 0;
        for (int crowd = 0; crowd < HNY__CROWD_CLASSES; crowd++) {
            sum += (class_ends[crowd] - begin) * curves[crowd][i];
            begin = class_ends[crowd];
        }
        out[i] = (uint16_t)sum;
    }
}

/* The stretch with which all queries together reach the recall. */
static double mean_stretch(const hny__table_record *record, const target *t, uint64_t k) {
    uint16_t mean[2][HNY__CURVE];
    mean_curve(record->curves.adaptive[0], mean[0]);
    mean_curve(record->curves.adaptive[1], mean[1]);
    return stretch_for(mean[0], mean[1], t->recall, k);
}

/* The largest crowding of a class, for k neighbours. */
static float crowding_for_k(const hny__table_record *record, int crowd, uint64_t k) {
    const double limit =
        interpolate_k(record->curves.crowding[0][crowd], record->curves.crowding[1][crowd], k);
    return (float)(k > FAR ? limit * (double)k / FAR : limit);
}

static hny__effort adaptive_effort(const hny__table_record *record, const target *t, uint32_t near,
                                   double stretch) {
    return (hny__effort){t->min_ef > near ? t->min_ef : near, near,
                         stretch_of_ranks(record, stretch)};
}

/*
** Beyond the classes.  The last one begins where a tenth of the table's own queries are left; from
** there it is as far again as from their median to it, by ratio, and a bit.
*/
#define BEYOND_MARGIN 1.1

static float crowding_beyond(const hny__table_record *record, uint64_t k) {
    const float median = crowding_for_k(record, 0, k);
    const float last = crowding_for_k(record, HNY__CROWD_CLASSES - 2, k);
    return (float)BEYOND_MARGIN * last * fmaxf(last / fmaxf(median, 1), 1);
}

/* So many nodes more are kept for queries beyond the classes. */
#define BEYOND_NODES 180

/* An effort as large as `least`, for queries beyond the classes. */
static hny__effort effort_beyond(hny__effort least) {
    const uint64_t ef = (uint64_t)BEYOND_NODES + least.near;
    hny__effort effort = least;
    if (ef > effort.ef) {
        effort.ef = ef < HNY__MAX_SLOTS ? (uint32_t)ef : HNY__MAX_SLOTS;
    }
    return effort;
}

/*
** A plan of one stretch, which is small.  A search that is given an ef keeps to it.  The crowding
** is measured by this search: of a larger one it would be no less.
*/
static hny__effort_plan plan_easy(const hny__table_record *record, hny__effort effort, uint64_t k,
                                  uint32_t ef) {
    hny__effort_plan plan = hny__uniform_plan(effort);
    if (ef == 0) {
        plan.reach = hny__crowding_reach(record);
        for (int i = 0; i < HNY__PLAN_CLASSES - 1; i++) {
            plan.crowding[i] = crowding_beyond(record, k);
        }
        plan.efforts[HNY__PLAN_CLASSES - 1] = effort_beyond(effort);
    }
    return plan;
}

/* A plan of a stretch for each class. */
static hny__effort_plan plan_classes(const hny__table_record *record, const target *t, uint64_t k,
                                     uint32_t ef) {
    hny__effort_plan plan = {.first = hny__crowding_effort(record, k),
                             .reach = hny__crowding_reach(record)};
    const uint32_t near = plan.first.near;
    double stretch = CROWDING_STRETCH;
    for (int crowd = 0; crowd < HNY__CROWD_CLASSES; crowd++) {
        const double *const recall = crowd < HNY__CROWD_CLASSES - 1 ? t->recall : t->last;
        stretch = fmax(stretch, stretch_for(record->curves.adaptive[0][crowd],
                                            record->curves.adaptive[1][crowd], recall, k));
        plan.efforts[crowd] = adaptive_effort(record, t, near, stretch);
        if (crowd < HNY__CROWD_CLASSES - 1) {
            plan.crowding[crowd] = crowding_for_k(record, crowd, k);
        }
    }
    const hny__effort last = plan.efforts[HNY__CROWD_CLASSES - 1];
    plan.crowding[HNY__CROWD_CLASSES - 1] = crowding_beyond(record, k);
    plan.efforts[HNY__CROWD_CLASSES] = ef ? last : effort_beyond(last);
    return plan;
}

hny__effort_plan hny__effort_for(const hny__table_record *record, uint64_t k, uint32_t ef,
                                 double recall) {
    if (!record->calibrated || (ef && ef >= record->live)) {
        return hny__uniform_plan(hny__classic_effort(ef ? ef : default_ef(k)));
    }
    const target t = ef ? target_of_ef(record, k, ef) : target_of_recall(record, k, recall);
    const double stretch = mean_stretch(record, &t, k);
    if (stretch > UNIFORM_STRETCH) {
        return plan_classes(record, &t, k, ef);
    }
    return plan_easy(record, adaptive_effort(record, &t, adaptive_ef(k), stretch), k, ef);
}
