/*
** Everything that can fail, fails once, and then everything that follows as well: each allocation
** of SQLite's, the extension's and its libraries', each write, read, sync, lock, open and thread.
** The scenario creates, inserts, queries, builds, deletes, consolidates, opens again. What fails
** says so or goes on without; nothing crashes, the table is as before the statement or after it,
** and what is asked again succeeds. Then real full disks.
**
**     fault --ext ./hannoy.so [--every N] [--places P] [--seed S] [--jobs J] [--only TEXT]
**
** --every N (20 under a sanitizer) tries each Nth place only, beginning with place 1 + S mod N.
** --places P raises N for a case that would try more than P places.
*/
#define _GNU_SOURCE
#include "inject.h"
#include "oracle.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* ---------------------------------------------------------------------------------- scenario -- */

typedef struct scene {
    sqlite3 *db; /* NULL: not open now */
    bool wal;
    bool memory; /* a :memory: database, whose sidecar is a private file */
    bool spills; /* builds hold few rows in memory and the others in a file */
    int threads;
    int more; /* rows, so that a build is worth several threads */
    shape s;
    rng r;
    rowset content; /* that the table must have */
    rowset next;    /* that it has if the step succeeds */
    fault kind;
    long at; /* which of its kind fails */
    bool persistent;
    const char *step; /* that runs */
} scene;

static bool is_memory(fault kind) {
    return kind == SQLITE_MEMORY || kind == MEMORY || kind == ROARING_MEMORY;
}

static scene *told;      /* for fail_history */
static long *last_place; /* shared with the process that watches */

static const char *database(void) {
    return case_path("test.db");
}

static void tell(void) {
    printf("  at number %ld of '%s'%s, in step '%s'\n", told->at, fault_name[told->kind],
           told->persistent ? " and all that follow" : "", told->step);
}

static int open_step(scene *c) {
    int rc = db_open_try(c->memory ? ":memory:" : database(),
                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &c->db);
    if (rc != SQLITE_OK) {
        return rc;
    }
    inject_locate(arg.ext);
    rc = db_try(c->db, "PRAGMA journal_mode = %s", c->wal ? "WAL" : "DELETE");
    return rc == SQLITE_OK ? db_try(c->db, "PRAGMA synchronous = FULL") : rc;
}

static int create_step(scene *c) {
    return db_try(c->db,
                  "CREATE VIRTUAL TABLE v USING hannoy(dim=%d, metric=%s, autobuild=8, m=4, "
                  "ef_construction=8, linear_below=0, threads=%d, tag INTEGER, +note TEXT)",
                  c->s.dim, metric_name[c->s.metric], c->threads);
}

static int put(scene *c, int64_t id) {
    unsigned char vector[MAX_RECORD];
    sqlite3_stmt *stmt = NULL;
    vector_random(c->s, GAUSS, &c->r, vector);
    vector[shape_bytes(c->s)] = (unsigned char)(id % TAGS);
    int rc = sqlite3_prepare_v2(c->db,
                                "REPLACE INTO v(rowid, vector, tag, note) VALUES (?1, ?2, "
                                "nullif(?3, 0), 'a note')",
                                -1, &stmt, NULL);
    if (rc != SQLITE_OK) {
        return rc;
    }
    sqlite3_bind_int64(stmt, 1, id);
    sqlite3_bind_int64(stmt, 3, id % TAGS);
    rc = vector_bind(stmt, 2, c->s, vector, id % 3 == 0 ? AS_JSON : AS_BYTES);
    if (rc == SQLITE_OK) {
        sqlite3_step(stmt);
    }
    const int end = sqlite3_finalize(stmt);
    if (rc == SQLITE_OK) {
        rc = end;
    }
    rowset_put(&c->next, id, vector);
    return rc;
}

static int put_many(scene *c, int64_t first, int count) {
    int rc = SQLITE_OK;
    for (int i = 0; i < count && rc == SQLITE_OK; i++) {
        rc = put(c, first + i);
    }
    return rc;
}

static int insert_one_step(scene *c) {
    return put(c, 1);
}

static int insert_step(scene *c) {
    int rc = db_try(c->db, "BEGIN");
    if (rc == SQLITE_OK) {
        rc = put_many(c, 2, 14);
    }
    if (rc == SQLITE_OK) {
        rc = put_many(c, 1000, c->more);
    }
    return rc == SQLITE_OK ? db_try(c->db, "COMMIT") : rc;
}

/* With a savepoint that is undone, and several rows in one statement. */
static int change_step(scene *c) {
    int rc = db_try(c->db, "BEGIN");
    if (rc == SQLITE_OK) {
        rc = put_many(c, 10, 12);
    }
    if (rc == SQLITE_OK) {
        rc = db_try(c->db, "SAVEPOINT s");
    }
    if (rc == SQLITE_OK) {
        rc = db_try(c->db, "DELETE FROM v WHERE rowid < 6");
    }
    if (rc == SQLITE_OK) {
        rc = db_try(c->db, "ROLLBACK TO s");
    }
    if (rc == SQLITE_OK) {
        rc = db_try(c->db, "DELETE FROM v WHERE rowid BETWEEN 8 AND 12");
    }
    for (int64_t id = 8; id <= 12; id++) {
        rowset_remove(&c->next, id);
    }
    return rc == SQLITE_OK ? db_try(c->db, "COMMIT") : rc;
}

/* Nearly all of it, so that the build that follows consolidates. */
static int delete_step(scene *c) {
    for (int64_t id = 1; id <= 18; id++) {
        rowset_remove(&c->next, id);
    }
    return db_try(c->db, "DELETE FROM v WHERE rowid <= 18");
}

static int update_step(scene *c) {
    int rc = db_try(c->db, "BEGIN IMMEDIATE");
    if (rc == SQLITE_OK) {
        rc = put_many(c, 19, 3);
    }
    return rc == SQLITE_OK ? db_try(c->db, "COMMIT") : rc;
}

static int build_step(scene *c) {
    return db_try(c->db, "INSERT INTO v(v) VALUES ('build')");
}

static int rebuild_step(scene *c) {
    return db_try(c->db, "INSERT INTO v(v) VALUES ('rebuild')");
}

static int hannoy_build_step(scene *c) {
    return db_try(c->db, "SELECT hannoy_build('v')");
}

static int check_step(scene *c) {
    return db_try(c->db, "INSERT INTO v(v) VALUES ('integrity-check')");
}

static int info_step(scene *c) {
    return db_try(c->db, "SELECT key, value FROM hannoy_info('v')");
}

/* The functions that take memory of core's; ext/test/test_functions.c has them all. */
static int functions_step(scene *c) {
    return db_try(c->db,
                  "SELECT hannoy_distance(column1, '[3, 4]', 'l2'), hannoy_normalize(column1) "
                  "FROM (VALUES ('[0, 0]'), ('[1, 2]'), ('[3, 4]'))");
}

/* Queries of a user in each form. */
static int recall_step(scene *c) {
    return db_try(c->db, "SELECT hannoy_recall('v', 'SELECT vector FROM v'), "
                         "hannoy_recall('v', json_group_array(json(hannoy_json(vector)))), "
                         "hannoy_recall('v', max(vector)) FROM v");
}

/*
** Scans find the ten nearest of so few rows, which calibrate says once it has measured them.  Where
** no memory is left for that sentence, SQLite has one for the code.
*/
static int calibrate_step(scene *c) {
    const int rc =
        db_try(c->db, "INSERT INTO v(v, vector) VALUES ('calibrate', 'SELECT vector FROM "
                      "v UNION ALL SELECT vector FROM v LIMIT 20')");
    const char *const sentence = sqlite3_errmsg(c->db);
    const bool lost = is_memory(c->kind) && strcmp(sentence, sqlite3_errstr(SQLITE_ERROR)) == 0;
    return rc == SQLITE_ERROR && (strstr(sentence, "scan its rows") || lost) ? SQLITE_OK : rc;
}

/* Whatever fails on the way: an answer that comes to its end is right. */
static int query_step(scene *c) {
    unsigned char vector[MAX_DIM * 4];
    int rc = SQLITE_OK;
    static const int filters[] = {NO_FILTER, NO_FILTER, TAG_IS, TAG_IN, ROWID_IN};
    for (int i = 0; i < 5 && rc == SQLITE_OK; i++) {
        const query q = {.table = "v",
                         .s = c->s,
                         .vector = vector,
                         .spelling = i % SPELLINGS,
                         .limit = -1,
                         .k = i == 1 ? -1 : 5,
                         .ef = (int64_t)c->content.count + 1,
                         .filter = filters[i],
                         .tag = 3,
                         .ids = {4, 12}};
        vector_random(c->s, GAUSS, &c->r, vector);
        rc = query_check(c->db, &q, &c->content, "a query");
    }
    return rc;
}

static int close_step(scene *c) {
    const int rc = sqlite3_close(c->db);
    if (rc != SQLITE_OK) {
        fail("sqlite3_close: %d", rc);
    }
    c->db = NULL;
    return SQLITE_OK;
}

/* What a step may return while something fails. */
enum { READS, WRITES, BUILDS };

static const struct {
    const char *name;
    int (*run)(scene *);
    int what;
} steps[] = {
    {"open", open_step, READS},
    {"create", create_step, WRITES},
    {"insert one", insert_one_step, WRITES},
    {"query the log", query_step, READS},
    {"insert", insert_step, WRITES},
    {"query", query_step, READS},
    {"change", change_step, WRITES},
    {"query again", query_step, READS},
    {"build", build_step, BUILDS},
    {"info", info_step, READS},
    {"functions", functions_step, READS},
    {"recall", recall_step, READS},
    {"calibrate", calibrate_step, BUILDS},
    {"delete", delete_step, WRITES},
    {"query after deletes", query_step, READS},
    {"build and consolidate", build_step, BUILDS},
    {"update", update_step, WRITES},
    {"close", close_step, READS},
    {"open again", open_step, READS},
    {"query after opening", query_step, READS},
    {"hannoy_build", hannoy_build_step, BUILDS},
    {"rebuild", rebuild_step, BUILDS},
    {"check", check_step, BUILDS},
    {"last query", query_step, READS},
};
#define STEPS (int)(sizeof steps / sizeof *steps)

/* ------------------------------------------------------------------------------ expectations -- */

/*
** Memory may run out everywhere, and then it says so. A failing sidecar costs speed: only what was
** asked to write it may fail, with a sentence. A failing database fails as SQLite has it.
*/
static void judge_code(const scene *c, int what, int rc) {
    const int primary = rc & 255;
    const char *const sentence = c->db ? sqlite3_errmsg(c->db) : "";
    if (!inject_fired()) {
        fail("%d %s, and nothing had failed", rc, sentence);
    }
    if (!c->db) { /* SQLite says "error" where an extension cannot be loaded */
        return;
    }
    if (is_memory(c->kind)) {
        if (primary != SQLITE_NOMEM && rc != SQLITE_IOERR_NOMEM) {
            fail("%d %s, should be NOMEM", rc, sentence);
        }
    } else if (c->kind != DATABASE_WRITE) {
        if (what != BUILDS) {
            fail("%d %s: only a build may fail", rc, sentence);
        }
        if (!strstr(sentence, "hannoy")) {
            fail("%d %s: whose error is it?", rc, sentence);
        }
    }
}

/* After a failure the table is as before the step or as after it. True: as after it. */
static bool step_took_place(scene *c, int number) {
    rowset content = {0};
    if (!sqlite3_get_autocommit(c->db)) {
        db_must(c->db, "ROLLBACK");
    }
    const bool there = db_int(c->db, "SELECT count(*) FROM sqlite_master WHERE name = 'v'") != 0;
    if (steps[number].run == create_step) {
        return there;
    }
    const int rc = rowset_load(&content, c->db, "v", false, c->s);
    if (rc != SQLITE_OK) {
        fail("reading the rows: %d %s", rc, sqlite3_errmsg(c->db));
    }
    const bool after = rowset_equal(&content, &c->next);
    if (!after && !rowset_equal(&content, &c->content)) {
        fail("neither before nor after the step: %s", rowset_difference(&content, &c->content));
    }
    rowset_free(&content);
    return after && steps[number].what == WRITES;
}

/* A step that fails is tried again, unless it did what it was to do. */
static void run_step(scene *c, int number) {
    const rng before = c->r;
    c->step = steps[number].name;
    rowset_copy(&c->next, &c->content);
    int rc = steps[number].run(c);
    if (rc != SQLITE_OK) {
        judge_code(c, steps[number].what, rc);
        const bool lasts = c->persistent && !is_memory(c->kind);
        if (lasts && steps[number].what == BUILDS) {
            return;
        }
        inject_disarm();
        if (steps[number].run == open_step && c->db) {
            close_step(c);
        }
        if (!c->db || !step_took_place(c, number)) {
            c->r = before;
            rowset_copy(&c->next, &c->content);
            rc = steps[number].run(c);
            if (rc != SQLITE_OK) {
                fail("again: %d %s", rc, c->db ? sqlite3_errmsg(c->db) : "");
            }
        }
    }
    rowset_copy(&c->content, &c->next);
}

static void last_look(scene *c) {
    inject_disarm();
    c->step = "last look";
    table_check(c->db, "v", c->s, &c->content, 6, &c->r, "at the end");
    db_check(c->db, "v");
    db_must(c->db, "INSERT INTO v(v) VALUES ('build')");
    if (db_info(c->db, "v", "pending")) {
        fail("changes are pending after a build");
    }
    table_check(c->db, "v", c->s, &c->content, 6, &c->r, "at the end, after a build");
    db_check(c->db, "v");
    close_step(c);
    static const char *const files[] = {"test.db",         "test.db-wal",    "test.db-shm",
                                        "test.db-journal", "test.db-hannoy", "test.db-hannoy-lock"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        file_remove(case_path("%s", files[i]));
    }
}

/* Runs the scenario with one fault in it; returns how many places of that kind there are. */
static long run_scenario(const scene *plan, long at) {
    scene c = *plan;
    c.at = *last_place = at;
    c.r = rng_of(7);
    told = &c;
    rowset_clear(&c.content, record_bytes(c.s));
    inject_arm(c.kind, at, c.persistent);
    for (int i = 0; i < STEPS; i++) {
        const bool reopens = i > 0 && (steps[i].run == open_step || steps[i].run == close_step);
        if (!c.memory || !reopens) {
            run_step(&c, i);
        }
    }
    const long places = inject_seen();
    last_look(&c);
    rowset_free(&c.content);
    rowset_free(&c.next);
    return places;
}

static void run_all_places(const scene *plan) {
    inject_install();
    fail_history = tell;
    if (plan->spills) {
        setenv("HANNOY_BUILD_MEMORY", "200", 1);
    }
    run_scenario(plan,
                 0); /* loads the extension for good, so that its place is known from the start */
    const long places = run_scenario(plan, 0);
    note("%ld places", places);
    if (places == 0) {
        fail("nothing was counted: is the program linked with -rdynamic?");
    }
    long every = arg.every;
    if (arg.places) {
        const long least = (places + arg.places - 1) / arg.places;
        if (every < least) {
            every = least;
        }
    }
    for (long at = 1 + (long)(arg.seed % (uint64_t)every); at <= places; at += every) {
        run_scenario(plan, at);
    }
}

/* A crash has to be told with the place where it happened. */
static void run_watched(void *data) {
    const scene *const plan = data;
    int status;
    last_place =
        mmap(NULL, sizeof *last_place, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (last_place == MAP_FAILED) {
        fail("mmap");
    }
    const pid_t pid = child_start();
    if (pid == 0) {
        run_all_places(plan);
        exit(0);
    }
    if (waitpid(pid, &status, 0) != pid) {
        fail("waitpid");
    }
    if (WIFEXITED(status)) {
        _exit(WEXITSTATUS(status));
    }
    fail("crashed at number %ld: %s", *last_place, strsignal(WTERMSIG(status)));
}

static void run_kind(scene plan, const char *name) {
    char full[80];
    plan.s = (shape){4, EUCLIDEAN, FLOAT32, TAGGED, false};
    snprintf(full, sizeof full, "%s, %s", fault_name[plan.kind], name);
    suite_case(full, 600, run_watched, &plan);
}

static void run_kinds(void) {
    for (fault kind = SQLITE_MEMORY; kind < FAULTS; kind++) {
        /*
        ** CRoaring 0.2.66 does not look at what malloc gives it: only to see where it would matter.
        */
        if (kind == ROARING_MEMORY && !(arg.only && strstr(arg.only, "CRoaring"))) {
            continue;
        }
#ifdef __SANITIZE_THREAD__
        if (kind == MEMORY || kind == ROARING_MEMORY) { /* its allocator is not to be had */
            continue;
        }
#endif
        scene plan = {.kind = kind, .wal = true, .threads = 1};
        if (kind == THREAD) {
            plan.threads = 3, plan.more = 200;
        }
        if (kind == DATABASE_WRITE) {
            run_kind(plan, "WAL");
            plan.wal = false;
            run_kind(plan, "rollback journal");
            continue;
        }
        run_kind(plan, "once");
        plan.spills = true;
        if (kind != SQLITE_MEMORY) {
            run_kind(plan, "once, builds in small parts");
        }
        plan.spills = false;
        plan.persistent = true;
        run_kind(plan, "and all that follow");
        if (kind == SQLITE_MEMORY) {
            continue;
        }
        plan.memory = true;
        run_kind(plan, "and all that follow, :memory:");
        if (kind != MEMORY) {
            continue;
        }
        plan.memory = false;
        plan.threads = 3;
        plan.more = 200;
        run_kind(plan, "and all that follow, in three threads");
    }
}

/* -------------------------------------------------------------------------------- full disks -- */

static int64_t fill_table(sqlite3 *db, shape s, int rows, rowset *content, rng *r) {
    unsigned char vector[MAX_DIM * 4];
    sqlite3_stmt *stmt;
    rowset_clear(content, shape_bytes(s));
    db_must(db, "BEGIN");
    if (sqlite3_prepare_v2(db, "INSERT INTO v(rowid, vector) VALUES (?1, ?2)", -1, &stmt, NULL)) {
        fail("%s", sqlite3_errmsg(db));
    }
    for (int i = 1; i <= rows; i++) {
        vector_random(s, GAUSS, r, vector);
        sqlite3_bind_int64(stmt, 1, i);
        vector_bind(stmt, 2, s, vector, AS_BYTES);
        if (sqlite3_step(stmt) != SQLITE_DONE) {
            fail("%s", sqlite3_errmsg(db));
        }
        sqlite3_reset(stmt);
        rowset_put(content, i, vector);
    }
    sqlite3_finalize(stmt);
    db_must(db, "COMMIT");
    return file_size(sqlite3_db_filename(db, "main"));
}

/* No room for the graph: the build says so, or at a COMMIT is silent; the rows and answers stay. */
static void expect_full(sqlite3 *db, shape s, rowset *content, rng *r) {
    const int rc = db_try(db, "SELECT hannoy_build('v')");
    note("build on a full disk: %d %s", rc, sqlite3_errmsg(db));
    if (rc == SQLITE_OK) {
        fail("a build succeeded without room for it");
    }
    if (strcmp(sqlite3_errmsg(db), "hannoy: the disk is full") != 0) {
        fail("build: %d %s", rc, sqlite3_errmsg(db));
    }
    table_check(db, "v", s, content, 4, r, "after a build that found no room");
    for (int i = 0; i < 3; i++) { /* SQLite itself may find no room for the row */
        const int deleted = db_try(db, "DELETE FROM v WHERE rowid = %d", 10 + i);
        if (deleted == SQLITE_OK) {
            rowset_remove(content, 10 + i);
        }
        if (deleted != SQLITE_OK && (deleted & 255) != SQLITE_FULL &&
            (deleted & 255) != SQLITE_IOERR) {
            fail("DELETE: %d %s", deleted, sqlite3_errmsg(db));
        }
    }
    table_check(db, "v", s, content, 4, r, "after changes without room");
}

static void expect_room(sqlite3 *db, shape s, const rowset *content, rng *r) {
    db_must(db, "INSERT INTO v(v) VALUES ('build')");
    table_check(db, "v", s, content, 8, r, "with room again");
    db_check(db, "v");
    if (db_info(db, "v", "nodes") < (int64_t)content->count) {
        fail("nothing was built");
    }
}

static sqlite3 *create_for_full_disk(const char *path, shape s) {
    sqlite3 *const db = db_open(path);
    db_must(db,
            "PRAGMA journal_mode = DELETE; PRAGMA synchronous = OFF;"
            "CREATE VIRTUAL TABLE v USING hannoy(dim=%d, metric=%s, autobuild=0, linear_below=0)",
            s.dim, metric_name[s.metric]);
    return db;
}

/* A file may not become longer than so much, which SIGXFSZ would tell the careless. */
static void run_file_limit(void *data) {
    const shape s = {3, EUCLIDEAN, FLOAT32, PLAIN, false};
    const bool small = *(int *)data;
    rng r = rng_of(arg.seed);
    rowset content = {0};
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    sqlite3 *const db = create_for_full_disk(database(), s);
    const int64_t size = fill_table(db, s, 4000, &content, &r);
    getrlimit(RLIMIT_FSIZE, &limit);
    const struct rlimit tight = {small ? 4096 : (rlim_t)size + 65536, limit.rlim_max};
    db_must(db, "INSERT INTO v(v) VALUES ('autobuild=1')");
    setrlimit(RLIMIT_FSIZE, &tight);
    expect_full(db, s, &content, &r);
    setrlimit(RLIMIT_FSIZE, &limit);
    expect_room(db, s, &content, &r);
    close_step(&(scene){.db = db});
    rowset_free(&content);
}

/* Takes all but so many bytes of what is free in the file system of this path. */
static void fill_disk(const char *path, long leave) {
    char block[4096];
    memset(block, 'x', sizeof block);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0) {
        fail("open %s", path);
    }
    off_t size = 0;
    ssize_t n;
    while ((n = pwrite(fd, block, sizeof block, size)) > 0) {
        size += n;
    }
    if (ftruncate(fd, size > leave ? size - leave : 0)) {
        fail("ftruncate");
    }
    close(fd);
}

/* A small file system of this process's own, empty each time. */
static const char *mount_disk(const char *size) {
    const char *const disk = case_path("disk");
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        (mkdir(disk, 0755) && errno != EEXIST) || mount("tmpfs", disk, "tmpfs", 0, size)) {
        skip("no file system can be mounted here");
    }
    return disk;
}

/* The code of a COMMIT of 600 rows with so many bytes left. */
static int commit_on_disk(const char *journal, long leave, int autobuild) {
    const shape s = {32, EUCLIDEAN, FLOAT32, PLAIN, false};
    rng r = rng_of(arg.seed);
    rowset content = {0};
    const char *const disk = mount_disk("size=16m");
    sqlite3 *const db = create_for_full_disk(case_path("disk/test.db"), s);
    db_must(db, "PRAGMA journal_mode = %s", journal);
    fill_table(db, s, 2000, &content, &r);
    db_must(db, "SELECT hannoy_build('v')");
    db_must(db, "INSERT INTO v(v) VALUES ('autobuild=%d')", autobuild);
    fill_disk(case_path("disk/filler"), leave);
    const int rc = db_try(db, "INSERT INTO v(rowid, vector) SELECT id + 10000, vector FROM "
                              "v_content WHERE id <= 600");
    const int64_t rows = db_int(db, "SELECT count(*) FROM v");
    if (rows != (rc == SQLITE_OK ? 2600 : 2000)) {
        fail("%d rows after code %d", (int)rows, rc);
    }
    close_step(&(scene){.db = db});
    rowset_free(&content);
    umount2(disk, MNT_DETACH);
    return rc;
}

/* A build leaves the COMMIT that it is part of the room that this one needs. */
static void run_commit_room(void *data) {
    const char *const journal = data;
    int failed = 0, succeeded = 0;
    for (long leave = 65536; leave < (long)6 << 20; leave += leave / 4) {
        const int without = commit_on_disk(journal, leave, 0);
        const int with = commit_on_disk(journal, leave, 100);
        if (without == SQLITE_OK && with != SQLITE_OK) {
            fail("%ld bytes left: COMMIT fails with code %d because of the build", leave, with);
        }
        failed += without != SQLITE_OK;
        succeeded += without == SQLITE_OK;
    }
    if (!failed || !succeeded) {
        fail("no COMMIT failed, or none succeeded: %d, %d", failed, succeeded);
    }
}

static void run_full_disk(void *data) {
    const long leave = *(long *)data;
    const shape s = {3, EUCLIDEAN, FLOAT32, PLAIN, false};
    rng r = rng_of(arg.seed);
    rowset content = {0};
    const char *const disk = mount_disk("size=8m");
    sqlite3 *const db = create_for_full_disk(case_path("disk/test.db"), s);
    fill_table(db, s, 4000, &content, &r);
    const bool built = leave % 2;
    if (built) { /* a sidecar that is there has no room to grow */
        db_must(db, "SELECT hannoy_build('v')");
        db_must(db, "BEGIN");
        for (int i = 0; i < 3900; i++) {
            db_must(db, "UPDATE v SET rowid = rowid + 10000 WHERE rowid = %d", i + 20);
            const long at = rowset_find(&content, i + 20);
            rowset_put(&content, i + 10020, rowset_at(&content, (size_t)at));
            rowset_remove(&content, i + 20);
        }
        db_must(db, "COMMIT");
    }
    db_must(db, "INSERT INTO v(v) VALUES ('autobuild=1')");
    fill_disk(case_path("disk/filler"), leave);
    expect_full(db, s, &content, &r);
    unlink(case_path("disk/filler"));
    expect_room(db, s, &content, &r);
    close_step(&(scene){.db = db});
    rowset_free(&content);
    umount2(disk, MNT_DETACH);
}

int main(int argc, char **argv) {
    arg.jobs = 2;
    arg.every = SANITIZED ? 20 : 1;
    args_read(argc, argv);
    suite_begin("fault", true);
    for (int i = 0; i < 2; i++) {
        suite_case(i ? "a file of 4096 bytes at most" : "files not much longer than the database",
                   60, run_file_limit, &i);
    }
    static const long leave[] = {0, 4096, 65536, 200000, 1, 4097, 20481};
    for (size_t i = 0; i < sizeof leave / sizeof *leave; i++) {
        char name[60];
        long bytes = leave[i];
        snprintf(name, sizeof name, "full disk, %ld bytes left, %s", bytes,
                 bytes % 2 ? "built before" : "no sidecar yet");
        suite_case(name, 60, run_full_disk, &bytes);
    }
    static char journals[][8] = {"WAL", "DELETE"};
    for (int i = 0; i < 2; i++) {
        suite_case(i ? "COMMITs on a nearly full disk, journal"
                     : "COMMITs on a nearly full disk, WAL",
                   200, run_commit_room, journals[i]);
    }
    run_kinds();
    return suite_end();
}
