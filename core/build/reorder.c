#include "build/reorder.h"

#include <math.h>
#include <stdlib.h>

#include "vector/query_scorer.h"

#define CELLS       64           /* pivots of the first level, and of each of those */
#define WORTH       (32 * CELLS) /* fewer rows are in few pages anyway */
#define PIVOT_BYTES ((size_t)4 << 20)

struct hny__reorder {
    const hny__quantizer *quantizer;
    uint8_t *copies; /* of the pivots' rows */
    int8_t *numbers; /* see query.h */
    uint32_t counts[CELLS];
    const uint8_t *attributes[CELLS], *within[CELLS][CELLS];
};

typedef struct nearest {
    uint32_t first, second;
} nearest;

/* Of at most CELLS pivots, one or more. */
static nearest nearest_of(const hny__scorer *query, const uint8_t *const *pivots, uint32_t count) {
    float ranks[CELLS], best = INFINITY, next = INFINITY;
    nearest found = {0, 0};
    hny__scorer_ranks(query, pivots, count, ranks);
    for (uint32_t i = 0; i < count; i++) {
        if (ranks[i] >= next) continue;
        if (ranks[i] < best) {
            found = (nearest){i, found.first};
            next = best;
            best = ranks[i];
        } else {
            found.second = i;
            next = ranks[i];
        }
    }
    return found;
}

static uint32_t cell_of(const hny__reorder *reorder, const hny__scorer *query) {
    return nearest_of(query, reorder->attributes, CELLS).first;
}

/* Room for so many pivots in each attribute, the one that it is of counted. */
static uint32_t most_within(size_t stride) {
    const size_t most = PIVOT_BYTES / stride / CELLS;
    return most < 2 ? 1 : most < CELLS ? (uint32_t)most : CELLS;
}

static const uint8_t *copy(hny__reorder *reorder, size_t *used, const uint8_t *row) {
    uint8_t *const to = reorder->copies + *used;
    memcpy(to, row, reorder->quantizer->format.row_bytes);
    *used += reorder->quantizer->format.row_bytes;
    return to;
}

/* An even choice of the rows: the first level; then, of twice as many as may be taken, the others. */
static void choose_pivots(hny__reorder *reorder, const uint8_t *const *rows, uint32_t count) {
    const uint32_t most = most_within(reorder->quantizer->format.row_bytes);
    const uint32_t wanted = 2 * CELLS * most, some = count < wanted ? count : wanted;
    size_t used = 0;
    for (uint32_t i = 0; i < CELLS; i++) {
        reorder->attributes[i] = copy(reorder, &used, rows[(uint64_t)count * i / CELLS]);
        reorder->within[i][0] = reorder->attributes[i];
        reorder->counts[i] = 1;
    }
    for (uint32_t i = 0; i < some; i++) {
        const uint8_t *const row = rows[(uint64_t)count * i / some];
        hny__scorer query;
        hny__scorer_of_row(&query, reorder->quantizer, row, reorder->numbers);
        const uint32_t attribute = cell_of(reorder, &query);
        if (reorder->counts[attribute] == most) continue;
        reorder->within[attribute][reorder->counts[attribute]++] = copy(reorder, &used, row);
    }
}

int hny__reorder_new(const hny__quantizer *quantizer, const uint8_t *const *rows, uint32_t count,
                     hny__reorder **out) {
    *out = NULL;
    if (count < WORTH) return HNY_OK;
    hny__reorder *const reorder = calloc(1, sizeof *reorder);
    if (!reorder) return HNY_NOMEM;
    reorder->quantizer = quantizer;
    reorder->numbers = malloc(quantizer->shape.dim);
    reorder->copies =
        malloc(quantizer->format.row_bytes * CELLS * most_within(quantizer->format.row_bytes));
    if (!reorder->numbers || !reorder->copies) {
        hny__reorder_free(reorder);
        return HNY_NOMEM;
    }
    choose_pivots(reorder, rows, count);
    *out = reorder;
    return HNY_OK;
}

void hny__reorder_free(hny__reorder *reorder) {
    if (!reorder) return;
    free(reorder->copies);
    free(reorder->numbers);
    free(reorder);
}

static hny__place place_of(const hny__reorder *reorder, const uint8_t *row) {
    hny__scorer query;
    hny__scorer_of_row(&query, reorder->quantizer, row, reorder->numbers);
    const uint32_t attribute = cell_of(reorder, &query);
    const nearest within =
        nearest_of(&query, reorder->within[attribute], reorder->counts[attribute]);
    return (hny__place)((attribute * CELLS + within.first) * CELLS + within.second) << 32;
}

static int compare(const void *a, const void *b) {
    const hny__place x = *(const hny__place *)a, y = *(const hny__place *)b;
    return (x > y) - (x < y);
}

void hny__reorder_rows(hny__reorder *reorder, const uint8_t *const *rows, uint32_t count,
                       hny__place *places) {
    for (uint32_t row = 0; row < count; row++) {
        places[row] = row;
        if (reorder) places[row] |= place_of(reorder, rows[row]);
    }
    if (reorder) qsort(places, count, sizeof *places, compare);
}
