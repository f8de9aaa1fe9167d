/*
** What takes long can be stopped, and does not stand in the way: sqlite3_interrupt and a progress
** handler during builds, searches and full scans; a second build and a COMMIT during a build;
** progress as another connection sees it. Afterwards the table is sound and right.
**
**     interrupt --ext ./hannoy.so [--seed S] [--steps ROWS] [--verbose]
**
** That a stop takes effect within a second is a promise, and the only time that is measured here.
** All else is said by order: the COMMIT is over, and the build still runs.
*/
#include "oracle.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WITHIN (SANITIZED ? 5.0 : 1.0)

static const shape wide = {96, EUCLIDEAN, FLOAT32, PLAIN, false};
static long row_count;

static const char *database(void) {
    return case_path("test.db");
}

/* -------------------------------------------------------------------------------- a database -- */

static void insert_rows(sqlite3 *db, int64_t first, long count, rowset *content, rng *r) {
    unsigned char vector[MAX_DIM * 4];
    sqlite3_stmt *stmt;
    if (sqlite3_prepare_v2(db, "INSERT INTO v(rowid, vector) VALUES (?1, ?2)", -1, &stmt, NULL)) {
        fail("%s", sqlite3_errmsg(db));
    }
    for (long i = 0; i < count; i++) {
        vector_random(wide, GAUSS, r, vector);
        sqlite3_bind_int64(stmt, 1, first + i);
        vector_bind(stmt, 2, wide, vector, AS_BYTES);
        if (sqlite3_step(stmt) != SQLITE_DONE) {
            fail("%s", sqlite3_errmsg(db));
        }
        sqlite3_reset(stmt);
        rowset_put(content, first + i, vector);
    }
    sqlite3_finalize(stmt);
}

/* Nothing of it is built, and to build it takes some seconds. */
static sqlite3 *create(const char *journal, rowset *content, rng *r) {
    sqlite3 *const db = db_open(database());
    rowset_clear(content, shape_bytes(wide));
    db_must(db,
            "PRAGMA journal_mode = %s; PRAGMA synchronous = OFF;"
            "CREATE VIRTUAL TABLE v USING hannoy(dim=%d, metric=%s, autobuild=0, threads=1, "
            "ef_construction=400, linear_below=0, background=0)",
            journal, wide.dim, metric_name[wide.metric]);
    db_must(db, "BEGIN");
    insert_rows(db, 1, row_count, content, r);
    db_must(db, "COMMIT");
    return db;
}

static void last_look(sqlite3 *db, const rowset *content, rng *r) {
    table_check(db, "v", wide, content, 3, r, "before the last build");
    db_must(db, "INSERT INTO v(v) VALUES ('ef_construction=12')");
    db_must(db, "INSERT INTO v(v) VALUES ('threads=0')");
    db_must(db, "INSERT INTO v(v) VALUES ('build')");
    if (db_info(db, "v", "pending")) {
        fail("changes are pending after a build");
    }
    table_check(db, "v", wide, content, 6, r, "after the last build");
    db_check(db, "v");
    if (sqlite3_close(db)) {
        fail("sqlite3_close");
    }
}

/* --------------------------------------------------------------------- a statement elsewhere -- */

/* Runs one statement in a thread of its own. */
typedef struct runner {
    sqlite3 *db;
    const char *sql;
    pthread_t thread;
    atomic_bool over;
    int rc;
    double ended;
} runner;

static void *run_statement(void *data) {
    runner *const w = data;
    w->rc = db_try(w->db, "%s", w->sql);
    w->ended = now();
    w->over = true;
    return NULL;
}

static void runner_start(runner *w, sqlite3 *db, const char *sql) {
    *w = (runner){.db = db, .sql = sql};
    if (pthread_create(&w->thread, NULL, run_statement, w)) {
        fail("pthread_create");
    }
}

static void runner_join(runner *w) {
    if (pthread_join(w->thread, NULL)) {
        fail("pthread_join");
    }
}

/* What another connection of the process is told of a build; no phase: that none runs. */
typedef struct progress {
    char phase[40];
    int64_t done, total;
} progress;

static progress ask_progress(sqlite3 *db) {
    char *const all = db_text(db, "SELECT group_concat(value, ';') FROM (SELECT value FROM "
                                  "hannoy_info('v') WHERE key IN ('phase', 'done', 'total') "
                                  "ORDER BY key)"); /* done;phase;total */
    progress p = {0};
    if (!all || sscanf(all, "%lld;%39[a-z];%lld", (long long *)&p.done, p.phase,
                       (long long *)&p.total) < 1) {
        fail("hannoy_info has no progress: %s", all ? all : "nothing");
    }
    sqlite3_free(all);
    return p;
}

/* Until the other connection's build has begun to link. */
static void wait_for_build(sqlite3 *db, const runner *w) {
    progress p = ask_progress(db);
    while (strcmp(p.phase, "linking") != 0 || p.done == 0) {
        if (w->over) {
            fail("the build was over before it was seen: %d", w->rc);
        }
        nap(0.001);
        p = ask_progress(db);
    }
    note("the build has done %lld of %lld", (long long)p.done, (long long)p.total);
}

/* ------------------------------------------------------------------------------------- stops -- */

static void expect_stopped(const runner *w, double asked) {
    if ((w->rc & 255) != SQLITE_INTERRUPT) {
        fail("%s: %d %s, should be INTERRUPT", w->sql, w->rc, sqlite3_errmsg(w->db));
    }
    note("stopped after %.0f ms", 1000 * (w->ended - asked));
    if (w->ended - asked > WITHIN) {
        fail("%s: stopped %.1f s after it was asked to", w->sql, w->ended - asked);
    }
}

/* At random moments of a build, and once before it has got anywhere. */
static void run_stop_build(void *data) {
    const char *const sql = data;
    rng r = rng_of(arg.seed);
    rowset content = {0};
    runner w;
    sqlite3 *const db = create("WAL", &content, &r);
    sqlite3 *const other = db_open(database());
    for (int i = 0; i < 4; i++) {
        runner_start(&w, db, sql);
        if (i) {
            wait_for_build(other, &w);
        }
        nap(rng_unit(&r) * 0.3);
        double asked = now();
        sqlite3_interrupt(db);
        while (i == 0 && !w.over) { /* it is lost where the statement has not begun */
            nap(0.001);
            if (now() - asked > 0.5) {
                asked = now();
            }
            sqlite3_interrupt(db);
        }
        runner_join(&w);
        expect_stopped(&w, asked);
        if (db_info(other, "v", "pending") != row_count) {
            fail("the log has lost changes");
        }
        table_check(i % 2 ? db : other, "v", wide, &content, 1, &r, "after a stop");
    }
    if (sqlite3_close(other)) {
        fail("sqlite3_close");
    }
    last_look(db, &content, &r);
    rowset_free(&content);
}

static double deadline; /* of the progress handler */
static double handler_said;

static int progress_handler(void *unused) {
    (void)unused;
    if (now() < deadline) {
        return 0;
    }
    if (handler_said == 0) {
        handler_said = now();
    }
    return 1;
}

static void run_progress_handler(void *data) {
    static const char *const sql[] = {"SELECT hannoy_build('v')",
                                      "INSERT INTO v(v) VALUES ('build')",
                                      "INSERT INTO v(v) VALUES ('rebuild')"};
    rng r = rng_of(arg.seed);
    rowset content = {0};
    sqlite3 *const db = create("WAL", &content, &r);
    (void)data;
    for (int i = 0; i < 6; i++) {
        deadline = now() + (i < 3 ? 0.3 : rng_unit(&r) * 0.1);
        handler_said = 0;
        sqlite3_progress_handler(db, 1, progress_handler, NULL);
        runner w;
        runner_start(&w, db, sql[i % 3]);
        runner_join(&w);
        sqlite3_progress_handler(db, 0, NULL, NULL);
        /* A handler that is never called in a second would be a stop that takes longer. */
        expect_stopped(&w, deadline);
        if (handler_said == 0) {
            fail("nobody asked the progress handler");
        }
    }
    last_look(db, &content, &r);
    rowset_free(&content);
}

/* An automatic build that is stopped leaves a COMMIT that succeeds, and its rows in the log. */
static void run_stop_commit(void *data) {
    rng r = rng_of(arg.seed);
    rowset content = {0};
    runner w;
    sqlite3 *const db = create("WAL", &content, &r);
    sqlite3 *const other = db_open(database());
    (void)data;
    db_must(db, "INSERT INTO v(v) VALUES ('autobuild=10')");
    for (int i = 0; i < 3; i++) {
        rowset before = {0}, found = {0};
        rowset_copy(&before, &content);
        db_must(db, "BEGIN");
        insert_rows(db, row_count + 1 + 20 * i, 20, &content, &r);
        runner_start(&w, db, "COMMIT");
        wait_for_build(other, &w);
        const double asked = now();
        sqlite3_interrupt(db);
        runner_join(&w);
        note("COMMIT: %d %s after %.0f ms", w.rc, sqlite3_errmsg(db), 1000 * (w.ended - asked));
        if (w.ended - asked > WITHIN) {
            fail("COMMIT: stopped after %.1f s", w.ended - asked);
        }
        if (w.rc != SQLITE_OK) {
            fail("COMMIT: %d %s", w.rc, sqlite3_errmsg(db));
        }
        if (!sqlite3_get_autocommit(db)) {
            fail("the transaction is still open");
        }
        if (rowset_load(&found, other, "v", true, wide)) {
            fail("%s", sqlite3_errmsg(other));
        }
        if (!rowset_equal(&found, &content)) {
            fail("COMMIT: %s", rowset_difference(&found, &content));
        }
        table_check(db, "v", wide, &content, 1, &r, "after a stop");
        rowset_free(&before);
        rowset_free(&found);
    }
    db_must(db, "INSERT INTO v(v) VALUES ('autobuild=0')");
    if (sqlite3_close(other)) {
        fail("sqlite3_close");
    }
    last_look(db, &content, &r);
    rowset_free(&content);
}

/*
** Queries that walk or scan everything, stopped at random moments. Each ends in time; whether one
** was fast enough to come first does not matter, but some must have been stopped.
*/
static void stop_queries(sqlite3 *db, int64_t ef, const char *where, rng *r) {
    char sql[300], with_ef[40] = "";
    int stopped = 0;
    if (ef) {
        snprintf(with_ef, sizeof with_ef, " AND ef = %lld", (long long)ef);
    }
    snprintf(sql, sizeof sql,
             "SELECT sum(distance) FROM v WHERE knn_match(vector, "
             "(SELECT vector FROM v WHERE rowid = 1)) AND k = %ld%s",
             row_count, with_ef);
    const double began = now();
    db_must(db, "%s", sql);
    const double takes = now() - began;
    for (int i = 0; i < 400 && stopped < 10; i++) {
        runner w;
        runner_start(&w, db, sql);
        nap(rng_unit(r) * takes);
        const double asked = now();
        sqlite3_interrupt(db);
        runner_join(&w);
        if ((w.rc & 255) == SQLITE_INTERRUPT) {
            expect_stopped(&w, asked);
            stopped++;
        } else if (w.rc != SQLITE_OK) {
            fail("%s: %d %s", where, w.rc, sqlite3_errmsg(db));
        }
    }
    note("%s: %d stopped", where, stopped);
    if (stopped < 10) {
        fail("%s: only %d of 400 queries could be stopped", where, stopped);
    }
}

static void run_stop_queries(void *data) {
    rng r = rng_of(arg.seed);
    rowset content = {0};
    (void)data;
    sqlite3 *const db = create("WAL", &content, &r);
    stop_queries(db, 0, "a scan of the content", &r);
    table_check(db, "v", wide, &content, 2, &r, "after stopped scans");
    db_must(db, "INSERT INTO v(v) VALUES ('ef_construction=12')");
    db_must(db, "INSERT INTO v(v) VALUES ('threads=0')");
    db_must(db, "INSERT INTO v(v) VALUES ('build')");
    stop_queries(db, row_count, "a walk through the whole graph", &r);
    table_check(db, "v", wide, &content, 2, &r, "after stopped walks");
    db_must(db, "INSERT INTO v(v) VALUES ('linear_below=2000000')");
    stop_queries(db, 0, "a scan of the sidecar", &r);
    last_look(db, &content, &r);
    rowset_free(&content);
}

/* ---------------------------------------------------------------------------- during a build -- */

/*
** While one connection builds: another's build is refused as busy, its COMMIT and its queries are
** over before the build is, and it sees how far the build has come.
*/
static void run_beside_build(void *data) {
    const char *const journal = data;
    rng r = rng_of(arg.seed);
    rowset content = {0};
    runner w;
    sqlite3 *const db = create(journal, &content, &r);
    sqlite3 *const other = db_open(database());
    sqlite3_busy_timeout(other, 10000);
    db_must(other, "INSERT INTO v(v) VALUES ('autobuild=1')"); /* each COMMIT would like to build */
    runner_start(&w, db, "SELECT hannoy_build('v')");
    wait_for_build(other, &w);
    static const char *const builds[] = {"SELECT hannoy_build('v')",
                                         "INSERT INTO v(v) VALUES ('build')"};
    for (int i = 0; i < 2; i++) {
        const int rc = db_try(other, "%s", builds[i]);
        if ((rc & 255) != SQLITE_BUSY || !strstr(sqlite3_errmsg(other), "busy")) {
            fail("%s during a build: %d %s", builds[i], rc, sqlite3_errmsg(other));
        }
    }
    for (int i = 0; i < 5; i++) {
        db_must(other, "BEGIN IMMEDIATE");
        insert_rows(other, row_count + 1 + 3 * i, 3, &content, &r);
        db_must(other, "COMMIT");
        table_check(other, "v", wide, &content, 1, &r, "during a build");
    }
    const progress before = ask_progress(other);
    nap(0.05);
    const progress later = ask_progress(other);
    if (!w.over && !before.phase[0]) {
        fail("no progress is shown");
    }
    if (!w.over && !strcmp(before.phase, later.phase) && later.done < before.done) {
        fail("%s went back from %lld to %lld of %lld", later.phase, (long long)before.done,
             (long long)later.done, (long long)later.total);
    }
    note("after five COMMITs: %s %lld of %lld", later.phase, (long long)later.done,
         (long long)later.total);
    if (w.over) {
        fail("five COMMITs were over only after the build was (%d)", w.rc);
    }
    sqlite3_interrupt(db);
    runner_join(&w);
    expect_stopped(&w, w.ended);
    if (ask_progress(other).phase[0]) {
        fail("progress is shown, and no build runs");
    }
    db_must(other, "INSERT INTO v(v) VALUES ('autobuild=0')");
    if (sqlite3_close(other)) {
        fail("sqlite3_close");
    }
    last_look(db, &content, &r);
    rowset_free(&content);
}

int main(int argc, char **argv) {
    args_read(argc, argv);
    row_count = arg.steps ? arg.steps : SANITIZED ? 3000 : 20000;
    suite_begin("interrupt", true);
    char build[] = "SELECT hannoy_build('v')", command[] = "INSERT INTO v(v) VALUES ('build')";
    char wal[] = "WAL", rollback[] = "DELETE";
    suite_case("hannoy_build is stopped", 120, run_stop_build, build);
    suite_case("'build' is stopped", 120, run_stop_build, command);
    suite_case("a progress handler stops builds", 120, run_progress_handler, NULL);
    suite_case("an automatic build is stopped", 120, run_stop_commit, NULL);
    suite_case("queries are stopped", 120, run_stop_queries, NULL);
    suite_case("others go on during a build, WAL", 120, run_beside_build, wal);
    suite_case("others go on during a build, rollback journal", 120, run_beside_build, rollback);
    return suite_end();
}
