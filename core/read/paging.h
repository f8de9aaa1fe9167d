/*
** Interface to paging.c: whether a reader's searches meet pages that are not in memory.
**
** A search whose pages are in memory must not pay for the case that they are not.  So it looks at
** the clock where it begins and ends, 50 ns together, and asks the kernel for the number of page
** faults only if it took long.  If there were some, this search from there on and those that follow
** ask for their pages (sidecar/asks.h), until several in turn have read next to nothing.  So do the
** first searches of a file that is not in memory.
**
** The variable HANNOY_READER_ASK decides instead: `always` or `never`.
*/
#ifndef HNY_PAGING_H
#define HNY_PAGING_H

#include <stdbool.h>
#include <stdint.h>

typedef enum hny__paging_rule {
    HNY__PAGING_ADAPTS,
    HNY__PAGING_ALWAYS,
    HNY__PAGING_NEVER
} hny__paging_rule;

typedef struct hny__paging {
    hny__paging_rule rule;
    bool asks;        /* searches ask for their pages */
    unsigned idle;    /* searches in turn that asked and read next to nothing */
    uint64_t began;   /* nanoseconds, when the search did */
    unsigned horizon; /* of hny__asks_begin */
    uint64_t faults;  /* of this thread that read, when last looked */
    uint64_t blocks;  /* of 512 bytes that this thread had read when the search began */
} hny__paging;

void hny__paging_init(hny__paging *paging);

/* The reader has opened a file, of which some pages are not in memory, or all are. */
void hny__paging_open(hny__paging *paging, bool absent);

/* Is it left to the searches whether they ask? */
static inline bool hny__paging_adapts(const hny__paging *paging) {
    return paging->rule == HNY__PAGING_ADAPTS;
}

/* A search begins.  Does it ask? */
bool hny__paging_begin(hny__paging *paging);

/* Within a search: shall it ask from here on? */
bool hny__paging_check(hny__paging *paging);

/* The search ended. */
void hny__paging_end(hny__paging *paging);

#endif
