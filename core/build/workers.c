#include "build/workers.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/interrupt.h"

#define PIECES_A_THREAD 32 /* fewer are not worth a thread's start */
#define REPORT_PIECES   64

typedef struct job {
    hny__worker_pool *pool;
    hny__worker *worker;
    uint32_t count;
    hny__worker_task piece;
    void *arg;
    hny__phase phase;
    pthread_t thread;
} job;

int hny__worker_pool_init(hny__worker_pool *pool, hny__graph *graph, unsigned threads,
                          uint32_t table, hny_interrupt interrupt) {
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (threads == 0) threads = cores > 0 ? (unsigned)cores : 1;
    if (threads > HNY__MAX_THREADS) threads = HNY__MAX_THREADS;
    *pool = (hny__worker_pool){graph, calloc(threads, sizeof *pool->workers), threads, table,
                               interrupt};
    if (!pool->workers) return HNY_NOMEM;
    for (unsigned i = 0; i < threads; i++) hny__worker_init(&pool->workers[i], graph);
    return HNY_OK;
}

void hny__worker_pool_free(hny__worker_pool *pool) {
    for (unsigned i = 0; pool->workers && i < pool->count; i++) {
        hny__worker_free(&pool->workers[i]);
    }
    free(pool->workers);
    pool->workers = NULL;
}

/* Only the calling thread may ask the host whether to go on, or tell how far the work is. */
static int is_caller(const job *j) {
    return j->worker == &j->pool->workers[0];
}

static void report(const job *j) {
    const hny__phase *const phase = &j->phase;
    hny__env_set_progress(j->pool->graph->env, j->pool->table, phase->name,
                          phase->before + atomic_load(&j->pool->graph->done),
                          phase->total ? phase->total : j->count);
}

static int poll_host(const job *j, uint32_t index) {
    const hny_interrupt interrupt = j->pool->interrupt;
    if (!is_caller(j) || index % REPORT_PIECES != 0) return HNY_OK;
    report(j);
    return hny__interrupted(interrupt) ? HNY_INTERRUPT : HNY_OK;
}

static void work(const job *j) {
    hny__graph *const graph = j->pool->graph;
    const hny_interrupt interrupt = is_caller(j) ? j->pool->interrupt : (hny_interrupt){0};
    int rc = hny__worker_begin(j->worker, interrupt);
    const int begun = !rc;
    for (uint32_t taken = 0; !rc && !atomic_load(&graph->stop); taken++) {
        const uint32_t index = atomic_fetch_add(&graph->next, 1);
        if (index >= j->count) break;
        rc = j->piece(j->worker, j->arg, index);
        atomic_fetch_add(&graph->done, 1);
        if (!rc) rc = poll_host(j, taken);
    }
    if (begun) hny__worker_end(j->worker);
    if (rc) {
        if (!j->worker->status) j->worker->status = rc;
        atomic_store(&graph->stop, 1);
    }
}

static void *thread_main(void *arg) {
    work(arg);
    return NULL;
}

/* Signals are for the host's own threads. */
static int start(job *j) {
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    const int rc = pthread_create(&j->thread, NULL, thread_main, j);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc;
}

static int first_failure(const hny__worker_pool *pool) {
    for (unsigned i = 0; i < pool->count; i++) {
        if (pool->workers[i].status) return pool->workers[i].status;
    }
    return HNY_OK;
}

int hny__worker_pool_run(hny__worker_pool *pool, uint32_t count, hny__worker_task piece, void *arg,
                         hny__phase phase) {
    const unsigned useful = 1 + count / PIECES_A_THREAD;
    const unsigned wanted = pool->count < useful ? pool->count : useful;
    job *const jobs = calloc(wanted, sizeof *jobs);
    if (!jobs) return HNY_NOMEM;
    atomic_store(&pool->graph->next, 0);
    atomic_store(&pool->graph->done, 0);
    unsigned started = 1;
    for (unsigned i = 0; i < wanted; i++) {
        jobs[i] = (job){.pool = pool,
                        .worker = &pool->workers[i],
                        .count = count,
                        .piece = piece,
                        .arg = arg,
                        .phase = phase};
        /* Where the system has no thread for us, fewer do the same work. */
        if (i > 0 && start(&jobs[i])) break;
        if (i > 0) started++;
    }
    report(&jobs[0]);
    work(&jobs[0]);
    for (unsigned i = 1; i < started; i++) pthread_join(jobs[i].thread, NULL);
    free(jobs);
    return first_failure(pool);
}
