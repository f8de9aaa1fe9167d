/*
** Interface to team.c: the threads of a build.  The calling thread is one of them; the others live
** only inside hny__worker_pool_run, so that no thread outlives a call of the host.
*/
#ifndef HNY_WORKERS_H
#define HNY_WORKERS_H

#include "build/build_graph.h"

#define HNY__MAX_THREADS 256

typedef struct hny__worker_pool {
    hny__graph *graph;
    hny__worker *workers;
    unsigned count;
    uint32_t table; /* for the progress figures */
    hny_interrupt interrupt;
} hny__worker_pool;

/* `threads` 0: one a core. */
int hny__worker_pool_init(hny__worker_pool *pool, hny__graph *graph, unsigned threads,
                          uint32_t table, hny_interrupt interrupt);
void hny__worker_pool_free(hny__worker_pool *pool);

/* One piece of work; a negative status stops all. */
typedef int (*hny__worker_task)(hny__worker *worker, void *arg, uint32_t index);

/* What is shown of a run: the phase that it belongs to, and how far that had come before it. */
typedef struct hny__phase {
    const char *name;
    uint64_t before, total; /* total 0: the run is the whole phase */
} hny__phase;

/* Pieces 0 .. count - 1, taken in order by whoever is free; with one thread, exactly in order. */
int hny__worker_pool_run(hny__worker_pool *pool, uint32_t count, hny__worker_task piece, void *arg,
                         hny__phase phase);

#endif
