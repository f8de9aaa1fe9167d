/*
** Interface to os_map_posix.c and os_map_windows.c: files in memory, and pages.
*/
#ifndef HNY_OS_MAP_H
#define HNY_OS_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/os_file.h"

size_t hny__os_page_bytes(void);

/*
** The first `bytes` of a file, to be read at random.  NULL: not possible.  The map may end behind
** the file, but for hny__os_map_end.
*/
uint8_t *hny__os_map(hny__os_file file, size_t bytes);
void hny__os_unmap(uint8_t *base, size_t bytes);

/* Where a map of the file ends at the latest; SIZE_MAX: anywhere. */
size_t hny__os_map_end(hny__os_file file);

/*
** How much larger than its file a map may be made: where the system limits address space, or makes
** the file as long as the map, it is less.  0: nothing limits it.
*/
size_t hny__os_map_room(void);

/* Is there address space for a map of so many bytes? */
bool hny__os_has_address_space(size_t bytes);

/* Asks the system to read pages of a map.  It begins at a page, and failures are ignored. */
void hny__os_ask_for_pages(const void *first, size_t bytes);

/* Is the page at this address known not to be in memory? */
bool hny__os_is_page_absent(const void *page);

/* Has the system put pages of zeros behind new memory together.  A hint, of whole pages only. */
void hny__os_fill_pages(void *first, size_t bytes);

/* Of this thread, so far; zeros where the system does not count. */
typedef struct hny__os_page_counts {
    uint64_t faults; /* pages that it waited for */
    uint64_t blocks; /* of 512 bytes that were read for it */
} hny__os_page_counts;

hny__os_page_counts hny__os_count_pages(void);

/* Memory at a multiple of `alignment`, for hny__os_free_aligned.  NULL: out of memory. */
void *hny__os_alloc_aligned(size_t alignment, size_t bytes);
void hny__os_free_aligned(void *memory);

#endif
