/*
** Interface to warmup.c: reading ahead the blocks that the first queries need.
**
** On a cold cache a query waits for hundreds of reads, one after the other.  The environment
** variable HANNOY_READER_PREFETCH_MEMORY is the number of bytes that a reader asks the kernel to
** read ahead when it opens the file.  Without it, see read_ahead.h.
*/
#ifndef HNY_WARMUP_H
#define HNY_WARMUP_H

#include "sidecar/view.h"

/* The value of the variable; `otherwise` if it is not set or not a number. */
size_t hny__warmup_budget(size_t otherwise);

/*
** Asks the kernel for up to `bytes` of a pinned state: the upper levels, then links and codes,
** those nearest to the entry point first.  Failures are ignored: a search that meets the same
** reports it.
*/
void hny__warmup(hny__view *view, size_t bytes);

#endif
