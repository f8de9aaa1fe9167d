/* Interface to graph_search.c: the nearest rows that a beam finds, measured. */
#ifndef HNY_GRAPH_SEARCH_H
#define HNY_GRAPH_SEARCH_H

#include "read/reader.h"

/*
** Searches the graph for the reader's scorer and filter, and writes the best `limit` rows to
** search->hits, by hny_hit_compare.  `max_distances` 0: no limit; else the search may give up
** (hny__beam_gave_up), and there are no hits then.
*/
int hny__graph_search(hny_reader *reader, hny_search *search, const hny__effort_plan *plan,
                      size_t limit, uint64_t max_distances);

#endif
