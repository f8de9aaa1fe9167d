/* Environments whose data file or lock file is removed, copied or replaced while it is open. */
#define _GNU_SOURCE /* unshare */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
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

static pid_t last_child;

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
    hny__os_file file;
    (void)unused;
    hny__env *const env = open_it(1);
    const ino_t before = inode_of(lock);
    write_to(env, 1);
    assert_int_equal(mdb_env_get_maxreaders(env->mdb, &readers), 0);
    assert_int_equal(readers, HNY__MAX_READERS);
    assert_int_equal(hny__lock_take(data, HNY__LOCK_BUILDER, &file), HNY_OK);
    assert_int_equal(elsewhere(), HNY_OK);
    hny__lock_release(file);
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
    hny__os_file file;
    (void)unused;
    hny__env *const first = open_it(1);
    write_to(first, 1);
    pin(first, &txn);
    assert_int_equal(hny__lock_take(data, HNY__LOCK_BUILDER, &file), HNY_OK);
    assert_int_equal(hny__env_usable(first), HNY_OK);
    assert_int_equal(unlink(lock), 0);
    assert_int_equal(hny__env_usable(first), HNY_MISSING);
    assert_int_equal(hny__env_current(first, data), HNY_MISSING);
    assert_int_equal(elsewhere(), HNY_BUSY);
    assert_int_not_equal(access(lock, F_OK), 0);
    hny__lock_release(file);

    hny__env *const second = open_it(0);
    assert_ptr_not_equal(second, first);
    assert_int_equal(hny__env_usable(second), HNY_OK);
    assert_true(hny__txn_intact(txn));
    write_to(second, 2);
    assert_true(hny__txn_intact(txn)); /* what comes next spares our pages still */
    write_to(second, 3);
    assert_false(hny__txn_intact(txn));
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
    pin(env, &txn);
    for (uint32_t i = 0; i < 9; i++) {
        write_to(env, i);
    }
    assert_true(hny__txn_intact(txn));
    unpin(txn);
    hny__env_unref(env);
}

/* A child that takes places of readers and does not give them back. */
static void take_places(unsigned count, bool end) {
    int status, ends[2];
    char byte;
    assert_int_equal(pipe(ends), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails does not end it */
        hny__env *const env = open_it(0);
        hny__txn *txn;
        close(ends[0]);
        for (unsigned i = 0; i < count; i++) {
            pin(env, &txn);
        }
        (void)!write(ends[1], "x", 1);
        while (!end) {
            pause();
        }
        _exit(0); /* as one that was killed */
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    if (end) {
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return;
    }
    last_child = pid;
}

static void end_child(void) {
    int status;
    assert_int_equal(kill(last_child, SIGKILL), 0);
    assert_int_equal(waitpid(last_child, &status, 0), last_child);
}

/* Places that ended processes have not given back are free for others. */
static void test_dead_readers(void **unused) {
    hny__txn *txn;
    (void)unused;
    hny__env *const env = open_it(1);
    write_to(env, 1);
    take_places(HNY__MAX_READERS, true);
    pin(env, &txn);
    assert_int_equal(txn->unpinned, 0);
    for (uint32_t i = 0; i < 9; i++) {
        write_to(env, i);
    }
    assert_true(hny__txn_intact(txn));
    unpin(txn);
    hny__env_unref(env);
}

/* Without a place a reader sees the newest state, and what is overwritten is noticed. */
static void test_without_place(void **unused) {
    hny__txn *txn;
    (void)unused;
    hny__env *const env = open_it(1);
    const ino_t before = inode_of(lock);
    write_to(env, 1);
    take_places(HNY__MAX_READERS, false);
    assert_int_equal(elsewhere(), HNY_OK); /* the last place is not where the owner is noted */
    assert_int_equal(inode_of(lock), before);
    const size_t id = pin(env, &txn);
    assert_int_equal(txn->unpinned, 1);
    assert_true(hny__txn_intact(txn));
    write_to(env, 2);
    assert_true(hny__txn_intact(txn));
    write_to(env, 3);
    assert_false(hny__txn_intact(txn));
    hny__env_end_read(txn);
    assert_int_equal(hny__env_begin_read(env, &txn), HNY_OK);
    assert_int_equal(hny__txn_id(txn), id + 2);
    assert_true(hny__txn_intact(txn));
    hny__env_end_read(txn);
    end_child();
    for (int i = 0; i < 64; i++) {
        assert_int_equal(hny__env_begin_read(env, &txn), HNY_OK);
        hny__env_end_read(txn);
    }
    assert_int_equal(txn->unpinned, 0); /* it has asked again */
    hny__txn_free(txn);
    hny__env_unref(env);
}

/* Runs `run` as process 1 of a PID namespace of its own; its exit code, or -1 if there is none. */
static pid_t begin_process_1(int (*run)(int), int ready, int unused) {
    const pid_t pid = fork();
    if (pid == 0) {
        int status;
        close(unused);
        if (unshare(CLONE_NEWPID)) {
            _exit(77);
        }
        const pid_t first = fork();
        if (first == 0) {
            _exit(run(ready));
        }
        _exit(waitpid(first, &status, 0) == first && WIFEXITED(status) ? WEXITSTATUS(status) : 78);
    }
    return pid;
}

static int read_and_wait(int ready) {
    hny__txn *txn;
    char byte;
    hny__env *const env = open_it(0);
    pin(env, &txn);
    (void)!write(ready, "x", 1);
    (void)!read(ready, &byte, 1); /* until the test has ended the other one */
    return txn->unpinned == 0 ? 10 : 11;
}

static int read_beside(int ready) {
    hny__txn *txn;
    (void)ready;
    hny__env *const env = open_it(0);
    pin(env, &txn);
    return txn->unpinned == 1 && hny__txn_intact(txn) ? 20 : 21;
}

/* Two processes of the same number, in two containers: one is without a place, and reads. */
static void test_namespaces(void **unused) {
    int status, ends[2];
    char byte;
    (void)unused;
    hny__env *const env = open_it(1);
    write_to(env, 1);
    hny__env_unref(env);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    const pid_t first = begin_process_1(read_and_wait, ends[1], ends[0]);
    close(ends[1]);
    if (read(ends[0], &byte, 1) != 1) {
        assert_int_equal(waitpid(first, &status, 0), first);
        assert_int_equal(WEXITSTATUS(status), 77);
        skip();
    }
    const pid_t second = begin_process_1(read_beside, -1, ends[0]);
    assert_int_equal(waitpid(second, &status, 0), second);
    assert_int_equal(WEXITSTATUS(status), 20);
    assert_int_equal(write(ends[0], "x", 1), 1);
    assert_int_equal(waitpid(first, &status, 0), first);
    assert_int_equal(WEXITSTATUS(status), 10);
    close(ends[0]);
}

/* In a child: the file by a read-only bind mount of its folder, and by the folder itself. */
static int open_both(void) {
    char mounted[64];
    hny__env *reading, *writing, *again;
    uint32_t value = 2;
    snprintf(mounted, sizeof mounted, "%s/mount", folder);
    const unsigned long read_only = MS_BIND | MS_REMOUNT | MS_RDONLY;
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount(folder, mounted, NULL, MS_BIND, NULL) ||
        mount(NULL, mounted, NULL, read_only, NULL)) {
        return 77;
    }
    strcat(mounted, "/d");
    hny__txn *txn = NULL;
    if (hny__env_open(mounted, NULL, false, &reading) || !hny__env_readonly(reading) ||
        hny__env_begin_read(reading, &txn)) {
        return 1;
    }
    if (hny__env_open(data, NULL, true, &writing) || writing == reading ||
        hny__env_write(writing, put, &value) || hny__env_write(writing, put, &value)) {
        return 2;
    }
    if (hny__txn_intact(txn)) { /* the writer does not know of this reader */
        return 3;
    }
    unpin(txn);
    if (hny__env_open(mounted, NULL, false, &again)) {
        return 4;
    }
    hny__env_unref(reading);
    hny__env_unref(again);
    const int rc = hny__env_write(writing, put, &value) || hny__env_usable(writing) ? 5 : 0;
    hny__env_unref(writing);
    return rc;
}

static void test_two_paths(void **unused) {
    char mounted[64];
    int status;
    (void)unused;
    hny__env *const env = open_it(1);
    write_to(env, 1);
    hny__env_unref(env);
    snprintf(mounted, sizeof mounted, "%s/mount", folder);
    assert_int_equal(mkdir(mounted, 0755), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        _exit(open_both());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(rmdir(mounted), 0);
    if (WEXITSTATUS(status) == 77) {
        skip();
    }
    assert_int_equal(status, 0);
}

/* In a child, with 60 MiB of address space beside what it has. */
static int write_in_small_space(void) {
    unsigned long pages;
    uint32_t value = 3;
    hny__env *env;
    hny__txn *txn = NULL;
    FILE *const f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%lu", &pages) != 1) {
        return 77;
    }
    fclose(f);
    const rlim_t bytes = pages * (rlim_t)sysconf(_SC_PAGESIZE) + ((rlim_t)60 << 20);
    const struct rlimit limit = {bytes, bytes};
    if (setrlimit(RLIMIT_AS, &limit)) {
        return 77;
    }
    if (hny__env_open(data, NULL, true, &env) || hny__env_write(env, put, &value) ||
        hny__env_begin_read(env, &txn)) {
        return 1;
    }
    unpin(txn);
    hny__env_unref(env);
    return 0;
}

static void test_small_space(void **unused) {
    int status;
    (void)unused;
    const pid_t pid = fork();
    if (pid == 0) {
        _exit(write_in_small_space());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status == 77 << 8) {
        skip();
    }
    assert_int_equal(status, 0);
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
    hny__os_file file;
    (void)unused;
    for (uint32_t i = 0; i <= sizeof sizes / sizeof *sizes; i++) {
        hny__env *const env = open_it(1);
        write_to(env, i);
        hny__env_unref(env);
        assert_int_equal(hny__lock_take(data, HNY__LOCK_BUILDER, &file), HNY_OK);
        assert_int_equal(elsewhere(), HNY_OK);
        assert_int_equal(truncate(lock, sizes[i % 4]), 0);
        assert_int_equal(elsewhere(), HNY_BUSY);
        hny__lock_release(file);
    }
}

/* A child that was forked while a build held its lock does not keep it. */
static void test_lock_and_fork(void **unused) {
    hny__os_file file;
    int status, ends[2];
    char byte;
    (void)unused;
    hny__env *const env = open_it(1);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(hny__lock_take(data, HNY__LOCK_BUILDER, &file), HNY_OK);
    const pid_t pid = fork();
    if (pid == 0) {
        close(ends[1]);
        _exit(read(ends[0], &byte, 1) < 0); /* lives until the parent closes its end */
    }
    hny__lock_release(file);
    assert_int_equal(hny__lock_take(data, HNY__LOCK_BUILDER, &file), HNY_OK);
    hny__lock_release(file);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    hny__env_unref(env);
}

/* A process knows of another one's build, and does not take its own for that. */
static void test_lock_elsewhere(void **unused) {
    hny__os_file file;
    int status, ends[2], back[2];
    char byte = 0;
    (void)unused;
    hny__env *const env = open_it(1);
    assert_false(hny__lock_is_elsewhere(data, HNY__LOCK_BUILDER));
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pipe(back), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        close(ends[1]);
        const int rc = hny__lock_take(data, HNY__LOCK_BUILDER, &file);
        const bool told = write(back[1], &byte, 1) == 1;
        _exit(rc || !told || read(ends[0], &byte, 1) < 0); /* until the parent closes its end */
    }
    assert_int_equal(read(back[0], &byte, 1), 1);
    assert_true(hny__lock_is_elsewhere(data, HNY__LOCK_BUILDER));
    assert_false(hny__lock_is_elsewhere(data, HNY__LOCK_LINKER));
    hny__os_file linker;
    assert_int_equal(hny__lock_take(data, HNY__LOCK_LINKER, &linker), HNY_OK);
    assert_true(hny__lock_is_elsewhere(data, HNY__LOCK_BUILDER));
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_false(hny__lock_is_elsewhere(data, HNY__LOCK_BUILDER));
    assert_int_equal(hny__lock_take(data, HNY__LOCK_BUILDER, &file), HNY_OK);
    assert_false(hny__lock_is_elsewhere(data, HNY__LOCK_BUILDER));
    assert_false(hny__lock_is_elsewhere(data, HNY__LOCK_LINKER));
    hny__lock_release(linker);
    hny__lock_release(file);
    close(back[0]);
    close(back[1]);
    hny__env_unref(env);
}

static atomic_bool stopped;

static void *open_and_close(void *unused) {
    (void)unused;
    while (!atomic_load(&stopped)) {
        hny__env *env;
        if (hny__env_open(data, NULL, false, &env) == HNY_OK) {
            hny__env_unref(env);
        }
    }
    return NULL;
}

/* A child that was forked while another thread opened an environment can open its own. */
static void test_open_and_fork(void **unused) {
    pthread_t thread;
    (void)unused;
    hny__env *const env = open_it(1);
    write_to(env, 1);
    hny__env_unref(env);
    atomic_store(&stopped, false);
    assert_int_equal(pthread_create(&thread, NULL, open_and_close, NULL), 0);
    for (int i = 0; i < 100; i++) {
        int status;
        const pid_t pid = fork();
        if (pid == 0) {
            hny__env *own;
            alarm(20); /* ends a child that waits for a mutex which nobody holds */
            const int rc = hny__env_open(data, NULL, false, &own);
            _exit(rc == HNY_OK || rc == HNY_BUSY ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
    atomic_store(&stopped, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* A read transaction that a child inherits ends there without a trace: its slot is the parent's. */
static void test_inherited_transaction(void **unused) {
    hny__txn *txn;
    int status;
    (void)unused;
    hny__env *const env = open_it(1);
    write_to(env, 1);
    const size_t id = pin(env, &txn);
    const pid_t pid = fork();
    if (pid == 0) {
        unpin(txn);
        hny__env_unref(env);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    MDB_envinfo info;
    for (uint32_t i = 0; i < 20; i++) {
        write_to(env, i); /* spares the pages of the pinned state still */
    }
    hny__key key = hny__key_make(0, HNY__KIND_FILE, 0);
    hny__value value;
    hny__file_record record;
    assert_int_equal(hny__get(txn, &key, &value), HNY_OK);
    assert_int_equal(hny__file_record_read(value.data, value.size, &record), HNY_OK);
    assert_int_equal(record.next_space, 2); /* as of the first write */
    assert_int_equal(hny__txn_id(txn), id);
    mdb_env_info(env->mdb, &info);
    assert_true(info.me_numreaders >= 1);
    unpin(txn);
    hny__env_unref(env);
}

/* A file is unlinked only if it is still the damaged one. */
static void test_discard(void **unused) {
    hny__os_info judged;
    hny__os_file file;
    (void)unused;
    hny__env *env = open_it(1);
    write_to(env, 1);
    assert_int_equal(hny__env_info(env, &judged), HNY_OK);
    /* Sound, whatever it was when somebody looked. */
    assert_int_equal(hny__env_discard(data, NULL, NULL), HNY_OK);
    assert_int_equal(inode_of(data), judged.number);
    /* Another one has taken its place. */
    copy(data, other);
    assert_int_equal(rename(other, data), 0);
    assert_int_equal(hny__env_discard(data, NULL, &judged), HNY_OK);
    assert_int_not_equal(inode_of(data), judged.number);
    hny__env_unref(env);
    /* The damaged one, but not while a build runs. */
    env = open_it(0);
    assert_int_equal(hny__env_info(env, &judged), HNY_OK);
    assert_int_equal(hny__lock_take(data, HNY__LOCK_BUILDER, &file), HNY_OK);
    assert_int_equal(hny__env_discard(data, NULL, &judged), HNY_BUSY);
    hny__lock_release(file);
    assert_int_equal(hny__env_discard(data, NULL, &judged), HNY_OK);
    assert_int_not_equal(access(data, F_OK), 0);
    assert_int_not_equal(access(lock, F_OK), 0);
    hny__env_unref(env);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_shared, begin, end),
        cmocka_unit_test_setup_teardown(test_removed, begin, end),
        cmocka_unit_test_setup_teardown(test_pinned, begin, end),
        cmocka_unit_test_setup_teardown(test_dead_readers, begin, end),
        cmocka_unit_test_setup_teardown(test_without_place, begin, end),
        cmocka_unit_test_setup_teardown(test_namespaces, begin, end),
        cmocka_unit_test_setup_teardown(test_two_paths, begin, end),
        cmocka_unit_test_setup_teardown(test_small_space, begin, end),
        cmocka_unit_test_setup_teardown(test_swapped, begin, end),
        cmocka_unit_test_setup_teardown(test_nameless, begin, end),
        cmocka_unit_test_setup_teardown(test_lock_and_fork, begin, end),
        cmocka_unit_test_setup_teardown(test_lock_elsewhere, begin, end),
        cmocka_unit_test_setup_teardown(test_open_and_fork, begin, end),
        cmocka_unit_test_setup_teardown(test_inherited_transaction, begin, end),
        cmocka_unit_test_setup_teardown(test_discard, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
