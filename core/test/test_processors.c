/* The number of processors that control groups and affinity leave. */
#define _GNU_SOURCE /* sched_setaffinity */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/processors.h"

static char folder[] = "/tmp/hannoy-test-XXXXXX", groups[64];

static void write_file(const char *name, const char *text) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    for (char *p = path + strlen(folder) + 1; (p = strchr(p, '/')); *p++ = '/') {
        *p = 0;
        mkdir(path, 0755);
    }
    FILE *const f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static int begin(void **unused) {
    (void)unused;
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(groups, sizeof groups, "%s/groups", folder);
    return 0;
}

static int end(void **unused) {
    char command[64];
    (void)unused;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static void test_version_2(void **unused) {
    (void)unused;
    assert_int_equal(hny__processors_quota(groups, folder), 0);
    write_file("groups", "0::/a/b\n");
    assert_int_equal(hny__processors_quota(groups, folder), 0);
    write_file("a/b/cpu.max", "max 100000\n");
    assert_int_equal(hny__processors_quota(groups, folder), 0);
    write_file("a/b/cpu.max", "250000 100000\n");
    assert_int_equal(hny__processors_quota(groups, folder), 3);
    write_file("a/cpu.max", "200000 100000\n");
    assert_int_equal(hny__processors_quota(groups, folder), 2);
    write_file("cpu.max", "50000 100000\n"); /* a container's own group is the highest it sees */
    assert_int_equal(hny__processors_quota(groups, folder), 1);
    write_file("cpu.max", "nonsense\n");
    write_file("a/cpu.max", "-1 0\n");
    assert_int_equal(hny__processors_quota(groups, folder), 3);
    write_file("groups", "0::/not/there\n");
    write_file("cpu.max", "400000 100000\n");
    assert_int_equal(hny__processors_quota(groups, folder), 4);
}

static void test_version_1(void **unused) {
    (void)unused;
    write_file("groups", "5:cpuset:/x\n4:cpu,cpuacct:/x\n1:name=systemd:/x\n0::/\n");
    write_file("cpu,cpuacct/x/cpu.cfs_quota_us", "-1\n");
    write_file("cpu,cpuacct/x/cpu.cfs_period_us", "100000\n");
    assert_int_equal(hny__processors_quota(groups, folder), 0);
    write_file("cpu,cpuacct/x/cpu.cfs_quota_us", "150000\n");
    assert_int_equal(hny__processors_quota(groups, folder), 2);
}

static void test_affinity(void **unused) {
    cpu_set_t before, one;
    (void)unused;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_true(hny__processors() >= 1);
    assert_true(hny__processors() <= (unsigned)CPU_COUNT(&before));
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++) {
        if (CPU_ISSET(i, &before)) {
            CPU_SET(i, &one);
        }
    }
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(hny__processors(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_version_2, begin, end),
        cmocka_unit_test_setup_teardown(test_version_1, begin, end),
        cmocka_unit_test(test_affinity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
