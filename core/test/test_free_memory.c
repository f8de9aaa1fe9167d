/* The memory that control groups leave to the page cache. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/free_memory.h"
#include "test/group_files.h"

static void assert_free(uint64_t bytes) {
    assert_int_equal(hny__free_memory_of_groups(group_list, group_folder), bytes);
}

static void test_version_2(void **unused) {
    (void)unused;
    assert_free(UINT64_MAX);
    group_files_write("groups", "0::/a/b\n");
    assert_free(UINT64_MAX);
    group_files_write("a/b/memory.max", "max\n");
    group_files_write("a/b/memory.current", "5000\n");
    assert_free(UINT64_MAX);
    group_files_write("a/memory.max", "100000\n");
    assert_free(100000);
    group_files_write("a/memory.current", "70000\n");
    group_files_write("a/memory.stat",
                      "anon 20000\ninactive_file 30000\nfile 99999\nactive_file 4000\n");
    assert_free(64000);
    group_files_write("memory.max", "50000\n"); /* a container's own group is the highest it sees */
    assert_free(50000);
    group_files_write("memory.current", "60000\n");
    group_files_write("memory.stat", "anon 1\n");
    assert_free(0);
}

static void test_version_1(void **unused) {
    (void)unused;
    group_files_write("groups", "5:cpuset:/x\n4:memory:/x\n1:name=systemd:/x\n0::/\n");
    group_files_write("memory/x/memory.limit_in_bytes", "9223372036854771712\n");
    group_files_write("memory/x/memory.usage_in_bytes", "1000\n");
    group_files_write("memory/x/memory.stat", "total_inactive_file 0\n");
    assert_free(9223372036854771712u - 1000);
    group_files_write("memory/x/memory.limit_in_bytes", "10000\n");
    group_files_write("memory/x/memory.usage_in_bytes", "9000\n");
    group_files_write("memory/x/memory.stat",
                      "inactive_file 1\ntotal_inactive_file 500\ntotal_active_file 700\n");
    assert_free(2200);
}

static void test_machine(void **unused) {
    (void)unused;
    assert_true(hny__free_memory() > 0);
    assert_true(hny__free_memory() <=
                hny__free_memory_of_groups("/proc/self/cgroup", "/sys/fs/cgroup"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_version_2, group_files_begin, group_files_end),
        cmocka_unit_test_setup_teardown(test_version_1, group_files_begin, group_files_end),
        cmocka_unit_test(test_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
