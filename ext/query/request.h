/*
** What a statement asks of a search: how many rows, between which distances, under which
** conditions.
*/
#ifndef HX_REQUEST_H
#define HX_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "query/conditions.h"

#define HX_NO_LIMIT (-1)

/* An end of a range of distances. */
typedef struct hx_bound {
    bool given;
    bool inclusive;
    double distance;
} hx_bound;

typedef struct hx_knn_request {
    int64_t k;      /* rows; HX_NO_LIMIT: all, as far as the statement steps */
    int64_t ef;     /* candidates of the search, at least; 0: as the table has it */
    bool distances; /* the statement reads them; else approximate ones may decide the order */
    bool exact;     /* no graph search: every row is scanned */
    hx_bound above, below; /* rows between these distances */
    bool excludes;         /* leave out this row: */
    int64_t excluded;
    hx_conditions *conditions; /* NULL: all rows pass */
} hx_knn_request;

#endif
