/*
** Interface to merge_base.c: what a snapshot and the sidecar have in common, and where they differ.
**
** The merge base is the newest boundary of the sidecar that is also in the snapshot's log.  It
** names one content, so the only rows that may differ are those that the log names after it and
** those that the sidecar touched after it:
**
**     delta = ids logged in the snapshot since the base
**             and ids touched in the sidecar since the base
**
** All functions return an SQLite code and leave its sentence in the table (error.h).
*/
#ifndef HX_MERGE_BASE_H
#define HX_MERGE_BASE_H

#include <stddef.h>
#include <stdint.h>

#include "shadow/log.h"

typedef struct hx_shadow hx_shadow;

typedef enum hx_merge_base_kind {
    HX_MERGE_BASE_NONE,  /* nothing in common: the index is of no use to this snapshot */
    HX_MERGE_BASE_EMPTY, /* no index, and the log goes back to the empty table, which is the base */
    HX_MERGE_BASE_FOUND
} hx_merge_base_kind;

typedef struct hx_merge_base {
    hx_merge_base_kind kind;
    hny_boundary boundary; /* of HX_MERGE_BASE_EMPTY and HX_MERGE_BASE_FOUND */
    uint32_t age;          /* of HX_MERGE_BASE_FOUND: among the sidecar's boundaries */
    int status;            /* HNY_OK, or why the sidecar could not be read */
    bool forked;           /* the log has the changes of two copies of the database */
} hx_merge_base;

/* `reader` is pinned, or NULL: there is no index, for the reason `status`. */
int hx_merge_base_find(hx_shadow *shadow, hny_reader *reader, int status, const hx_log *log,
                       hx_merge_base *out);

/*
** Counts the rows of the log: if it is not one history (hx_log_whole), the index lacks rows that no
** boundary tells, so *base becomes HX_MERGE_BASE_NONE and `forked`.
*/
int hx_merge_base_check(hx_shadow *shadow, const hx_log *log, hx_merge_base *base);

/* Does the index serve the snapshot, together with the delta? */
static inline bool hx_merge_base_usable(const hx_merge_base *base) {
    return base->kind == HX_MERGE_BASE_FOUND && base->status == HNY_OK;
}

/* Rowids, ascending and without repeats. */
typedef struct hx_ids {
    int64_t *items;
    size_t count, capacity;
} hx_ids;
void hx_ids_free(hx_ids *ids);
int hx_ids_merge(hx_ids *ids, const hx_ids *more);

/*
** The delta of a base that was found.  *status is the engine's if the sidecar failed; then *out is
** empty, and the caller must not use the base.
*/
int hx_merge_base_delta(hx_shadow *shadow, hny_reader *reader, const hx_merge_base *base,
                        hx_ids *out, int *status);

/* The rows that the log names after one of its boundaries. */
int hx_merge_base_logged(hx_shadow *shadow, hny_boundary since, hx_ids *out);

#endif
