/*
** Interface to array.c: arrays in SQLite's memory that grow.
*/
#ifndef HX_ARRAY_H
#define HX_ARRAY_H

#include <stddef.h>

/*
** Returns `items` with room for at least `needed` (> 0) elements of `width` bytes, and the new
** *capacity.  The capacity at least doubles when it grows, so appending n elements copies O(n) of
** them.  NULL: out of memory; `items` and *capacity are as before.  The result is for
** sqlite3_free().
*/
void *hx_array_grow(void *items, size_t *capacity, size_t needed, size_t width);

#endif
