/* Whether searches meet pages that are not in memory, by the kernel's counts of the thread. */
#include "read/paging.h"

#include <stdlib.h>
#include <string.h>

#include "base/os_map.h"
#include "base/os_thread.h"

/* A search that takes less has not waited for many reads; 200 ns of a look are 0.2 % of it. */
#define LONG_NANOSECONDS 100000

/* A search that asked is idle if it read fewer pages: asking cost it more than it saved. */
#define IDLE_PAGES    4
#define PAGE_BLOCKS   8
#define IDLE_SEARCHES 8

/*
** Pages that were read in memory a while ago may have left it.  A search that meets more such pages
** than these, of those that it reads, halves the horizon, and another one raises it by a quarter.
*/
#define LACKED_PAGES 2
#define LACKED_SHARE 16
#define MAX_HORIZON  4096

static hny__paging_rule rule_of_variable(void) {
    const char *const text = getenv("HANNOY_READER_ASK");
    if (text && strcmp(text, "always") == 0) {
        return HNY__PAGING_ALWAYS;
    }
    return text && strcmp(text, "never") == 0 ? HNY__PAGING_NEVER : HNY__PAGING_ADAPTS;
}

void hny__paging_init(hny__paging *paging) {
    *paging = (hny__paging){.rule = rule_of_variable()};
    paging->asks = paging->rule == HNY__PAGING_ALWAYS;
    paging->faults = hny__os_count_pages().faults;
}

void hny__paging_open(hny__paging *paging, bool absent) {
    if (paging->rule == HNY__PAGING_ADAPTS) {
        paging->asks = absent;
        paging->idle = 0;
    }
}

bool hny__paging_begin(hny__paging *paging) {
    if (paging->rule == HNY__PAGING_ADAPTS) {
        paging->began = hny__os_nanoseconds();
        if (paging->asks) {
            const hny__os_page_counts counts = hny__os_count_pages();
            paging->faults = counts.faults;
            paging->blocks = counts.blocks;
        }
    }
    return paging->asks;
}

bool hny__paging_check(hny__paging *paging) {
    if (paging->asks || paging->rule != HNY__PAGING_ADAPTS ||
        hny__os_nanoseconds() - paging->began < LONG_NANOSECONDS) {
        return paging->asks;
    }
    const hny__os_page_counts counts = hny__os_count_pages();
    paging->asks = counts.faults != paging->faults;
    paging->faults = counts.faults;
    paging->blocks = counts.blocks;
    paging->idle = 0;
    return paging->asks;
}

static void adapt_horizon(hny__paging *paging, uint64_t faults, uint64_t pages) {
    if (faults > LACKED_PAGES + pages / LACKED_SHARE) {
        paging->horizon /= 2;
    } else if (paging->horizon < MAX_HORIZON) {
        paging->horizon += paging->horizon / 4 + 1;
    }
}

void hny__paging_end(hny__paging *paging) {
    if (!paging->asks || paging->rule != HNY__PAGING_ADAPTS) {
        hny__paging_check(paging);
        return;
    }
    const hny__os_page_counts counts = hny__os_count_pages();
    const uint64_t blocks = counts.blocks - paging->blocks;
    paging->idle = blocks < IDLE_PAGES * PAGE_BLOCKS ? paging->idle + 1 : 0;
    paging->asks = paging->idle < IDLE_SEARCHES;
    adapt_horizon(paging, counts.faults - paging->faults, blocks / PAGE_BLOCKS);
    paging->faults = counts.faults;
}
