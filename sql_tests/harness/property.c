/*
** The property test: random statements over two writers and two long readers, and after each one
** every connection's answers against an exact scan of its own snapshot.
**
**     property --ext ./hannoy.so [--seed S] [--steps N] [--seconds T] [--jobs J] [--verbose]
**
** N steps in runs of 1,000, run i with seed S+i, each in a process and with a database of its own.
** A run follows from its seed alone (with threads=1, as half of them have, also in the graph that
** is built), so a failure comes again with `--seed ITS_SEED --steps 1000`.
*/
#include "operations.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define RUN_STEPS   1000
#define DEFAULT_ALL 200000

static world *history_of; /* of the run in this process */

/* ------------------------------------------------------------------------------------- a run -- */

static void random_config(world *w, uint64_t seed) {
    static const char *const journal[] = {"WAL", "WAL", "WAL", "DELETE", "TRUNCATE", "PERSIST"};
    static const int autobuild[] = {5, 5, 5, 1, 3, 20, 0};
    static const int ef_construction[] = {0, 0, 4, 10};
    config *const cfg = &w->cfg;
    rng *const r = &w->r;
    cfg->big = seed % 10 == 9;
    cfg->journal = journal[rng_below(r, 6)];
    cfg->wal = !strcmp(cfg->journal, "WAL");
    cfg->tables = rng_chance(r, 0.3) ? 2 : 1;
    cfg->autobuild = autobuild[rng_below(r, 7)];
    cfg->threads = rng_chance(r, 0.5);
    cfg->linear_below = rng_chance(r, 0.5) ? 0 : -1;
    cfg->m = rng_chance(r, 0.4) ? 4 : 0;
    cfg->ef_construction = ef_construction[rng_below(r, 4)];
    cfg->ids = rng_chance(r, 0.5) ? 12 : 40;
    cfg->style = rng_chance(r, 0.5) ? GAUSS : (int)rng_below(r, STYLES);
    if (seed % 10 == 3) {
        cfg->memory = true;
        cfg->wal = false;
        cfg->journal = "MEMORY";
        cfg->path = seed % 20 == 3 ? ":memory:" : "";
    }
    if (seed % 10 == 6) {
        cfg->patient = true;
        cfg->autobuild = 1;
    }
    if (cfg->big) {
        cfg->ids = 500 + (int)rng_below(r, 1500);
        cfg->autobuild *= 20;
    }
}

static connection *some_connection(world *w) {
    if (w->connections == 1) {
        return &w->c[0];
    }
    return &w->c[rng_chance(&w->r, 0.7) ? rng_below(&w->r, 2) : 2 + rng_below(&w->r, 2)];
}

static void one_step(world *w) {
    connection *const c = some_connection(w);
    /*
    ** Transactions end before they stand in everyone's way, the more so in rollback-journal mode.
    */
    const double end = c->writer ? 0.12 : w->cfg.wal ? 0.05 : 0.3;
    if (c->in_transaction && rng_chance(&w->r, c->stuck ? 0.5 : end)) {
        operation_end(w, c);
    } else if (w->cfg.patient && !c->in_transaction && c->writer && rng_chance(&w->r, 0.9)) {
        operation_write(w, c);
    } else {
        operation_run(w, c);
    }
    if (!w->cfg.big) {
        for (int i = 0; i < w->connections; i++) {
            connection_check(w, &w->c[i]);
        }
    } else {
        connection_check(w, c);
        connection_check(w, &w->c[rng_below(&w->r, (uint32_t)w->connections)]);
    }
    count->steps++;
}

static void tell_history(void) {
    const world *const w = history_of;
    const config *const cfg = &w->cfg;
    printf("  journal_mode=%s, %d ids, %s values%s%s; the last steps:\n", cfg->journal, cfg->ids,
           style_name[cfg->style], cfg->threads ? ", threads=1" : "",
           cfg->linear_below == 0 ? ", linear_below=0" : "");
    const long first = w->told > HISTORY ? w->told - HISTORY : 0;
    for (long i = first; i < w->told; i++) {
        printf("  %s\n", w->history[i % HISTORY]);
    }
}

/* At the end all transactions are over, a build takes everything in, and all is sound. */
static void last_look(world *w) {
    for (int i = 0; i < w->connections; i++) {
        w->c[i].veto = false;
        cursors_close(w, &w->c[i]);
        operation_rollback(w, &w->c[i]);
    }
    for (int i = 0; i < TABLES; i++) {
        const table *const t = &w->disk.t[i];
        if (!t->exists) {
            continue;
        }
        db_must(w->c[0].db, "INSERT INTO %s(%s) VALUES ('build')", t->name, t->name);
        if (db_info(w->c[0].db, t->name, "pending") != 0) {
            fail("after a build of %s: %s", t->name,
                 db_text(w->c[0].db,
                         "SELECT group_concat(key || ' ' || value, ', ') FROM "
                         "hannoy_info('%s')",
                         t->name));
        }
        table_check(w->c[0].db, t->name, t->s, &t->content, 10, &w->r, "at the end");
        db_check(w->c[0].db, t->name);
    }
}

static void run_case(void *data) {
    static const char names[CONNECTIONS][4] = {"w0", "w1", "r0", "r1"};
    const random_run *const p = data;
    world *const w = calloc(1, sizeof *w);
    if (!w) {
        fail("out of memory");
    }
    history_of = w;
    fail_history = tell_history;
    w->r = rng_of(p->seed);
    random_config(w, p->seed);
    if (p->seed % 3 == 0) {
        setenv("HANNOY_BUILD_MEMORY", w->cfg.big ? "40000" : "500", 1);
    }
    w->connections = w->cfg.memory ? 1 : CONNECTIONS;
    for (int i = 0; i < w->connections; i++) {
        connection *const c = &w->c[i];
        memcpy(c->name, names[i], sizeof c->name);
        c->writer = i < 2;
        connection_open(w, c);
    }
    for (int i = 0; i < w->cfg.tables; i++) {
        operation_create(w, &w->c[0]);
    }
    if (w->cfg.big) {
        operation_fill(w, &w->c[0]);
    }
    for (w->step = 1; w->step <= p->steps; w->step++) {
        one_step(w);
    }
    last_look(w);
    for (int i = 0; i < w->connections; i++) {
        connection *const c = &w->c[i];
        connection_close(w, c);
        state_free(&c->view);
        for (int j = 0; j < SAVEPOINTS; j++) {
            state_free(&c->saved[j]);
        }
    }
    for (int i = 0; i < BACKUPS; i++) {
        state_free(&w->backup[i].content);
    }
    state_free(&w->disk);
    free(w);
    history_of = NULL;
}

int main(int argc, char **argv) {
    arg.jobs = 2;
    args_read(argc, argv);
    suite_begin("property", true);
    count = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (count == MAP_FAILED) {
        return 2;
    }
    suite_random_runs(DEFAULT_ALL, RUN_STEPS, run_case);
    printf("%ld steps, %ld snapshots and %ld queries checked, %ld commits, %ld vetoed, %ld busy, "
           "%ld builds asked for, %ld streams\n",
           count->steps, count->snapshots, count->queries, count->commits, count->vetoes,
           count->refused, count->builds, count->cursors);
    return suite_end();
}
