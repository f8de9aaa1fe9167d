/* Interface to reader.c: what a reader consists of, for searches, checks and builds. */
#ifndef HNY_READER_H
#define HNY_READER_H

#include <roaring/roaring.h>

#include "graph/beam_search.h"
#include "read/filter_bitmap.h"
#include "read/paging.h"
#include "read/read_ahead.h"
#include "sidecar/sidecar.h"
#include "vector/rerank.h"

/* A row that was measured. */
typedef struct hny__measured {
    hny_hit hit;
    uint32_t slot;
} hny__measured;

struct hny_reader {
    hny_sidecar *sidecar; /* a reference */
    hny__env *env;        /* a reference; NULL: none yet */
    uint32_t table;
    hny_shape shape;
    uint32_t attributes; /* per row */
    uint32_t attribute_set;

    int status;       /* of the last begin */
    uint64_t version; /* of the pinned state */
    bool warmed_up;   /* since `env` was opened */
    hny__view view;
    roaring_bitmap_t *mask;    /* slots that are left out; NULL: none */
    hny__filter_cache filters; /* of this version */

    /* Made by hny__reader_make_encoder for the codes of the pinned state: */
    hny__encoder encoder;
    uint8_t *code; /* the vector encoded last; NULL: there is no encoder */
    uint8_t *residual;

    hny__paging paging;
    hny__asks asks; /* of the search, if it asks */
    hny__read_ahead ahead;

    /* Of the present search: */
    hny__beam beam;
    hny__scorer scorer;
    const hny_filter *filter;                        /* NULL: none */
    const hny__filter_bitmap *matches;               /* of `filter`; NULL: not computed */
    bool (*row_hidden)(void *reader, uint32_t slot); /* NULL: no row is */
    hny_work work;
    hny__rerank rerank;
    hny__measured *measured; /* by a graph search: the rows that may be among the nearest */
    size_t measured_count, measured_capacity;
};

/* Makes the encoder for the pinned state, unless there is one already.  HNY_OK or HNY_NOMEM. */
int hny__reader_make_encoder(hny_reader *reader);

/* Is a slot deleted, free or masked? */
bool hny__reader_hidden(hny_reader *reader, uint32_t slot);

/*
** Measures the row of a slot against the query, on its finest codes.  A row that is returned is to
** be confirmed (hny__reader_confirm), which costs more.
*/
int hny__reader_measure(hny_reader *reader, uint32_t slot, hny_hit *out);
int hny__reader_confirm(hny_reader *reader, uint32_t slot);

#endif
