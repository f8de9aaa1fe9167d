/*
** Interface to team.c: the threads of a build.  The calling thread is one of them; the others live
** only inside hny__team_run, so that no thread outlives a call of the host.
*/
#ifndef HNY_TEAM_H
#define HNY_TEAM_H

#include "build/build_graph.h"

#define HNY__MAX_THREADS 256

typedef struct hny__team {
    hny__graph *graph;
    hny__worker *workers;
    unsigned count;
    uint32_t table; /* for the progress figures */
    hny_interrupt interrupt;
} hny__team;

/* `threads` 0: one a core. */
int hny__team_init(hny__team *team, hny__graph *graph, unsigned threads, uint32_t table,
                   hny_interrupt interrupt);
void hny__team_free(hny__team *team);

/* One piece of work; a negative status stops all. */
typedef int (*hny__piece)(hny__worker *worker, void *arg, uint32_t index);

/* What is shown of a run: the phase that it belongs to, and how far that had come before it. */
typedef struct hny__phase {
    const char *name;
    uint64_t before, total; /* total 0: the run is the whole phase */
} hny__phase;

/* Pieces 0 .. count - 1, taken in order by whoever is free; with one thread, exactly in order. */
int hny__team_run(hny__team *team, uint32_t count, hny__piece piece, void *arg, hny__phase phase);

#endif
