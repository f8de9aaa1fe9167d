/*
** Interface to read_ahead.c: reading the sidecar into memory that is free.
**
** On a cold page cache most pages of a search are not in memory, even if it asks for them.  Where
** the whole file fits into free memory, each search that asks for pages asks for the next part of
** the file as well, and the kernel reads that while the caller does something else.  The parts
** follow the order of the file: blocks of one kind lie scattered in it, and reading those one after
** the other took as long as the searches themselves.
**
** The first search asks for none.  The rows that SQLite reads next would wait for the part, 11 ms,
** and a program that searches once needs no other pages.
*/
#ifndef HNY_READ_AHEAD_H
#define HNY_READ_AHEAD_H

#include "sidecar/view.h"

typedef struct hny__read_ahead {
    bool active;
    bool searched; /* since it became active */
    size_t next;   /* where the next part begins in the file */
} hny__read_ahead;

/* Begins, from the start.  `fits`: the file does, into free memory. */
void hny__read_ahead_begin(hny__read_ahead *ahead, bool fits);

/* Asks for the next part of a pinned state's file, if there is any left. */
void hny__read_ahead_step(hny__read_ahead *ahead, const hny__view *view);

#endif
