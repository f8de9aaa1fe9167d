/*
** Interface to snapshot.c: how to find the rows that the connection sees now.
**
** A row of the snapshot is either covered by the index or in the delta, whose rows are measured one
** by one.  The delta is computed when the log or the sidecar changed, and kept with the table until
** then: a warm query reads the newest log row and compares the sidecar's version.
*/
#ifndef HX_SNAPSHOT_H
#define HX_SNAPSHOT_H

#include "query/delta.h"
#include "shadow/log.h"

typedef struct hx_view hx_view;

typedef struct hx_snapshot {
    uint64_t serial;  /* of this computation; results of another one are stale */
    bool known;       /* the rest is filled in */
    hx_log log;       /* for this state of the table */
    int status;       /* what hny_reader_begin returned, */
    uint64_t version; /* and if that was HNY_OK, for this state of the sidecar */
    hx_merge_base base;
    bool indexed;    /* the reader, with the delta masked, covers every row but the delta's */
    bool pinned;     /* between hx_snapshot_begin and _end: the reader is, too */
    hny_stats stats; /* of the index, if `indexed`; links not counted */
    hx_delta delta;
    int changes; /* sqlite3_total_changes when the snapshot was last begun */
} hx_snapshot;

/* All functions return an SQLite code and leave its sentence in the table (error.h). */

/*
** Brings view->snapshot up to the connection's present read snapshot and pins the reader.  Every
** begin that returns SQLITE_OK is ended within the same callback, so that a cursor left open never
** holds back the sidecar's pages.
*/
int hx_snapshot_begin(hx_view *view);
void hx_snapshot_end(hx_view *view);

/*
** Returns false if the pinned state may have been overwritten (hny_reader_intact).  Then discard
** the snapshot and everything that was read from the sidecar since begin.
*/
bool hx_snapshot_holds(const hx_view *view);

/*
** The engine failed with `status` on a state that hny_reader_begin accepted: all rows are measured
** one by one until the sidecar or the log changes.
*/
int hx_snapshot_discard(hx_view *view, int status);

void hx_snapshot_free(hx_snapshot *snapshot);

#endif
