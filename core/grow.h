/* Interface to grow.c: lists that grow. */
#ifndef HNY_GROW_H
#define HNY_GROW_H

#include <stddef.h>

/* Makes room for one more; by half, so that it costs little. HNY_OK or HNY_NOMEM. */
int hny__grow(void **list, size_t *room, size_t count, size_t size);

#endif
