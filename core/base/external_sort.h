/*
** Interface to spill.c: records that are too many for memory, sorted: an external merge sort, in a file
** that was unlinked as soon as it was made.
**
** A record begins with the eight bytes of a uint64_t, which it sorts by and no other has.
*/
#ifndef HNY_SPILL_H
#define HNY_SPILL_H

#include <stddef.h>
#include <stdint.h>

/* Records that were sorted before they were written. */
typedef struct hny__run {
    uint64_t at, end; /* what is left of it in the file */
    uint8_t *buffer;
    size_t first, count; /* records in the buffer */
} hny__run;

typedef struct hny__spill {
    int fd; /* negative: there is no file */
    size_t record;
    uint64_t size; /* of the file */
    uint8_t *buffer;
    size_t count, room; /* records in the buffer */
    hny__run *runs;
    size_t runs_count, runs_room;
} hny__spill;

#define HNY__MOST_RUNS 1024

/* Of records of so many bytes, beside a file or where temporary files are (NULL). */
int hny__spill_open(hny__spill *spill, const char *beside, size_t record);
void hny__spill_close(hny__spill *spill);

/* Where the next record of a run is to be written; NULL: failed, and those added to it are forgotten. */
uint8_t *hny__spill_add(hny__spill *spill);

/* Ends a run; on failure its records are forgotten. */
int hny__spill_run(hny__spill *spill);

/* Hands out all records in their order, with the number of each one's run, and forgets them. */
int hny__spill_merge(hny__spill *spill, int (*take)(void *arg, const uint8_t *record, size_t run),
                     void *arg);

#endif
