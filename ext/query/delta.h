/*
** Interface to delta.c: the rows of a snapshot that a query looks at one by one, because the index
** does not speak for them: those of the delta, or all where there is no merge base.
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
    size_t at; /* among hx_delta.vectors; HX_ABSENT: the snapshot has no such row */
} hx_kept;

#define HX_ABSENT SIZE_MAX

typedef struct hx_delta {
    int vector; /* the one of the row that is meant */
    bool whole; /* every row of the content; `ids` is empty */
    hx_ids ids;
    /* The vectors, kept for the next query unless they are too large together. */
    bool kept;
    hx_kept *rows; /* ascending by id; with `whole`, all rows, else one for each of `ids` */
    size_t count, room;
    unsigned char *vectors;
    hny_attribute *attributes;          /* beside them, all of a row's together */
    size_t vectors_count, vectors_room; /* in vectors; those of rows that went are not used again */
} hx_delta;

/* Reads the vectors of `whole` or `ids` and keeps them, if they fit. */
int hx_delta_keep(hx_shadow *shadow, hx_delta *delta);

/*
** These rows changed since: reads them again, and adds them to `ids` where not `whole`.  *grown:
** some were not among `ids` before.
*/
int hx_delta_extend(hx_shadow *shadow, hx_delta *delta, const hx_ids *changed, bool *grown);

void hx_delta_free(hx_delta *delta);

/*
** The nearest hits->limit of its rows beyond `after` (NULL: all of them) that the filter (NULL: none)
** lets through, exactly, in order.
*/
int hx_delta_scan(hx_shadow *shadow, const hx_delta *delta, const hny_distance_computer *probe,
                  const hny_filter *filter, const hny_hit *after, hx_hit_heap *hits);

#endif
