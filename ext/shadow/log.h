/*
** Interface to log.c: the shadow table v_log, which says what changed, in order.
**
** A row (seq, id, chain) says "look at row id again".  `chain` digests everything from the first
** change on, so a pair (seq, chain), a boundary, names one content: a number alone would not, since
** after a rollback or a restored backup the same numbers come again with other rows.
*/
#ifndef HX_LOG_H
#define HX_LOG_H

#include <stdbool.h>

#include "hannoy.h"

typedef struct hx_shadow hx_shadow;

/* Where the log of the connection's present snapshot begins and ends. */
typedef struct hx_log {
    hny_boundary tip;  /* the newest row, or `trim` if there is none */
    hny_boundary trim; /* everything up to here has left the log, except perhaps this row itself */
} hx_log;

static inline bool hx_boundary_equal(hny_boundary a, hny_boundary b) {
    return a.seq == b.seq && a.chain == b.chain;
}

/* A state of the database file, as far as it can be told without reading it. */
typedef struct hx_log_stamp {
    bool usable;
    unsigned version;
    int changes;
} hx_log_stamp;

/* What was read at one of them. */
typedef struct hx_log_seen {
    hx_log log;
    hx_log_stamp stamp;
} hx_log_seen;

/* The boundary of an empty table: 0, and a digest of what its vectors and how many its attributes are. */
hny_boundary hx_log_start(hny_shape shape, int attributes);

/* All functions return an SQLite code and leave its sentence in the table (error.h). */

/* Reads both ends; shadow->config is up to date thereafter. */
int hx_log_read(hx_shadow *shadow, hx_log *out);

/* Brings shadow->config up to the connection's present snapshot. */
int hx_log_refresh_config(hx_shadow *shadow);

/*
** The tip alone, read again for each change: callbacks for ROLLBACK TO are not reliable enough to
** keep it.  Refuses if fewer than two numbers are left, so that what follows cannot fail for it.
*/
int hx_log_tip(hx_shadow *shadow, hny_boundary *tip);

/* Logs that row `id` now is `vector` with these attributes, or gone (NULL), and moves *tip. */
int hx_log_append(hx_shadow *shadow, hny_boundary *tip, int64_t id, const void *vector,
                  const hny_attribute *attributes);

/* Is the boundary a place in this log? */
int hx_log_has(hx_shadow *shadow, const hx_log *log, hny_boundary at, bool *out);

/* Drops what lies before a boundary of the log that the sidecar holds durably. */
int hx_log_trim(hx_shadow *shadow, hny_boundary at);

#endif
