#include "base/grow.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hannoy.h"

int hny__grow(void **list, size_t *room, size_t count, size_t size) {
    if (count < *room) return HNY_OK;
    const size_t more = *room + *room / 2 + 16;
    void *const bigger = realloc(*list, more * size);
    if (!bigger) return HNY_NOMEM;
    *list = bigger;
    *room = more;
    return HNY_OK;
}

void *hny__zeros(size_t bytes) {
    void *const zeros = calloc(bytes, 1);
#ifdef MADV_POPULATE_WRITE
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t first = ((uintptr_t)zeros + page - 1) / page * page;
    const uintptr_t end = ((uintptr_t)zeros + bytes) / page * page;
    /* It is but a hint, which kernels before 5.14 do not take. */
    if (zeros && first < end) (void)madvise((void *)first, end - first, MADV_POPULATE_WRITE);
#endif
    return zeros;
}
