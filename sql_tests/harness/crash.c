/*
** kill -9 at random moments of a writing and building process. Whatever the moment: the database
** and the sidecar are sound, every acknowledged commit is there with its vectors, nothing of an
** unfinished one is, and the answers are those of an exact scan, also in a process that has had the
** sidecar open all the time.
**
**     crash --ext ./hannoy.so [--seed S] [--steps KILLS] [--jobs J] [--verbose]
**
** Commit i of a database follows from the seed and i, and writes i into a table beside the vectors,
** so the whole content that must be there is known from one number.
*/
#include "oracle.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_KILLS 300
#define ROUNDS        25 /* kills of one database */
#define IDS           1500

typedef struct plan {
    uint64_t seed;
    int rounds;
    shape s;
    bool wal;
    int autobuild;
} plan;

/* ----------------------------------------------------------------------------------- commits -- */

/*
** Commit i: what it does to the content, and to a database where one is given. Both from the same
** numbers, in the same order.
*/
typedef struct writer {
    const plan *p;
    sqlite3 *db;
    sqlite3_stmt *replace, *remove; /* NULL: only the content */
    rowset *content;
} writer;

static void run_bound(writer *w, sqlite3_stmt *stmt, int64_t id, const void *vector) {
    if (!stmt) {
        return;
    }
    sqlite3_bind_int64(stmt, 1, id);
    if (vector) {
        vector_bind(stmt, 2, w->p->s, vector, AS_BYTES);
    }
    const int rc = sqlite3_step(stmt);
    if (rc != SQLITE_DONE) {
        fail("write: %d %s", rc, sqlite3_errmsg(w->db));
    }
    sqlite3_reset(stmt);
}

static void write_row(writer *w, rng *r) {
    unsigned char vector[MAX_DIM * 4];
    const int64_t id = 1 + (int64_t)rng_below(r, IDS);
    if (rng_chance(r, 0.3)) {
        run_bound(w, w->remove, id, NULL);
        rowset_remove(w->content, id);
    } else {
        vector_random(w->p->s, rng_chance(r, 0.9) ? GAUSS : LATTICE, r, vector);
        run_bound(w, w->replace, id, vector);
        rowset_put(w->content, id, vector);
    }
}

static void one_commit(writer *w, int64_t number) {
    rng r = rng_of(w->p->seed * 1000003 + (uint64_t)number);
    const int rows = 1 + (int)rng_below(&r, 50);
    if (w->db) {
        db_must(w->db, "BEGIN IMMEDIATE");
    }
    for (int i = 0; i < rows; i++) {
        write_row(w, &r);
    }
    if (rng_chance(&r, 0.15)) { /* what a savepoint undoes is not there */
        rowset keep = {0};
        rowset_copy(&keep, w->content);
        if (w->db) {
            db_must(w->db, "SAVEPOINT s");
        }
        for (int i = 0; i < 5; i++) {
            write_row(w, &r);
        }
        if (w->db) {
            db_must(w->db, "ROLLBACK TO s");
        }
        rowset_copy(w->content, &keep);
        rowset_free(&keep);
    }
    if (!w->db) {
        return;
    }
    db_must(w->db, "UPDATE done SET number = %lld", (long long)number);
    const bool inside = rng_chance(&r, 0.05);
    if (inside) {
        db_must(w->db, "INSERT INTO v(v) VALUES ('build')");
    }
    db_must(w->db, "COMMIT");
}

/* The process to be killed: commits and builds without end, and acknowledges each commit. */
static void write_forever(const plan *p, int ack) {
    rowset content = {0};
    writer w = {.p = p, .content = &content};
    rng r = rng_of((uint64_t)getpid());
    w.db = db_open(case_path("test.db"));
    sqlite3_busy_timeout(w.db, 10000);
    db_must(w.db, "PRAGMA synchronous = NORMAL");
    int64_t number = db_int(w.db, "SELECT number FROM done");
    if (sqlite3_prepare_v2(w.db, "REPLACE INTO v(rowid, vector) VALUES (?1, ?2)", -1, &w.replace,
                           NULL) ||
        sqlite3_prepare_v2(w.db, "DELETE FROM v WHERE rowid = ?1", -1, &w.remove, NULL)) {
        fail("%s", sqlite3_errmsg(w.db));
    }
    rowset_clear(&content, shape_bytes(p->s));
    for (;;) {
        one_commit(&w, ++number);
        if (write(ack, &number, sizeof number) != sizeof number) {
            _exit(1);
        }
        if (rng_chance(&r, 0.1)) {
            db_must(w.db, "SELECT hannoy_build('v')");
        }
        if (rng_chance(&r, 0.05)) {
            db_must(w.db, "INSERT INTO v(v) VALUES ('build')");
        }
        if (rng_chance(&r, 0.02)) {
            db_must(w.db, "INSERT INTO v(v) VALUES ('rebuild')");
        }
    }
}

/* ------------------------------------------------------------------------------------- looks -- */

static int64_t read_number(const char *path) {
    sqlite3 *db;
    sqlite3_stmt *stmt;
    if (sqlite3_open(path, &db)) {
        fail("open: %s", sqlite3_errmsg(db));
    }
    if (sqlite3_prepare_v2(db, "SELECT number FROM done", -1, &stmt, NULL) ||
        sqlite3_step(stmt) != SQLITE_ROW) {
        fail("after the kill: %s", sqlite3_errmsg(db));
    }
    const int64_t number = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return number;
}

/* In a process of its own, since the next writer is forked from the one that calls this. */
static void in_child(void (*fn)(const plan *, const rowset *), const plan *p,
                     const rowset *content) {
    int status;
    const pid_t pid = child_start();
    if (pid == 0) {
        fn(p, content);
        exit(0);
    }
    if (waitpid(pid, &status, 0) != pid) {
        fail("waitpid");
    }
    if (WIFSIGNALED(status)) {
        fail("after a kill, looking crashed: %s", strsignal(WTERMSIG(status)));
    }
    if (status) {
        _exit(1);
    }
}

static void look(const plan *p, const rowset *content) {
    rng r = rng_of(p->seed + content->count);
    sqlite3 *const db = db_open(case_path("test.db"));
    char *const state = db_text(db, "SELECT value FROM hannoy_info('v') WHERE key = 'state'");
    note("%zu rows, %s", content->count, state);
    /*
    ** LMDB survives a kill as SQLite does; a graph that is thrown away costs hours when it is big.
    */
    if (strstr(state, "damaged")) {
        fail("after the kill: %s", state);
    }
    sqlite3_free(state);
    table_check(db, "v", p->s, content, 6, &r, "after the kill");
    db_check(db, "v");
    if (rng_chance(&r, 0.3)) {
        db_must(db, "INSERT INTO v(v) VALUES ('build')");
        table_check(db, "v", p->s, content, 6, &r, "after the kill and a build");
        db_check(db, "v");
    }
    if (sqlite3_close(db)) {
        fail("sqlite3_close");
    }
}

static void create(const plan *p, const rowset *unused) {
    (void)unused;
    sqlite3 *const db = db_open(case_path("test.db"));
    db_must(db, "PRAGMA journal_mode = %s", p->wal ? "WAL" : "DELETE");
    db_must(db,
            "CREATE VIRTUAL TABLE v USING hannoy(dim=%d, metric=%s, type=%s, autobuild=%d, "
            "linear_below=0%s)",
            p->s.dim, metric_name[p->s.metric], type_name[p->s.type], p->autobuild,
            p->seed % 2 ? ", m=6" : "");
    db_must(db, "CREATE TABLE done(number); INSERT INTO done VALUES (0)");
    if (sqlite3_close(db)) {
        fail("sqlite3_close");
    }
}

/* It has the sidecar open while one writer after the other dies. */
static void survivor(char what, void *data) {
    static sqlite3 *db;
    const plan *const p = data;
    rng r = rng_of(p->seed);
    if (what == 'o') {
        db = db_open(case_path("test.db"));
        sqlite3_busy_timeout(db, 10000);
    }
    if (what == 'l') {
        table_check(db, "v", p->s, NULL, 3, &r, "in the process that goes on");
    }
    if (what == 'c' && sqlite3_close(db)) {
        fail("sqlite3_close");
    }
}

/* -------------------------------------------------------------------------------------- runs -- */

/* Starts a writer, kills it, and returns the last commit that it acknowledged (0: none). */
static int64_t kill_a_writer(const plan *p, rng *r) {
    int ack[2], status;
    if (pipe(ack)) {
        fail("pipe: %s", strerror(errno));
    }
    const pid_t pid = child_start();
    if (pid == 0) {
        close(ack[0]);
        write_forever(p, ack[1]);
    }
    close(ack[1]);
    int64_t acknowledged = 0, number;
    /* Mostly at work, but also while it opens and recovers what the one before it left. */
    if (rng_chance(r, 0.75) && read(ack[0], &number, sizeof number) == sizeof number) {
        acknowledged = number;
    }
    nap(rng_unit(r) * 0.05 * (SANITIZED ? 4 : 1));
    kill(pid, SIGKILL);
    if (waitpid(pid, &status, 0) != pid) {
        fail("waitpid");
    }
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
        fail("the writer ended by itself: %x", status);
    }
    while (read(ack[0], &number, sizeof number) == sizeof number) {
        acknowledged = number;
    }
    close(ack[0]);
    return acknowledged;
}

static void run_case(void *data) {
    const plan *const p = data;
    rng r = rng_of(p->seed);
    rowset content = {0};
    int64_t number = 0;
    writer model = {.p = p, .content = &content};
    peer other = {0};
    rowset_clear(&content, shape_bytes(p->s));
    in_child(create, p, NULL);
    const bool with_peer = p->seed % 2;
    if (with_peer) {
        other = peer_start(survivor, data);
        peer_ask(&other, 'o');
    }
    for (int round = 0; round < p->rounds; round++) {
        const int64_t acknowledged = kill_a_writer(p, &r);
        if (with_peer && rng_chance(&r, 0.8)) {
            peer_ask(&other, 'l');
        }
        const int64_t found = read_number(case_path("test.db"));
        note("round %d: commits %lld to %lld, acknowledged %lld", round, (long long)number + 1,
             (long long)found, (long long)acknowledged);
        if (found < acknowledged || found < number) {
            fail("round %d: commit %lld was acknowledged, %lld is the last one there", round,
                 (long long)acknowledged, (long long)found);
        }
        while (number < found) {
            one_commit(&model, ++number);
        }
        in_child(look, p, &content);
        if (with_peer) {
            peer_ask(&other, 'l');
        }
    }
    if (number == 0) {
        fail("no writer lived long enough to commit anything");
    }
    if (with_peer) {
        peer_ask(&other, 'c');
        peer_stop(&other);
    }
    rowset_free(&content);
}

int main(int argc, char **argv) {
    static const int autobuild[] = {10, 50, 200};
    arg.jobs = 2;
    args_read(argc, argv);
    suite_begin("crash", true);
    long left = arg.steps ? arg.steps : DEFAULT_KILLS;
    for (uint64_t seed = arg.seed; left > 0 && suite_time_left(); seed++) {
        rng r = rng_of(seed);
        plan p = {.seed = seed, .rounds = left < ROUNDS ? (int)left : ROUNDS};
        p.s = (shape){1 + (int)rng_below(&r, 24), (int)rng_below(&r, METRICS),
                      rng_chance(&r, 0.6) ? FLOAT32 : (int)rng_below(&r, TYPES), PLAIN, false};
        p.wal = rng_chance(&r, 0.7);
        p.autobuild = autobuild[rng_below(&r, 3)];
        char name[100];
        snprintf(name, sizeof name, "--seed %llu --steps %d", (unsigned long long)seed, p.rounds);
        suite_case(name, 120, run_case, &p);
        left -= p.rounds;
    }
    return suite_end();
}
