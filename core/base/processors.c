/* How many threads this process can run at a time; the contract is in processors.h. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "base/processors.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATH_BYTES 4096

static unsigned least(unsigned a, unsigned b) {
    return !a || (b && b < a) ? b : a;
}

static unsigned whole_processors(long long quota, long long period) {
    if (quota <= 0 || period <= 0 || quota / period >= UINT_MAX) {
        return 0;
    }
    return (unsigned)((quota + period - 1) / period);
}

/* The first line of MOUNT/CONTROLLER/GROUP/NAME. */
static bool read_line(const char *folder, const char *name, char line[64]) {
    char path[2 * PATH_BYTES];
    const int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *const f = length > 0 && length < (int)sizeof path ? fopen(path, "re") : NULL;
    const bool read = f && fgets(line, 64, f);
    if (f) {
        fclose(f);
    }
    return read;
}

/* cgroup 2 has both numbers in one file, cgroup 1 in two. */
static unsigned quota_of_folder(const char *folder) {
    char line[64];
    long long quota = 0, period = 0;
    if (read_line(folder, "cpu.max", line)) {
        return sscanf(line, "%lld %lld", &quota, &period) == 2 ? whole_processors(quota, period)
                                                               : 0;
    }
    if (!read_line(folder, "cpu.cfs_quota_us", line) || sscanf(line, "%lld", &quota) != 1 ||
        !read_line(folder, "cpu.cfs_period_us", line) || sscanf(line, "%lld", &period) != 1) {
        return 0;
    }
    return whole_processors(quota, period);
}

/* Of a group and those above it.  A container sees its own group as the highest one. */
static unsigned quota_of_group(const char *mount, const char *group) {
    char folder[2 * PATH_BYTES];
    unsigned quota = 0;
    const int length = snprintf(folder, sizeof folder, "%s%s", mount, group);
    if (length <= 0 || length >= (int)sizeof folder) {
        return 0;
    }
    for (;;) {
        quota = least(quota, quota_of_folder(folder));
        char *const last = strrchr(folder + strlen(mount), '/');
        if (!last) {
            return quota;
        }
        *last = 0;
    }
}

/* A line is NUMBER:CONTROLLERS:GROUP; cgroup 2 has no controllers there. */
static unsigned quota_of_line(char *line, const char *mount) {
    char folder[PATH_BYTES];
    char *const controllers = strchr(line, ':');
    char *const group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group) {
        return 0;
    }
    *group = 0;
    group[1 + strcspn(group + 1, "\n")] = 0;
    if (controllers[1] == 0) {
        return quota_of_group(mount, group + 1);
    }
    if (!strstr(controllers, "cpu") || strstr(controllers, "cpuset")) {
        return 0;
    }
    const int length = snprintf(folder, sizeof folder, "%s/%s", mount, controllers + 1);
    return length > 0 && length < (int)sizeof folder ? quota_of_group(folder, group + 1) : 0;
}

unsigned hny__processors_quota(const char *groups, const char *mount) {
    char line[PATH_BYTES];
    unsigned quota = 0;
    FILE *const f = fopen(groups, "re");
    while (f && fgets(line, sizeof line, f)) {
        quota = least(quota, quota_of_line(line, mount));
    }
    if (f) {
        fclose(f);
    }
    return quota;
}

/* The set of a machine with more processors than a cpu_set_t has does not fit: all of them. */
static unsigned count_allowed(void) {
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) {
        return (unsigned)CPU_COUNT(&set);
    }
#endif
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores > 0 ? (unsigned)cores : 1;
}

unsigned hny__processors(void) {
    return least(count_allowed(), hny__processors_quota("/proc/self/cgroup", "/sys/fs/cgroup"));
}
