/*
** Interface to query.c: what a walk or a scan looks from, and its ranks of many rows at once.
**
** Rows of 4 bits are ranked from a query whose numbers have 8: what it costs is the same, and the walk
** goes by half of the error.  A build looks from rows of the table itself, whose ranks must be those of
** the two codes, so that both ends of a link have the same.
*/
#ifndef HNY_QUERY_SCORER_H
#define HNY_QUERY_SCORER_H

#include "vector/quantizer.h"

typedef struct hny__scorer hny__scorer;
struct hny__scorer {
    const hny__quantizer *coding;
    const uint8_t *row; /* the query as a code; NULL where `numbers` say it better */
    /* Of codes that are integers under cosine and euclidean, else NULL: */
    const int8_t *numbers; /* a byte each */
    float scale;           /* what one is worth */
    float square;          /* of the length of what they stand for; of use under euclidean */
    double error;          /* how far that may be from the query, in the metric's own norm */
    double slack;          /* what is rounded in a rank, and in what is compared with it */
    void (*ranks)(const hny__scorer *query, const uint8_t *const *rows, size_t count, float *ranks);
};

/*
** Of the vector that an encoder encoded last as a query, or recalled; `row` is its code, which codes of
** 4 bits do without.  Both must outlive the query.
*/
void hny__scorer_of_vector(hny__scorer *query, const hny__encoder *encoder, const uint8_t *row);

/* Of a row of the table; `room` is for coding->shape.dim numbers. */
void hny__scorer_of_row(hny__scorer *query, const hny__quantizer *coding, const uint8_t *row,
                        int8_t *room);

/* Ranks as hny__row_rank's: rows aligned as there, none negative, none NaN. */
static inline void hny__scorer_ranks(const hny__scorer *query, const uint8_t *const *rows,
                                     size_t count, float *ranks) {
    query->ranks(query, rows, count, ranks);
}

static inline float hny__scorer_rank(const hny__scorer *query, const uint8_t *row) {
    float rank;
    query->ranks(query, &row, 1, &rank);
    return rank;
}

/*
** What hny__encoder_distance's distance less its error does not fall below, from the rank alone.  Nothing is known
** of codes of bits.
*/
double hny__distance_lower_bound(const hny__scorer *query, const uint8_t *row, float rank);

#endif
