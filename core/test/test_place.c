/* What is at a path, who may use a file, and paths that others cannot change. */
#define _GNU_SOURCE /* setgroups */
#include <fcntl.h>
#include <grp.h>
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

#include "base/place.h"
#include "hannoy.h"
#include "sidecar/env_state.h"

static char folder[] = "/tmp/hannoy-test-XXXXXX", path[64], lock[64], other[64];

static int begin(void **unused) {
    (void)unused;
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/p", folder);
    snprintf(lock, sizeof lock, "%s/p-lock", folder);
    snprintf(other, sizeof other, "%s/other", folder);
    return 0;
}

static int end(void **unused) {
    (void)unused;
    unlink(path);
    unlink(lock);
    unlink(other);
    assert_int_equal(rmdir(folder), 0);
    return 0;
}

static void write_file(const char *name, const char *text) {
    FILE *const f = fopen(name, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

/* The text of a file, opened as LMDB does. */
static const char *read_file(const char *name) {
    static char text[64];
    const int fd = open(name, O_RDWR | O_CREAT, 0644);
    assert_true(fd >= 0);
    const ssize_t length = read(fd, text, sizeof text - 1);
    assert_true(length >= 0);
    text[length] = 0;
    close(fd);
    return text;
}

static int open_and_close(const char *name) {
    hny__os_file file;
    const int rc = hny__place_open(name, true, &file);
    assert_true((rc == HNY_OK) == (file != HNY__OS_NO_FILE));
    if (!rc) {
        hny__os_file_close(file);
    }
    return rc;
}

static void test_kinds(void **unused) {
    hny__os_info info;
    (void)unused;
    assert_int_equal(open_and_close(path), HNY_MISSING);
    write_file(other, "x");
    assert_int_equal(symlink(other, path), 0);
    assert_int_equal(open_and_close(path), HNY_LINK);
    assert_int_equal(open_and_close(other), HNY_OK);
    unlink(path);
    assert_int_equal(mkfifo(path, 0666), 0);
    assert_int_equal(open_and_close(path), HNY_PIPE);
    assert_int_equal(hny__place_look(path, &info), HNY_PIPE);
    assert_int_equal(open_and_close(folder), HNY_FOLDER);
    assert_int_equal(open_and_close("/dev/null"), HNY_DEVICE);
}

static void test_device(void **unused) {
    hny__env *env;
    (void)unused;
    if (mknod(path, S_IFCHR | 0666, 0x103)) { /* the null device, which only root can make */
        skip();
    }
    assert_int_equal(hny__env_open(path, NULL, true, &env), HNY_DEVICE);
    unlink(path);
    assert_int_equal(mknod(lock, S_IFCHR | 0666, 0x103), 0);
    assert_int_equal(hny__env_open(path, NULL, true, &env), HNY_DEVICE);
    assert_int_not_equal(access(path, F_OK), 0);
}

/* What the linked path leads to is what was held, whatever is at the paths by then. */
static void test_links(void **unused) {
    hny__os_info info;
    char *linked;
    hny__os_file data, locked, none;
    (void)unused;
    write_file(path, "data");
    write_file(lock, "lock");
    write_file(other, "other");
    assert_int_equal(hny__place_hold(path, &data, &info), HNY_OK);
    assert_int_equal(hny__place_hold(lock, &locked, &info), HNY_OK);
    unlink(path);
    unlink(lock);
    assert_int_equal(symlink(other, path), 0);
    assert_int_equal(symlink(other, lock), 0);
    assert_int_equal(hny__place_hold(path, &none, &info), HNY_LINK);
    assert_int_equal(hny__place_link(data, locked, &linked), HNY_OK);
    char *const with_lock = malloc(strlen(linked) + sizeof "-lock");
    assert_non_null(with_lock);
    sprintf(with_lock, "%s-lock", linked);
    assert_string_equal(read_file(linked), "data");
    assert_string_equal(read_file(with_lock), "lock");
    hny__place_unlink(linked);
    assert_int_not_equal(access(with_lock, F_OK), 0);
    *strrchr(with_lock, '/') = 0;
    assert_int_not_equal(access(with_lock, F_OK), 0);
    free(with_lock);
    hny__os_file_close(data);
    hny__os_file_close(locked);
}

static void test_folders(void **unused) {
    (void)unused;
    assert_true(hny__place_is_ours(path));
    assert_int_equal(chmod(folder, 0775), 0);
    assert_false(hny__place_is_ours(path));
    assert_int_equal(chmod(folder, 0777 | S_ISVTX), 0);
    assert_false(hny__place_is_ours(path));
    /* A sidecar works there, too. */
    hny__env *env;
    assert_int_equal(hny__env_open(path, NULL, true, &env), HNY_OK);
    hny__env_unref(env);
    hny__os_info info;
    assert_int_equal(hny__place_look(lock, &info), HNY_OK);
}

static mode_t mode_of(const char *name) {
    struct stat st;
    assert_int_equal(stat(name, &st), 0);
    return st.st_mode & 07777;
}

/* In a child, as a user who is in no group but its own. */
static int own_as_nobody(hny__os_file file) {
    int status;
    const pid_t pid = fork();
    if (pid == 0) {
        if (setgid(65534) || setuid(65534)) {
            _exit(1);
        }
        hny__place_own(file, other);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* A group that the user cannot give the file gets no right by its own group's name. */
static void test_groups(void **unused) {
    struct stat st;
    hny__os_file file;
    (void)unused;
    if (geteuid() != 0) {
        skip();
    }
    write_file(other, "");
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(chown(other, 1234, 5678), 0);
    assert_int_equal(chmod(other, 0664), 0);
    assert_int_equal(hny__place_create(path, &file), HNY_OK);
    assert_int_equal(mode_of(path), 0600);
    assert_int_equal(fchown((int)file, 65534, 65534), 0);
    assert_int_equal(own_as_nobody(file), 0);
    assert_int_equal(mode_of(path), 0644);
    assert_int_equal(chmod(other, 0660), 0);
    assert_int_equal(own_as_nobody(file), 0);
    assert_int_equal(mode_of(path), 0600);
    hny__place_own(file, other);
    assert_int_equal(fstat((int)file, &st), 0);
    assert_int_equal(st.st_uid, 1234);
    assert_int_equal(st.st_gid, 5678);
    assert_int_equal(mode_of(path), 0660);
    hny__os_file_close(file);
}

enum { GROUP = 5678, FIRST_USER = 2001 };

/* Adds a row to the sidecar and finds all that are there. */
static void build_row(int64_t rows) {
    const hny_options options = {{1, HNY_EUCLIDEAN, HNY_FLOAT32}, HNY_CODES_FLOAT32, 4, 8, 0, 0};
    const float vector = (float)rows;
    hny_sidecar *sidecar;
    hny_build *build;
    hny_reader *reader;
    hny_stats stats;
    assert_int_equal(hny_sidecar_new(other, "", &sidecar), HNY_OK);
    assert_int_equal(
        hny_build_open(sidecar, 1, &options, &(hny_build_limits){.threads = 1}, 0, &build), HNY_OK);
    assert_int_equal(hny_build_put(build, rows, &vector, NULL), HNY_OK);
    assert_int_equal(hny_build_publish(build, (hny_boundary){rows, rows}), HNY_OK);
    assert_int_equal(hny_build_shrink(build, true), HNY_OK);
    hny_build_close(build);
    assert_int_equal(hny_reader_new(sidecar, 1, options.shape, 0, 0, &reader), HNY_OK);
    assert_int_equal(hny_reader_begin(reader), HNY_OK);
    assert_int_equal(hny_reader_stats(reader, false, &stats), HNY_OK);
    assert_int_equal(stats.rows, rows);
    hny_reader_end(reader);
    hny_reader_free(reader);
    hny_sidecar_unref(sidecar);
}

/* As a user whose own group is another one. */
static void build_as(uid_t user, int64_t rows) {
    const gid_t group = GROUP;
    int status;
    const pid_t pid = fork();
    if (pid == 0) {
        umask(077);
        if (setgroups(1, &group) || setgid(user) || setuid(user)) {
            _exit(1);
        }
        build_row(rows);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* Users of one group share a database in a setgid folder: both files stay the group's. */
static void test_setgid_folder(void **unused) {
    char sidecar[80], sidecar_lock[96];
    struct stat st;
    (void)unused;
    if (geteuid() != 0) {
        skip();
    }
    write_file(other, "");
    snprintf(sidecar, sizeof sidecar, "%s-hannoy", other);
    snprintf(sidecar_lock, sizeof sidecar_lock, "%s-lock", sidecar);
    assert_int_equal(chown(folder, 0, GROUP), 0);
    assert_int_equal(chmod(folder, 02770), 0);
    assert_int_equal(chown(other, FIRST_USER, GROUP), 0);
    assert_int_equal(chmod(other, 0660), 0);
    for (int64_t i = 0; i < 4; i++) {
        build_as(FIRST_USER + (uid_t)(i % 2), i + 1);
        const char *const files[] = {sidecar, sidecar_lock};
        for (int j = 0; j < 2; j++) {
            assert_int_equal(stat(files[j], &st), 0);
            assert_int_equal(st.st_gid, GROUP);
            assert_int_equal(st.st_mode & 07777, 0660);
        }
    }
    unlink(sidecar);
    unlink(sidecar_lock);
}

/* A file that has another name, too, may belong to someone else: its mode stays. */
static void test_second_name(void **unused) {
    hny__os_file file;
    (void)unused;
    write_file(other, "");
    assert_int_equal(chmod(other, 0644), 0);
    assert_int_equal(hny__place_create(path, &file), HNY_OK);
    assert_int_equal(link(path, lock), 0);
    hny__place_own(file, other);
    assert_int_equal(mode_of(path), 0600);
    unlink(lock);
    hny__place_own(file, other);
    assert_int_equal(mode_of(path), 0644);
    hny__os_file_close(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kinds, begin, end),
        cmocka_unit_test_setup_teardown(test_device, begin, end),
        cmocka_unit_test_setup_teardown(test_links, begin, end),
        cmocka_unit_test_setup_teardown(test_folders, begin, end),
        cmocka_unit_test_setup_teardown(test_groups, begin, end),
        cmocka_unit_test_setup_teardown(test_setgid_folder, begin, end),
        cmocka_unit_test_setup_teardown(test_second_name, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
