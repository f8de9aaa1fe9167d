/* How much memory the page cache may take, by the kernel's files. */
#include "base/free_memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/control_groups.h"

/* The value of a file's line "NAME VALUE"; 0: there is none. */
static uint64_t value_in_file(const char *path, const char *name) {
    const size_t length = strlen(name);
    char line[256];
    uint64_t value = 0;
    FILE *const f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, name, length) == 0 && strchr(": ", line[length])) {
            value = strtoull(line + length + 1, NULL, 10);
            break;
        }
    }
    if (f) {
        fclose(f);
    }
    return value;
}

/* False: the file is not there, or says "max". */
static bool read_number(const char *folder, const char *name, uint64_t *out) {
    char line[HNY__GROUP_LINE];
    return hny__control_group_line(folder, name, line) && sscanf(line, "%" SCNu64, out) == 1;
}

/* The limit of a group, less what is not the page cache. */
static uint64_t free_in_folder(const char *folder) {
    char stat[4096];
    uint64_t limit, used;
    const bool second = read_number(folder, "memory.max", &limit);
    if (!second && !read_number(folder, "memory.limit_in_bytes", &limit)) {
        return UINT64_MAX;
    }
    if (!read_number(folder, second ? "memory.current" : "memory.usage_in_bytes", &used)) {
        return limit;
    }
    const int length = snprintf(stat, sizeof stat, "%s/memory.stat", folder);
    if (length <= 0 || length >= (int)sizeof stat) {
        return 0;
    }
    const uint64_t cache = value_in_file(stat, second ? "inactive_file" : "total_inactive_file") +
                           value_in_file(stat, second ? "active_file" : "total_active_file");
    const uint64_t other = used > cache ? used - cache : 0;
    return limit > other ? limit - other : 0;
}

static void lower_free(void *arg, const char *folder) {
    uint64_t *const least = arg;
    const uint64_t bytes = free_in_folder(folder);
    *least = bytes < *least ? bytes : *least;
}

uint64_t hny__free_memory_of_groups(const char *groups, const char *mount) {
    uint64_t least = UINT64_MAX;
    hny__control_groups_each(groups, mount, "memory", lower_free, &least);
    return least;
}

uint64_t hny__free_memory(void) {
    const uint64_t machine = value_in_file("/proc/meminfo", "MemAvailable") * 1024;
    const uint64_t groups = hny__free_memory_of_groups("/proc/self/cgroup", "/sys/fs/cgroup");
    return machine < groups ? machine : groups;
}
