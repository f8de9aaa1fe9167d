/*
** Interface to prefetch.c: asking the kernel for the blocks that the first queries will read, where
** the environment variable HANNOY_READER_PREFETCH_MEMORY says how many bytes of them.  On a cold
** cache a query otherwise waits for hundreds of reads, one after the other.
*/
#ifndef HNY_WARMUP_H
#define HNY_WARMUP_H

#include "sidecar/view.h"

/* What the variable says; 0 where it is not set, or no number. */
size_t hny__warmup_budget(void);

/*
** Asks for the upper levels of a pinned state, then for codes and links, those nearest to the entry
** point first, until so many bytes were asked for.  Failures are the next reader's to meet.
*/
void hny__warmup(hny__view *view, size_t bytes);

#endif
