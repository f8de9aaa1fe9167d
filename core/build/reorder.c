/* Locality order of new rows, by pivots in two levels. */
#include "build/reorder.h"

#include <math.h>
#include <stdlib.h>

#include "vector/query_scorer.h"

#define PIVOTS      64            /* on level 1, and at most so many on level 2 for each of those */
#define MIN_ROWS    (32 * PIVOTS) /* fewer lie in few pages anyway */
#define PIVOT_BYTES ((size_t)4 << 20)

struct hny__reorder {
    const hny__quantizer *quantizer;
    uint8_t *copies; /* of the pivots' rows */
    int8_t *numbers; /* for hny__scorer_of_row */
    const uint8_t *pivots[PIVOTS];
    const uint8_t *sub_pivots[PIVOTS][PIVOTS]; /* the first one of each is its pivot */
    uint32_t sub_counts[PIVOTS];
};

typedef struct nearest_two {
    uint32_t first, second;
} nearest_two;

/* The nearest two of 1 to PIVOTS pivots; of one pivot, it is both. */
static nearest_two find_nearest_two(const hny__scorer *scorer, const uint8_t *const *pivots,
                                    uint32_t count) {
    float ranks[PIVOTS], first_rank = INFINITY, second_rank = INFINITY;
    nearest_two found = {0, 0};
    hny__scorer_ranks(scorer, pivots, count, ranks);
    for (uint32_t i = 0; i < count; i++) {
        if (ranks[i] >= second_rank) {
            continue;
        }
        if (ranks[i] < first_rank) {
            found = (nearest_two){i, found.first};
            second_rank = first_rank;
            first_rank = ranks[i];
        } else {
            found.second = i;
            second_rank = ranks[i];
        }
    }
    return found;
}

static uint32_t nearest_pivot(const hny__reorder *reorder, const hny__scorer *scorer) {
    return find_nearest_two(scorer, reorder->pivots, PIVOTS).first;
}

/* How many pivots of level 2 a pivot may have, itself included. */
static uint32_t max_sub_pivots(size_t stride) {
    const size_t max = PIVOT_BYTES / stride / PIVOTS;
    return max < 2 ? 1 : max < PIVOTS ? (uint32_t)max : PIVOTS;
}

static const uint8_t *copy_pivot(hny__reorder *reorder, size_t *used, const uint8_t *row) {
    uint8_t *const copy = reorder->copies + *used;
    memcpy(copy, row, reorder->quantizer->format.row_bytes);
    *used += reorder->quantizer->format.row_bytes;
    return copy;
}

/*
** Chooses rows at even distances: PIVOTS of them for level 1, then twice as many candidates as
** there may be pivots on level 2, of which those that find space become pivots.
*/
static void choose_pivots(hny__reorder *reorder, const uint8_t *const *rows, uint32_t count) {
    const uint32_t max = max_sub_pivots(reorder->quantizer->format.row_bytes);
    const uint32_t wanted = 2 * PIVOTS * max, candidates = count < wanted ? count : wanted;
    size_t used = 0;
    for (uint32_t i = 0; i < PIVOTS; i++) {
        reorder->pivots[i] = copy_pivot(reorder, &used, rows[(uint64_t)count * i / PIVOTS]);
        reorder->sub_pivots[i][0] = reorder->pivots[i];
        reorder->sub_counts[i] = 1;
    }
    for (uint32_t i = 0; i < candidates; i++) {
        const uint8_t *const row = rows[(uint64_t)count * i / candidates];
        hny__scorer scorer;
        hny__scorer_of_row(&scorer, reorder->quantizer, row, reorder->numbers);
        const uint32_t pivot = nearest_pivot(reorder, &scorer);
        if (reorder->sub_counts[pivot] == max) {
            continue;
        }
        reorder->sub_pivots[pivot][reorder->sub_counts[pivot]++] = copy_pivot(reorder, &used, row);
    }
}

int hny__reorder_new(const hny__quantizer *quantizer, const uint8_t *const *rows, uint32_t count,
                     hny__reorder **out) {
    const size_t stride = quantizer->format.row_bytes;
    *out = NULL;
    if (count < MIN_ROWS) {
        return HNY_OK;
    }
    hny__reorder *const reorder = calloc(1, sizeof *reorder);
    if (!reorder) {
        return HNY_NOMEM;
    }
    reorder->quantizer = quantizer;
    reorder->numbers = malloc(quantizer->shape.dim);
    reorder->copies = malloc(stride * PIVOTS * max_sub_pivots(stride));
    if (!reorder->numbers || !reorder->copies) {
        hny__reorder_free(reorder);
        return HNY_NOMEM;
    }
    choose_pivots(reorder, rows, count);
    *out = reorder;
    return HNY_OK;
}

void hny__reorder_free(hny__reorder *reorder) {
    if (!reorder) {
        return;
    }
    free(reorder->copies);
    free(reorder->numbers);
    free(reorder);
}

static hny__place place_of_row(const hny__reorder *reorder, const uint8_t *row) {
    hny__scorer scorer;
    hny__scorer_of_row(&scorer, reorder->quantizer, row, reorder->numbers);
    const uint32_t pivot = nearest_pivot(reorder, &scorer);
    const nearest_two sub =
        find_nearest_two(&scorer, reorder->sub_pivots[pivot], reorder->sub_counts[pivot]);
    return (hny__place)((pivot * PIVOTS + sub.first) * PIVOTS + sub.second) << 32;
}

static int compare_places(const void *a, const void *b) {
    const hny__place x = *(const hny__place *)a, y = *(const hny__place *)b;
    return (x > y) - (x < y);
}

void hny__reorder_rows(hny__reorder *reorder, const uint8_t *const *rows, uint32_t count,
                       hny__place *places) {
    for (uint32_t row = 0; row < count; row++) {
        places[row] = row;
        if (reorder) {
            places[row] |= place_of_row(reorder, rows[row]);
        }
    }
    if (reorder) {
        qsort(places, count, sizeof *places, compare_places);
    }
}
