/* The part of a table that INSERT, UPDATE, DELETE and COMMIT use. */
#ifndef HX_WRITER_H
#define HX_WRITER_H

#include "change/autobuild.h"
#include "query/index_view.h"
#include "shadow/shadow.h"

struct hx_writer {
    hx_shadow *shadow; /* borrowed */
    hx_view *views;    /* borrowed: one for each vector */
    hx_autobuild autobuild;
    unsigned char *row[HX_MAX_VECTORS]; /* scratch: the vectors being written; freed by the owner */
};

#endif
