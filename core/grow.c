#include "grow.h"

#include <stdlib.h>

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
