/*
** Interface to presence.c: whether v_content still has the rows that a query is about to return.
**
** A tool without the extension can delete rows of v_content.  Neither the log nor the index knows,
** so every row is looked up before it is returned.  The lookup takes 0.7 to 1.4 us, most of it for
** pages that the processor's caches lack: one statement for eight rows takes as long for each.
** Rows are remembered until the database changes, and then cost 10 ns.
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
    uint64_t epoch;     /* incremented when the stamp changes; 0: nothing was seen yet */
    uint64_t *places;   /* hash of a row -> the row, mixed with the epoch it was seen in */
    size_t capacity;    /* of places, a power of two; 0: none */
    size_t noted;       /* in this epoch */
} hx_presence;

/* An SQLite code, with its sentence in the table (error.h). */
int hx_presence_check(hx_view *view, int64_t id, bool *present);

/* The row was read just now.  Does nothing when out of memory. */
void hx_presence_note(hx_view *view, int64_t id);

void hx_presence_free(hx_presence *presence);

#endif
