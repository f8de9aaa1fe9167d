/* What INSERT, UPDATE, DELETE and the COMMIT of a table work on. */
#ifndef HX_WRITER_H
#define HX_WRITER_H

#include "change/autobuild.h"
#include "query/view.h"
#include "shadow/shadow.h"

struct hx_writer {
    hx_shadow *shadow; /* borrowed */
    hx_view *view;     /* borrowed */
    hx_autobuild autobuild;
    unsigned char *row; /* one stored vector, being written; the writer's owner's to free */
};

#endif
