/*
** The linker, a thread behind the COMMITs, and what ends or doubles its process: fork, exit, close,
** dlclose, and programs that live for a moment; also SQLite without threads, and other VFSs.
**
**     linking --ext ./hannoy.so [--seed S] [--steps ROWS] [--only TEXT] [--verbose]
**
** That an exit does not wait for a step is a promise, and the only time that is measured.
*/
#include "oracle.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WITHIN   (SANITIZED ? 10.0 : 2.0)
#define PROGRAMS 100
#define EACH     50 /* rows that such a program writes */

/* ThreadSanitizer knows no threads of a child whose parent had some. */
#ifdef __SANITIZE_THREAD__
#define THREADLESS 1
#else
#define THREADLESS 0
#endif

static const shape wide = {96, EUCLIDEAN, FLOAT32, PLAIN, false};

/*
** What the parent's linker had in hand is out of reach in a child, and no leak.  LeakSanitizer asks
** at exit.
*/
static bool is_child;
#ifdef __SANITIZE_ADDRESS__
__attribute__((visibility("default"))) int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void) {
    return is_child;
}
#endif

static const char *database(void) {
    return case_path("test.db");
}

/* -------------------------------------------------------------------------------- a database -- */

static void insert_rows(sqlite3 *db, int64_t first, long count) {
    unsigned char vector[MAX_DIM * 4];
    sqlite3_stmt *stmt;
    rng r = rng_of(arg.seed + (uint64_t)first);
    db_must(db, "BEGIN");
    if (sqlite3_prepare_v2(db, "INSERT INTO v(rowid, vector) VALUES (?1, ?2)", -1, &stmt, NULL)) {
        fail("%s", sqlite3_errmsg(db));
    }
    for (long i = 0; i < count; i++) {
        vector_random(wide, GAUSS, &r, vector);
        sqlite3_bind_int64(stmt, 1, first + i);
        vector_bind(stmt, 2, wide, vector, AS_BYTES);
        if (sqlite3_step(stmt) != SQLITE_DONE) {
            fail("%s", sqlite3_errmsg(db));
        }
        sqlite3_reset(stmt);
    }
    sqlite3_finalize(stmt);
    db_must(db, "COMMIT");
}

static void create(sqlite3 *db, int ef_construction) {
    db_must(db,
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA busy_timeout = 30000;"
            "CREATE VIRTUAL TABLE v USING hannoy(dim=%d, metric=%s, autobuild=%d, threads=1, "
            "ef_construction=%d, linear_below=0, background=1)",
            wide.dim, metric_name[wide.metric], EACH, ef_construction);
}

static bool is_linking(sqlite3 *db) {
    return db_int(db, "SELECT value LIKE 'running%%' FROM hannoy_info('v') WHERE key = 'linker'");
}

/* All of its rows are in the sidecar, and a step links them. */
static void start_linking(sqlite3 *db) {
    create(db, 400);
    insert_rows(db, 1, arg.steps);
    if (db_info(db, "v", "pending")) {
        fail("a COMMIT left rows to the log");
    }
    while (db_info(db, "v", "unlinked") && !is_linking(db)) {
        nap(0.001);
    }
}

/* No more than a COMMIT without the linker may leave. */
static bool is_linked(sqlite3 *db) {
    return db_info(db, "v", "unlinked") <= db_info(db, "v", "rows") / 32;
}

static void wait_until_linked(sqlite3 *db) {
    const double until = now() + 100 * (SANITIZED ? 5 : 1);
    while (!is_linked(db) || is_linking(db)) {
        if (now() > until) {
            fail("%lld rows are still unlinked", (long long)db_info(db, "v", "unlinked"));
        }
        nap(0.01);
    }
}

static void look(sqlite3 *db, int64_t rows, const char *when) {
    rng r = rng_of(arg.seed);
    if (db_info(db, "v", "rows") != rows) {
        fail("%s: %lld rows", when, (long long)db_info(db, "v", "rows"));
    }
    table_check(db, "v", wide, NULL, 3, &r, when);
    db_check(db, "v");
}

static void close_database(sqlite3 *db) {
    if (sqlite3_close(db)) {
        fail("sqlite3_close");
    }
}

static int count_threads(void) {
    DIR *const folder = opendir("/proc/self/task");
    int count = 0;
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        count += entry->d_name[0] != '.';
    }
    if (folder) {
        closedir(folder);
    }
    return count;
}

/* Runs fn in a child of this process, which exits when it returns; its seconds. */
static double in_child(void (*fn)(void)) {
    const double began = now();
    int status;
    const pid_t pid = child_start();
    if (pid == 0) {
        is_child = true;
        if (THREADLESS) {
            setenv("HANNOY_BACKGROUND", "0", 1);
        }
        fn();
        exit(0);
    }
    if (waitpid(pid, &status, 0) != pid || status) {
        fail("a child ended with %x", status);
    }
    return now() - began;
}

/* A build that is asked for in another process waits for a step, and has its turn. */
static void build_in_child(void) {
    sqlite3 *const db = db_open(database());
    sqlite3_busy_timeout(db, 30000);
    db_must(db, "SELECT hannoy_build('v'); INSERT INTO v(v) VALUES ('build')");
    if (db_info(db, "v", "unlinked")) {
        fail("a build left rows unlinked");
    }
    close_database(db);
}

static void run_build_elsewhere(void *data) {
    sqlite3 *const db = db_open(database());
    (void)data;
    start_linking(db);
    in_child(build_in_child);
    look(db, arg.steps, "built by another process");
    close_database(db);
}

/* -------------------------------------------------------------------------------------- fork -- */

static void have_one_thread(void) {
    if (!SANITIZED && count_threads() != 1) {
        fail("a child has %d threads", count_threads());
    }
}

static void search_in_child(void) {
    sqlite3 *const db = db_open(database());
    rng r = rng_of(arg.seed);
    sqlite3_busy_timeout(db, 30000);
    table_check(db, "v", wide, NULL, 3, &r, "in the child");
    close_database(db);
}

static void write_in_child(void) {
    sqlite3 *const db = db_open(database());
    sqlite3_busy_timeout(db, 30000);
    insert_rows(db, 100000, EACH);
    close_database(db);
}

/* The child has a linker of its own. */
static void link_in_child(void) {
    sqlite3 *const db = db_open(case_path("child.db"));
    create(db, 40);
    insert_rows(db, 1, 10 * EACH);
    wait_until_linked(db);
    close_database(db);
}

static void run_forks(void *data) {
    sqlite3 *const db = db_open(database());
    (void)data;
    start_linking(db);
    for (int i = 0; i < 3; i++) {
        const double seconds = in_child(have_one_thread);
        if (seconds > WITHIN) {
            fail("a child took %.1f s to exit", seconds);
        }
        in_child(search_in_child);
    }
    in_child(write_in_child);
    if (!THREADLESS) {
        in_child(link_in_child);
    }
    look(db, arg.steps + EACH, "after forks");
    wait_until_linked(db);
    nap(0.1); /* the thread has no more to do and ends; nothing has joined it */
    in_child(have_one_thread);
    look(db, arg.steps + EACH, "after forks, when it is linked");
    close_database(db);
}

/* After a search has made the index. */
static void run_forks_after_heal(void *data) {
    sqlite3 *db = db_open(database());
    (void)data;
    start_linking(db);
    close_database(db);
    file_remove(case_path("test.db-hannoy"));
    file_remove(case_path("test.db-hannoy-lock"));
    db = db_open(database());
    db_must(db, "SELECT count(*) FROM v(vec_f32(zeroblob(%d)), 10)", 4 * wide.dim);
    if (db_info(db, "v", "pending")) {
        fail("a search made no index");
    }
    in_child(have_one_thread);
    in_child(search_in_child);
    wait_until_linked(db);
    look(db, arg.steps, "after a search made the index");
    close_database(db);
}

/* ---------------------------------------------------------------------------- exit and close -- */

static void run_exit(void *data) {
    int status, moment[2];
    double began;
    (void)data;
    if (pipe(moment)) {
        fail("pipe");
    }
    const pid_t pid = child_start();
    if (pid == 0) {
        start_linking(db_open(database())); /* nothing is closed */
        began = now();
        if (write(moment[1], &began, sizeof began) != sizeof began) {
            _exit(1);
        }
        exit(0);
    }
    if (waitpid(pid, &status, 0) != pid || status) {
        fail("a process that linked ended with %x", status);
    }
    const double ended = now();
    if (read(moment[0], &began, sizeof began) != sizeof began) {
        fail("read");
    }
    if (ended - began > WITHIN) {
        fail("an exit took %.1f s", ended - began);
    }
    sqlite3 *const db = db_open(database());
    look(db, arg.steps, "after an exit");
    wait_until_linked(db); /* table_check's searches woke the linker */
    close_database(db);
}

static void await_one_thread(double began, const char *what) {
    while (!SANITIZED && count_threads() != 1) {
        if (now() - began > WITHIN) {
            fail("%d threads after %s", count_threads(), what);
        }
        nap(0.001);
    }
}

static void run_close(void *data) {
    (void)data;
    for (int i = 0; i < 3; i++) {
        sqlite3 *const db = db_open(database());
        if (i == 0) {
            start_linking(db);
        } else {
            look(db, arg.steps, "after a close");
        }
        const double began = now();
        close_database(db);
        if (now() - began > WITHIN) {
            fail("a close took %.1f s", now() - began);
        }
        await_one_thread(began, "the last close");
    }
}

static void write_and_exit(void) {
    sqlite3 *const db = db_open(database());
    insert_rows(db, 1 + db_info(db, "v", "rows"), EACH);
    close_database(db);
}

static void run_programs(void *data) {
    sqlite3 *db = db_open(database());
    (void)data;
    create(db, 40);
    close_database(db);
    for (int i = 0; i < PROGRAMS; i++) {
        in_child(write_and_exit);
    }
    db = db_open(database());
    if (!SANITIZED && !is_linked(db)) { /* a sanitizer's steps take longer than a close waits */
        fail("after %d programs %lld rows are unlinked", PROGRAMS,
             (long long)db_info(db, "v", "unlinked"));
    }
    look(db, (int64_t)PROGRAMS * EACH, "after many programs");
    close_database(db);
}

/* ----------------------------------------------------------------------------------- dlclose -- */

/* A host that keeps no reference: SQLite itself never unloads the library. */
static void run_dlclose(void *data) {
    void *const library = dlopen(arg.ext, RTLD_NOW | RTLD_LOCAL);
    void (*entry)(void) = NULL;
    sqlite3 *db;
    (void)data;
    if (!library) {
        fail("dlopen: %s", dlerror());
    }
    *(void **)&entry = dlsym(library, "sqlite3_hannoy_init");
    if (!entry || sqlite3_auto_extension(entry) || sqlite3_open(database(), &db)) {
        fail("the entry point");
    }
    start_linking(db);
    close_database(db);
    sqlite3_reset_auto_extension();
    if (dlclose(library)) {
        fail("dlclose: %s", dlerror());
    }
    await_one_thread(now(), "dlclose");
    in_child(have_one_thread);
    db = db_open(database());
    look(db, arg.steps, "loaded again");
    close_database(db);
}

/* ------------------------------------------------------------------------------ other hosts -- */

/* SQLite without mutexes, as with SQLITE_THREADSAFE=0. */
static void run_single_thread(void *data) {
    (void)data;
    if (sqlite3_config(SQLITE_CONFIG_SINGLETHREAD)) {
        skip("this SQLite has mutexes always");
    }
    sqlite3 *const db = db_open(database());
    start_linking(db);
    look(db, arg.steps, "without mutexes");
    wait_until_linked(db);
    look(db, arg.steps, "without mutexes, when it is linked");
    close_database(db);
}

static void run_vfs(void *data) {
    const char *const vfs = data;
    char uri[4200];
    if (sqlite3_config(SQLITE_CONFIG_URI, 1)) {
        fail("no URIs");
    }
    snprintf(uri, sizeof uri, "file:%s?vfs=%s", database(), vfs);
    sqlite3 *const db = db_open(uri);
    start_linking(db);
    wait_until_linked(db);
    look(db, arg.steps, vfs);
    close_database(db);
}

int main(int argc, char **argv) {
    static char dotfile[] = "unix-dotfile", exclusive[] = "unix-excl";
    arg.steps = SANITIZED ? 1500 : 4000;
    args_read(argc, argv);
    unsetenv("HANNOY_BACKGROUND");
    suite_begin("linking", true);
    suite_case("fork", 120, run_forks, NULL);
    suite_case("fork after a search made the index", 120, run_forks_after_heal, NULL);
    suite_case("a build in another process", 120, run_build_elsewhere, NULL);
    suite_case("exit", 120, run_exit, NULL);
    suite_case("close", 120, run_close, NULL);
    suite_case("a hundred programs", 240, run_programs, NULL);
    suite_case("dlclose", 120, run_dlclose, NULL);
    suite_case("without mutexes", 120, run_single_thread, NULL);
    suite_case("another VFS", 120, run_vfs, dotfile);
    suite_case("a VFS with locks of its own", 120, run_vfs, exclusive);
    return suite_end();
}
