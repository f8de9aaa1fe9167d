/*
** Interface to index_view.c: the index of one vector of a table, as one connection reads it.
*/
#ifndef HX_INDEX_VIEW_H
#define HX_INDEX_VIEW_H

#include "hannoy.h"
#include "query/loss.h"
#include "query/presence.h"
#include "query/snapshot.h"
#include "query/vector_cache.h"
#include "shadow/shadow.h"

/* What the last search of a connection did; hannoy_info reports it. */
typedef struct hx_last {
    int strategy;        /* hny_strategy; 0: the index was not used */
    int64_t distances;   /* computed in the index */
    int64_t matches;     /* rows of the index that pass the filter; 0: no filter, or not counted */
    int64_t delta_rows;  /* measured beside the index */
    int64_t nanoseconds; /* to find rows; measuring and reading them is not included */
} hx_last;

struct hx_view {
    hx_shadow *shadow;    /* borrowed */
    int vector;           /* its place among the table's */
    hny_sidecar *sidecar; /* borrowed */
    hny_reader *reader;   /* made by hx_view_reader */
    unsigned identity;    /* hx_view_config's, that the reader was made for */
    hx_snapshot snapshot;
    hx_loss loss;
    uint64_t woken; /* the version of the index for which the linker was woken last (heal.h) */
    hx_vector_cache cache;
    hx_presence presence;
    hx_last *last; /* of the table; borrowed */
};

void hx_view_init(hx_view *view, hx_shadow *shadow, hny_sidecar *sidecar, hx_last *last,
                  int vector);

static inline const hx_vector_config *hx_view_config(const hx_view *view) {
    return &view->shadow->config.vectors[view->vector];
}

static inline const hx_options *hx_view_options(const hx_view *view) {
    return &hx_view_config(view)->options;
}

/* Of a stored vector. */
static inline size_t hx_view_bytes(const hx_view *view) {
    return view->shadow->vector_bytes[view->vector];
}

/*
** Makes view->reader, or a new one where the table got another number or metric since.  Needs the
** configuration to be loaded and no reader to be pinned.  An SQLite code, with its sentence in the
** table.
*/
int hx_view_reader(hx_view *view);

/* Frees all but what is borrowed. */
void hx_view_free(hx_view *view);

#endif
