/* Interface to reader.c: what a reader is, for search.c, build.c and check.c. */
#ifndef HNY_READER_H
#define HNY_READER_H

#include <roaring/roaring.h>

#include "graph/beam_search.h"
#include "read/filter_bitmap.h"
#include "sidecar/sidecar.h"

struct hny_reader {
    hny_sidecar *sidecar; /* a reference of its own */
    hny__env *env;        /* likewise; NULL: none yet */
    uint32_t table;
    hny_shape shape;
    uint32_t attributes;
    uint64_t version;
    int prefetched; /* since `env` was opened */
    int status;     /* of the last begin */
    hny__view view;
    hny__beam walk;
    roaring_bitmap_t *mask; /* slots left out; NULL: none */
    hny__filter_bitmap
        matches[HNY__FILTER_BITMAPS];  /* of filters asked for lately, of this version */
    uint32_t asked;                    /* counts them */
    const hny_filter *filter;          /* of the present search; NULL: none */
    const hny__filter_bitmap *passing; /* its matches; NULL: not known */
    hny_work work;
    hny__encoder encoder; /* of the pinned state's coding, if `query` is there */
    uint8_t *code;        /* the vector encoded last, as a code; NULL: not made yet */
    hny__scorer query;    /* of the present search */
    uint8_t *residual;    /* and room for a fine code */
};

/* Makes the tools that the pinned state's coding needs.  HNY_OK or HNY_NOMEM. */
int hny__reader_ready(hny_reader *reader);

/* Is a slot deleted, free or masked? */
int hny__reader_hidden(hny_reader *reader, uint32_t slot);

#endif
