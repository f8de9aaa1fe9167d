/*
** Interface to spill.c: records that are too many for memory, sorted: an external merge sort, in a file
** that was unlinked as soon as it was made.
**
** A record begins with the eight bytes of a uint64_t, which it sorts by and no other has.
*/
#ifndef HNY_EXTERNAL_SORT_H
#define HNY_EXTERNAL_SORT_H

#include <stddef.h>
#include <stdint.h>

/* Records that were sorted before they were written. */
typedef struct hny__sort_run {
    uint64_t at, end; /* what is left of it in the file */
    uint8_t *buffer;
    size_t first, count; /* records in the buffer */
} hny__sort_run;

typedef struct hny__sort {
    int fd; /* negative: there is no file */
    size_t record;
    uint64_t size; /* of the file */
    uint8_t *buffer;
    size_t count, room; /* records in the buffer */
    hny__sort_run *runs;
    size_t runs_count, runs_capacity;
} hny__sort;

#define HNY__MAX_SORT_RUNS 1024

/* Of records of so many bytes, beside a file or where temporary files are (NULL). */
int hny__sort_open(hny__sort *spill, const char *beside, size_t record);
void hny__sort_close(hny__sort *spill);

/* Where the next record of a run is to be written; NULL: failed, and those added to it are forgotten. */
uint8_t *hny__sort_add(hny__sort *spill);

/* Ends a run; on failure its records are forgotten. */
int hny__sort_end_run(hny__sort *spill);

/* Hands out all records in their order, with the number of each one's run, and forgets them. */
int hny__sort_merge(hny__sort *spill, int (*take)(void *arg, const uint8_t *record, size_t run),
                    void *arg);

#endif
