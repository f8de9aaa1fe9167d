#include "order.h"

#include <float.h>
#include <stdlib.h>

#define PIVOTS    256   /* their codes fit in a second-level cache */
#define WORTH     20000 /* fewer nodes fit in a cache anyway */
#define PER_PIECE 64

typedef struct ordering {
    hny__birth *births; /* the nodes to be put in order */
    uint32_t count;
    const hny__birth *pivots;
} ordering;

/* Which pivot is nearest to each of some nodes. */
static int find_pivots(hny__worker *worker, void *arg, uint32_t index) {
    const ordering *const o = arg;
    const hny__code *const code = &worker->graph->geometry.coding.code;
    const uint32_t first = index * PER_PIECE;
    const uint32_t last = o->count - first < PER_PIECE ? o->count : first + PER_PIECE;
    for (uint32_t i = first; i < last; i++) {
        const uint8_t *const row = hny__view_code(&worker->view, o->births[i].slot);
        float best = FLT_MAX;
        o->births[i].pivot = 0;
        for (uint32_t j = 0; row && j < PIVOTS; j++) {
            const uint8_t *const pivot = hny__view_code(&worker->view, o->pivots[j].slot);
            if (!pivot) break;
            const float rank = hny__code_rank(code, row, pivot);
            if (rank >= best) continue;
            best = rank;
            o->births[i].pivot = j;
        }
        if (worker->view.status) return worker->view.status;
    }
    return HNY_OK;
}

static int by_pivot(const void *a, const void *b) {
    const hny__birth *const x = a, *const y = b;
    if (x->pivot != y->pivot) return x->pivot < y->pivot ? -1 : 1;
    return (x->slot > y->slot) - (x->slot < y->slot);
}

int hny__order(hny__team *team, hny__birth *births, uint32_t first, uint32_t last) {
    ordering o = {births + first, last - first, births};
    if (first < PIVOTS || o.count < WORTH) return HNY_OK;
    const int rc = hny__team_run(team, (o.count + PER_PIECE - 1) / PER_PIECE, find_pivots, &o,
                                 (hny__phase){.name = "ordering"});
    if (!rc) qsort(o.births, o.count, sizeof *o.births, by_pivot);
    return rc;
}
