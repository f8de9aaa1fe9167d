/*
** Interface to external_sort.c: an external merge sort of records that do not fit in memory.
**
** The file has no name, so that nothing is left after a crash.  A record
** begins with a uint64_t, by which it is sorted; no two records have the same.
**
** The caller adds sorted runs: hny__sort_add for each record, then hny__sort_end_run.
** hny__sort_merge hands out all records in order.
*/
#ifndef HNY_EXTERNAL_SORT_H
#define HNY_EXTERNAL_SORT_H

#include <stddef.h>
#include <stdint.h>

#include "base/os_file.h"

/* Records that were sorted before they were written. */
typedef struct hny__sort_run {
    uint64_t begin, end; /* the part of the file that was not read yet */
    uint8_t *buffer;
    size_t first, count; /* records in the buffer: the next one, and their number */
} hny__sort_run;

typedef struct hny__sort {
    hny__os_file file;
    size_t record_bytes;
    uint64_t file_size;
    uint8_t *buffer;
    size_t count, capacity; /* records in the buffer */
    hny__sort_run *runs;
    size_t runs_count, runs_capacity;
} hny__sort;

#define HNY__MAX_SORT_RUNS 1024

/* Creates the file beside the file `beside`, or for NULL in the folder for temporary files. */
int hny__sort_open(hny__sort *sort, const char *beside, size_t record_bytes);
void hny__sort_close(hny__sort *sort);

/*
** Where to write the next record of a run.  NULL: the file could not be written, and all records
** that were added since the last run are dropped.
*/
uint8_t *hny__sort_add(hny__sort *sort);

/* Ends a run.  On failure its records are dropped. */
int hny__sort_end_run(hny__sort *sort);

/* Records of a run that the merge has not handed out yet. */
uint64_t hny__sort_run_length(const hny__sort *sort, size_t run);

/* Calls `take` for all records in order, with the number of each one's run, then drops them all. */
int hny__sort_merge(hny__sort *sort, int (*take)(void *arg, const uint8_t *record, size_t run),
                    void *arg);

#endif
