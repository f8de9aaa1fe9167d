#include "base/external_sort.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/memory.h"
#include "base/os.h"
#include "hannoy.h"

#define BUFFER_BYTES ((size_t)1 << 20)
#define MERGE_BYTES  ((size_t)2 << 20) /* of all runs together */

int hny__sort_open(hny__sort *spill, const char *beside, size_t record) {
    char *path;
    *spill = (hny__sort){.record = record, .room = BUFFER_BYTES / record + 1};
    spill->fd = hny__temporary_file(beside, &path);
    if (spill->fd < 0) {
        return spill->fd;
    }
    unlink(path);
    free(path);
    spill->buffer = malloc(spill->room * record);
    if (spill->buffer) {
        return HNY_OK;
    }
    hny__sort_close(spill);
    return HNY_NOMEM;
}

static void drop_runs(hny__sort *spill) {
    for (size_t i = 0; i < spill->runs_count; i++) {
        free(spill->runs[i].buffer);
    }
    spill->runs_count = 0;
    spill->count = 0;
    spill->size = 0;
}

void hny__sort_close(hny__sort *spill) {
    drop_runs(spill);
    free(spill->runs);
    free(spill->buffer);
    if (spill->fd >= 0) {
        close(spill->fd);
    }
    *spill = (hny__sort){.fd = -1};
}

/* ------------------------------------------------------------------------------------ writing -- */

static uint64_t end_of_runs(const hny__sort *spill) {
    return spill->runs_count ? spill->runs[spill->runs_count - 1].end : 0;
}

static int write_all(hny__sort *spill) {
    const uint8_t *from = spill->buffer;
    for (size_t left = spill->count * spill->record; left > 0;) {
        const ssize_t done = pwrite(spill->fd, from, left, (off_t)spill->size);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return errno == ENOSPC ? HNY_FULL : HNY_IO;
        }
        from += done;
        left -= (size_t)done;
        spill->size += (size_t)done;
    }
    spill->count = 0;
    return HNY_OK;
}

/* What was added since the last run. */
static void forget(hny__sort *spill) {
    spill->count = 0;
    spill->size = end_of_runs(spill);
}

uint8_t *hny__sort_add(hny__sort *spill) {
    if (spill->count == spill->room && write_all(spill)) {
        forget(spill);
        return NULL;
    }
    return spill->buffer + spill->count++ * spill->record;
}

int hny__sort_end_run(hny__sort *spill) {
    int rc = write_all(spill);
    if (!rc) {
        rc = hny__grow((void **)&spill->runs, &spill->runs_capacity, spill->runs_count,
                       sizeof *spill->runs);
    }
    if (!rc) {
        const hny__sort_run run = {.at = end_of_runs(spill), .end = spill->size};
        spill->runs[spill->runs_count++] = run;
    } else {
        forget(spill);
    }
    return rc;
}

/* ------------------------------------------------------------------------------------ merging -- */

static int read_all(int fd, uint8_t *to, size_t left, uint64_t at) {
    while (left > 0) {
        const ssize_t done = pread(fd, to, left, (off_t)at);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return HNY_IO;
        }
        to += done;
        left -= (size_t)done;
        at += (size_t)done;
    }
    return HNY_OK;
}

/* The next records of a run, as many as there is room for; none at its end. */
static int refill_run(const hny__sort *spill, hny__sort_run *run, size_t room) {
    const uint64_t left = (run->end - run->at) / spill->record;
    run->first = 0;
    run->count = left < room ? (size_t)left : room;
    const size_t bytes = run->count * spill->record;
    const int rc = read_all(spill->fd, run->buffer, bytes, run->at);
    run->at += bytes;
    return rc;
}

static const uint8_t *head_of(const hny__sort *spill, size_t run) {
    return spill->runs[run].buffer + spill->runs[run].first * spill->record;
}

static uint64_t key_of(const hny__sort *spill, size_t run) {
    uint64_t key;
    memcpy(&key, head_of(spill, run), sizeof key);
    return key;
}

/* A run that has records left, and the key of its next one. */
typedef struct run_head {
    uint64_t key;
    size_t run;
} run_head;

static bool head_above(const run_head *a, const run_head *b) {
    return a->key < b->key;
}

HNY__DEFINE_HEAP(heads, run_head, head_above)

static int start_merge(hny__sort *spill, run_head *heads, size_t *count, size_t room) {
    *count = 0;
    for (size_t i = 0; i < spill->runs_count; i++) {
        hny__sort_run *const run = &spill->runs[i];
        run->buffer = malloc(room * spill->record);
        if (!run->buffer) {
            return HNY_NOMEM;
        }
        const int rc = refill_run(spill, run, room);
        if (rc) {
            return rc;
        }
        if (run->count) {
            heads[(*count)++] = (run_head){key_of(spill, i), i};
        }
    }
    heads_make(heads, *count);
    return HNY_OK;
}

/* Moves the run on top past its first record. */
static int advance_merge(hny__sort *spill, run_head *heads, size_t *count, size_t room) {
    hny__sort_run *const run = &spill->runs[heads[0].run];
    int rc = HNY_OK;
    if (++run->first == run->count) {
        rc = refill_run(spill, run, room);
    }
    if (rc) {
        return rc;
    }
    if (run->count) {
        heads[0].key = key_of(spill, heads[0].run);
    } else {
        heads[0] = heads[--*count];
    }
    if (*count) {
        heads_sift_down(heads, *count, 0);
    }
    return HNY_OK;
}

int hny__sort_merge(hny__sort *spill, int (*take)(void *arg, const uint8_t *record, size_t run),
                    void *arg) {
    const size_t runs = spill->runs_count ? spill->runs_count : 1;
    const size_t room = MERGE_BYTES / runs / spill->record + 1;
    run_head heads[HNY__MAX_SORT_RUNS];
    size_t count;
    int rc = start_merge(spill, heads, &count, room);
    while (!rc && count) {
        rc = take(arg, head_of(spill, heads[0].run), heads[0].run);
        if (!rc) {
            rc = advance_merge(spill, heads, &count, room);
        }
    }
    drop_runs(spill);
    return rc;
}
