/*
** Interface to workers.c: the threads of a build.
**
** The calling thread is one of them; the others live only inside hny__worker_pool_run, so that no
** thread outlives a call of the host.  Only the calling thread polls the host's interrupt and
** reports progress.
*/
#ifndef HNY_WORKERS_H
#define HNY_WORKERS_H

#include "build/mutable_graph.h"

#define HNY__MAX_THREADS 256

typedef struct hny__worker_pool {
    hny__graph *graph;
    hny__worker *workers;
    unsigned count;
    hny__lock_kind kind; /* for progress figures, */
    uint32_t table;      /* as this */
    hny_interrupt interrupt;
} hny__worker_pool;

/* `threads` 0: one per core.  HNY_OK or HNY_NOMEM. */
int hny__worker_pool_init(hny__worker_pool *pool, hny__graph *graph, unsigned threads,
                          uint32_t table, hny_interrupt interrupt);
void hny__worker_pool_free(hny__worker_pool *pool);

/* Does task number `index`; a negative status stops the run. */
typedef int (*hny__worker_task)(hny__worker *worker, void *arg, uint32_t index);

/* The phase of a build that a run belongs to, for progress figures. */
typedef struct hny__phase {
    const char *name;
    uint64_t before, total; /* done before this run, and in all; total 0: the run is the phase */
} hny__phase;

/*
** Runs tasks 0 .. count - 1, in order; a free thread takes the next one.  With one thread they run
** exactly in order.  Returns the first failure.
*/
int hny__worker_pool_run(hny__worker_pool *pool, uint32_t count, hny__worker_task task, void *arg,
                         hny__phase phase);

#endif
