/* Files in memory, on POSIX; the contracts are in os_map.h. */
#define _GNU_SOURCE /* RUSAGE_THREAD */
#include "base/os_map.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef RUSAGE_THREAD
#define RUSAGE_THREAD RUSAGE_SELF
#endif
#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

size_t hny__os_page_bytes(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

uint8_t *hny__os_map(hny__os_file file, size_t bytes) {
    void *const base = mmap(NULL, bytes, PROT_READ, MAP_SHARED, (int)file, 0);
    if (base == MAP_FAILED) {
        return NULL;
    }
    madvise(base, bytes, MADV_RANDOM); /* searches read a few rows of a block */
    return base;
}

void hny__os_unmap(uint8_t *base, size_t bytes) {
    munmap(base, bytes);
}

size_t hny__os_map_end(hny__os_file file) {
    (void)file;
    return SIZE_MAX;
}

/* So little of the address space that a process may have a thousand maps. */
size_t hny__os_map_room(void) {
    struct rlimit limit;
    return getrlimit(RLIMIT_AS, &limit) || limit.rlim_cur == RLIM_INFINITY
               ? 0
               : (size_t)(limit.rlim_cur / 1024);
}

bool hny__os_has_address_space(size_t bytes) {
    void *const probe =
        mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (probe == MAP_FAILED) {
        return false;
    }
    munmap(probe, bytes);
    return true;
}

void hny__os_ask_for_pages(const void *first, size_t bytes) {
    (void)madvise((void *)(uintptr_t)first, bytes, MADV_WILLNEED);
}

/* macOS has another type for the states. */
#ifdef __APPLE__
typedef char page_state;
#else
typedef unsigned char page_state;
#endif

bool hny__os_is_page_absent(const void *page) {
    page_state state = 1;
    return mincore((void *)(uintptr_t)page, hny__os_page_bytes(), &state) == 0 && !(state & 1);
}

/* Kernels before 5.14 reject it. */
void hny__os_fill_pages(void *first, size_t bytes) {
#ifdef MADV_POPULATE_WRITE
    const uintptr_t page = hny__os_page_bytes();
    const uintptr_t begin = ((uintptr_t)first + page - 1) / page * page;
    const uintptr_t end = ((uintptr_t)first + bytes) / page * page;
    if (begin < end) {
        (void)madvise((void *)begin, end - begin, MADV_POPULATE_WRITE);
    }
#else
    (void)first;
    (void)bytes;
#endif
}

hny__os_page_counts hny__os_count_pages(void) {
    struct rusage usage;
    if (getrusage(RUSAGE_THREAD, &usage)) {
        return (hny__os_page_counts){0, 0};
    }
    return (hny__os_page_counts){(uint64_t)usage.ru_majflt, (uint64_t)usage.ru_inblock};
}

void *hny__os_alloc_aligned(size_t alignment, size_t bytes) {
    return aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

void hny__os_free_aligned(void *memory) {
    free(memory);
}
