/*
** Every state that a sidecar can be found in: lost, stale, another database's, cut short,
** overwritten, something else altogether, not to be written. In each the answers are those of an
** exact scan, hannoy_info tells, and a build mends it.
**
**     states --ext ./hannoy.so [--seed S] [--only TEXT] [--verbose]
*/
#include "damage.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534

/* ------------------------------------------------------------------------------------- looks -- */

/* Everything that can be asked of a connection is right. */
static void look(sqlite3 *db, const char *where) {
    for (int which = 0; which < 2; which++) {
        table_check(db, names[which], usual.s[which], &expected[which], 12, &r, where);
        char *const state =
            db_text(db, "SELECT value FROM hannoy_info('%s') WHERE key = 'state'", names[which]);
        if (!state || !*state) {
            fail("%s: hannoy_info has no state", where);
        }
        note("%s: %s: %s", where, names[which], state);
        sqlite3_free(state);
        const int64_t rows = db_info(db, names[which], "rows");
        if (rows != (int64_t)expected[which].count) {
            fail("%s: hannoy_info's rows", where);
        }
    }
}

/* After a build there is nothing left to complain about. */
static void look_mended(sqlite3 *db, const char *where) {
    build(db);
    look(db, where);
    for (int which = 0; which < 2; which++) {
        if (db_info(db, names[which], "pending")) {
            fail("%s: changes are pending", where);
        }
        if (db_info(db, names[which], "nodes") < (int64_t)expected[which].count) {
            fail("%s: the graph has too few nodes", where);
        }
        db_check(db, names[which]);
    }
}

/* ------------------------------------------------------------------------------------- cases -- */

/* Who has the sidecar open when it changes. */
enum { NOBODY_HAS_IT, WE_HAVE_IT, WE_READ_IT, ANOTHER_HAS_IT, HOLDERS };
static const char *const holder_name[HOLDERS] = {"closed", "open", "open, in a query",
                                                 "open elsewhere"};

typedef struct damage {
    const char *name;
    void (*apply)(int how);
    int how;
    const pair *other; /* shapes of the other database, whose sidecar is needed */
    int holders;       /* how many of the holders make sense, from the first */
    bool obstacle;     /* nothing that a build may take away: it says so until somebody has */
} damage;

typedef struct plan {
    damage d;
    int holder;
} plan;

static sqlite3 *peer_db;

static void peer_work(char what, void *unused) {
    (void)unused;
    if (what == 'o') {
        peer_db = db_open(case_path("test.db"));
    }
    if (what == 'c') {
        close_or_fail(peer_db);
    }
    if (what == 'o' || what == 'l') {
        look(peer_db, "in the other process");
    }
    if (what == 'r') {
        reload(peer_db);
        look(peer_db, "in the other process, after the build");
    }
}

/* A stream over the graph, a few rows in. */
static sqlite3_stmt *stream_begin(sqlite3 *db, judge *j) {
    const void *const vector = rowset_at(&expected[0], 3);
    const query q = {
        .table = "v", .s = usual.s[0], .vector = vector, .k = -1, .ef = 500, .limit = -1};
    sqlite3_stmt *stmt;
    if (query_prepare(db, &q, &stmt)) {
        fail("%s", sqlite3_errmsg(db));
    }
    judge_begin(j, usual.s[0], vector, &expected[0], true);
    for (int i = 0; i < 3; i++) {
        if (sqlite3_step(stmt) != SQLITE_ROW) {
            fail("stream: %s", sqlite3_errmsg(db));
        }
        judge_row(j, sqlite3_column_int64(stmt, 0), sqlite3_column_double(stmt, 1));
    }
    return stmt;
}

static void stream_end(sqlite3 *db, sqlite3_stmt *stmt, judge *j) {
    int rc;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        judge_row(j, sqlite3_column_int64(stmt, 0), sqlite3_column_double(stmt, 1));
    }
    if (rc != SQLITE_DONE) {
        fail("stream: %d %s", rc, sqlite3_errmsg(db));
    }
    if (!judge_end(j, expected[0].count, true)) {
        fail("stream: %s", j->error);
    }
    sqlite3_finalize(stmt);
    judge_free(j);
}

static void clear_away(sqlite3 *db) {
    const int rc = db_try(db, "SELECT hannoy_build('v')");
    note("build: %d %s", rc, sqlite3_errmsg(db));
    if (rc == SQLITE_OK || !strstr(sqlite3_errmsg(db), "hannoy: ")) {
        fail("build: %d %s", rc, sqlite3_errmsg(db));
    }
    look(db, "after a build that could not be");
    struct stat st;
    if (lstat(lock_file(), &st) == 0 && S_ISDIR(st.st_mode)) {
        file_remove(lock_file());
    }
    if (lstat(sidecar(), &st) == 0 && !S_ISREG(st.st_mode)) {
        file_remove(sidecar());
    }
}

static void run_damage(void *data) {
    const plan *const p = data;
    peer other = {0};
    sqlite3 *db = NULL;
    sqlite3_stmt *stream = NULL;
    judge j;
    prepare();
    if (p->d.other) {
        prepare_other(p->d.other);
    }
    if (p->holder == ANOTHER_HAS_IT) {
        other = peer_start(peer_work, NULL);
        peer_ask(&other, 'o');
    } else if (p->holder != NOBODY_HAS_IT) {
        db = db_open(case_path("test.db"));
        look(db, "before");
        if (p->holder == WE_READ_IT) {
            stream = stream_begin(db, &j);
        }
    }
    p->d.apply(p->d.how);
    if (stream) {
        stream_end(db, stream, &j);
    }
    if (db) {
        look(db, "in the same connection");
    }
    sqlite3 *const second = db_open(case_path("test.db"));
    look(second, "in a new connection");
    if (p->holder == ANOTHER_HAS_IT) {
        peer_ask(&other, 'l');
    }
    /* In half of the cases the COMMIT builds, or tries to. */
    if (p->holder % 2) {
        db_must(second, "INSERT INTO v(v) VALUES ('autobuild=1')");
    }
    change(second, &usual, 2 * ROWS, 3, expected);
    look(second, "after a change");
    /* A build that finds damage replaces the file, and with it what the other table had there. */
    if (p->d.apply == block_byte || p->d.apply == meta_free_root) {
        build(second);
    }
    if (p->d.obstacle) {
        clear_away(second);
    }
    if (p->holder == ANOTHER_HAS_IT) {
        look_mended(second, "after a build");
        peer_ask(&other, 'r');
        peer_ask(&other, 'c');
        peer_stop(&other);
    }
    look_mended(second, "after a build");
    if (db) {
        look(db, "in the first connection, after a build");
        close_or_fail(db);
    }
    close_or_fail(second);
    db = db_open(case_path("test.db"));
    look(db, "opened again");
    close_or_fail(db);
    for (int which = 0; which < 2; which++) {
        rowset_free(&expected[which]);
    }
}

static void run_one(const damage *d, const char *suffix) {
    for (int holder = 0; holder < d->holders; holder++) {
        plan p = {*d, holder};
        char name[120];
        snprintf(name, sizeof name, "%s%s, %s", d->name, suffix, holder_name[holder]);
        suite_case(name, 30, run_damage, &p);
    }
}

static const pair another_dim = {
    {{16, COSINE, FLOAT32, PLAIN, false}, {3, EUCLIDEAN, FLOAT32, PLAIN, false}}};
static const pair another_metric = {
    {{8, EUCLIDEAN, FLOAT32, PLAIN, false}, {5, COSINE, FLOAT32, PLAIN, false}}};

static void run_whole_files(void) {
    static const damage list[] = {
        {"emptied lock file", lock_garbage, 0, NULL, 1, false},
        {"deleted", deleted, 0, NULL, HOLDERS, false},
        {"deleted with its lock file", deleted, 1, NULL, HOLDERS, false},
        {"moved away", moved, 0, NULL, HOLDERS, false},
        {"lock file deleted", lock_deleted, 0, NULL, HOLDERS, false},
        {"emptied in place", emptied, 0, NULL, HOLDERS, false},
        {"empty file put there", emptied, 1, NULL, HOLDERS, false},
        {"an older one put there", older, 0, NULL, HOLDERS, false},
        {"another database's", another, 0, &usual, HOLDERS, false},
        {"one of another dim", another, 0, &another_dim, HOLDERS, false},
        {"one of another metric", another, 0, &another_metric, HOLDERS, false},
        {"text file", text_file, 0, NULL, HOLDERS, false},
        {"file of zeros", zero_file, 0, NULL, HOLDERS, false},
        {"empty folder", folder, 0, NULL, HOLDERS, false},
        {"folder with a file in it", folder, 1, NULL, HOLDERS, true},
        {"named pipe", fifo, 0, NULL, HOLDERS, true},
        {"link to nothing", symbolic_link, 0, NULL, HOLDERS, true},
        {"link to itself", symbolic_link, 1, NULL, HOLDERS, true},
        {"link to the database", symbolic_link, 2, NULL, HOLDERS, true},
        {"garbage in the lock file", lock_garbage, 2 * PAGE, NULL, 2, false},
        {"little garbage in the lock file", lock_garbage, 100, NULL, 2, false},
        {"lock file is a folder", lock_folder, 0, NULL, 2, true},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        run_one(&list[i], "");
    }
}

/* Cut at every page, and within some. Who has it open notices by the size. */
static void run_cuts(void) {
    for (long page = 0; page < *pages; page++) {
        char suffix[80];
        damage d = {"cut", cut, (int)page * PAGE, NULL, HOLDERS, false};
        snprintf(suffix, sizeof suffix, " to %ld of %ld pages", page, *pages);
        run_one(&d, suffix);
        if (page % 5) {
            continue;
        }
        d.how += 100;
        d.holders = 1;
        snprintf(suffix, sizeof suffix, " to %ld of %ld pages and a bit", page, *pages);
        run_one(&d, suffix);
    }
}

static void run_bytes(void) {
    static const struct {
        const char *name;
        void (*apply)(int);
        int first, last;
    } list[] = {
        {"meta pages zero", meta_zeros, 1, 3},
        {"meta pages 0xff", meta_ones, 1, 3},
        {"meta pages noise", meta_noise, 1, 3},
        {"meta version", meta_version, 0, ABSURD - 1},
        {"meta map size", meta_map_size, 0, ABSURD - 1},
        {"meta free root", meta_free_root, 0, ABSURD - 1},
        {"meta main root", meta_main_root, 0, ABSURD - 1},
        {"meta last page", meta_last_page, 0, ABSURD - 1},
        {"meta transaction", meta_transaction, 0, ABSURD - 1},
        {"meta page flags", meta_flags, 0, ABSURD - 1},
        {"meta page size", meta_page_size, 0, ABSURD - 1},
        {"meta tree depth", meta_depth, 0, ABSURD - 1},
        {"own record", own_record, 0, 23},
        {"block", block_byte, 0, 6 * BLOCKS - 1},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        for (int how = list[i].first; how <= list[i].last; how++) {
            const damage d = {list[i].name, list[i].apply, how, NULL, 1, false};
            char suffix[20];
            snprintf(suffix, sizeof suffix, " %d", how);
            run_one(&d, suffix);
        }
    }
}

/* ------------------------------------------------------------------------------- permissions -- */

enum {
    SIDECAR,
    SIDECAR_UNREADABLE,
    LOCK,
    LOCK_UNREADABLE,
    BOTH,
    FOLDER,
    FOLDER_AND_ALL,
    FOLDER_AND_NONE,
    RIGHTS
};
static const char *const rights_name[RIGHTS] = {
    "sidecar not writable",   "sidecar not readable",           "lock file not writable",
    "lock file not readable", "sidecar and lock not writable",  "folder not writable",
    "nothing writable",       "folder not writable, no sidecar"};

static void take_rights(int which) {
    const bool data = which == SIDECAR || which == BOTH || which == FOLDER_AND_ALL;
    const bool lock = which == LOCK || which == BOTH || which == FOLDER_AND_ALL;
    int rc = 0;
    if (which == FOLDER_AND_NONE) {
        deleted(1);
    }
    if (data) {
        rc |= chmod(sidecar(), 0444);
    }
    if (lock) {
        rc |= chmod(lock_file(), 0444);
    }
    if (which == SIDECAR_UNREADABLE) {
        rc |= chmod(sidecar(), 0);
    }
    if (which == LOCK_UNREADABLE) {
        rc |= chmod(lock_file(), 0);
    }
    if (which >= FOLDER) {
        rc |= chmod(case_dir, 0555);
    }
    if (rc) {
        fail("chmod: %s", strerror(errno));
    }
}

/* As a user who may not: reads are right, a COMMIT succeeds, a build succeeds or says why not. */
static void visit(int which) {
    sqlite3 *db = db_open(case_path("test.db"));
    look(db, "as another user");
    for (int i = 0; i < 2; i++) {
        const int rc = db_try(db, "SELECT hannoy_build('%s')", names[i]);
        note("hannoy_build as another user: %d %s", rc, sqlite3_errmsg(db));
        if (rc && !strstr(sqlite3_errmsg(db), "hannoy")) {
            fail("hannoy_build as another user: %d %s", rc, sqlite3_errmsg(db));
        }
    }
    look(db, "as another user, after a build");
    if (which < FOLDER) {
        for (int i = 0; i < 2; i++) {
            db_must(db, "INSERT INTO %s(%s) VALUES ('autobuild=1')", names[i], names[i]);
        }
        change(db, &usual, 3 * ROWS, 3, expected);
        look(db, "as another user, after an automatic build");
    }
    close_or_fail(db);
}

static void become_nobody(void) {
    if (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY)) {
        fail("setuid: %s", strerror(errno));
    }
}

static void run_rights(void *data) {
    const int which = *(int *)data;
    int status;
    if (geteuid() != 0) {
        skip("only root can become someone else");
    }
    prepare();
    sqlite3 *db = db_open(case_path("test.db"));
    db_must(db, "PRAGMA journal_mode = DELETE");
    close_or_fail(db);
    if (chown(case_dir, NOBODY, NOBODY) || chown(case_path("test.db"), NOBODY, NOBODY)) {
        fail("chown: %s", strerror(errno));
    }
    if (chmod(case_path(".."), 0755)) {
        fail("chmod: %s", strerror(errno));
    }
    take_rights(which);
    const pid_t pid = child_start();
    if (pid == 0) {
        become_nobody();
        if (access(arg.ext, R_OK)) {
            skip("%s is not readable for everyone", arg.ext);
        }
        visit(which);
        exit(0);
    }
    if (waitpid(pid, &status, 0) != pid) {
        fail("waitpid");
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        _exit(77);
    }
    if (status) {
        fail("the visit as another user ended with %x", status);
    }
    if (chmod(case_dir, 0755)) {
        fail("chmod: %s", strerror(errno));
    }
    db = db_open(case_path("test.db"));
    reload(db);
    look_mended(db, "with all rights again");
    close_or_fail(db);
}

/* A database that is opened read-only, with a sidecar that is right, stale or not there. */
static void run_readonly(void *data) {
    const int which = *(int *)data;
    prepare();
    if (which == 1) {
        older(0);
    }
    if (which == 2) {
        deleted(1);
    }
    sqlite3 *db;
    if (db_open_try(case_path("test.db"), SQLITE_OPEN_READONLY, &db)) {
        fail("cannot open read-only");
    }
    look(db, "read-only");
    for (int i = 0; i < 2; i++) {
        db_must(db, "SELECT hannoy_build('%s')", names[i]);
    }
    look(db, "read-only, after a build");
    for (int i = 0; i < 2; i++) {
        if (db_info(db, names[i], "nodes") < (int64_t)expected[i].count) {
            fail("nothing was built");
        }
    }
    close_or_fail(db);
}

/* A COMMIT makes a lost index anew where that is quick. Beyond that it takes a word. */
static void run_too_many_rows(void *unused) {
    const shape s = {1, EUCLIDEAN, FLOAT32, PLAIN, false};
    (void)unused;
    r = rng_of(arg.seed);
    sqlite3 *const db = db_open(case_path("test.db"));
    db_must(db, "CREATE VIRTUAL TABLE v USING hannoy(dim=1, metric=l2, m=4, ef_construction=4,"
                " autobuild=1, background=0)");
    db_must(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50100) "
                "INSERT INTO v(rowid, vector) SELECT i, '[' || (i * 7919 %% 50101) || ']' FROM n");
    if (db_info(db, "v", "nodes") != 50100) {
        fail("a COMMIT of all rows builds them");
    }
    for (int i = 0; i < 2; i++) {
        deleted(1);
        db_must(db, "INSERT INTO v(vector) VALUES ('[%d.5]')", i); /* equal rows share a node */
        if (db_info(db, "v", "nodes") != 0) {
            fail("a COMMIT of one row built all");
        }
        char *const state = db_text(db, "SELECT value FROM hannoy_info('v') WHERE key = 'state'");
        note("%s", state);
        if (!strstr(state, "hannoy_build")) {
            fail("hannoy_info does not say what to do: %s", state);
        }
        sqlite3_free(state);
        table_check(db, "v", s, NULL, 1, &r, "without an index");
        db_must(db, i ? "SELECT hannoy_build('v')" : "INSERT INTO v(v) VALUES ('build')");
        if (db_info(db, "v", "nodes") != 50101 + i) {
            fail("it was not built");
        }
        table_check(db, "v", s, NULL, 1, &r, "after a build");
    }
    db_check(db, "v");
    close_or_fail(db);
}

static void count_pages(void *unused) {
    (void)unused;
    prepare();
    *pages = (long)(file_size(sidecar()) / PAGE);
    if (*pages < 4) {
        fail("the sidecar has %ld pages", *pages);
    }
    sqlite3 *const db = db_open(case_path("test.db")); /* the next process walks the same graph */
    look(db, "opened again");
    if (db_info(db, "v", "nodes") < ROWS || db_info(db, "v", "pending") > 8) {
        fail("the graph is not used when it is opened again");
    }
    close_or_fail(db);
}

int main(int argc, char **argv) {
    arg.jobs = 2;
    args_read(argc, argv);
    const char *const only = arg.only;
    suite_begin("states", true);
    pages = mmap(NULL, sizeof *pages, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) {
        return 2;
    }
    arg.only = NULL;
    suite_case("an undamaged sidecar", 30, count_pages, NULL);
    suite_wait();
    arg.only = only;
    run_whole_files();
    run_bytes();
    for (int i = 0; i < RIGHTS; i++) {
        suite_case(rights_name[i], 30, run_rights, &i);
    }
    for (int i = 0; i < 3; i++) {
        static const char *const name[] = {"read-only database", "read-only, an older sidecar",
                                           "read-only, no sidecar"};
        suite_case(name[i], 30, run_readonly, &i);
    }
    suite_case("lost, and too many rows for a COMMIT", 120, run_too_many_rows, NULL);
    run_cuts();
    return suite_end();
}
