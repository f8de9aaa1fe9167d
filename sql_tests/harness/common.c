/* What the test programs share: arguments, a process for each case, databases, random numbers. */
#include "common.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_JOBS 64
#define SKIPPED  77 /* a case's exit status, as automake has it */

args arg = {.seed = 1, .jobs = 1, .every = 1};
char case_dir[4096];
void (*fail_history)(void);

static struct {
    const char *program;
    char dir[3000];
    double began;
    int cases, passed, failed, skipped;
    struct {
        pid_t pid; /* 0: free */
        char name[128];
        char dir[4096];
    } job[MAX_JOBS];
} suite;

/* --------------------------------------------------------------------------------- arguments -- */

static void usage(const char *program, const char *wrong) {
    fprintf(stderr,
            "%s: %s\nusage: %s --ext ./hannoy.so [--seed S] [--steps N] [--seconds T] [--jobs J]\n"
            "       [--every N] [--places N] [--only TEXT] [--verbose]\n",
            program, wrong, program);
    exit(2);
}

static double number(const char *program, const char *text) {
    char *end;
    const double value = strtod(text, &end);
    if (*text == 0 || *end || !(value >= 0)) {
        usage(program, text);
    }
    return value;
}

static void set_argument(const char *program, const char *name, const char *value) {
    if (!strcmp(name, "--ext")) {
        if (!realpath(value, arg.ext)) {
            usage(program, "the extension is not there");
        }
    } else if (!strcmp(name, "--seed")) {
        char *end;
        arg.seed = strtoull(value, &end, 0);
        if (*value == 0 || *end) {
            usage(program, value);
        }
    } else if (!strcmp(name, "--steps")) {
        arg.steps = (long)number(program, value);
    } else if (!strcmp(name, "--seconds")) {
        arg.seconds = number(program, value);
    } else if (!strcmp(name, "--jobs")) {
        arg.jobs = (int)number(program, value);
    } else if (!strcmp(name, "--every")) {
        arg.every = (int)number(program, value);
    } else if (!strcmp(name, "--places")) {
        arg.places = (int)number(program, value);
    } else if (!strcmp(name, "--only")) {
        arg.only = value;
    } else {
        usage(program, name);
    }
}

void args_read(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--verbose")) {
            arg.verbose = true;
        } else if (i + 1 < argc) {
            set_argument(argv[0], argv[i], argv[i + 1]);
            i++;
        } else {
            usage(argv[0], argv[i]);
        }
    }
    if (!arg.ext[0]) {
        usage(argv[0], "--ext is missing");
    }
    if (arg.jobs > MAX_JOBS) {
        usage(argv[0], "--jobs must be 0 to 64");
    }
    if (arg.every < 1) {
        usage(argv[0], "--every must be at least 1");
    }
}

/* ------------------------------------------------------------------------------------- cases -- */

const char *case_path(const char *format, ...) {
    static char ring[8][PATH_MAX];
    static int next;
    char *const out = ring[next++ % 8];
    va_list list;
    va_start(list, format);
    const int n = snprintf(out, PATH_MAX, "%s/", case_dir);
    vsnprintf(out + n, (size_t)(PATH_MAX - n), format, list);
    va_end(list);
    return out;
}

void suite_begin(const char *program, bool fast) {
    const char *base = getenv("HANNOY_TEST_DIR");
    if (!base && fast && access("/dev/shm", W_OK | X_OK) == 0) {
        base = "/dev/shm";
    }
    if (!base) {
        base = getenv("TMPDIR");
    }
    if (!base) {
        base = "/tmp";
    }
    snprintf(suite.dir, sizeof suite.dir, "%s/hannoy-%s-XXXXXX", base, program);
    if (!mkdtemp(suite.dir)) {
        fprintf(stderr, "%s: cannot make a folder in %s: %s\n", program, base, strerror(errno));
        exit(2);
    }
    suite.program = program;
    suite.began = now();
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("%s: seed %llu\n", program, (unsigned long long)arg.seed);
}

static void judge_exit(int slot, int status) {
    const char *const name = suite.job[slot].name;
    suite.job[slot].pid = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        suite.passed++;
        if (arg.verbose) {
            printf("ok %s\n", name);
        }
    } else if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED) {
        suite.skipped++;
    } else {
        suite.failed++;
        if (WIFSIGNALED(status)) {
            const bool late = WTERMSIG(status) == SIGALRM;
            printf("FAILED %s: %s (%s)\n", name, late ? "took too long" : "crashed",
                   strsignal(WTERMSIG(status)));
        } else if (WEXITSTATUS(status) != 1) {
            printf("FAILED %s: exit code %d\n", name, WEXITSTATUS(status));
        }
        printf("  its files: %s\n", suite.job[slot].dir);
        return;
    }
    file_remove(suite.job[slot].dir);
}

/* Waits for one case to end; false where none runs. */
static bool reap(void) {
    int running = 0;
    for (int i = 0; i < MAX_JOBS; i++) {
        running += suite.job[i].pid != 0;
    }
    if (!running) {
        return false;
    }
    int status;
    const pid_t pid = waitpid(-1, &status, 0);
    for (int i = 0; i < MAX_JOBS; i++) {
        if (suite.job[i].pid == pid) {
            judge_exit(i, status);
        }
    }
    return true;
}

static void run_child(int slot, double seconds, case_fn *fn, void *data) {
    const char *const name = suite.job[slot].name;
    snprintf(case_dir, sizeof case_dir, "%s", suite.job[slot].dir);
    /* What a failed case has to tell comes in one piece, though others run beside it. */
    if (!arg.verbose && arg.jobs) {
        setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    }
    alarm((unsigned)ceil(seconds * (SANITIZED ? 5 : 1)));
    fn(data);
    if (arg.verbose) {
        printf("   %s took %.1f s\n", name, now() - suite.began);
    }
    if (arg.jobs) {
        exit(0);
    }
}

bool suite_case(const char *name, double seconds, case_fn *fn, void *data) {
    const int number = suite.cases++;
    if (arg.only && !strstr(name, arg.only)) {
        return false;
    }
    int running = 0, slot = -1;
    for (int i = 0; i < MAX_JOBS; i++) {
        running += suite.job[i].pid != 0;
    }
    if (arg.jobs && running >= arg.jobs) {
        reap();
    }
    for (int i = 0; i < MAX_JOBS && slot < 0; i++) {
        if (suite.job[i].pid == 0) {
            slot = i;
        }
    }
    snprintf(suite.job[slot].name, sizeof suite.job[slot].name, "%s", name);
    snprintf(suite.job[slot].dir, sizeof suite.job[slot].dir, "%s/%d", suite.dir, number);
    if (mkdir(suite.job[slot].dir, 0755)) {
        fprintf(stderr, "%s: %s: %s\n", suite.program, suite.job[slot].dir, strerror(errno));
        exit(2);
    }
    if (arg.jobs == 0) {
        run_child(slot, seconds, fn, data);
        judge_exit(slot, 0);
        return true;
    }
    const pid_t pid = child_start();
    if (pid == 0) {
        run_child(slot, seconds, fn, data);
    }
    suite.job[slot].pid = pid;
    return true;
}

void suite_wait(void) {
    while (reap()) {
        continue;
    }
}

bool suite_time_left(void) {
    return arg.seconds <= 0 || now() - suite.began < arg.seconds;
}

void suite_random_runs(long all, long each, case_fn *fn) {
    long left = arg.steps ? arg.steps : all;
    for (uint64_t seed = arg.seed; left > 0 && suite_time_left(); seed++) {
        random_run run = {.seed = seed, .steps = left < each ? left : each};
        char name[60];
        snprintf(name, sizeof name, "--seed %llu --steps %ld", (unsigned long long)seed, run.steps);
        suite_case(name, 120, fn, &run);
        left -= run.steps;
    }
    suite_wait();
}

const char *suite_folder(void) {
    return suite.dir;
}

int suite_failed(void) {
    return suite.failed;
}

int suite_end(void) {
    suite_wait();
    rmdir(suite.dir); /* stays where a failed case left its files */
    if (suite.skipped) {
        printf("%d skipped\n", suite.skipped);
    }
    printf("%d passed, %d failed\n", suite.passed, suite.failed);
    return suite.failed > 0 || suite.passed == 0;
}

int child_start(void) {
    fflush(stdout);
    const pid_t pid = fork();
    if (pid < 0) {
        fail("fork: %s", strerror(errno));
    }
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    }
    return pid;
}

static const char *case_name(void) {
    for (int i = 0; i < MAX_JOBS; i++) {
        if (!strcmp(suite.job[i].dir, case_dir)) {
            return suite.job[i].name;
        }
    }
    return suite.program;
}

static void tell(const char *what, const char *format, va_list list) {
    char text[8192];
    const int n = snprintf(text, sizeof text, "%s %s: ", what, case_name());
    vsnprintf(text + n, sizeof text - (size_t)n, format, list);
    printf("%s\n", text);
}

void fail(const char *format, ...) {
    va_list list;
    va_start(list, format);
    tell("FAILED", format, list);
    va_end(list);
    if (fail_history) {
        fail_history();
    }
    fflush(stdout);
    _exit(1);
}

void skip(const char *format, ...) {
    va_list list;
    va_start(list, format);
    tell("skipped", format, list);
    va_end(list);
    fflush(stdout);
    _exit(SKIPPED);
}

void note(const char *format, ...) {
    if (!arg.verbose) {
        return;
    }
    va_list list;
    va_start(list, format);
    tell("  ", format, list);
    va_end(list);
    fflush(stdout);
}

double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void nap(double seconds) {
    struct timespec t = {.tv_sec = (time_t)seconds};
    t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
    while (nanosleep(&t, &t) && errno == EINTR) {
        continue;
    }
}

/* --------------------------------------------------------------------------------- generator -- */

static uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* SplitMix64. Mixed twice, or the run of one seed would be that of its neighbour, a bit later. */
rng rng_of(uint64_t seed) {
    return (rng){mix(mix(seed + 0x632be59bd9b4e019u) + 0x9e3779b97f4a7c15u)};
}

uint64_t rng_next(rng *r) {
    return mix(r->state += 0x9e3779b97f4a7c15u);
}

uint32_t rng_below(rng *r, uint32_t n) {
    return (uint32_t)(((rng_next(r) >> 32) * n) >> 32);
}

double rng_unit(rng *r) {
    return (double)(rng_next(r) >> 11) * 0x1p-53;
}

bool rng_chance(rng *r, double probability) {
    return rng_unit(r) < probability;
}

double rng_normal(rng *r) {
    const double u = 1 - rng_unit(r), v = rng_unit(r);
    return sqrt(-2 * log(u)) * cos(2 * 3.14159265358979323846 * v);
}

/* ------------------------------------------------------------------------------- connections -- */

int db_open_try(const char *path, int flags, sqlite3 **out) {
    sqlite3 *db = NULL;
    *out = NULL;
    int rc = sqlite3_open_v2(path, &db, flags, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_extended_result_codes(db, 1);
        rc = sqlite3_enable_load_extension(db, 1);
    }
    char *message = NULL;
    if (rc == SQLITE_OK) {
        rc = sqlite3_load_extension(db, arg.ext, NULL, &message);
    }
    if (rc != SQLITE_OK) {
        note("opening %s: %s", path, message ? message : sqlite3_errmsg(db));
        sqlite3_free(message);
        sqlite3_close(db);
        return rc;
    }
    *out = db;
    return SQLITE_OK;
}

sqlite3 *db_open(const char *path) {
    sqlite3 *db;
    const int rc = db_open_try(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &db);
    if (rc != SQLITE_OK) {
        fail("cannot open %s with the extension: %s (%d)", path, sqlite3_errstr(rc), rc);
    }
    return db;
}

/* Runs statements; where `first` is given, it gets the first value of the first row as text. */
static int run(sqlite3 *db, const char *sql, char **first) {
    const char *rest = sql;
    int rc = SQLITE_OK;
    while (rc == SQLITE_OK && *rest) {
        sqlite3_stmt *stmt = NULL;
        rc = sqlite3_prepare_v2(db, rest, -1, &stmt, &rest);
        if (rc != SQLITE_OK || !stmt) {
            continue;
        }
        while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
            if (!first || *first) {
                continue;
            }
            const char *const text = (const char *)sqlite3_column_text(stmt, 0);
            *first = sqlite3_mprintf("%s", text ? text : "");
        }
        const int end = sqlite3_finalize(stmt);
        rc = rc == SQLITE_DONE ? SQLITE_OK : end;
    }
    return rc;
}

int db_try(sqlite3 *db, const char *format, ...) {
    va_list list;
    va_start(list, format);
    char *const sql = sqlite3_vmprintf(format, list);
    va_end(list);
    if (!sql) {
        return SQLITE_NOMEM;
    }
    const int rc = run(db, sql, NULL);
    sqlite3_free(sql);
    return rc;
}

static char *text_or_fail(sqlite3 *db, const char *format, va_list list) {
    char *const sql = sqlite3_vmprintf(format, list);
    char *first = NULL;
    if (!sql) {
        fail("out of memory");
    }
    if (run(db, sql, &first) != SQLITE_OK) {
        fail("%s: %s (%d)", sql, sqlite3_errmsg(db), sqlite3_extended_errcode(db));
    }
    sqlite3_free(sql);
    return first;
}

void db_must(sqlite3 *db, const char *format, ...) {
    va_list list;
    va_start(list, format);
    sqlite3_free(text_or_fail(db, format, list));
    va_end(list);
}

char *db_text(sqlite3 *db, const char *format, ...) {
    va_list list;
    va_start(list, format);
    char *const text = text_or_fail(db, format, list);
    va_end(list);
    return text;
}

int64_t db_int(sqlite3 *db, const char *format, ...) {
    va_list list;
    va_start(list, format);
    char *const text = text_or_fail(db, format, list);
    va_end(list);
    if (!text) {
        fail("no row: %s", format);
    }
    const int64_t value = strtoll(text, NULL, 10);
    sqlite3_free(text);
    return value;
}

int64_t db_info(sqlite3 *db, const char *table, const char *key) {
    char *const text =
        db_text(db, "SELECT value FROM hannoy_info('%s') WHERE key = '%s'", table, key);
    if (!text) {
        fail("hannoy_info has no '%s'", key);
    }
    const int64_t value = strtoll(text, NULL, 10);
    sqlite3_free(text);
    return value;
}

void db_check(sqlite3 *db, const char *table) {
    char *const text = db_text(db, "PRAGMA integrity_check");
    if (!text || strcmp(text, "ok")) {
        fail("PRAGMA integrity_check: %s", text ? text : "nothing");
    }
    sqlite3_free(text);
    db_must(db, "INSERT INTO %s(%s) VALUES ('integrity-check')", table, table);
}

/* --------------------------------------------------------------------------- other processes -- */

peer peer_start(peer_fn *fn, void *data) {
    int to[2], from[2];
    if (pipe(to) || pipe(from)) {
        fail("pipe: %s", strerror(errno));
    }
    const pid_t pid = child_start();
    if (pid) {
        close(to[0]);
        close(from[1]);
        return (peer){pid, to[1], from[0]};
    }
    close(to[1]);
    close(from[0]);
    char what;
    while (read(to[0], &what, 1) == 1) {
        fn(what, data);
        if (write(from[1], &what, 1) != 1) {
            break;
        }
    }
    exit(0);
}

void peer_ask(peer *p, char what) {
    char answer;
    signal(SIGPIPE, SIG_IGN);
    if (write(p->to, &what, 1) != 1 || read(p->from, &answer, 1) != 1) {
        int status = 0;
        waitpid(p->pid, &status, 0);
        fail("the other process %s at '%c'", WIFSIGNALED(status) ? "crashed" : "ended", what);
    }
}

void peer_stop(peer *p) {
    int status;
    close(p->to);
    close(p->from);
    if (waitpid(p->pid, &status, 0) != p->pid || status) {
        fail("the other process: %x", status);
    }
}

/* ------------------------------------------------------------------------------------- files -- */

void file_copy(const char *from, const char *to) {
    char buffer[65536];
    const int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (in < 0 || out < 0) {
        fail("cannot copy %s to %s: %s", from, to, strerror(errno));
    }
    ssize_t n;
    while ((n = read(in, buffer, sizeof buffer)) > 0) {
        if (write(out, buffer, (size_t)n) != n) {
            fail("cannot write %s", to);
        }
    }
    if (n < 0) {
        fail("cannot read %s: %s", from, strerror(errno));
    }
    close(in);
    close(out);
}

int64_t file_size(const char *path) {
    struct stat st;
    return stat(path, &st) ? -1 : (int64_t)st.st_size;
}

void file_write(const char *path, int64_t offset, const void *bytes, size_t count) {
    const int fd = open(path, O_WRONLY | O_CREAT, 0644);
    if (fd < 0 || pwrite(fd, bytes, count, offset) != (ssize_t)count) {
        fail("cannot write %s: %s", path, strerror(errno));
    }
    close(fd);
}

void file_remove(const char *path) {
    struct stat st;
    if (lstat(path, &st)) {
        return;
    }
    if (!S_ISDIR(st.st_mode)) {
        unlink(path);
        return;
    }
    DIR *const dir = opendir(path);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        char inner[PATH_MAX];
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) {
            continue;
        }
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        file_remove(inner);
    }
    if (dir) {
        closedir(dir);
    }
    rmdir(path);
}
