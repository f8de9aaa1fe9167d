/* Environments whose data file or lock file is removed, copied or replaced while it is open. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "hannoy.h"
#include "sidecar/env_state.h"
#include "sidecar/lock.h"
#include "sidecar/records.h"

static char folder[] = "/tmp/hannoy-test-XXXXXX", data[64], lock[64], other[64];

static int begin(void **unused) {
    (void)unused;
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(data, sizeof data, "%s/d", folder);
    snprintf(lock, sizeof lock, "%s/d-lock", folder);
    snprintf(other, sizeof other, "%s/other", folder);
    return 0;
}

static int end(void **unused) {
    (void)unused;
    unlink(data);
    unlink(lock);
    unlink(other);
    assert_int_equal(rmdir(folder), 0);
    return 0;
}

static ino_t inode_of(const char *path) {
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_ino;
}

static hny__env *open_it(int create) {
    hny__env *env = NULL;
    assert_int_equal(hny__env_open(data, NULL, create, &env), HNY_OK);
    return env;
}

/* Writes the file record, a different one each time. */
static int put(void *arg, hny__txn *txn) {
    hny__file_record record;
    hny__file_record_init(&record);
    record.next_space += *(uint32_t *)arg;
    return hny__put_file_record(txn, &record);
}

static void write_to(hny__env *env, uint32_t value) {
    assert_int_equal(hny__env_write(env, put, &value), HNY_OK);
}

static size_t pin(hny__env *env, hny__txn **txn) {
    *txn = NULL;
    assert_int_equal(hny__env_begin_read(env, txn), HNY_OK);
    return hny__txn_id(*txn);
}

static void unpin(hny__txn *txn) {
    hny__env_end_read(txn);
    hny__txn_free(txn);
}

/* The status of hny__env_open in another process. */
static int elsewhere(void) {
    int status;
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        hny__env *env;
        const int rc = hny__env_open(data, NULL, 0, &env);
        _exit(-rc);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return -WEXITSTATUS(status);
}

static void copy(const char *from, const char *to) {
    char bytes[1 << 16];
    ssize_t got;
    const int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(in >= 0 && out >= 0);
    while ((got = read(in, bytes, sizeof bytes)) > 0) {
        assert_int_equal(write(out, bytes, (size_t)got), got);
    }
    close(in);
    close(out);
}

/* All processes share one lock file with space for HNY__MAX_READERS, also while a build runs. */
static void test_shared(void **unused) {
    unsigned readers;
    int fd;
    (void)unused;
    hny__env *const env = open_it(1);
    const ino_t before = inode_of(lock);
    write_to(env, 1);
    assert_int_equal(mdb_env_get_maxreaders(env->mdb, &readers), 0);
    assert_int_equal(readers, HNY__MAX_READERS);
    assert_int_equal(hny__lock_take(data, &fd), HNY_OK);
    assert_int_equal(elsewhere(), HNY_OK);
    hny__lock_release(fd);
    hny__env_unref(env);
    hny__env *const again = open_it(0);
    assert_int_equal(mdb_env_get_maxreaders(again->mdb, &readers), 0);
    assert_int_equal(readers, HNY__MAX_READERS);
    assert_int_equal(inode_of(lock), before);
    hny__env_unref(again);
}

/* After the lock file is removed no second one is created while a build may still use the first. */
static void test_removed(void **unused) {
    hny__txn *txn;
    int fd;
    (void)unused;
    hny__env *const first = open_it(1);
    write_to(first, 1);
    const size_t id = pin(first, &txn);
    assert_int_equal(hny__lock_take(data, &fd), HNY_OK);
    assert_int_equal(hny__env_usable(first), HNY_OK);
    assert_int_equal(unlink(lock), 0);
    assert_int_equal(hny__env_usable(first), HNY_MISSING);
    assert_int_equal(hny__env_current(first, data), HNY_MISSING);
    assert_int_equal(elsewhere(), HNY_BUSY);
    assert_int_not_equal(access(lock, F_OK), 0);
    hny__lock_release(fd);

    hny__env *const second = open_it(0);
    assert_ptr_not_equal(second, first);
    assert_int_equal(hny__env_usable(second), HNY_OK);
    assert_true(hny__env_intact(first, id));
    write_to(second, 2);
    assert_true(hny__env_intact(first, id)); /* what comes next spares our pages still */
    write_to(second, 3);
    assert_false(hny__env_intact(first, id));
    unpin(txn);
    hny__env_unref(first);
    hny__env_unref(second);
}

/* While the lock file is in place, a pinned state stays intact however much others write. */
static void test_pinned(void **unused) {
    hny__txn *txn;
    (void)unused;
    hny__env *const env = open_it(1);
    write_to(env, 1);
    const size_t id = pin(env, &txn);
    for (uint32_t i = 0; i < 9; i++) {
        write_to(env, i);
    }
    assert_true(hny__env_intact(env, id));
    unpin(txn);
    hny__env_unref(env);
}

/* A data file that replaces another one gets a lock file of its own. */
static void test_swapped(void **unused) {
    (void)unused;
    hny__env *const first = open_it(1);
    write_to(first, 1);
    const ino_t before = inode_of(lock);
    copy(data, other);
    assert_int_equal(rename(other, data), 0);
    assert_int_equal(hny__env_usable(first), HNY_MISSING);
    assert_int_equal(elsewhere(), HNY_OK);
    assert_int_not_equal(inode_of(lock), before);
    hny__env *const second = open_it(0);
    assert_ptr_not_equal(second, first);
    write_to(second, 2);
    hny__env_unref(first);
    assert_int_equal(elsewhere(), HNY_OK);
    hny__env_unref(second);
}

/* A lock file without an inode, as LMDB's tools create it, or a truncated one is replaced. */
static void test_nameless(void **unused) {
    static const off_t sizes[] = {0, 100, 128 + 64 * 1023, 128 + 64 * 1023 + 5};
    int fd;
    (void)unused;
    for (uint32_t i = 0; i <= sizeof sizes / sizeof *sizes; i++) {
        hny__env *const env = open_it(1);
        write_to(env, i);
        hny__env_unref(env);
        assert_int_equal(hny__lock_take(data, &fd), HNY_OK);
        assert_int_equal(elsewhere(), HNY_OK);
        assert_int_equal(truncate(lock, sizes[i % 4]), 0);
        assert_int_equal(elsewhere(), HNY_BUSY);
        hny__lock_release(fd);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_shared, begin, end),
        cmocka_unit_test_setup_teardown(test_removed, begin, end),
        cmocka_unit_test_setup_teardown(test_pinned, begin, end),
        cmocka_unit_test_setup_teardown(test_swapped, begin, end),
        cmocka_unit_test_setup_teardown(test_nameless, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
