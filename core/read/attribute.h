/*
** Interface to cell.c: comparing the values beside a vector (hny_cell).
*/
#ifndef HNY_CELL_H
#define HNY_CELL_H

#include "hannoy.h"

/* In the order in which SQLite sorts them; integers and reals are one class. */
typedef enum hny__class { HNY__NULL, HNY__INTEGER, HNY__REAL, HNY__TEXT, HNY__BLOB } hny__class;

static inline hny__class hny__cell_class(hny_cell cell) {
    return (hny__class)(cell.detail & 0xff);
}

/* How two cells that are not NULL compare. */
typedef enum hny__order {
    HNY__BEFORE = -1,
    HNY__SAME = 0,
    HNY__AFTER = 1,
    HNY__UNSURE = 2 /* they differ, but not within what a cell keeps */
} hny__order;

hny__order hny__cell_compare(hny_cell a, hny_cell b);

#endif
