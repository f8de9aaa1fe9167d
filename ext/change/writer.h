/* The part of a table that INSERT, UPDATE, DELETE and COMMIT use. */
#ifndef HX_WRITER_H
#define HX_WRITER_H

#include "change/autobuild.h"
#include "query/view.h"
#include "shadow/shadow.h"

struct hx_writer {
    hx_shadow *shadow; /* borrowed */
    hx_view *view;     /* borrowed */
    hx_autobuild autobuild;
    unsigned char *row; /* scratch: the vector being written; freed by the owner of the writer */
};

#endif
