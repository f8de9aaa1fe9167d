/*
** Interface to streams.c: the two sources of a search's hits.
**
** The *index* stream has the rows that the index covers, by the least that their exact distance can
** be (hny_hit_lower_bound); the *delta* stream has the delta's rows, by their exact distance.  Each
** is a buffer of hits.  A refill starts behind the last row that the search returned, on the
** snapshot of that moment: a build, in this process or another, may have moved rows from one stream
** to the other. So the order never breaks, no row comes twice, and nothing is pinned between calls.
*/
#ifndef HX_STREAMS_H
#define HX_STREAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "query/hit_heap.h"
#include "query/request.h"

typedef struct hx_view hx_view;

typedef struct hx_stream {
    hx_hit_heap hits;
    size_t next;   /* the first hit that was not taken */
    bool ended;    /* nothing lies beyond the buffer */
    bool refilled; /* with a k: the first refill is done */
    int64_t step;  /* hits that the next refill asks for */
} hx_stream;

typedef struct hx_streams {
    hx_view *view;
    unsigned char *vector;
    hny_distance_computer *computer; /* from `vector`, by `metric` */
    uint8_t metric;
    hx_knn_request request;
    int64_t left;    /* with a k: rows still to be returned */
    bool bounded;    /* by k: one refill asks for all k, and few are rejected */
    bool exact;      /* exact distances decide the order */
    bool by_rows;    /* rows of the index are tested by the stored row: hx_conditions_test */
    int64_t taken;   /* rows taken in another order than that of exact distances, */
    bool repeats;    /* which may come again */
    uint64_t serial; /* of the snapshot that the buffers were filled from */
    hx_stream index, delta;
    hny_hit floor; /* what lies beyond the index buffer comes no sooner than this */
    bool scanning; /* the index is scanned, no longer searched by its graph */
    bool resumes;  /* a scan stopped at `resume` */
    hny_hit resume;
    int64_t walked; /* hits taken from graph searches */
    bool started;   /* a row was returned: */
    hny_hit last;   /* the last one */
} hx_streams;

/*
** Copies `vector`, the stored bytes of one, and takes over request->conditions.  After a failure,
** SQLITE_NOMEM, the streams are to be freed all the same.
*/
int hx_streams_init(hx_streams *streams, hx_view *view, const void *vector,
                    const hx_knn_request *request);
void hx_streams_free(hx_streams *streams);

/*
** Fills the buffers that are dry, or all of them where the snapshot is another one now; then
** `serial` changes.  `lacking`: the content has no row for a hit of the index, so the sidecar is
** damaged.  An SQLite code, with its sentence in the table.
*/
int hx_streams_refill(hx_streams *streams, bool lacking);

/* Are the rows in a table of the user's, which loses rows without notice? */
bool hx_streams_external(const hx_streams *streams);

/* Does the hit certainly not come after the last row that was returned? */
bool hx_streams_passed(const hx_streams *streams, const hny_hit *hit);

/* Prefetches the vector of the index hit `ahead` places behind the next one. */
void hx_streams_prefetch(const hx_streams *streams, size_t ahead);

/* The vectors of this many hits are prefetched before the first of them is measured. */
#define HX_PREFETCHED 4

static inline bool hx_stream_is_dry(const hx_stream *s) {
    return s->next == s->hits.count && !s->ended;
}

static inline const hny_hit *hx_stream_head(const hx_stream *s) {
    return s->next < s->hits.count ? &s->hits.items[s->next] : NULL;
}

#endif
