/* Interface to graph_search.c: the nearest rows that a beam finds, measured. */
#ifndef HNY_GRAPH_SEARCH_H
#define HNY_GRAPH_SEARCH_H

#include "read/reader.h"

/*
** Searches the graph for the reader's scorer and filter: reader->measured then has the rows that
** may be among the nearest.  `max_distances` 0: no limit; else the search may give up
** (hny__beam_gave_up), and finds nothing then.
*/
int hny__graph_search(hny_reader *reader, const hny_search *search, const hny__effort_plan *plan,
                      uint64_t max_distances);

/* Confirms these rows, and makes them the search's hits, by hny_hit_compare. */
int hny__graph_hits(hny_reader *reader, hny_search *search);

#endif
