/* Interface to reader.c: what a reader is, for search.c, build.c and check.c. */
#ifndef HNY_READER_H
#define HNY_READER_H

#include <roaring/roaring.h>

#include "sidecar.h"
#include "walk.h"

struct hny_reader {
    hny_sidecar *sidecar; /* a reference of its own */
    hny__env *env;        /* likewise; NULL: none yet */
    uint32_t table;
    hny_shape shape;
    uint64_t version;
    int prefetched; /* since `env` was opened */
    int status;     /* of the last begin */
    hny__view view;
    hny__walk walk;
    roaring_bitmap_t *mask; /* slots left out; NULL: none */
    hny__encoder encoder;   /* of the pinned state's coding, if `query` is there */
    uint8_t *query;         /* the vector encoded last, as a code; NULL: not made yet */
    uint8_t *fine;          /* and room for a fine code */
};

/* Makes the tools that the pinned state's coding needs.  HNY_OK or HNY_NOMEM. */
int hny__reader_ready(hny_reader *reader);

/* Is a slot deleted, free or masked? */
int hny__reader_hidden(hny_reader *reader, uint32_t slot);

#endif
