/* Rows that v_content was seen to have.  The contract is in presence.h. */
#include "query/presence.h"

#include <string.h>

#include "query/index_view.h"
#include "shadow/content.h"

/* A table of 1 MiB at most, for each vector and connection. */
#define MIN_PLACES ((size_t)1 << 10)
#define MAX_PLACES ((size_t)1 << 17)
#define WAYS       8 /* places for a row, 64 bytes */

/*
** Returns false where this state of the database cannot be recognised, so that nothing is
** remembered.  A cursor that is still open sees the writes of its own connection.
*/
static bool begin_epoch(hx_view *view) {
    hx_presence *const presence = &view->presence;
    const hx_log_stamp *const seen = &view->shadow->seen.stamp;
    if (!seen->usable || seen->changes != sqlite3_total_changes(view->shadow->db)) {
        return false;
    }
    if (!hx_log_stamp_equal(&presence->stamp, seen)) {
        presence->stamp = *seen;
        if (presence->noted) {
            memset(presence->places, 0, presence->capacity * sizeof *presence->places);
        }
        presence->noted = 0;
    }
    return true;
}

/* What was seen of a row. */
typedef enum sight { ROW, VECTOR } sight;

/* Different for each row and sight.  0, a free place, is not remembered. */
static uint64_t mark_of_row(int64_t id, sight seen) {
    const uint64_t odd = 0x9e3779b97f4a7c15u;
    uint64_t mixed = (uint64_t)id * odd;
    mixed ^= mixed >> 32;
    return (mixed * odd) ^ (seen * 0xd1342543de82ef95u);
}

/* The place of a mark, or else the one to put it, which is free if one of its WAYS is. */
static uint64_t *place_of_mark(const hx_presence *presence, uint64_t mark) {
    uint64_t *const set =
        presence->places + ((mark >> 40) & (presence->capacity / WAYS - 1)) * WAYS;
    uint64_t *place = set + (mark & (WAYS - 1));
    for (size_t i = WAYS; i-- > 0;) {
        if (set[i] == mark) {
            return set + i;
        }
        place = set[i] ? place : set + i;
    }
    return place;
}

/* Four times as many places once half as many rows were noted.  What was noted is forgotten. */
static void widen_presence(hx_presence *presence) {
    if (presence->noted < presence->capacity / 2 || presence->capacity == MAX_PLACES) {
        return;
    }
    size_t capacity = presence->capacity ? 4 * presence->capacity : MIN_PLACES;
    if (capacity > MAX_PLACES) {
        capacity = MAX_PLACES;
    }
    uint64_t *const places = sqlite3_malloc64(capacity * sizeof *places);
    if (!places) {
        return;
    }
    memset(places, 0, capacity * sizeof *places);
    sqlite3_free(presence->places);
    presence->places = places;
    presence->capacity = capacity;
    presence->noted = 0;
}

static void note_row(hx_presence *presence, int64_t id, sight seen) {
    widen_presence(presence);
    if (!presence->capacity) {
        return;
    }
    const uint64_t mark = mark_of_row(id, seen);
    uint64_t *const place = place_of_mark(presence, mark);
    presence->noted += *place != mark;
    *place = mark;
}

static bool was_seen(const hx_presence *presence, int64_t id, sight seen) {
    if (!presence->capacity) {
        return false;
    }
    const uint64_t mark = mark_of_row(id, seen);
    return mark && *place_of_mark(presence, mark) == mark;
}

void hx_presence_note_vector(hx_view *view, int64_t id) {
    if (begin_epoch(view)) {
        note_row(&view->presence, id, VECTOR);
    }
}

bool hx_presence_has_vector(hx_view *view, int64_t id) {
    return begin_epoch(view) && was_seen(&view->presence, id, VECTOR);
}

int hx_presence_check(hx_view *view, int64_t id, bool *present) {
    hx_presence *const presence = &view->presence;
    const bool remembers = begin_epoch(view);
    *present = remembers && (was_seen(presence, id, ROW) || was_seen(presence, id, VECTOR));
    if (*present) {
        return SQLITE_OK;
    }
    const int rc = hx_content_exists(view->shadow, id, present);
    if (rc == SQLITE_OK && *present && remembers) {
        note_row(presence, id, ROW);
    }
    return rc;
}

void hx_presence_free(hx_presence *presence) {
    sqlite3_free(presence->places);
    *presence = (hx_presence){.places = NULL};
}
