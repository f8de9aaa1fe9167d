/* How many threads this process can run at a time, on POSIX; the contract is in processors.h. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "base/processors.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#if defined(__APPLE__)
#include <sys/sysctl.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "base/control_groups.h"

static unsigned least(unsigned a, unsigned b) {
    return !a || (b && b < a) ? b : a;
}

static unsigned whole_processors(long long quota, long long period) {
    if (quota <= 0 || period <= 0 || quota / period >= UINT_MAX) {
        return 0;
    }
    return (unsigned)((quota + period - 1) / period);
}

/* cgroup 2 has both numbers in one file, cgroup 1 in two. */
static unsigned quota_of_folder(const char *folder) {
    char line[HNY__GROUP_LINE];
    long long quota = 0, period = 0;
    if (hny__control_group_line(folder, "cpu.max", line)) {
        return sscanf(line, "%lld %lld", &quota, &period) == 2 ? whole_processors(quota, period)
                                                               : 0;
    }
    if (!hny__control_group_line(folder, "cpu.cfs_quota_us", line) ||
        sscanf(line, "%lld", &quota) != 1 ||
        !hny__control_group_line(folder, "cpu.cfs_period_us", line) ||
        sscanf(line, "%lld", &period) != 1) {
        return 0;
    }
    return whole_processors(quota, period);
}

static void lower_quota(void *arg, const char *folder) {
    unsigned *const quota = arg;
    *quota = least(*quota, quota_of_folder(folder));
}

unsigned hny__processors_quota(const char *groups, const char *mount) {
    unsigned quota = 0;
    hny__control_groups_each(groups, mount, "cpu", lower_quota, &quota);
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

bool hny__processor_has_dots(void) {
#if defined(__APPLE__)
    int has = 0;
    size_t size = sizeof has;
    return sysctlbyname("hw.optional.arm.FEAT_DotProd", &has, &size, NULL, 0) == 0 && has;
#elif defined(__aarch64__)
    return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#else
    return false;
#endif
}
