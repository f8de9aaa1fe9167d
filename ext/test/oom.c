/* Allocations of SQLite that fail on purpose. */
#include "oom.h"

#include <sqlite3.h>
#include <stdlib.h>

static sqlite3_mem_methods system_methods;
static int remaining;
static int struck;

static int strike(void) {
    if (remaining == 0 || --remaining > 0) {
        return 0;
    }
    struck = 1;
    return 1;
}

static void *failing_malloc(int size) {
    return strike() ? NULL : system_methods.xMalloc(size);
}

static void *failing_realloc(void *old, int size) {
    return strike() ? NULL : system_methods.xRealloc(old, size);
}

void oom_install(void) {
    /* Small pieces would come from a preallocated pool and never reach the allocator. */
    if (sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0) != SQLITE_OK ||
        sqlite3_config(SQLITE_CONFIG_GETMALLOC, &system_methods) != SQLITE_OK) {
        abort();
    }
    sqlite3_mem_methods methods = system_methods;
    methods.xMalloc = failing_malloc;
    methods.xRealloc = failing_realloc;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) != SQLITE_OK) {
        abort();
    }
}

void oom_arm(int nth) {
    remaining = nth;
    struck = 0;
}

int oom_struck(void) {
    remaining = 0;
    return struck;
}
