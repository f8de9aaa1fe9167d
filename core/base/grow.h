/* Interface to grow.c: lists that grow, and tables that do not. */
#ifndef HNY_GROW_H
#define HNY_GROW_H

#include <stddef.h>

/* Makes room for one more; by half, so that it costs little. HNY_OK or HNY_NOMEM. */
int hny__grow(void **list, size_t *room, size_t count, size_t size);

/*
** Zeros for a table that will be looked at all over, the caller's to free().  Its pages are made now,
** together: made one by one when they are first touched, those of a walk among 810,000 rows took a seventh
** of a process's first query.
*/
void *hny__zeros(size_t bytes);

#endif
