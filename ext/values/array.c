/* Arrays in SQLite's memory that grow.  The contract is in array.h. */
#include "values/array.h"

#include "sqlite_api.h"

#define MIN_CAPACITY 16

void *hx_array_grow(void *items, size_t *capacity, size_t needed, size_t width) {
    if (needed <= *capacity) {
        return items;
    }
    size_t wider = *capacity ? 2 * *capacity : MIN_CAPACITY;
    if (wider < needed) {
        wider = needed;
    }
    void *const grown = sqlite3_realloc64(items, wider * width);
    if (grown) {
        *capacity = wider;
    }
    return grown;
}
