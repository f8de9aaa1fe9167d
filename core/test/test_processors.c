/* The number of processors that control groups and affinity leave. */
#define _GNU_SOURCE /* sched_setaffinity */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/processors.h"
#include "test/group_files.h"

static void test_version_2(void **unused) {
    (void)unused;
    assert_int_equal(hny__processors_quota(group_list, group_folder), 0);
    group_files_write("groups", "0::/a/b\n");
    assert_int_equal(hny__processors_quota(group_list, group_folder), 0);
    group_files_write("a/b/cpu.max", "max 100000\n");
    assert_int_equal(hny__processors_quota(group_list, group_folder), 0);
    group_files_write("a/b/cpu.max", "250000 100000\n");
    assert_int_equal(hny__processors_quota(group_list, group_folder), 3);
    group_files_write("a/cpu.max", "200000 100000\n");
    assert_int_equal(hny__processors_quota(group_list, group_folder), 2);
    group_files_write("cpu.max",
                      "50000 100000\n"); /* a container's own group is the highest it sees */
    assert_int_equal(hny__processors_quota(group_list, group_folder), 1);
    group_files_write("cpu.max", "nonsense\n");
    group_files_write("a/cpu.max", "-1 0\n");
    assert_int_equal(hny__processors_quota(group_list, group_folder), 3);
    group_files_write("groups", "0::/not/there\n");
    group_files_write("cpu.max", "400000 100000\n");
    assert_int_equal(hny__processors_quota(group_list, group_folder), 4);
}

static void test_version_1(void **unused) {
    (void)unused;
    group_files_write("groups", "5:cpuset:/x\n4:cpu,cpuacct:/x\n1:name=systemd:/x\n0::/\n");
    group_files_write("cpu,cpuacct/x/cpu.cfs_quota_us", "-1\n");
    group_files_write("cpu,cpuacct/x/cpu.cfs_period_us", "100000\n");
    assert_int_equal(hny__processors_quota(group_list, group_folder), 0);
    group_files_write("cpu,cpuacct/x/cpu.cfs_quota_us", "150000\n");
    assert_int_equal(hny__processors_quota(group_list, group_folder), 2);
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
        cmocka_unit_test_setup_teardown(test_version_2, group_files_begin, group_files_end),
        cmocka_unit_test_setup_teardown(test_version_1, group_files_begin, group_files_end),
        cmocka_unit_test(test_affinity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
