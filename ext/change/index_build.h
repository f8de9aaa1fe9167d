/*
** Interface to index_build.c: applies the changes in the connection's snapshot to the sidecar.
**
** Used by 'build', by hannoy_build, at COMMIT and by searches (heal.h).  It needs no write lock and
** does not write to the database, except that an explicit build repairs the triggers of a content
** table (external_content.h).  The boundary that it publishes is the tip of the snapshot.
*/
#ifndef HX_INDEX_BUILD_H
#define HX_INDEX_BUILD_H

#include "query/merge_base.h"
#include "shadow/statements.h"

typedef struct hx_view hx_view;

typedef struct hx_index_build {
    /* in */
    bool asked;      /* an explicit build, which may take long: consolidates earlier */
    bool restart;    /* rebuild from all rows */
    bool compact;    /* leave nothing in the sidecar that no row needs, as a restart does */
    bool changes;    /* apply changes only: HNY_MISSING instead of rebuilding from all rows */
    bool sweep;      /* the write lock is held: delete the indexes of dropped tables */
    hx_loan hold;    /* of HX_SQL_HOLD: keeps the read snapshot; returned before linking */
    bool needs_hold; /* no write transaction keeps the snapshot */
    /* out */
    int status;       /* the engine's; HNY_BUSY: another build runs */
    bool current;     /* the sidecar has the snapshot's tip as a boundary */
    int64_t taken;    /* changes applied */
    hny_boundary at;  /* the snapshot's tip */
    bool sparse;      /* so much of the index is of deleted rows that it should start over */
    bool needs_pause; /* the linker has the graph, which this build replaces or changes */
} hx_index_build;

/*
** Runs within one callback.  If the database fails, returns an SQLite code and leaves its
** sentence in the table.  If the engine fails, returns SQLITE_OK and sets build->status.
*/
int hx_index_build_run(hx_view *view, hx_index_build *build);

/* Do builds that nobody asked for leave links to the linker? */
bool hx_index_build_defers(const hx_view *view);

/* Wakes the linker for rows that are unlinked.  Needs a snapshot that was computed. */
void hx_index_build_link(hx_view *view);

/* Sets the sentence of an engine's failure, with the vector's name where there are several. */
int hx_index_build_fail(const hx_view *view, int status);

/*
** Runs `build` for each vector of a table, also after it failed for one, unless that was an
** interrupt. Returns the first failure, the engine's too, with its sentence in the table.
** build->taken is the largest, and build->current says that all indexes have the tip.
*/
int hx_index_build_all(hx_view *views, hx_index_build *build);

#endif
