/*
** Interface to log.c: the shadow table v_log, the list of changes that builds and queries apply.
**
**     seq INTEGER, id INTEGER, chain INTEGER, PRIMARY KEY (seq, chain)
**
** A row says that row `id` of the content changed.  (seq, chain) is a boundary (boundary.h): it
** names the state of the table after the change.  Both are the key, so that changes of two copies
** of a database, which have the same numbers, do not displace each other (hx_log_whole).  Tables of
** version 0.1.0 have seq INTEGER PRIMARY KEY.
**
**      trim                base                 tip
**       |                   |                    |
**     --+---+---+---+---+---+---+---+---+---+---+     seq increases to the right
**       |   in the sidecar  |  read by queries   |
**
** `tip` is the newest row.  `trim` is the boundary up to which rows were deleted, because the
** sidecar has them durably.  The rows from there to the base are kept for the sidecars of other
** copies, which may be behind.  The merge base (merge_base.h) is the newest boundary that log and
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

/* False unless both are usable. */
bool hx_log_stamp_equal(const hx_log_stamp *a, const hx_log_stamp *b);

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
** *out: the log is one history, with each number from trim to tip once.  It is not after a
** changeset (sqlite3session) that carries shadow tables was applied to a copy that has written as
** well: it has then the rows of both, and only a restart tells what the index lacks.  Counts the
** log's rows, which costs a microsecond for about 100 of them.
*/
int hx_log_whole(hx_shadow *shadow, const hx_log *log, bool *out);

/* Changes that some index may lack, as far as the database tells. */
int hx_log_pending(hx_shadow *shadow, const hx_log *log, int64_t *out);

/* Begins the log of a new content table, which has rows already. */
int hx_log_start(hx_shadow *shadow);

/*
** Empties the log and gives the table a boundary that names its present rows: some have changed
** without a log row.  The next build starts over.
*/
int hx_log_restart(hx_shadow *shadow);

/* Restarts a log that is not whole.  Updates *log. */
int hx_log_repair(hx_shadow *shadow, hx_log *log);

/*
** All indexes hold boundary `at` durably: deletes the rows before it, but not the newest `keep` of
** the log.  A copy of the database whose index is that many changes behind can still use it.
*/
int hx_log_trim(hx_shadow *shadow, const hx_log *log, hny_boundary at, int64_t keep);

#endif
