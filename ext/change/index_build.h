/*
** Interface to build.c: takes the changes that the connection's snapshot shows into the sidecar.
**
** What 'build', hannoy_build and a COMMIT share.  It needs no write lock and never changes the
** database; the boundary that it publishes is the tip of the snapshot.
*/
#ifndef HX_INDEX_BUILD_H
#define HX_INDEX_BUILD_H

#include "query/merge_base.h"
#include "shadow/statements.h"

typedef struct hx_view hx_view;

typedef struct hx_index_build {
    /* What is asked for. */
    bool asked;      /* by a user, who may wait: deleted nodes are cleared away sooner */
    bool restart;    /* start over from the content, whatever the index has */
    bool changes;    /* take changes in, but do not start over where that is what it takes */
    bool sweep;      /* the write lock is held: drop what no table of the schema owns */
    hx_loan hold;    /* of HX_SQL_HOLD: the snapshot that is read, let go before the linking */
    bool needs_hold; /* no write transaction keeps the snapshot */
    /* What came of it. */
    int status;      /* the engine's; HNY_BUSY: another build runs */
    bool current;    /* the sidecar has the snapshot's tip as a boundary */
    int64_t taken;   /* changes taken in */
    hny_boundary at; /* the snapshot's tip */
} hx_index_build;

/*
** Runs within one callback.  Returns an SQLite code where the database failed, with its sentence in
** the table; where the engine did, SQLITE_OK and build->status.
*/
int hx_index_build_run(hx_view *view, hx_index_build *build);

#endif
