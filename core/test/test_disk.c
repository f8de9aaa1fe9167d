/* Room on the disk, and the signal of a file that becomes too long. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/disk.h"
#include "base/size_signal.h"
#include "hannoy.h"

/* The bytes are taken, by a file without a name, until it is closed. */
static void test_hold(void **unused) {
    char path[] = "/tmp/hannoy-test-XXXXXX";
    struct stat st;
    hny__os_file file;
    (void)unused;
    close(mkstemp(path));
    assert_int_equal(hny__disk_hold(path, 0, &file), HNY_OK);
    assert_int_equal(file, HNY__OS_NO_FILE);
    assert_int_equal(hny__disk_hold(path, 300000, &file), HNY_OK);
    if (file >= 0) { /* else the file system cannot */
        assert_int_equal(fstat((int)file, &st), 0);
        assert_int_equal(st.st_nlink, 0);
        assert_true(st.st_blocks * 512 >= 300000);
        hny__os_file_close(file);
    }
    assert_int_equal(hny__disk_hold(path, (uint64_t)1 << 60, &file), HNY_FULL);
    assert_int_equal(file, HNY__OS_NO_FILE);
    /* Where no file can be made, the free bytes are counted. */
    assert_int_equal(hny__disk_hold("/proc/self/none", 1, &file), HNY_OK);
    unlink(path);
}

/* In a child, whose files may have 4,096 bytes: 0 if writes fail with EFBIG and nothing else. */
static int write_too_much(const char *path) {
    const struct rlimit limit = {4096, 4096};
    hny__size_signal held, inner;
    sigset_t pending;
    if (signal(SIGXFSZ, SIG_DFL) == SIG_ERR || setrlimit(RLIMIT_FSIZE, &limit)) {
        return 1;
    }
    hny__size_signal_hold(&held);
    hny__size_signal_hold(&inner);
    if (truncate(path, 5000) == 0) {
        return 2;
    }
    hny__size_signal_release(&inner);
    if (truncate(path, 5000) == 0) {
        return 3;
    }
    hny__size_signal_release(&held);
    if (sigpending(&pending) || sigismember(&pending, SIGXFSZ)) {
        return 4;
    }
    return truncate(path, 4000) ? 5 : 0;
}

static int status_of_child(const char *path, int (*run)(const char *path)) {
    int status;
    const pid_t pid = fork();
    if (pid == 0) {
        _exit(run(path));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* Released, the signal is deadly again. */
static int write_after_release(const char *path) {
    write_too_much(path);
    return truncate(path, 5000) ? 6 : 7;
}

static void test_signal(void **unused) {
    char path[] = "/tmp/hannoy-test-XXXXXX";
    (void)unused;
    close(mkstemp(path));
    assert_int_equal(status_of_child(path, write_too_much), 0);
    const int status = status_of_child(path, write_after_release);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGXFSZ);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hold),
        cmocka_unit_test(test_signal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
