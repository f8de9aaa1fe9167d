/*
** Interface to query_scorer.c: the query of a search or a scan, and the ranks of many rows at
** once.
**
** With codes of 4 bits a query has numbers of 8 bits: the dot product costs the same and has half
** of the error.  A build queries with rows of the table, whose ranks must be those of the two
** codes, so that both ends of a link have the same.
*/
#ifndef HNY_QUERY_SCORER_H
#define HNY_QUERY_SCORER_H

#include "vector/quantizer.h"

typedef struct hny__scorer hny__scorer;
struct hny__scorer {
    const hny__quantizer *quantizer;
    const uint8_t *row; /* the query as a code; NULL if only `numbers` are used */
    /* For integer codes, except under manhattan, else NULL: */
    const int8_t *numbers; /* one byte each */
    float scale;           /* factor from the numbers to what they stand for */
    float square;          /* of the length of what they stand for; used under euclidean */
    double length;         /* of what they or the row stand for at most; under dot only */
    double error;          /* how far that is from the query at most, in the norm of the metric */
    double slack;          /* rounding errors of a rank and of what it is compared with, relative */
    void (*ranks)(const hny__scorer *scorer, const uint8_t *const *rows, size_t count,
                  float *ranks);
};

/*
** Scores by the vector that the encoder encoded last as a query, or decoded; `row` is its code,
** which is not used with codes of 4 bits.  Both must outlive the scorer.
*/
void hny__scorer_of_vector(hny__scorer *scorer, const hny__encoder *encoder, const uint8_t *row);

/*
** Scores by a row of the table; `numbers` has space for quantizer->shape.dim.  All must outlive
** it.
*/
void hny__scorer_of_row(hny__scorer *scorer, const hny__quantizer *quantizer, const uint8_t *row,
                        int8_t *numbers);

/* Ranks as hny__row_rank's, of rows aligned as there: none is NaN. */
static inline void hny__scorer_ranks(const hny__scorer *scorer, const uint8_t *const *rows,
                                     size_t count, float *ranks) {
    scorer->ranks(scorer, rows, count, ranks);
}

static inline float hny__scorer_rank(const hny__scorer *scorer, const uint8_t *row) {
    float rank;
    scorer->ranks(scorer, &row, 1, &rank);
    return rank;
}

/*
** A lower bound, from the rank alone, of hny__encoder_distance less its error.  With codes of bits
** there is none: -infinity.
*/
double hny__distance_lower_bound(const hny__scorer *scorer, const uint8_t *row, float rank);

#endif
