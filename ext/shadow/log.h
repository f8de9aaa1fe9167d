/*
** Interface to log.c: the shadow table v_log, the list of changes that builds and queries apply.
**
**     seq INTEGER PRIMARY KEY, id INTEGER, chain INTEGER
**
** A row says that row `id` of the content changed.  (seq, chain) is a boundary (boundary.h): it
** names the state of the table after the change.
**
**      trim                base                 tip
**       |                   |                    |
**     --+---+---+---+---+---+---+---+---+---+---+     seq increases to the right
**       |   in the sidecar  |  read by queries   |
**
** `tip` is the newest row.  `trim` is the boundary up to which rows were deleted, because the
** sidecar has them durably.  The merge base (merge_base.h) is the newest boundary that log and
** sidecar share.
*/
#ifndef HX_LOG_H
#define HX_LOG_H

#include <stdbool.h>

#include "hannoy.h"
#include "shadow/boundary.h"

typedef struct hx_shadow hx_shadow;

/* Both ends of the log in the connection's present snapshot. */
typedef struct hx_log {
    hny_boundary tip;  /* the newest row, or `trim` if there is none */
    hny_boundary trim; /* all rows before this one were deleted; this one may remain */
} hx_log;

/* A state of the database file, as far as it is known without reading the file. */
typedef struct hx_log_stamp {
    bool usable;
    unsigned version;
    int changes;
} hx_log_stamp;

/* The ends of the log as they were read at a stamp. */
typedef struct hx_log_seen {
    hx_log log;
    hx_log_stamp stamp;
} hx_log_seen;

/* All functions return an SQLite code and leave its sentence in the table (error.h). */

/* Reads both ends.  Updates shadow->config, and the schema state of a content table. */
int hx_log_read(hx_shadow *shadow, hx_log *out);

/* Updates shadow->config to the connection's present snapshot. */
int hx_log_refresh_config(hx_shadow *shadow);

/*
** Reads the tip alone.  It is read again for each change, because SQLite does not report every
** ROLLBACK TO.  SQLITE_FULL if fewer than two numbers are left, so that a change that needs two log
** rows cannot fail halfway.
*/
int hx_log_tip(hx_shadow *shadow, hny_boundary *tip);

/*
** Logs that row `id` got these vectors and attributes, or was deleted (NULL).  Updates *tip.
*/
int hx_log_append(hx_shadow *shadow, hny_boundary *tip, int64_t id, const void *const *vectors,
                  const hny_attribute *attributes);

/* *out: the boundary is in this log. */
int hx_log_has(hx_shadow *shadow, const hx_log *log, hny_boundary at, bool *out);

/*
** Empties the log and gives the table a boundary that no sidecar has: rows have changed without a
** log row.  The next build starts over.
*/
int hx_log_restart(hx_shadow *shadow);

/* Deletes the rows before a boundary that the sidecar holds durably. */
int hx_log_trim(hx_shadow *shadow, hny_boundary at);

#endif
