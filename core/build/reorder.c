#include "build/reorder.h"

#include <math.h>
#include <stdlib.h>

#include "vector/query_scorer.h"

#define CELLS       64           /* pivots of the first level, and of each of those */
#define WORTH       (32 * CELLS) /* fewer rows are in few pages anyway */
#define PIVOT_BYTES ((size_t)4 << 20)

struct hny__arranger {
    const hny__coding *coding;
    uint8_t *copies; /* of the pivots' rows */
    int8_t *numbers; /* see query.h */
    uint32_t counts[CELLS];
    const uint8_t *cells[CELLS], *within[CELLS][CELLS];
};

typedef struct nearest {
    uint32_t first, second;
} nearest;

/* Of at most CELLS pivots, one or more. */
static nearest nearest_of(const hny__query *query, const uint8_t *const *pivots, uint32_t count) {
    float ranks[CELLS], best = INFINITY, next = INFINITY;
    nearest found = {0, 0};
    hny__query_ranks(query, pivots, count, ranks);
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

static uint32_t cell_of(const hny__arranger *arranger, const hny__query *query) {
    return nearest_of(query, arranger->cells, CELLS).first;
}

/* Room for so many pivots in each cell, the one that it is of counted. */
static uint32_t most_within(size_t stride) {
    const size_t most = PIVOT_BYTES / stride / CELLS;
    return most < 2 ? 1 : most < CELLS ? (uint32_t)most : CELLS;
}

static const uint8_t *copy(hny__arranger *arranger, size_t *used, const uint8_t *row) {
    uint8_t *const to = arranger->copies + *used;
    memcpy(to, row, arranger->coding->code.stride);
    *used += arranger->coding->code.stride;
    return to;
}

/* An even choice of the rows: the first level; then, of twice as many as may be taken, the others. */
static void choose_pivots(hny__arranger *arranger, const uint8_t *const *rows, uint32_t count) {
    const uint32_t most = most_within(arranger->coding->code.stride);
    const uint32_t wanted = 2 * CELLS * most, some = count < wanted ? count : wanted;
    size_t used = 0;
    for (uint32_t i = 0; i < CELLS; i++) {
        arranger->cells[i] = copy(arranger, &used, rows[(uint64_t)count * i / CELLS]);
        arranger->within[i][0] = arranger->cells[i];
        arranger->counts[i] = 1;
    }
    for (uint32_t i = 0; i < some; i++) {
        const uint8_t *const row = rows[(uint64_t)count * i / some];
        hny__query query;
        hny__query_of_row(&query, arranger->coding, row, arranger->numbers);
        const uint32_t cell = cell_of(arranger, &query);
        if (arranger->counts[cell] == most) continue;
        arranger->within[cell][arranger->counts[cell]++] = copy(arranger, &used, row);
    }
}

int hny__arranger_new(const hny__coding *coding, const uint8_t *const *rows, uint32_t count,
                      hny__arranger **out) {
    *out = NULL;
    if (count < WORTH) return HNY_OK;
    hny__arranger *const arranger = calloc(1, sizeof *arranger);
    if (!arranger) return HNY_NOMEM;
    arranger->coding = coding;
    arranger->numbers = malloc(coding->shape.dim);
    arranger->copies = malloc(coding->code.stride * CELLS * most_within(coding->code.stride));
    if (!arranger->numbers || !arranger->copies) {
        hny__arranger_free(arranger);
        return HNY_NOMEM;
    }
    choose_pivots(arranger, rows, count);
    *out = arranger;
    return HNY_OK;
}

void hny__arranger_free(hny__arranger *arranger) {
    if (!arranger) return;
    free(arranger->copies);
    free(arranger->numbers);
    free(arranger);
}

static hny__place place_of(const hny__arranger *arranger, const uint8_t *row) {
    hny__query query;
    hny__query_of_row(&query, arranger->coding, row, arranger->numbers);
    const uint32_t cell = cell_of(arranger, &query);
    const nearest within = nearest_of(&query, arranger->within[cell], arranger->counts[cell]);
    return (hny__place)((cell * CELLS + within.first) * CELLS + within.second) << 32;
}

static int compare(const void *a, const void *b) {
    const hny__place x = *(const hny__place *)a, y = *(const hny__place *)b;
    return (x > y) - (x < y);
}

void hny__arrange(hny__arranger *arranger, const uint8_t *const *rows, uint32_t count,
                  hny__place *places) {
    for (uint32_t row = 0; row < count; row++) {
        places[row] = row;
        if (arranger) places[row] |= place_of(arranger, rows[row]);
    }
    if (arranger) qsort(places, count, sizeof *places, compare);
}
