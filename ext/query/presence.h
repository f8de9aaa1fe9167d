/*
** Interface to presence.c: which rows a query may return without another look at v_content.
**
** A tool without the extension can delete or change rows of v_content, and a forged sidecar can
** have digests that are right.  So every row is looked up before it is returned, and its vector is
** read before the distance of its code, or of a cached vector, is taken for its own.  The lookup
** takes 0.7 to 1.4 us, most of it for pages that the processor's caches lack: one statement for
** eight rows takes as long for each.  A read takes 2 us.  Rows are remembered until the database
** changes, and then cost 10 ns.
*/
#ifndef HX_PRESENCE_H
#define HX_PRESENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shadow/log.h"

typedef struct hx_view hx_view;

typedef struct hx_presence {
    hx_log_stamp stamp; /* of the database that the rows were seen in */
    uint64_t *places;   /* sets of them: a row with what was seen, mixed; 0: free */
    size_t capacity;    /* of places, a power of two; 0: none */
    size_t noted;       /* since the stamp changed */
} hx_presence;

/* *present: v_content has the row.  An SQLite code, with its sentence in the table (error.h). */
int hx_presence_check(hx_view *view, int64_t id, bool *present);

/* The vector of the row was read just now, and the index or the cache has the same. */
void hx_presence_note_vector(hx_view *view, int64_t id);

/* Was that noted since the database last changed? */
bool hx_presence_has_vector(hx_view *view, int64_t id);

void hx_presence_free(hx_presence *presence);

#endif
