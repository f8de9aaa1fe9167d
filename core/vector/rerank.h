/*
** Interface to rerank.c: which of the nodes that a search found are measured on finer codes.
**
** A walk orders nodes by ranks of their codes, which are off by the error of the codes.  Nodes are
** measured in the order of their ranks, and each tells how far its rank is from its distance.  The
** next one is measured as long as it would be among the k nearest if its rank were off as far as
** those before it: by their mean, which all share, and four deviations.
**
** A fixed number does not do.  On WordNet vectors the ten nearest are among the first 16 by 4-bit
** codes, save one in 2,000; of 200 vectors that differ by less than their codes' error, all must be
** measured: of 23 the search returned 0.2 of the ten nearest.
*/
#ifndef HNY_RERANK_H
#define HNY_RERANK_H

#include "vector/quantizer.h"

typedef struct hny__rerank {
    const hny__quantizer *quantizer;
    size_t k;        /* neighbours wanted */
    size_t min;      /* rows that are measured in any case */
    size_t rows;     /* measured so far */
    double *nearest; /* the k least upper bounds of their distances, the largest on top */
    size_t near_count, capacity;
    /* Differences of rank and distance: their number, the first, and sums of them less that. */
    size_t count;
    double first, sum, squares;
    float chance; /* of bits: nodes of ranks up to this one are measured in any case */
} hny__rerank;

/* Are ranks as far off as the codes?  Numbers of different bits are no measure of a distance. */
static inline bool hny__rerank_compares(const hny__quantizer *quantizer) {
    return quantizer->codes != HNY_CODES_BIT || quantizer->exact;
}

/*
** Begins anew for the k nearest of a search with this ef; 0: an adaptive one.  The struct is all
** zero at first, and keeps its memory from search to search.  HNY_OK or HNY_NOMEM.
*/
int hny__rerank_begin(hny__rerank *rerank, const hny__quantizer *quantizer, size_t k, size_t ef);
void hny__rerank_free(hny__rerank *rerank);

/* Is a node of this rank to be measured?  If not, none of a larger rank is. */
bool hny__rerank_wants(const hny__rerank *rerank, float rank);

/*
** Codes that are bits, of near-duplicates: the rank up to which nodes may be as near as one of this
** rank, since the bits differ by chance.  -infinity for other nodes, which ranks tell apart.
*/
float hny__rerank_chance(const hny__quantizer *quantizer, float rank);

/* The rank up to which nodes may be among the k nearest; -infinity: that is not known. */
float hny__rerank_reach(const hny__rerank *rerank);

/* Do ranks that differ by so much tell nothing, since the errors of codes are larger? */
bool hny__rerank_is_blind(const hny__rerank *rerank, float difference);

/* Can a row whose distance is at least this be one of the k nearest? */
bool hny__rerank_keeps(const hny__rerank *rerank, double lower_bound);

/* Adds what was measured of a node: a distance, off by at most `error`, of so many rows. */
void hny__rerank_add(hny__rerank *rerank, float rank, double distance, double error, size_t rows);

#endif
