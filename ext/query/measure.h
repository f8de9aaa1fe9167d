/*
** Interface to measure.c: exact distances of rows, and the rows whose exact distance is known and
** that were not returned yet.
*/
#ifndef HX_MEASURE_H
#define HX_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "query/hit_heap.h"

typedef struct hx_view hx_view;

/*
** Gives *hit its exact distance.  *found false: the content has no such row.  `serial` is that of
** the snapshot that the hit is from.  An SQLite code, with its sentence in the table.
*/
int hx_measure_row(hx_view *view, const hny_distance_computer *computer, uint64_t serial,
                   hny_hit *hit, bool *found);

/* Measured rows, nearest first, and every rowid that was added since the last clear. */
typedef struct hx_measured {
    hx_hit_heap hits; /* a heap */
    int64_t *ids;     /* a hash table with linear probing; 0: a free place */
    size_t ids_count, ids_capacity;
    bool has_zero; /* the row 0 was added */
} hx_measured;

/* SQLITE_OK or SQLITE_NOMEM. */
int hx_measured_add(hx_measured *measured, hny_hit hit);

/* As if the row had been added and popped.  SQLITE_OK or SQLITE_NOMEM. */
int hx_measured_note(hx_measured *measured, int64_t rowid);

/* Was this row added, even if it was popped since? */
bool hx_measured_has(const hx_measured *measured, int64_t rowid);

const hny_hit *hx_measured_nearest(const hx_measured *measured); /* NULL: none */
void hx_measured_pop(hx_measured *measured);                     /* drops the nearest */
void hx_measured_clear(hx_measured *measured);
void hx_measured_free(hx_measured *measured);

#endif
