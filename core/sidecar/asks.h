/*
** Interface to asks.c: pages of the sidecar that are asked for together.
**
** A search that meets pages which are not in memory waits for each of them in turn: a page fault is
** one read, and the next address is known only after it.  A disk reads many pages in little more
** time than one.  So a search that lacks pages collects the rows that it is about to read, and asks
** the kernel for their pages before it touches the first one.
**
** Of random pages of 4 KiB on a virtual disk, a page took 78 us by faults, 18 us by
** madvise(MADV_WILLNEED) of 8 at a time and 13 of 128.  process_madvise, io_uring and
** posix_fadvise took as long; 8 threads with pread took 23 us and three times the processor time.
**
** To ask for a page that is in memory costs 0.4 us, and a search of 818,650 rows reads 3,000 pages.
** Most of them are those of other searches, so pages that were read lately are not asked for.
*/
#ifndef HNY_ASKS_H
#define HNY_ASKS_H

#include "sidecar/view.h"

/* A row that is about to be read. */
typedef struct hny__ask {
    uint32_t row;
    hny__family family;
} hny__ask;

typedef struct hny__asks {
    hny__view *view;
    hny__ask *rows; /* of this round */
    size_t count, capacity;
    uintptr_t *pages; /* of this round, as addresses */
    size_t page_count, page_capacity;
    uint32_t *seen; /* of a page, at its hash: a tag, and the search that last read it */
    unsigned seen_bits;
    unsigned search, horizon;
    uintptr_t page_bytes;
} hny__asks;

void hny__asks_free(hny__asks *asks);

/*
** Begins a search of a view.  A page that one of the last `horizon` searches has read is taken to
** be in memory; 0: only of this search.
*/
void hny__asks_begin(hny__asks *asks, hny__view *view, unsigned horizon);

/*
** Adds a row to the round, if the table has such rows.  Without memory for that it is left to a
** fault.
*/
void hny__asks_add(hny__asks *asks, hny__family family, uint32_t row);

/*
** Asks for the pages of the round's rows, and of what leads to them, and begins a new round.
** Failures are ignored: reading the rows reports them.
*/
void hny__asks_send(hny__asks *asks);

/*
** How many of `samples` pages, spread evenly over a pinned state's file, are not in memory.  0
** where the kernel does not tell: it tells only the file's owner and those who may write it.
*/
unsigned hny__count_absent_pages(const hny__view *view, unsigned samples);

#endif
