/* The threads of a build: starting them, handing out tasks, joining them. */
#include "build/workers.h"

#include <stdlib.h>

#include "base/interrupt.h"
#include "base/os_thread.h"
#include "base/processors.h"

#define TASKS_PER_THREAD 32 /* fewer are not worth starting a thread */
#define POLL_TASKS       64

/* One thread's part of a run. */
typedef struct worker_job {
    hny__worker_pool *pool;
    hny__worker *worker;
    uint32_t count; /* of tasks, over all threads */
    hny__worker_task task;
    void *arg;
    hny__phase phase;
    pthread_t thread;
} worker_job;

int hny__worker_pool_init(hny__worker_pool *pool, hny__graph *graph, unsigned threads,
                          uint32_t table, hny_interrupt interrupt) {
    if (threads == 0) {
        threads = hny__processors();
    }
    if (threads > HNY__MAX_THREADS) {
        threads = HNY__MAX_THREADS;
    }
    *pool = (hny__worker_pool){.graph = graph,
                               .workers = calloc(threads, sizeof *pool->workers),
                               .count = threads,
                               .table = table,
                               .interrupt = interrupt};
    if (!pool->workers) {
        return HNY_NOMEM;
    }
    for (unsigned i = 0; i < threads; i++) {
        hny__worker_init(&pool->workers[i], graph);
    }
    return HNY_OK;
}

void hny__worker_pool_free(hny__worker_pool *pool) {
    for (unsigned i = 0; pool->workers && i < pool->count; i++) {
        hny__worker_free(&pool->workers[i]);
    }
    free(pool->workers);
    pool->workers = NULL;
}

static bool is_calling_thread(const worker_job *job) {
    return job->worker == &job->pool->workers[0];
}

static void report_progress(const worker_job *job) {
    const hny__phase *const phase = &job->phase;
    hny__env_set_progress(job->pool->graph->env, job->pool->kind, job->pool->table, phase->name,
                          phase->before + atomic_load(&job->pool->graph->done),
                          phase->total ? phase->total : job->count);
}

/* After a thread's `done` tasks. */
static int poll_host(const worker_job *job, uint32_t done) {
    if (!is_calling_thread(job) || done % POLL_TASKS != 0) {
        return HNY_OK;
    }
    report_progress(job);
    return hny__interrupted(job->pool->interrupt) ? HNY_INTERRUPT : HNY_OK;
}

static void run_job(const worker_job *job) {
    hny__graph *const graph = job->pool->graph;
    const hny_interrupt none = {0};
    int rc = hny__worker_begin(job->worker, is_calling_thread(job) ? job->pool->interrupt : none);
    const bool begun = !rc;
    for (uint32_t done = 0; !rc && !atomic_load(&graph->stop); done++) {
        const uint32_t index = atomic_fetch_add(&graph->next, 1);
        if (index >= job->count) {
            break;
        }
        rc = job->task(job->worker, job->arg, index);
        atomic_fetch_add(&graph->done, 1);
        if (!rc) {
            rc = poll_host(job, done);
        }
    }
    if (begun) {
        hny__worker_end(job->worker);
    }
    if (rc) {
        if (!job->worker->status) {
            job->worker->status = rc;
        }
        atomic_store(&graph->stop, true);
    }
}

static void *thread_main(void *arg) {
    run_job(arg);
    return NULL;
}

static int first_failure(const hny__worker_pool *pool) {
    for (unsigned i = 0; i < pool->count; i++) {
        if (pool->workers[i].status) {
            return pool->workers[i].status;
        }
    }
    return HNY_OK;
}

int hny__worker_pool_run(hny__worker_pool *pool, uint32_t count, hny__worker_task task, void *arg,
                         hny__phase phase) {
    const unsigned useful = 1 + count / TASKS_PER_THREAD;
    const unsigned wanted = pool->count < useful ? pool->count : useful;
    worker_job *const jobs = calloc(wanted, sizeof *jobs);
    if (!jobs) {
        return HNY_NOMEM;
    }
    atomic_store(&pool->graph->next, 0);
    atomic_store(&pool->graph->done, 0);
    unsigned started = 1;
    for (unsigned i = 0; i < wanted; i++) {
        jobs[i] = (worker_job){.pool = pool,
                               .worker = &pool->workers[i],
                               .count = count,
                               .task = task,
                               .arg = arg,
                               .phase = phase};
        /* If the system has no more threads, fewer of them do the same work. */
        if (i > 0 && hny__os_thread_start(&jobs[i].thread, thread_main, &jobs[i])) {
            break;
        }
        if (i > 0) {
            started++;
        }
    }
    report_progress(&jobs[0]);
    run_job(&jobs[0]);
    for (unsigned i = 1; i < started; i++) {
        pthread_join(jobs[i].thread, NULL);
    }
    free(jobs);
    return first_failure(pool);
}
