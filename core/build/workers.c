#include "build/workers.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECES_A_THREAD 32 /* fewer are not worth a thread's start */
#define REPORT_PIECES   64

typedef struct job {
    hny__team *team;
    hny__worker *worker;
    uint32_t count;
    hny__piece piece;
    void *arg;
    hny__phase phase;
    pthread_t thread;
} job;

int hny__team_init(hny__team *team, hny__graph *graph, unsigned threads, uint32_t table,
                   hny_interrupt interrupt) {
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (threads == 0) threads = cores > 0 ? (unsigned)cores : 1;
    if (threads > HNY__MAX_THREADS) threads = HNY__MAX_THREADS;
    *team = (hny__team){graph, calloc(threads, sizeof *team->workers), threads, table, interrupt};
    if (!team->workers) return HNY_NOMEM;
    for (unsigned i = 0; i < threads; i++) hny__worker_init(&team->workers[i], graph);
    return HNY_OK;
}

void hny__team_free(hny__team *team) {
    for (unsigned i = 0; team->workers && i < team->count; i++) {
        hny__worker_free(&team->workers[i]);
    }
    free(team->workers);
    team->workers = NULL;
}

/* Only the calling thread may ask the host whether to go on, or tell how far the work is. */
static int is_caller(const job *j) {
    return j->worker == &j->team->workers[0];
}

static void report(const job *j) {
    const hny__phase *const phase = &j->phase;
    hny__env_progress(j->team->graph->env, j->team->table, phase->name,
                      phase->before + atomic_load(&j->team->graph->done),
                      phase->total ? phase->total : j->count);
}

static int poll_host(const job *j, uint32_t index) {
    const hny_interrupt interrupt = j->team->interrupt;
    if (!is_caller(j) || index % REPORT_PIECES != 0) return HNY_OK;
    report(j);
    return interrupt.check && interrupt.check(interrupt.arg) ? HNY_INTERRUPT : HNY_OK;
}

static void work(const job *j) {
    hny__graph *const graph = j->team->graph;
    const hny_interrupt interrupt = is_caller(j) ? j->team->interrupt : (hny_interrupt){0};
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

static int first_failure(const hny__team *team) {
    for (unsigned i = 0; i < team->count; i++) {
        if (team->workers[i].status) return team->workers[i].status;
    }
    return HNY_OK;
}

int hny__team_run(hny__team *team, uint32_t count, hny__piece piece, void *arg, hny__phase phase) {
    const unsigned useful = 1 + count / PIECES_A_THREAD;
    const unsigned wanted = team->count < useful ? team->count : useful;
    job *const jobs = calloc(wanted, sizeof *jobs);
    if (!jobs) return HNY_NOMEM;
    atomic_store(&team->graph->next, 0);
    atomic_store(&team->graph->done, 0);
    unsigned started = 1;
    for (unsigned i = 0; i < wanted; i++) {
        jobs[i] = (job){.team = team,
                        .worker = &team->workers[i],
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
    return first_failure(team);
}
