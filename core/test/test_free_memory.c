/* The memory that control groups leave to the page cache. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/free_memory.h"

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

static void assert_free(uint64_t bytes) {
    assert_int_equal(hny__free_memory_of_groups(groups, folder), bytes);
}

static void test_version_2(void **unused) {
    (void)unused;
    assert_free(UINT64_MAX);
    write_file("groups", "0::/a/b\n");
    assert_free(UINT64_MAX);
    write_file("a/b/memory.max", "max\n");
    write_file("a/b/memory.current", "5000\n");
    assert_free(UINT64_MAX);
    write_file("a/memory.max", "100000\n");
    assert_free(100000);
    write_file("a/memory.current", "70000\n");
    write_file("a/memory.stat", "anon 20000\ninactive_file 30000\nfile 99999\nactive_file 4000\n");
    assert_free(64000);
    write_file("memory.max", "50000\n"); /* a container's own group is the highest it sees */
    assert_free(50000);
    write_file("memory.current", "60000\n");
    write_file("memory.stat", "anon 1\n");
    assert_free(0);
}

static void test_version_1(void **unused) {
    (void)unused;
    write_file("groups", "5:cpuset:/x\n4:memory:/x\n1:name=systemd:/x\n0::/\n");
    write_file("memory/x/memory.limit_in_bytes", "9223372036854771712\n");
    write_file("memory/x/memory.usage_in_bytes", "1000\n");
    write_file("memory/x/memory.stat", "total_inactive_file 0\n");
    assert_free(9223372036854771712u - 1000);
    write_file("memory/x/memory.limit_in_bytes", "10000\n");
    write_file("memory/x/memory.usage_in_bytes", "9000\n");
    write_file("memory/x/memory.stat",
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
        cmocka_unit_test_setup_teardown(test_version_2, begin, end),
        cmocka_unit_test_setup_teardown(test_version_1, begin, end),
        cmocka_unit_test(test_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
