/*
** The linker: a thread that links appended rows behind the COMMITs that appended them.
**
** It needs no connection of the host: the codes are in the sidecar, and a build that links only is
** published at the newest boundary.  One thread serves all sidecars of the process, one step of one
** table at a time; among processes the linker's lock decides (lock.h).
**
** A job is a table of a file.  It stays in the list as long as a handle on that file is its owner,
** and is ready or idle.  The thread ends when no job is ready.
*/
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "base/os_file.h"
#include "base/os_thread.h"
#include "build/row_moves.h"
#include "build/state.h"
#include "sidecar/sidecar.h"

/* A step begins small, so that a process that lives for a second gets on, and grows then. */
#define FIRST_STEP   512
#define LEAST_STEP   64 /* after builds that deleted rows of a step */
#define SMALL_STEP   4096
#define STEP_SHARE   8     /* of the graph, for the largest step, */
#define LARGEST_STEP 32768 /* which takes some seconds, and pins a state for as long */

#define BRIEF_STEP 1024 /* one whose publication a COMMIT waits for */

#define MOVES_MS      20   /* for which a COMMIT waits for rows that are copied */
#define YIELD_MS      100  /* for a COMMIT that found the builder's lock taken */
#define BUSY_MS       250  /* before the lock of another process' linker is tried again */
#define FIRST_STEP_MS 1000 /* for which the last owner of a job waits */
#define GAP_MS        10   /* between steps, in which a build of another process gets the lock */

/*
** How a build that is asked for waits.  The builder's lock is held for some milliseconds by COMMITs
** and searches that append and by a linker that publishes, and for long by other builds.
*/
#define AWAIT_POLL_MS  2
#define AWAIT_BUILD_MS 500
#define AWAIT_MOST_MS  30000

/* Links the unlinked rows of one table. */
typedef struct link_job {
    struct link_job *next;
    uint64_t number;            /* of all jobs of the process */
    char *path;                 /* of the file; NULL: the private one */
    const hny_sidecar *only;    /* of this handle */
    const hny_sidecar **owners; /* the handles that asked for it */
    size_t owners_count, owners_capacity;
    hny_sidecar *sidecar; /* a handle of the linker's own; NULL: the job is idle */
    uint32_t table;
    hny_options options;
    hny_build_limits limits;
    int flags;
    uint32_t step;
    bool stepped; /* a step has ended */
    bool asked;   /* since the last step began */
    int status;   /* of the last step */
    int64_t at;   /* when it ended */
} link_job;

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    bool running; /* the thread is to be joined */
    bool ended;   /* and has nothing to do any more */
    bool stop;
    bool wanted;  /* a COMMIT found the builder's lock taken */
    bool refused; /* no thread could be made */
    uint64_t jobs_made, steps;
    hny_pause *pauses;
    link_job *jobs;
    const link_job *current;
    atomic_bool interrupt;
    atomic_bool brief; /* all is linked, and the rest of the step is over soon */
} linker = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* ------------------------------------------------------------------------------------- steps -- */

static int check_interrupt(void *arg) {
    (void)arg;
    return atomic_load(&linker.interrupt);
}

bool hny_linking_due(const hny_stats *stats) {
    return stats->unlinked > hny__unlinked_limit(stats->rows) ||
           (stats->deleted && stats->deleted * 5 >= stats->nodes);
}

/* What a step works on, apart from the job, which other threads change. */
typedef struct link_step {
    hny_sidecar *sidecar;
    uint32_t table;
    hny_options options;
    hny_build_limits limits;
    int flags;
    uint32_t next; /* size of the next step */
    bool more;     /* so many rows are left that one is due */
    bool sparse;   /* many slots are free */
} link_step;

static uint32_t size_of_next_step(uint32_t size, uint64_t nodes) {
    const uint64_t share = nodes / STEP_SHARE, least = share > SMALL_STEP ? share : SMALL_STEP;
    const uint64_t largest = least < LARGEST_STEP ? least : LARGEST_STEP;
    return 2 * (uint64_t)size < largest ? 2 * size : (uint32_t)largest;
}

static uint32_t size_of_smaller_step(uint32_t size) {
    return size / 2 > LEAST_STEP ? size / 2 : LEAST_STEP;
}

/* HNY_OK or a status. */
static int link_some(link_step *step) {
    hny_build *build;
    hny_stats stats;
    step->more = step->sparse = false;
    step->limits.interrupt = (hny_interrupt){check_interrupt, NULL};
    step->next = step->limits.link;
    int rc = hny_build_open(step->sidecar, step->table, &step->options, &step->limits,
                            HNY_BUILD_LINK, &build);
    if (rc) {
        return rc;
    }
    hny_reader *const reader = hny_build_reader(build);
    if (reader) {
        step->sparse = hny__is_sparse(&build->base);
        rc = hny_reader_stats(reader, false, &stats);
    }
    if (reader && !rc && !hny_build_refits(build) && hny_linking_due(&stats)) {
        rc = hny_build_publish(build, stats.boundary);
        /* Of the state that it became a change of: rows may have been appended meanwhile. */
        step->more = !rc && build->record.unlinked > hny__unlinked_limit(build->record.live);
        step->next = !rc ? size_of_next_step(step->limits.link, stats.nodes + step->next)
                     : rc == HNY_BUSY ? size_of_smaller_step(step->limits.link)
                                      : step->limits.link;
    }
    hny_build_close(build);
    return rc;
}

/*
** Opens a build that is to change no row: what links alone leave to do.  *build NULL: it failed, or
** there is no index, or the next build will start over.
*/
static int open_without_rows(const link_step *step, int flags, hny_build **build,
                             hny_stats *stats) {
    hny_build_limits limits = step->limits;
    *build = NULL;
    limits.link = 0;
    hny_build *opened;
    int rc = hny_build_open(step->sidecar, step->table, &step->options, &limits,
                            HNY_BUILD_APPEND | HNY_BUILD_DEFER | flags, &opened);
    if (rc) {
        return rc;
    }
    hny_reader *const reader = hny_build_reader(opened);
    const bool fits = reader && !hny_build_refits(opened);
    if (fits) {
        hny_build_expect(opened, 0);
        rc = hny_reader_stats(reader, false, stats);
    }
    if (rc || !fits) {
        hny_build_close(opened);
        return rc;
    }
    *build = opened;
    return HNY_OK;
}

/* Gives back the slots that rows left which were linked in free ones. */
static int lower_end(const link_step *step) {
    hny_build *build;
    hny_stats stats;
    bool lowered;
    int rc = open_without_rows(step, 0, &build, &stats);
    if (!build) {
        return rc;
    }
    rc = hny__moves_lower(build, &lowered);
    if (!rc && lowered) {
        rc = hny_build_publish(build, stats.boundary);
    }
    hny_build_close(build);
    return rc;
}

/*
** When all is linked: what deleted rows have left, in nodes that a step has removed and in pages
** that a COMMIT found pinned by it.
*/
static int erase_rest(const link_step *step) {
    hny_build *build;
    hny_stats stats;
    int rc = open_without_rows(step, HNY_BUILD_ERASE, &build, &stats);
    if (!build) {
        return rc;
    }
    if (hny_build_unerased(build)) {
        rc = hny_build_publish(build, stats.boundary);
        if (!rc) {
            rc = hny_build_erase(build);
        }
    }
    hny_build_close(build);
    return rc;
}

static int take_step(link_step *step) {
    int rc = link_some(step);
    atomic_store(&linker.brief, true);
    if (!rc && step->sparse) {
        rc = lower_end(step);
    }
    if (!rc && !step->more && step->flags & HNY_BUILD_ERASE) {
        rc = erase_rest(step);
    }
    atomic_store(&linker.brief, false);
    return rc;
}

/* -------------------------------------------------------------------------------------- jobs -- */

static bool is_on_file(const link_job *job, const hny_sidecar *sidecar) {
    const char *const path = hny_sidecar_path(sidecar);
    return path ? job->path && strcmp(job->path, path) == 0 : job->only == sidecar;
}

static link_job *find_job(const hny_sidecar *sidecar, uint32_t table) {
    link_job *job = linker.jobs;
    while (job && (job->table != table || !is_on_file(job, sidecar))) {
        job = job->next;
    }
    return job;
}

static link_job *find_numbered_job(uint64_t number) {
    link_job *job = linker.jobs;
    while (job && job->number != number) {
        job = job->next;
    }
    return job;
}

/* An idle job has no file open, since that may be replaced. */
static void make_idle(link_job *job) {
    hny_sidecar_unref(job->sidecar);
    job->sidecar = NULL;
}

static void free_job(link_job *job) {
    hny_sidecar_unref(job->sidecar);
    free(job->owners);
    free(job->path);
    free(job);
}

static void unlist_job(const link_job *job) {
    link_job **link = &linker.jobs;
    while (*link && *link != job) {
        link = &(*link)->next;
    }
    if (*link) {
        *link = job->next;
    }
}

static void remove_job(link_job *job) {
    unlist_job(job);
    free_job(job);
}

static void move_job_to_end(link_job *job) {
    link_job **last = &linker.jobs;
    unlist_job(job);
    while (*last) {
        last = &(*last)->next;
    }
    job->next = NULL;
    *last = job;
}

static bool has_owner(const link_job *job, const hny_sidecar *owner) {
    for (size_t i = 0; i < job->owners_count; i++) {
        if (job->owners[i] == owner) {
            return true;
        }
    }
    return false;
}

static int add_owner(link_job *job, const hny_sidecar *owner) {
    if (has_owner(job, owner)) {
        return HNY_OK;
    }
    const int rc = hny__grow((void **)&job->owners, &job->owners_capacity, job->owners_count,
                             sizeof *job->owners);
    if (!rc) {
        job->owners[job->owners_count++] = owner;
    }
    return rc;
}

static void remove_owner(link_job *job, const hny_sidecar *owner) {
    for (size_t i = 0; i < job->owners_count; i++) {
        if (job->owners[i] == owner) {
            job->owners[i] = job->owners[--job->owners_count];
            break;
        }
    }
}

static bool is_paused(const link_job *job) {
    for (const hny_pause *pause = linker.pauses; pause; pause = pause->next) {
        if (is_on_file(job, pause->sidecar)) {
            return true;
        }
    }
    return false;
}

/* *waits: there is none, but one that is paused. */
static link_job *find_ready_job(bool *waits) {
    *waits = false;
    for (link_job *job = linker.jobs; job; job = job->next) {
        if (job->sidecar && !is_paused(job)) {
            return job;
        }
        *waits |= job->sidecar != NULL;
    }
    return NULL;
}

/* -------------------------------------------------------------------------------- the thread -- */

static struct timespec time_from_now(long milliseconds) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += milliseconds % 1000 * 1000000;
    until.tv_sec += milliseconds / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return until;
}

static void wait_milliseconds(long milliseconds) {
    const struct timespec until = time_from_now(milliseconds);
    (void)pthread_cond_timedwait(&linker.changed, &linker.lock, &until);
}

/* After a step.  A job that was left meanwhile has no owner. */
static void settle_job(link_job *job, const link_step *step, int rc) {
    job->status = rc;
    job->at = (int64_t)time(NULL);
    job->stepped = true;
    job->step = step->next;
    if (job->owners_count == 0) {
        remove_job(job);
    } else if (step->more || job->asked || rc == HNY_BUSY || rc == HNY_INTERRUPT) {
        move_job_to_end(job); /* the next table's turn */
    } else {
        make_idle(job);
    }
}

/* Under the lock, which is free meanwhile. */
static void run_step(link_job *job) {
    link_step step = {.sidecar = job->sidecar,
                      .table = job->table,
                      .options = job->options,
                      .limits = job->limits,
                      .flags = job->flags};
    step.limits.link = job->step;
    linker.current = job;
    job->asked = false;
    atomic_store(&linker.interrupt, false);
    pthread_mutex_unlock(&linker.lock);
    const int rc = take_step(&step);
    pthread_mutex_lock(&linker.lock);
    linker.current = NULL;
    linker.steps++;
    settle_job(job, &step, rc);
    pthread_cond_broadcast(&linker.changed);
    if (rc == HNY_BUSY && !linker.stop) {
        wait_milliseconds(BUSY_MS);
    } else if (step.more && !linker.stop) {
        pthread_mutex_unlock(&linker.lock);
        hny__os_sleep(GAP_MS); /* COMMITs, which signal `changed`, must not make it shorter */
        pthread_mutex_lock(&linker.lock);
    }
}

static void *linker_main(void *arg) {
    (void)arg;
    hny__os_thread_yields();
    pthread_mutex_lock(&linker.lock);
    while (!linker.stop) {
        bool waits;
        link_job *const job = find_ready_job(&waits);
        if (!job && !waits) {
            break;
        }
        if (!job) {
            pthread_cond_wait(&linker.changed, &linker.lock);
        } else if (linker.wanted) {
            linker.wanted = false;
            wait_milliseconds(YIELD_MS);
        } else {
            run_step(job);
        }
    }
    linker.ended = true;
    pthread_cond_broadcast(&linker.changed);
    pthread_mutex_unlock(&linker.lock);
    return NULL;
}

/* Under the lock. */
static void join_ended(void) {
    if (linker.running && linker.ended) {
        linker.running = linker.ended = false;
        pthread_join(linker.thread, NULL); /* it does not take the lock again */
    }
}

static int start_linker(void) {
    join_ended();
    if (linker.running) {
        return HNY_OK;
    }
    const int rc = hny__os_thread_start(&linker.thread, linker_main, NULL);
    linker.running = rc == 0;
    linker.refused = rc != 0;
    return rc ? HNY_NOMEM : HNY_OK;
}

/* ---------------------------------------------------------------------------- fork and exit -- */

/* A thread that ended before the fork can be joined by the parent only. */
static void lock_linker(void) {
    pthread_mutex_lock(&linker.lock);
    join_ended();
}

static void unlock_linker(void) {
    pthread_mutex_unlock(&linker.lock);
}

/* The child has no such thread, and what it works on is the parent's. */
static void forget_linker(void) {
    linker.jobs = NULL;
    linker.current = NULL;
    linker.pauses = NULL;
    linker.running = linker.ended = linker.stop = linker.wanted = linker.refused = false;
    pthread_cond_init(&linker.changed, NULL);
    pthread_mutex_unlock(&linker.lock);
}

/* After those of the registry, whose mutex is taken under this one: the caller has a file open. */
static void watch_forks_of_linker(void) {
    hny__os_watch_forks(lock_linker, unlock_linker, forget_linker);
}

static pthread_once_t linker_forks_once = PTHREAD_ONCE_INIT;

/* Exit and dlclose. */
__attribute__((destructor)) static void end_linker(void) {
    if (hny__os_threads_end_first()) {
        return;
    }
    pthread_mutex_lock(&linker.lock);
    const bool running = linker.running;
    linker.stop = true;
    linker.running = false;
    atomic_store(&linker.interrupt, true);
    pthread_cond_broadcast(&linker.changed);
    pthread_mutex_unlock(&linker.lock);
    if (running) {
        pthread_join(linker.thread, NULL);
    }
}

/* --------------------------------------------------------------------------------- interface -- */

bool hny_linker_enabled(void) {
    pthread_mutex_lock(&linker.lock);
    const bool refused = linker.refused;
    pthread_mutex_unlock(&linker.lock);
    return !refused && hny__os_variable_bytes("HANNOY_BACKGROUND", 1) != 0;
}

static link_job *add_job(const hny_sidecar *sidecar, uint32_t table) {
    const char *const path = hny_sidecar_path(sidecar);
    link_job *const job = calloc(1, sizeof *job);
    if (!job) {
        return NULL;
    }
    *job = (link_job){.table = table, .only = path ? NULL : sidecar, .step = FIRST_STEP};
    job->path = path ? strdup(path) : NULL;
    if (path && !job->path) {
        free_job(job);
        return NULL;
    }
    job->number = ++linker.jobs_made;
    job->next = linker.jobs;
    linker.jobs = job;
    return job;
}

static int make_ready(link_job *job, hny_sidecar *sidecar) {
    int rc = add_owner(job, sidecar);
    if (!rc && !job->sidecar) {
        rc = hny__sidecar_again(sidecar, &job->sidecar);
    }
    if (rc && job->owners_count == 0) {
        remove_job(job);
    }
    return rc;
}

int hny_linker_wake(hny_sidecar *sidecar, uint32_t table, const hny_options *options,
                    const hny_build_limits *limits, int flags) {
    pthread_once(&linker_forks_once, watch_forks_of_linker);
    pthread_mutex_lock(&linker.lock);
    link_job *job = find_job(sidecar, table);
    if (!job) {
        job = add_job(sidecar, table);
    }
    int rc = job ? make_ready(job, sidecar) : HNY_NOMEM;
    if (!rc) {
        job->options = *options;
        job->limits = *limits;
        job->flags = flags;
        job->asked = true;
        rc = linker.stop ? HNY_OK : start_linker();
    }
    pthread_cond_broadcast(&linker.changed);
    pthread_mutex_unlock(&linker.lock);
    return rc;
}

static hny_linker_state state_of(const link_job *job) {
    if (job == linker.current) {
        return HNY_LINKER_RUNNING;
    }
    if (!job->sidecar) {
        return HNY_LINKER_IDLE;
    }
    return is_paused(job) ? HNY_LINKER_PAUSED : HNY_LINKER_WAITING;
}

/* Of the step that runs on the file, if one does. */
static hny_progress progress_on_file(hny_sidecar *sidecar) {
    hny__env *env;
    return hny__sidecar_env(sidecar, false, &env) ? (hny_progress){.phase = NULL}
                                                  : hny__env_progress(env, HNY__LOCK_LINKER);
}

void hny_linker_look(hny_sidecar *sidecar, uint32_t table, hny_linker_report *out) {
    *out = (hny_linker_report){.state = HNY_LINKER_IDLE};
    pthread_mutex_lock(&linker.lock);
    const link_job *const job = find_job(sidecar, table);
    if (job) {
        out->state = state_of(job);
        out->status = job->status;
        out->at = job->at;
    }
    pthread_mutex_unlock(&linker.lock);
    if (out->state == HNY_LINKER_RUNNING) {
        out->progress = progress_on_file(sidecar);
    }
}

/* Waits while the linker copies rows, a step of which is not over then. */
static bool await_moves(hny_sidecar *sidecar) {
    for (int waited = 0; waited < MOVES_MS; waited++) {
        const char *const phase = progress_on_file(sidecar).phase;
        if (!phase || strcmp(phase, HNY__PHASE_MOVING) != 0) {
            return waited > 0;
        }
        hny__os_sleep(1);
    }
    return false;
}

bool hny_linker_yield(hny_sidecar *sidecar) {
    if (await_moves(sidecar)) {
        return true;
    }
    const char *const phase = progress_on_file(sidecar).phase;
    /* Without a phase the step begins or ends; it may not have given the lock back yet. */
    const bool publishing = !phase || strcmp(phase, HNY__PHASE_PUBLISHING) == 0;
    pthread_mutex_lock(&linker.lock);
    const uint64_t step = linker.steps;
    const link_job *const job = linker.current;
    const bool waits = job && is_on_file(job, sidecar) &&
                       (atomic_load(&linker.brief) || (publishing && job->step <= BRIEF_STEP));
    linker.wanted = true;
    while (waits && linker.steps == step && !linker.stop) {
        pthread_cond_wait(&linker.changed, &linker.lock);
    }
    pthread_mutex_unlock(&linker.lock);
    return waits;
}

static bool is_locked(hny__env *env, const hny_sidecar *sidecar, hny__lock_kind kind) {
    hny__lock lock = {.held = false};
    const bool locked = hny__env_lock(env, hny_sidecar_path(sidecar), kind, &lock) == HNY_BUSY;
    hny__env_unlock(env, kind, &lock);
    return locked;
}

bool hny_linker_await(hny_sidecar *sidecar, hny_interrupt interrupt) {
    int building = 0;
    hny__env *env;
    if (hny__sidecar_env(sidecar, false, &env)) {
        return false;
    }
    for (int waited = 0; waited < AWAIT_MOST_MS; waited += AWAIT_POLL_MS) {
        const bool builds = is_locked(env, sidecar, HNY__LOCK_BUILDER);
        if (!builds && !is_locked(env, sidecar, HNY__LOCK_LINKER)) {
            return true;
        }
        building = builds ? building + AWAIT_POLL_MS : 0;
        if (building >= AWAIT_BUILD_MS || hny__interrupted(interrupt)) {
            return false;
        }
        hny__os_sleep(AWAIT_POLL_MS);
    }
    return false;
}

void hny_linker_pause(const hny_sidecar *sidecar, hny_pause *pause) {
    pthread_mutex_lock(&linker.lock);
    *pause = (hny_pause){linker.pauses, sidecar};
    linker.pauses = pause;
    while (linker.current && is_paused(linker.current)) {
        atomic_store(&linker.interrupt, true);
        pthread_cond_wait(&linker.changed, &linker.lock);
    }
    pthread_mutex_unlock(&linker.lock);
}

void hny_linker_resume(const hny_pause *pause) {
    pthread_mutex_lock(&linker.lock);
    hny_pause **link = &linker.pauses;
    while (*link && *link != pause) {
        link = &(*link)->next;
    }
    if (*link) {
        *link = pause->next;
    }
    pthread_cond_broadcast(&linker.changed);
    pthread_mutex_unlock(&linker.lock);
}

/*
** A process that opens, writes and exits gets its first step done, which is small.  A job without
** owners is freed after its step.
*/
static void await_first_step(uint64_t number, const struct timespec *until) {
    int rc = 0;
    while (!rc && find_numbered_job(number) && linker.running && !linker.ended && !linker.stop) {
        rc = pthread_cond_timedwait(&linker.changed, &linker.lock, until);
    }
}

/* Frees a job without owners, once its step has ended. */
static void drop_job(uint64_t number) {
    link_job *job = find_numbered_job(number);
    while (job && job == linker.current) {
        atomic_store(&linker.interrupt, true);
        pthread_cond_wait(&linker.changed, &linker.lock);
        job = find_numbered_job(number);
    }
    if (job && job->owners_count == 0) {
        remove_job(job);
    }
}

static link_job *find_job_of(const hny_sidecar *owner) {
    link_job *job = linker.jobs;
    while (job && !has_owner(job, owner)) {
        job = job->next;
    }
    return job;
}

void hny_linker_leave(const hny_sidecar *sidecar) {
    const struct timespec until = time_from_now(FIRST_STEP_MS);
    link_job *job;
    pthread_mutex_lock(&linker.lock);
    while ((job = find_job_of(sidecar)) != NULL) {
        const uint64_t number = job->number;
        remove_owner(job, sidecar);
        if (job->owners_count > 0) {
            continue;
        }
        /* A private file ends with its handle, and what is linked in it, too. */
        if (job->path && job->sidecar && !job->stepped && !is_paused(job)) {
            await_first_step(number, &until);
        }
        drop_job(number);
    }
    join_ended();
    pthread_cond_broadcast(&linker.changed);
    pthread_mutex_unlock(&linker.lock);
}
