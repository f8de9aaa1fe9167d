/*
** Interface to snapshot.c: how the rows that the connection sees now are to be found.
**
** A row of the snapshot is either in the index and not in the delta, or it is looked at exactly.
** That is worked out when the log or the sidecar changed, and kept with the table while neither
** did: a warm query asks for the newest log row and whether the sidecar's version is still the
** same.
*/
#ifndef HX_SNAPSHOT_H
#define HX_SNAPSHOT_H

#include "query/delta.h"
#include "shadow/log.h"

typedef struct hx_view hx_view;

typedef struct hx_snapshot {
    uint64_t serial;  /* of this reckoning; whatever was computed under another one is stale */
    bool known;       /* the rest is filled in */
    hx_log log;       /* for this state of the table */
    int status;       /* what hny_reader_begin said, */
    uint64_t version; /* and if that was HNY_OK, for this state of the sidecar */
    hx_merge_base base;
    bool indexed;    /* the reader, with the delta masked, speaks for every row but the delta's */
    bool pinned;     /* between hx_snapshot_begin and _end: the reader is, too */
    hny_stats stats; /* of the index, if `indexed`; links not counted */
    hx_delta delta;
    int changes; /* of this connection, when the snapshot was last begun */
} hx_snapshot;

/* All functions return an SQLite code and leave its sentence in the table (error.h). */

/*
** Brings view->snapshot up to the connection's present read snapshot and pins the reader.  Every
** begin that returns SQLITE_OK is ended within the same callback, so that a cursor left open never
** holds back the sidecar's pages.
*/
int hx_snapshot_begin(hx_view *view);
void hx_snapshot_end(hx_view *view);

/* Is what the pinned reader has told until now to be believed (hny_reader_intact)?  Else distrust it. */
bool hx_snapshot_holds(const hx_view *view);

/*
** The engine failed with `status` on a state that it had said was sound: from here on all rows are
** looked at exactly, until the sidecar or the log changes.
*/
int hx_snapshot_discard(hx_view *view, int status);

void hx_snapshot_free(hx_snapshot *snapshot);

#endif
