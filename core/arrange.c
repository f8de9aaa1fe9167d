#include "arrange.h"

#include <float.h>
#include <stdlib.h>

#include "query.h"

#define PIVOTS 256          /* their codes fit in a second-level cache */
#define WORTH  (8 * PIVOTS) /* fewer rows are in few pages anyway */

typedef struct place {
    uint32_t key; /* the nearest pivot, and behind it the next nearest */
    uint32_t row;
} place;

/* The places of the two least of some ranks. */
static uint32_t key_of(const float *ranks) {
    uint32_t first = 0, second = 0;
    float best = FLT_MAX, next = FLT_MAX;
    for (uint32_t i = 0; i < PIVOTS; i++) {
        if (ranks[i] >= next) continue;
        if (ranks[i] < best) {
            second = first;
            next = best;
            first = i;
            best = ranks[i];
        } else {
            second = i;
            next = ranks[i];
        }
    }
    return first * PIVOTS + second;
}

static int compare(const void *a, const void *b) {
    const place *const x = a, *const y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static void find_places(const hny__coding *coding, const uint8_t *const *rows, uint32_t count,
                        place *places, int8_t *room) {
    const uint8_t *pivots[PIVOTS];
    float ranks[PIVOTS];
    for (uint32_t i = 0; i < PIVOTS; i++) {
        pivots[i] = rows[(uint64_t)count * i / PIVOTS];
    }
    for (uint32_t row = 0; row < count; row++) {
        hny__query from;
        hny__query_of_row(&from, coding, rows[row], room);
        hny__query_ranks(&from, pivots, PIVOTS, ranks);
        places[row] = (place){key_of(ranks), row};
    }
}

int hny__arrange(const hny__coding *coding, const uint8_t *const *rows, uint32_t count,
                 uint32_t *order) {
    for (uint32_t row = 0; row < count; row++) order[row] = row;
    if (count < WORTH) return HNY_OK;
    place *const places = malloc(count * sizeof *places);
    int8_t *const room = malloc(coding->shape.dim);
    const int rc = places && room ? HNY_OK : HNY_NOMEM;
    if (!rc) {
        find_places(coding, rows, count, places, room);
        qsort(places, count, sizeof *places, compare);
        for (uint32_t i = 0; i < count; i++) order[i] = places[i].row;
    }
    free(places);
    free(room);
    return rc;
}
