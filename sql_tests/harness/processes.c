/*
** Several processes on one database: some write and build, some read in transactions that span
** many queries, some build from their read snapshots, some come and go. Every answer is right for
** the snapshot of the one who asks, and in the end every row that was written is there.
**
**     processes --ext ./hannoy.so [--seed S] [--seconds T (of each case, 4)] [--verbose]
*/
#define _GNU_SOURCE /* unshare */
#include "oracle.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS 5
#define IDS     300 /* of each writer */

/* What a process does. */
typedef enum role { NONE, WRITER, READER, BUILDER, VISITOR, OUTSIDER, VANDAL } role;

typedef struct plan {
    const char *name;
    role roles[WORKERS];
    const char *journal;
    shape s;
    int autobuild;
} plan;

typedef struct worker {
    const plan *p;
    int number;
    double until;
    rng r;
    sqlite3 *db;
} worker;

static const char *database(void) {
    return case_path("test.db");
}

static void open_database(worker *w) {
    w->db = db_open(database());
    sqlite3_busy_timeout(w->db, 30000);
    db_must(w->db, "PRAGMA synchronous = OFF");
}

static void close_database(worker *w) {
    if (sqlite3_close(w->db)) {
        fail("sqlite3_close");
    }
}

/*
** A build that another one keeps from running says that it is busy. One whose file is taken away
** while it opens it may say so too.
*/
static void try_build(worker *w, const char *sql) {
    const int rc = db_try(w->db, "%s", sql);
    if (rc == SQLITE_OK) {
        return;
    }
    if (w->p->roles[WORKERS - 1] == VANDAL && strstr(sqlite3_errmsg(w->db), "hannoy: ")) {
        return;
    }
    if ((rc & 255) != SQLITE_BUSY || !strstr(sqlite3_errmsg(w->db), "busy")) {
        fail("%s: %d %s", sql, rc, sqlite3_errmsg(w->db));
    }
}

/* ----------------------------------------------------------------------------------- writers -- */

/* Rowids of one writer are its own, so that each knows what must be there. */
static int64_t own_id(worker *w) {
    return (int64_t)rng_below(&w->r, IDS) * WORKERS + w->number;
}

static void write_row(worker *w, rowset *mine) {
    unsigned char vector[MAX_DIM * 4];
    const int64_t id = own_id(w);
    sqlite3_stmt *stmt;
    if (rng_chance(&w->r, 0.35)) {
        db_must(w->db, "DELETE FROM v WHERE rowid = %lld", (long long)id);
        rowset_remove(mine, id);
        return;
    }
    vector_random(w->p->s, GAUSS, &w->r, vector);
    if (sqlite3_prepare_v2(w->db, "REPLACE INTO v(rowid, vector) VALUES (?1, ?2)", -1, &stmt,
                           NULL)) {
        fail("prepare: %s", sqlite3_errmsg(w->db));
    }
    sqlite3_bind_int64(stmt, 1, id);
    vector_bind(stmt, 2, w->p->s, vector, AS_BYTES);
    const int rc = sqlite3_step(stmt);
    if (rc != SQLITE_DONE) {
        fail("REPLACE: %d %s", rc, sqlite3_errmsg(w->db));
    }
    sqlite3_finalize(stmt);
    rowset_put(mine, id, vector);
}

/* Every row that is this worker's is as it left it. */
static void check_own(worker *w, const rowset *mine) {
    rowset content = {0}, own = {0};
    const int rc = rowset_load(&content, w->db, "v", false, w->p->s);
    if (rc) {
        fail("reading: %d %s", rc, sqlite3_errmsg(w->db));
    }
    rowset_clear(&own, content.width);
    for (size_t i = 0; i < content.count; i++) {
        if (content.ids[i] % WORKERS == w->number) {
            rowset_put(&own, content.ids[i], rowset_at(&content, i));
        }
    }
    if (!rowset_equal(&own, mine)) {
        fail("own rows: %s", rowset_difference(&own, mine));
    }
    rowset_free(&content);
    rowset_free(&own);
}

static void write_and_build(worker *w) {
    rowset mine = {0}, keep = {0};
    rowset_clear(&mine, shape_bytes(w->p->s));
    open_database(w);
    while (now() < w->until) {
        rowset_copy(&keep, &mine);
        db_must(w->db, "BEGIN IMMEDIATE");
        for (int i = (int)rng_below(&w->r, 20); i >= 0; i--) {
            write_row(w, &mine);
        }
        const bool keep_it = rng_chance(&w->r, 0.9);
        db_must(w->db, keep_it ? "COMMIT" : "ROLLBACK");
        if (!keep_it) {
            rowset_copy(&mine, &keep);
        }
        if (rng_chance(&w->r, 0.1)) {
            try_build(w, "SELECT hannoy_build('v')");
        }
        if (rng_chance(&w->r, 0.1)) {
            try_build(w, "INSERT INTO v(v) VALUES ('build')");
        }
        if (rng_chance(&w->r, 0.02)) {
            try_build(w, "INSERT INTO v(v) VALUES ('rebuild')");
        }
        check_own(w, &mine);
        if (rng_chance(&w->r, 0.3)) {
            table_check(w->db, "v", w->p->s, NULL, 2, &w->r, "the writer");
        }
        nap(rng_unit(&w->r) * 0.004);
    }
    check_own(w, &mine);
    close_database(w);
    rowset_free(&mine);
    rowset_free(&keep);
}

/* ----------------------------------------------------------------------------------- readers -- */

typedef struct stream {
    sqlite3_stmt *stmt;
    query q; /* without the vector */
    judge j;
    size_t expected;
} stream;

static void stream_begin(worker *w, const rowset *content, stream *st) {
    unsigned char vector[MAX_DIM * 4];
    vector_random(w->p->s, GAUSS, &w->r, vector);
    query q = {.table = "v", .s = w->p->s, .vector = vector};
    query_vary(&q, content->count, &w->r);
    q.k = q.limit = -1;
    if (query_prepare(w->db, &q, &st->stmt)) {
        fail("%s", sqlite3_errmsg(w->db));
    }
    st->expected = query_judge(&q, content, &st->j);
    st->q = q;
}

/* Some rows of it, or with `rows` 0 all that are left. */
static void stream_go_on(worker *w, stream *st, int rows) {
    int rc = SQLITE_ROW;
    for (int i = 0; st->stmt && rc == SQLITE_ROW && (i < rows || rows == 0); i++) {
        rc = sqlite3_step(st->stmt);
        if (rc == SQLITE_ROW) {
            query_row(&st->q, st->stmt, &st->j);
        } else if (rc != SQLITE_DONE) {
            fail("stream: %d %s", rc, sqlite3_errmsg(w->db));
        } else {
            judge_end(&st->j, st->expected, st->j.complete);
        }
        if (st->j.error[0]) {
            fail("stream: %s", st->j.error);
        }
    }
    if (rc != SQLITE_DONE) {
        return;
    }
    sqlite3_finalize(st->stmt);
    judge_free(&st->j);
    st->stmt = NULL;
}

/* One transaction: the snapshot stays what it was at its first look, whatever others do. */
static void one_snapshot(worker *w) {
    rowset content = {0};
    stream st = {0};
    db_must(w->db, "BEGIN");
    const int rc = rowset_load(&content, w->db, "v", false, w->p->s);
    if (rc) {
        fail("reading: %d %s", rc, sqlite3_errmsg(w->db));
    }
    stream_begin(w, &content, &st);
    for (int i = (int)rng_below(&w->r, 6); i >= 0; i--) {
        table_check(w->db, "v", w->p->s, &content, 3, &w->r, "a reader");
        stream_go_on(w, &st, 1 + (int)rng_below(&w->r, 40));
        if (w->p->roles[w->number] == BUILDER) {
            try_build(w, "SELECT hannoy_build('v')");
        }
        nap(rng_unit(&w->r) * 0.01);
    }
    stream_go_on(w, &st, 0);
    db_must(w->db, "COMMIT");
    rowset_free(&content);
}

static void read_on(worker *w) {
    open_database(w);
    while (now() < w->until) {
        one_snapshot(w);
        if (w->p->roles[w->number] == BUILDER) {
            try_build(w, "SELECT hannoy_build('v')");
        }
        if (rng_chance(&w->r, 0.05)) {
            close_database(w);
            open_database(w);
        }
    }
    close_database(w);
}

/* Opens, looks, closes: the last one out and the first one in are other processes each time. */
static void visit_often(worker *w) {
    while (now() < w->until) {
        open_database(w);
        table_check(w->db, "v", w->p->s, NULL, 2, &w->r, "a visitor");
        if (rng_chance(&w->r, 0.3)) {
            try_build(w, "SELECT hannoy_build('v')");
        }
        close_database(w);
        nap(rng_unit(&w->r) * 0.005);
    }
}

/*
** From here on this process cannot write anything in the case's folder; false: it may not have
** that.
*/
static bool mount_readonly(void) {
    const char *const here = case_path(".");
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount(here, here, NULL, MS_BIND, NULL) == 0 &&
           mount(NULL, here, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0;
}

/* As in a container with a volume that is read-only there: nobody knows that it reads. */
static void read_from_outside(worker *w) {
    if (!mount_readonly()) {
        note("nobody reads from outside: %s", strerror(errno));
        return;
    }
    int indexed = 0;
    while (now() < w->until) {
        if (db_open_try(database(), SQLITE_OPEN_READONLY, &w->db)) {
            fail("cannot open read-only");
        }
        sqlite3_busy_timeout(w->db, 30000);
        for (int i = (int)rng_below(&w->r, 9); i >= 0; i--) {
            table_check(w->db, "v", w->p->s, NULL, 4, &w->r, "an outsider");
            nap(rng_unit(&w->r) * 0.002);
        }
        indexed += db_info(w->db, "v", "nodes") > 0;
        close_database(w);
    }
    if (!indexed) {
        fail("the sidecar was never of use");
    }
}

/* Takes the sidecar away, or puts back what it was at the beginning, under everyone. */
static void vandalise(worker *w) {
    while (now() < w->until) {
        nap(0.02 + rng_unit(&w->r) * 0.2);
        if (rng_chance(&w->r, 0.5)) {
            unlink(case_path("test.db-hannoy"));
        } else {
            file_copy(case_path("first"), case_path("next"));
            if (rename(case_path("next"), case_path("test.db-hannoy"))) {
                fail("rename");
            }
        }
        if (rng_chance(&w->r, 0.3)) {
            unlink(case_path("test.db-hannoy-lock"));
        }
    }
}

/* ------------------------------------------------------------------------------------- cases -- */

static void prepare(const plan *p) {
    sqlite3 *const db = db_open(database());
    db_must(db, "PRAGMA journal_mode = %s", p->journal);
    db_must(db,
            "CREATE VIRTUAL TABLE v USING hannoy(dim=%d, metric=%s, autobuild=%d, linear_below=0, "
            "m=8)",
            p->s.dim, metric_name[p->s.metric], p->autobuild);
    db_must(db, "INSERT INTO v(v) VALUES ('build')");
    if (sqlite3_close(db)) {
        fail("sqlite3_close");
    }
    if (file_size(case_path("test.db-hannoy")) > 0) {
        file_copy(case_path("test.db-hannoy"), case_path("first"));
    }
}

static void work(worker *w) {
    switch (w->p->roles[w->number]) {
    case WRITER:
        write_and_build(w);
        break;
    case READER:
    case BUILDER:
        read_on(w);
        break;
    case VISITOR:
        visit_often(w);
        break;
    case OUTSIDER:
        read_from_outside(w);
        break;
    case VANDAL:
        vandalise(w);
        break;
    case NONE:
        break;
    }
}

static void last_look(const plan *p) {
    rng r = rng_of(arg.seed);
    sqlite3 *const db = db_open(database());
    table_check(db, "v", p->s, NULL, 20, &r, "at the end");
    db_must(db, "INSERT INTO v(v) VALUES ('build')");
    if (db_info(db, "v", "pending")) {
        fail("changes are pending after a build");
    }
    table_check(db, "v", p->s, NULL, 20, &r, "at the end, after a build");
    db_check(db, "v");
    if (sqlite3_close(db)) {
        fail("sqlite3_close");
    }
}

static pid_t start(const plan *p, int number, double until) {
    const pid_t pid = child_start();
    if (pid) {
        return pid;
    }
    if (number < 0) {
        prepare(p);
        exit(0);
    }
    worker w = {p, number, until, rng_of(arg.seed * 100 + (uint64_t)number), NULL};
    work(&w);
    exit(0);
}

static void wait_for(pid_t pid, const char *who) {
    int status;
    if (waitpid(pid, &status, 0) != pid) {
        fail("waitpid");
    }
    if (WIFSIGNALED(status)) {
        fail("%s crashed: %s", who, strsignal(WTERMSIG(status)));
    }
    if (status) {
        fail("%s failed", who);
    }
}

static void run_case(void *data) {
    static const char *const names[] = {"",          "a writer",    "a reader",  "a builder",
                                        "a visitor", "an outsider", "the vandal"};
    const plan *const p = data;
    pid_t pids[WORKERS];
    wait_for(start(p, -1, 0), "the first process");
    const double until = now() + arg.seconds;
    for (int i = 0; i < WORKERS; i++) {
        pids[i] = start(p, i, until);
    }
    for (int i = 0; i < WORKERS; i++) {
        wait_for(pids[i], names[p->roles[i]]);
    }
    last_look(p);
}

int main(int argc, char **argv) {
    static const plan plans[] = {
        {"one writes, three read",
         {WRITER, READER, READER, READER},
         "WAL",
         {6, EUCLIDEAN, FLOAT32, PLAIN, false},
         40},
        {"the same with a rollback journal",
         {WRITER, READER, READER, READER},
         "DELETE",
         {6, COSINE, FLOAT32, PLAIN, false},
         40},
        {"all build at once",
         {WRITER, WRITER, BUILDER, BUILDER, BUILDER},
         "WAL",
         {12, COSINE, FLOAT32, PLAIN, false},
         25},
        {"processes come and go",
         {WRITER, READER, VISITOR, VISITOR, VISITOR},
         "WAL",
         {3, MANHATTAN, FLOAT32, PLAIN, false},
         30},
        {"some may not write, nor lock",
         {WRITER, READER, OUTSIDER, OUTSIDER},
         "DELETE",
         {5, EUCLIDEAN, FLOAT32, PLAIN, false},
         20},
        {"the sidecar comes and goes",
         {WRITER, READER, BUILDER, VISITOR, VANDAL},
         "WAL",
         {6, EUCLIDEAN, FLOAT32, PLAIN, false},
         30},
    };
    arg.seconds = 4;
    args_read(argc, argv);
    const double seconds = arg.seconds;
    suite_begin("processes", true);
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        plan p = plans[i];
        suite_case(p.name, seconds + 60, run_case, &p);
    }
    return suite_end();
}
