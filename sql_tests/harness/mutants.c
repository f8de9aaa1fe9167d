/*
** Mutated sidecars (mutator.h) of tables of every kind.  With each, a process searches, builds and
** verifies: it does not crash, hang or take memory without reason; no row comes that the snapshot
** lacks, none twice, none with the distance of another vector; and a build mends the file, or a
** rebuild where all digests are right.
**
**     mutants --ext ./hannoy.so [--seed S] [--steps FILES] [--only TEXT] [--verbose]
*/
#include "mutator.h"
#include "oracle.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define ROWS       420
#define MAX_RSS_MB 160 /* a process with an undamaged sidecar of these takes 20 */

typedef struct table {
    shape s;
    const char *options;
} table;

static const table tables[] = {
    {{8, EUCLIDEAN, FLOAT32, PLAIN, false}, "m=4, ef_construction=20"},
    {{8, COSINE, FLOAT32, TAGGED, false}, "codes=float32"},
    {{64, EUCLIDEAN, FLOAT32, PLAIN, false}, "codes=int8, m=8"},
    {{96, COSINE, FLOAT32, TAGGED, true}, "codes=int4"},
    {{32, EUCLIDEAN, FLOAT32, PLAIN, false}, "codes=float16"},
    {{70, EUCLIDEAN, FLOAT32, PLAIN, true}, "codes=bit, m=4"},
    {{128, HAMMING, BIT, PLAIN, false}, "m=8"},
    {{16, MANHATTAN, INT8, TAGGED, false}, "m=4"},
    {{400, EUCLIDEAN, FLOAT16, PLAIN, false}, "m=63"},
    {{1000, EUCLIDEAN, FLOAT32, PLAIN, false}, "codes=float32, m=4"},
};
#define TABLES (sizeof tables / sizeof *tables)

static char base_dir[4096];
static rng r;

static const char *base_path(size_t which, const char *suffix) {
    static char ring[4][5000];
    static int next;
    char *const out = ring[next++ % 4];
    snprintf(out, sizeof ring[0], "%s/%zu%s", base_dir, which, suffix);
    return out;
}

/* ----------------------------------------------------------------------------------- content -- */

static void put(sqlite3 *db, const table *t, int64_t id) {
    unsigned char vector[MAX_DIM * 4];
    sqlite3_stmt *stmt;
    const char *const sql = t->s.kind == TAGGED
                                ? "REPLACE INTO v(rowid, vector, tag) VALUES (?1, ?2, ?3)"
                                : "REPLACE INTO v(rowid, vector) VALUES (?1, ?2)";
    rng few = rng_of((uint64_t)id % 5); /* a third of the rows are copies of one another */
    vector_random(t->s, GAUSS, id % 3 ? &r : &few, vector);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL)) {
        fail("%s: %s", sql, sqlite3_errmsg(db));
    }
    sqlite3_bind_int64(stmt, 1, id);
    vector_bind(stmt, 2, t->s, vector, AS_BYTES);
    if (t->s.kind == TAGGED) {
        sqlite3_bind_int(stmt, 3, (int)(id % (TAGS - 1)) + 1);
    }
    if (sqlite3_step(stmt) != SQLITE_DONE) {
        fail("%s: %s", sql, sqlite3_errmsg(db));
    }
    sqlite3_finalize(stmt);
}

/* Inserts, replaces and deletes. */
static void change(sqlite3 *db, const table *t, int64_t first, int count) {
    db_must(db, "BEGIN");
    for (int i = 0; i < count; i++) {
        put(db, t, first + i);
    }
    for (int i = 0; i < count; i += 3) {
        const int64_t id = 1 + (int64_t)rng_below(&r, (uint32_t)(first + count));
        if (i % 2) {
            put(db, t, id);
        } else {
            db_must(db, "DELETE FROM v WHERE rowid = %lld", (long long)id);
        }
    }
    db_must(db, "COMMIT");
}

static void build(sqlite3 *db) {
    db_must(db, "INSERT INTO v(v) VALUES ('build')");
}

/* A database with deleted nodes, free slots, unlinked rows and changes that are not built. */
static void make_base(void *data) {
    const size_t which = *(size_t *)data;
    const table *const t = &tables[which];
    r = rng_of(arg.seed * 1000 + which);
    sqlite3 *const db = db_open(base_path(which, ".db"));
    db_must(db,
            "CREATE VIRTUAL TABLE v USING hannoy(dim=%d, metric=%s, type=%s, autobuild=0, "
            "linear_below=0, %s%s)",
            t->s.dim, metric_name[t->s.metric], type_name[t->s.type], t->options,
            t->s.kind == TAGGED ? ", tag INTEGER" : "");
    change(db, t, 1, ROWS);
    build(db);
    change(db, t, ROWS + 1, ROWS / 2);
    build(db);
    file_copy(base_path(which, ".db-hannoy"), base_path(which, ".other"));
    db_must(db, "INSERT INTO v(v) VALUES ('autobuild=5')");
    for (int i = 0; i < 4; i++) {
        change(db, t, 2 * ROWS + 10 * i, 6);
    }
    db_must(db, "INSERT INTO v(v) VALUES ('autobuild=0')");
    change(db, t, 3 * ROWS, 12);
    db_check(db, "v");
    sqlite3_close(db);
}

/* ------------------------------------------------------------------------------------- looks -- */

typedef struct mutant {
    size_t which;
    uint64_t seed;
    mutation how;
    char what[100];
} mutant;

static bool near_enough(const table *t, double is, double should) {
    const double slack = t->s.metric == COSINE ? 1e-9 : 0;
    return fabs(is - should) <= slack + 1e-6 * fabs(should);
}

/* Every row exists, comes once, and has its distance. */
static void ask_one(sqlite3 *db, const mutant *m, const rowset *content, const query *q,
                    const char *where) {
    const table *const t = &tables[m->which];
    sqlite3_stmt *stmt;
    unsigned char *const seen = calloc(content->count + 1, 1);
    int rc = query_prepare(db, q, &stmt);
    if (rc || !seen) {
        fail("%s: %s: %s", where, query_text(q), sqlite3_errmsg(db));
    }
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const int64_t id = sqlite3_column_int64(stmt, 0);
        const long at = rowset_find(content, id);
        if (at < 0) {
            fail("%s: %s: row %lld is not there", where, query_text(q), (long long)id);
        }
        if (seen[at]++) {
            fail("%s: %s: row %lld twice", where, query_text(q), (long long)id);
        }
        if (q->filter == TAG_IS && record_tag(t->s, rowset_at(content, (size_t)at)) != q->tag) {
            fail("%s: %s: row %lld has another tag", where, query_text(q), (long long)id);
        }
        if (q->columns == ROWID_ALONE) {
            continue;
        }
        const double is = sqlite3_column_double(stmt, 1);
        const double should = vector_distance(t->s, q->vector, rowset_at(content, (size_t)at));
        if (!near_enough(t, is, should)) {
            fail("%s: %s: row %lld has distance %.9g, not %.9g", where, query_text(q),
                 (long long)id, is, should);
        }
    }
    if (rc != SQLITE_DONE) {
        fail("%s: %s: %s (%d)", where, query_text(q), sqlite3_errmsg(db), rc);
    }
    sqlite3_finalize(stmt);
    free(seen);
}

/* In a transaction: all rows of the graph, of a scan, without distances, few, and as a stream. */
static void ask(sqlite3 *db, const mutant *m, const char *where) {
    const table *const t = &tables[m->which];
    rowset content = {0};
    unsigned char vector[MAX_DIM * 4];
    db_must(db, "BEGIN");
    if (rowset_load(&content, db, "v", true, t->s)) {
        fail("%s: %s", where, sqlite3_errmsg(db));
    }
    const int64_t rows = (int64_t)content.count;
    const query all[] = {
        {.k = rows, .ef = rows, .columns = ROWID_ALONE, .limit = -1},
        {.k = 10, .ef = -1, .columns = WITH_DISTANCE, .limit = -1},
        {.k = rows / 12, .ef = -1, .columns = ROWID_ALONE, .limit = -1},
        {.k = rows, .ef = -1, .columns = WITH_DISTANCE, .limit = -1, .exact = true},
        {.k = rows, .ef = -1, .columns = ROWID_ALONE, .limit = -1, .exact = true},
        {.k = -1, .ef = -1, .columns = WITH_DISTANCE, .limit = 30},
        {.k = rows / 3, .ef = rows, .columns = ROWID_ALONE, .limit = -1, .filter = ROWID_IN},
        {.k = rows, .ef = -1, .columns = ROWID_ALONE, .limit = -1, .filter = TAG_IS, .tag = 2},
    };
    const size_t count = sizeof all / sizeof *all - (t->s.kind != TAGGED);
    for (size_t i = 0; i < count; i++) {
        query q = all[i];
        q.table = "v";
        q.s = t->s;
        q.vector = vector;
        q.spelling = BY_MATCH;
        for (int j = 0; j < 2; j++) {
            q.ids[j] = 1 + (int64_t)rng_below(&r, ROWS);
        }
        vector_random(t->s, GAUSS, &r, vector);
        if (rng_chance(&r, 0.5)) {
            memcpy(vector, rowset_at(&content, rng_below(&r, (uint32_t)rows)), shape_bytes(t->s));
        }
        ask_one(db, m, &content, &q, where);
    }
    db_must(db, "COMMIT");
    rowset_free(&content);
}

/* 'integrity-check' ends, in whatever way. */
static bool is_sound(sqlite3 *db, const char *where) {
    const int rc = db_try(db, "INSERT INTO v(v) VALUES ('integrity-check')");
    if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_CORRUPT) {
        fail("%s: integrity-check: %s (%d)", where, sqlite3_errmsg(db), rc);
    }
    note("%s: integrity-check: %s", where, rc ? sqlite3_errmsg(db) : "sound");
    return rc == SQLITE_OK;
}

static void check_memory(void) {
    struct rusage usage;
    if (SANITIZED || getrusage(RUSAGE_SELF, &usage)) {
        return;
    }
    if (usage.ru_maxrss / 1024 > MAX_RSS_MB) {
        fail("%ld MB of memory", usage.ru_maxrss / 1024);
    }
}

static bool is_forged(mutation how) {
    return how == FORGED_ROW || how == FORGED_VALUE || how == TAKEN_BACK || how == FORGED_BACK;
}

static void use_damaged(const mutant *m) {
    const table *const t = &tables[m->which];
    sqlite3 *db = db_open(case_path("t.db"));
    /* In half of the cases nothing is read before the first build. */
    if (m->seed % 2) {
        ask(db, m, "damaged");
        char *const state = db_text(db, "SELECT value FROM hannoy_info('v') WHERE key = 'state'");
        note("state: %s", state);
        const bool told = state && strstr(state, "damaged");
        sqlite3_free(state);
        sqlite3 *const second = db_open(case_path("t.db"));
        if (is_sound(second, "damaged") && told) {
            fail("integrity-check does not see the damage");
        }
        sqlite3_close(second);
    }
    change(db, t, 4 * ROWS, 20);
    db_must(db, "DELETE FROM v WHERE rowid %% 4 = %lld", (long long)(m->seed % 3));
    for (int i = 0; i < 3; i++) {
        /* A build takes over what all digests confirm, as integrity-check says. */
        db_must(db, "INSERT INTO v(v) VALUES ('%s')", i && is_forged(m->how) ? "rebuild" : "build");
        ask(db, m, i ? "after a further build" : "after a build");
        if (is_sound(db, "after a build")) {
            break;
        }
        if (i == 2) {
            fail("the builds did not mend it");
        }
    }
    check_memory();
    sqlite3_close(db);
    db = db_open(case_path("t.db"));
    ask(db, m, "opened again");
    db_check(db, "v");
    sqlite3_close(db);
}

static const mutant *running;

static void tell_mutation(void) {
    printf("  %s\n", running->what);
}

static void run_mutant(void *data) {
    mutant *const m = data;
    running = m;
    fail_history = tell_mutation;
    r = rng_of(m->seed);
    image file = image_read(base_path(m->which, ".db-hannoy"));
    image other = image_read(base_path(m->which, ".other"));
    for (int i = 0; !mutate(&file, &other, m->how, &r, m->what, sizeof m->what); i++) {
        if (i == 50) {
            skip("nothing to mutate");
        }
    }
    note("%s", m->what);
    file_copy(base_path(m->which, ".db"), case_path("t.db"));
    image_write(&file, case_path("t.db-hannoy"));
    image_free(&file);
    image_free(&other);
    use_damaged(m);
}

int main(int argc, char **argv) {
    arg.jobs = 2;
    arg.steps = 600;
    args_read(argc, argv);
    const char *const only = arg.only;
    suite_begin("mutants", true);
    snprintf(base_dir, sizeof base_dir, "%s", suite_folder());
    arg.only = NULL;
    for (size_t i = 0; i < TABLES; i++) {
        suite_case("an undamaged sidecar", 30, make_base, &i);
    }
    suite_wait();
    arg.only = only;
    for (long i = 0; i < arg.steps && suite_time_left(); i++) {
        mutant m = {.seed = arg.seed * 1000003 + (uint64_t)i};
        char name[120];
        m.which = (size_t)i % TABLES;
        m.how = (mutation)((size_t)i / TABLES % MUTATIONS);
        snprintf(name, sizeof name, "%ld: table %zu, %s", i, m.which, mutation_name[m.how]);
        suite_case(name, 20, run_mutant, &m);
    }
    suite_wait();
    for (size_t i = 0; i < TABLES; i++) {
        static const char *const suffixes[] = {".db", ".db-hannoy", ".db-hannoy-lock", ".other"};
        for (size_t j = 0; j < sizeof suffixes / sizeof *suffixes; j++) {
            unlink(base_path(i, suffixes[j]));
        }
    }
    return suite_end();
}
