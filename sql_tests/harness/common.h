/*
** What the test programs beside the .test files share: arguments, cases in processes of their own,
** a seeded generator, connections with the extension, and the closing line that CI reads.
**
** Every case runs in a forked child and in a fresh folder.  So a crash is one failed case with a
** name and a seed, and the parent never opens the extension: a sidecar that was open before a fork
** is a different test from one that was not.
*/
#ifndef SQL_TESTS_COMMON_H
#define SQL_TESTS_COMMON_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* --------------------------------------------------------------------------------- arguments -- */

typedef struct args {
    char ext[4096]; /* absolute path of the extension */
    uint64_t seed;  /* of the first case; the next case has the next number */
    long steps;     /* what a step is, each program says; 0: its default */
    double
        seconds; /* stop to start new work after so long; 0: no limit, or the program's default */
    int jobs;    /* cases at a time */
    int every;   /* fault.c: of the places where something can fail, try each nth */
    int places;  /* fault.c: and at most so many of a case, evenly chosen; 0: no limit */
    const char *only; /* run only the cases whose name contains this */
    bool verbose;     /* tell each case and each operation */
} args;

extern args arg;

/* Reads the command line into `arg`; a bad one ends the program with a sentence. */
void args_read(int argc, char **argv);

/* ------------------------------------------------------------------------------------- cases -- */

/* The folder of the case that runs, and a path in it (a ring of eight buffers). */
extern char case_dir[4096];
const char *case_path(const char *format, ...) __attribute__((format(printf, 1, 2)));

typedef void case_fn(void *data);

/*
** Starts the program's run: prints the seed, makes the temporary folder.  It lies in
** HANNOY_TEST_DIR, or, where `fast` is set and nothing depends on a real disk, in /dev/shm.
*/
void suite_begin(const char *program, bool fast);

/*
** Runs fn(data) in a child, as soon as fewer than arg.jobs run; one that takes longer than
** `seconds` (five times that under a sanitizer) has failed.  Returns false where --only leaves the
** case out.
*/
bool suite_case(const char *name, double seconds, case_fn *fn, void *data);
void suite_wait(void); /* until no case runs */
bool suite_time_left(void);

/* A run of random steps, which follows from its seed alone. */
typedef struct random_run {
    uint64_t seed;
    long steps;
} random_run;

/*
** Cases of at most `each` random steps, with seeds from arg.seed up, until arg.steps (else `all`)
** are done or the time is up.  The data of `fn` is a random_run.
*/
void suite_random_runs(long all, long each, case_fn *fn);

const char *suite_folder(void); /* what cases share; the parent of each one's own folder */
int suite_failed(void);
int suite_end(void); /* waits, cleans up, prints the closing line, gives the exit code */

/* fork(), for use in a case: a child that dies with it, so that nothing outlives the tests. */
int child_start(void);

/*
** For use in a case. fail ends it, with a description; skip ends it as neither passed nor failed.
*/
void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
void skip(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Called by fail before the case ends: what led there. */
extern void (*fail_history)(void);

double now(void); /* seconds, monotonic */
void nap(double seconds);

/* --------------------------------------------------------------------------------- generator -- */

typedef struct rng {
    uint64_t state;
} rng;

rng rng_of(uint64_t seed);
uint64_t rng_next(rng *r);
uint32_t rng_below(rng *r, uint32_t n); /* 0 .. n-1 */
bool rng_chance(rng *r, double probability);
double rng_unit(rng *r); /* [0, 1) */
double rng_normal(rng *r);

/* ------------------------------------------------------------------------------- connections -- */

sqlite3 *db_open(const char *path); /* with the extension; fails the case if it cannot */
int db_open_try(const char *path, int flags, sqlite3 **out);

/* One or more statements.  try: the extended result code; must: fails the case unless it is OK. */
int db_try(sqlite3 *db, const char *format, ...) __attribute__((format(printf, 2, 3)));
void db_must(sqlite3 *db, const char *format, ...) __attribute__((format(printf, 2, 3)));
int64_t db_int(sqlite3 *db, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The first value as text, or NULL where there is no row; the caller's to sqlite3_free(). */
char *db_text(sqlite3 *db, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A value of hannoy_info as a number; fails the case where the key is not there. */
int64_t db_info(sqlite3 *db, const char *table, const char *key);

/*
** PRAGMA integrity_check and the table's 'integrity-check'; fails the case unless both are content.
*/
void db_check(sqlite3 *db, const char *table);

/* --------------------------------------------------------------------------- other processes -- */

/*
** A process beside the case's own, that does what it is asked to: fn is called in it with each
** letter.  Started before the case opens anything.
*/
typedef struct peer {
    int pid;
    int to, from;
} peer;

typedef void peer_fn(char what, void *data);
peer peer_start(peer_fn *fn, void *data);
void peer_ask(peer *p, char what); /* waits until it is done; fails the case where it died */
void peer_stop(peer *p);

/* ------------------------------------------------------------------------------------- files -- */

void file_copy(const char *from, const char *to);
int64_t file_size(const char *path); /* -1: not there */
void file_write(const char *path, int64_t offset, const void *bytes, size_t count);
void file_remove(const char *path); /* fine where it is not there; folders with what is in them */

#endif
