/*
** Interface to delta.c: the rows of a snapshot that a query measures one by one, because the index
** does not cover them: those that changed since the merge base, or all where there is none.
**
** All functions return an SQLite code and leave its sentence in the table (error.h).
*/
#ifndef HX_DELTA_H
#define HX_DELTA_H

#include <stdbool.h>

#include "query/hit_heap.h"
#include "query/merge_base.h"

/* Where the vector of a row is kept. */
typedef struct hx_kept {
    int64_t id;
    size_t slot; /* among hx_delta.vectors; HX_ABSENT: the snapshot has no such row */
} hx_kept;

#define HX_ABSENT SIZE_MAX

typedef struct hx_delta {
    int vector; /* its place among the vectors of a row */
    bool whole; /* every row of the content; `ids` is empty */
    hx_ids ids;
    /* The vectors, kept for the next query unless they are too large together. */
    bool kept;
    hx_kept *rows; /* ascending by id; with `whole` all rows, else one for each of `ids` */
    size_t count, capacity;
    unsigned char *vectors;
    hny_attribute *attributes; /* beside them, all of a row's together */
    size_t slots_used;         /* slots of deleted rows are not used again */
    size_t slots_capacity;
} hx_delta;

/* Reads the vectors of `whole` or `ids` and keeps them, if they fit. */
int hx_delta_keep(hx_shadow *shadow, hx_delta *delta);

/* Reads the rows `changed` again, and adds them to `ids` unless `whole`. */
int hx_delta_extend(hx_shadow *shadow, hx_delta *delta, const hx_ids *changed);

void hx_delta_free(hx_delta *delta);

/*
** The nearest hits->limit rows of the delta that come after `after` (NULL: the first) and pass the
** filter (NULL: all), with exact distances, in order.
*/
int hx_delta_scan(hx_shadow *shadow, const hx_delta *delta, const hny_distance_computer *computer,
                  const hny_filter *filter, const hny_hit *after, hx_hit_heap *hits);

#endif
