/*
** Interface to knn.c: the rows nearest to a query, in the order of hny_hit_compare.
**
** Two streams are merged: what the index holds outside the delta, and the delta's own rows.  Each
** is a buffer of hits that is refilled beyond the last row handed out, from whatever the snapshot
** looks like then: a build, here or elsewhere, may have moved rows from one to the other.  So the
** order never breaks, no row comes twice, and nothing is pinned between calls.
*/
#ifndef HX_KNN_H
#define HX_KNN_H

#include <stdbool.h>

#include "query/conditions.h"
#include "query/hit_heap.h"
#include "sqlite_api.h"

typedef struct hx_view hx_view;
typedef struct hx_knn hx_knn;

#define HX_NO_LIMIT (-1)

/* What the last search of a connection did; hannoy_info tells. */
typedef struct hx_last {
    int strategy;      /* hny_strategy; 0: no index was asked */
    int64_t distances; /* computed in the index */
    int64_t matches; /* rows of the index that pass the filter; 0: there was none, or not counted */
    int64_t delta_rows;  /* looked at besides, exactly */
    int64_t nanoseconds; /* to find rows; measuring and reading them comes on top */
} hx_last;

/* An end of the distances that are wanted. */
typedef struct hx_bound {
    bool given;
    bool same; /* the distance itself is wanted too */
    double distance;
} hx_bound;

typedef struct hx_knn_request {
    int64_t k;             /* rows; HX_NO_LIMIT: all, as far as they are asked for */
    int64_t ef;            /* candidates of the search, at least; 0: as the table has it */
    bool distances;        /* are they looked at?  Else those of the sidecar may decide the order */
    bool exact;            /* nothing is left to a walk */
    hx_bound above, below; /* rows between these distances */
    bool excludes;         /* but not this one: */
    int64_t excluded;
    hx_conditions *where; /* rows that it lets through; NULL: all */
} hx_knn_request;

/*
** A query for the rows nearest to `vector`, the stored bytes of one.  Finds nothing yet.  Takes over
** wish->where, also on failure.  SQLITE_OK or SQLITE_NOMEM.
*/
int hx_knn_new(hx_view *view, const void *vector, const hx_knn_request *wish, hx_knn **out);
void hx_knn_free(hx_knn *knn); /* NULL is fine */

/* SQLITE_ROW with the next hit, SQLITE_DONE, or an error with its sentence in the table. */
int hx_knn_next(hx_knn *knn, hny_hit *out);

#endif
