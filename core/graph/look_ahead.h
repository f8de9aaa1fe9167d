/*
** Interface to look_ahead.c: asking for the pages that a search is about to read (sidecar/asks.h).
**
** For a beam whose `asks` is not NULL.  Such a beam also expands more nodes at once
** (beam_search.c), since each step waits for the disk twice, for links and for codes.
*/
#ifndef HNY_LOOK_AHEAD_H
#define HNY_LOOK_AHEAD_H

#include "graph/beam_search.h"

/* What expanding these nodes reads: their links, and the codes of neighbours not visited yet. */
void hny__look_ahead(hny__beam *beam, hny__family family, const uint32_t *nodes, size_t count);

/* What measuring and returning the first `limit` nodes of the pool reads. */
void hny__look_ahead_hits(const hny__beam *beam, size_t limit);

#endif
