/* External merge sort: sorted runs in a temporary file, merged with a heap. */
#include "base/external_sort.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/heap.h"
#include "base/memory.h"
#include "base/status.h"

#define BUFFER_BYTES ((size_t)1 << 20)
#define MERGE_BYTES  ((size_t)2 << 20) /* of all runs' buffers together */

int hny__sort_open(hny__sort *sort, const char *beside, size_t record_bytes) {
    *sort = (hny__sort){.record_bytes = record_bytes, .capacity = BUFFER_BYTES / record_bytes + 1};
    const int rc = hny__os_scratch_file(beside, &sort->file);
    if (rc) {
        return rc;
    }
    sort->buffer = malloc(sort->capacity * record_bytes);
    if (sort->buffer) {
        return HNY_OK;
    }
    hny__sort_close(sort);
    return HNY_NOMEM;
}

static void drop_runs(hny__sort *sort) {
    for (size_t i = 0; i < sort->runs_count; i++) {
        free(sort->runs[i].buffer);
    }
    sort->runs_count = 0;
    sort->count = 0;
    sort->file_size = 0;
}

void hny__sort_close(hny__sort *sort) {
    drop_runs(sort);
    free(sort->runs);
    free(sort->buffer);
    if (sort->file != HNY__OS_NO_FILE) {
        hny__os_file_close(sort->file);
    }
    *sort = (hny__sort){.file = HNY__OS_NO_FILE};
}

/* ----------------------------------------------------------------------------------- writing -- */

static uint64_t end_of_runs(const hny__sort *sort) {
    return sort->runs_count ? sort->runs[sort->runs_count - 1].end : 0;
}

static int write_buffer(hny__sort *sort) {
    const size_t bytes = sort->count * sort->record_bytes;
    const int rc = hny__os_file_write(sort->file, sort->buffer, bytes, sort->file_size);
    if (!rc) {
        sort->file_size += bytes;
        sort->count = 0;
    }
    return rc;
}

/* Drops what was added since the last run. */
static void drop_unfinished_run(hny__sort *sort) {
    sort->count = 0;
    sort->file_size = end_of_runs(sort);
}

uint8_t *hny__sort_add(hny__sort *sort) {
    if (sort->count == sort->capacity && write_buffer(sort)) {
        drop_unfinished_run(sort);
        return NULL;
    }
    return sort->buffer + sort->count++ * sort->record_bytes;
}

int hny__sort_end_run(hny__sort *sort) {
    int rc = write_buffer(sort);
    if (!rc) {
        rc = hny__grow((void **)&sort->runs, &sort->runs_capacity, sort->runs_count,
                       sizeof *sort->runs);
    }
    if (!rc) {
        const hny__sort_run run = {.begin = end_of_runs(sort), .end = sort->file_size};
        sort->runs[sort->runs_count++] = run;
    } else {
        drop_unfinished_run(sort);
    }
    return rc;
}

/* ----------------------------------------------------------------------------------- merging -- */

uint64_t hny__sort_run_length(const hny__sort *sort, size_t run) {
    return (sort->runs[run].end - sort->runs[run].begin) / sort->record_bytes;
}

/* Reads the next records of a run, at most `capacity`; none at its end. */
static int refill_run(hny__sort *sort, size_t number, size_t capacity) {
    hny__sort_run *const run = &sort->runs[number];
    const uint64_t left = hny__sort_run_length(sort, number);
    run->first = 0;
    run->count = left < capacity ? (size_t)left : capacity;
    const size_t bytes = run->count * sort->record_bytes;
    const int64_t got = hny__os_file_read(sort->file, run->buffer, bytes, run->begin);
    run->begin += bytes;
    return got == (int64_t)bytes ? HNY_OK : HNY_IO;
}

static const uint8_t *first_record(const hny__sort *sort, size_t run) {
    return sort->runs[run].buffer + sort->runs[run].first * sort->record_bytes;
}

/* A run that has records left, and the key of its next one. */
typedef struct run_head {
    uint64_t key;
    size_t run;
} run_head;

static run_head head_of_run(const hny__sort *sort, size_t run) {
    run_head head = {.run = run};
    memcpy(&head.key, first_record(sort, run), sizeof head.key);
    return head;
}

static bool is_head_above(const run_head *a, const run_head *b) {
    return a->key < b->key;
}

HNY__DEFINE_HEAP(run_heap, run_head, is_head_above)

static int start_merge(hny__sort *sort, run_head *heap, size_t *count, size_t capacity) {
    *count = 0;
    for (size_t i = 0; i < sort->runs_count; i++) {
        hny__sort_run *const run = &sort->runs[i];
        run->buffer = malloc(capacity * sort->record_bytes);
        if (!run->buffer) {
            return HNY_NOMEM;
        }
        const int rc = refill_run(sort, i, capacity);
        if (rc) {
            return rc;
        }
        if (run->count) {
            heap[(*count)++] = head_of_run(sort, i);
        }
    }
    run_heap_make(heap, *count);
    return HNY_OK;
}

/* Moves the run on top past its first record. */
static int advance_merge(hny__sort *sort, run_head *heap, size_t *count, size_t capacity) {
    const size_t number = heap[0].run;
    hny__sort_run *const run = &sort->runs[number];
    if (++run->first == run->count) {
        const int rc = refill_run(sort, number, capacity);
        if (rc) {
            return rc;
        }
    }
    heap[0] = run->count ? head_of_run(sort, number) : heap[--*count];
    if (*count) {
        run_heap_sift_down(heap, *count, 0);
    }
    return HNY_OK;
}

int hny__sort_merge(hny__sort *sort, int (*take)(void *arg, const uint8_t *record, size_t run),
                    void *arg) {
    const size_t runs = sort->runs_count ? sort->runs_count : 1;
    const size_t capacity = MERGE_BYTES / runs / sort->record_bytes + 1;
    run_head heap[HNY__MAX_SORT_RUNS];
    size_t count;
    int rc = start_merge(sort, heap, &count, capacity);
    while (!rc && count) {
        rc = take(arg, first_record(sort, heap[0].run), heap[0].run);
        if (!rc) {
            rc = advance_merge(sort, heap, &count, capacity);
        }
    }
    drop_runs(sort);
    return rc;
}
