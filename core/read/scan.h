/* Interface to scan.c: the nearest rows by a scan of all codes. */
#ifndef HNY_SCAN_CODES_H
#define HNY_SCAN_CODES_H

#include "read/reader.h"

/*
** Scans the codes of all rows, or of reader->matches, for the reader's scorer, and writes the best
** `limit` rows behind `after` (NULL: of all) to search->hits, by hny_hit_compare_lower_bound.
*/
int hny__scan_codes(hny_reader *reader, hny_search *search, const hny_hit *after, size_t limit);

#endif
