/* Files in memory, on Windows; the contracts are in os_map.h. */
#include "base/os_map.h"

#include <malloc.h>
#include <windows.h>

#include "hannoy.h"

size_t hny__os_page_bytes(void) {
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    return info.dwPageSize;
}

uint8_t *hny__os_map(hny__os_file file, size_t bytes) {
    const HANDLE section = CreateFileMappingW((HANDLE)file, NULL, PAGE_READONLY,
                                              (DWORD)((uint64_t)bytes >> 32), (DWORD)bytes, NULL);
    if (!section) {
        return NULL;
    }
    uint8_t *const base = MapViewOfFile(section, FILE_MAP_READ, 0, 0, bytes);
    CloseHandle(section); /* the view keeps it */
    return base;
}

void hny__os_unmap(uint8_t *base, size_t bytes) {
    (void)bytes;
    UnmapViewOfFile(base);
}

/* A map is not longer than its file, which LMDB has made as long as its own. */
size_t hny__os_map_end(hny__os_file file) {
    hny__os_info info;
    return hny__os_file_info(file, &info) ? 0 : (size_t)info.bytes;
}

/* The file is as long as LMDB's map, which programs show and copy. */
size_t hny__os_map_room(void) {
    return (size_t)16 << 20;
}

bool hny__os_has_address_space(size_t bytes) {
    void *const probe = VirtualAlloc(NULL, bytes, MEM_RESERVE, PAGE_NOACCESS);
    if (!probe) {
        return false;
    }
    VirtualFree(probe, 0, MEM_RELEASE);
    return true;
}

void hny__os_ask_for_pages(const void *first, size_t bytes) {
    WIN32_MEMORY_RANGE_ENTRY range = {(void *)(uintptr_t)first, bytes};
    (void)PrefetchVirtualMemory(GetCurrentProcess(), 1, &range, 0);
}

/* Windows tells what is in the process's working set, not what its cache has. */
bool hny__os_is_page_absent(const void *page) {
    (void)page;
    return false;
}

void hny__os_fill_pages(void *first, size_t bytes) {
    (void)first;
    (void)bytes;
}

/* Its counts of faults include those that read nothing, and are of the whole process. */
hny__os_page_counts hny__os_count_pages(void) {
    return (hny__os_page_counts){0, 0};
}

void *hny__os_alloc_aligned(size_t alignment, size_t bytes) {
    return _aligned_malloc(bytes, alignment);
}

void hny__os_free_aligned(void *memory) {
    _aligned_free(memory);
}
