/*
** Searches that ask for their pages: when they do, that the pages they read are among those, and
** that they find as much.
**
** The kernel's answers are made up here: counts of faults, the clock, and which pages are in
** memory.  A page that is not in memory is one without access, and a fault its signal.
*/
#define _GNU_SOURCE
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "read/reader.h"
#include "sidecar/records.h"

enum { ROWS = 6000, DIM = 24, CENTRES = 60, QUERIES = 200, K = 10 };

static const hny_shape shape = {DIM, HNY_COSINE, HNY_FLOAT32};
static float vectors[ROWS][DIM], queries[QUERIES][DIM];
static hny_sidecar *sidecar;

/* ------------------------------------------------------------------------------- the kernel -- */

static struct {
    bool absent;            /* pages are not in memory */
    uint64_t step;          /* nanoseconds from one look at the clock to the next */
    uint64_t now;           /* of the clock */
    long faults, blocks;    /* counts of the thread */
    long more;              /* of both, with each look */
    unsigned looks, advice; /* calls of getrusage, and of madvise for pages */
    uint64_t free_memory;
    size_t ahead; /* bytes from the start of the file that were asked for in order */
} kernel;

static const uint8_t *file_start; /* NULL: `ahead` is not counted */

int __real_madvise(void *address, size_t bytes, int advice);
int __wrap_madvise(void *address, size_t bytes, int advice);
int __wrap_mincore(void *address, size_t bytes, unsigned char *states);
int __wrap_getrusage(int who, struct rusage *usage);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

int __wrap_madvise(void *address, size_t bytes, int advice) {
    if (advice != MADV_WILLNEED) {
        return __real_madvise(address, bytes, advice);
    }
    kernel.advice++;
    if (file_start && (uint8_t *)address == file_start + kernel.ahead) {
        kernel.ahead += bytes;
    }
    return mprotect(address, bytes, PROT_READ);
}

int __wrap_mincore(void *address, size_t bytes, unsigned char *states) {
    (void)address;
    memset(states, !kernel.absent, (bytes + 4095) / 4096);
    return 0;
}

int __wrap_getrusage(int who, struct rusage *usage) {
    (void)who;
    memset(usage, 0, sizeof *usage);
    kernel.looks++;
    usage->ru_majflt = kernel.faults += kernel.more;
    usage->ru_inblock = kernel.blocks += 100 * kernel.more;
    return 0;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *now) {
    (void)clock;
    kernel.now += kernel.step;
    *now = (struct timespec){(time_t)(kernel.now / 1000000000u), (long)(kernel.now % 1000000000u)};
    return 0;
}

uint64_t __wrap_hny__free_memory(void);
uint64_t __wrap_hny__free_memory(void) {
    return kernel.free_memory;
}

static uintptr_t page_bytes;
static volatile sig_atomic_t faults;

static void on_fault(int number, siginfo_t *info, void *context) {
    (void)context;
    faults++;
    void *const page = (void *)((uintptr_t)info->si_addr / page_bytes * page_bytes);
    if (mprotect(page, page_bytes, PROT_READ)) {
        signal(number, SIG_DFL);
    }
}

/* --------------------------------------------------------------------------------- the table -- */

static double unit(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) / 9007199254740992.0 * 2 - 1;
}

/* Points around centres, some of them rows, others queries. */
static void make_vectors(void) {
    static float centres[CENTRES][DIM];
    uint64_t state = 5;
    for (int i = 0; i < CENTRES * DIM; i++) {
        centres[i / DIM][i % DIM] = (float)unit(&state);
    }
    for (int i = 0; i < (ROWS + QUERIES) * DIM; i++) {
        const int row = i / DIM, d = i % DIM;
        float *const vector = row < ROWS ? vectors[row] : queries[row - ROWS];
        vector[d] = centres[row * 7919 % CENTRES][d] + (float)(0.9 * unit(&state));
    }
}

static int begin_all(void **unused) {
    const hny_options options = {shape, HNY_CODES_INT8, 8, 40, 0, 0};
    hny_build *build;
    (void)unused;
    page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
    make_vectors();
    kernel.step = 1000;
    assert_int_equal(hny_sidecar_new(NULL, NULL, &sidecar), HNY_OK);
    assert_int_equal(
        hny_build_open(sidecar, 1, &options, &(hny_build_limits){.threads = 1}, 0, &build), HNY_OK);
    for (int i = 0; i < ROWS; i++) {
        assert_int_equal(hny_build_put(build, i, vectors[i], NULL), HNY_OK);
    }
    assert_int_equal(hny_build_publish(build, (hny_boundary){ROWS, 1}), HNY_OK);
    hny_build_close(build);
    return 0;
}

static int end_all(void **unused) {
    (void)unused;
    hny_sidecar_unref(sidecar);
    return 0;
}

static int reset_kernel(void **unused) {
    (void)unused;
    memset(&kernel, 0, sizeof kernel);
    kernel.step = 1000;
    unsetenv("HANNOY_READER_ASK");
    return 0;
}

static hny_reader *open_reader(const char *rule) {
    hny_reader *reader;
    if (rule) {
        setenv("HANNOY_READER_ASK", rule, 1);
    }
    assert_int_equal(hny_reader_new(sidecar, 1, shape, 0, 0, &reader), HNY_OK);
    assert_int_equal(hny_reader_begin(reader), HNY_OK);
    return reader;
}

static void close_reader(hny_reader *reader) {
    hny_reader_end(reader);
    hny_reader_free(reader);
}

static hny_hit hits[ROWS];

static hny_hit *reserve_hits(void *arg, size_t capacity) {
    (void)arg;
    assert_true(capacity <= ROWS);
    return hits;
}

static size_t search(hny_reader *reader, int query, uint64_t k, uint32_t ef) {
    hny_search request = {.vector = queries[query % QUERIES],
                          .k = k,
                          .ef = ef,
                          .recall = 0.95,
                          .reserve = reserve_hits};
    assert_int_equal(hny_reader_search(reader, &request), HNY_OK);
    return request.count;
}

/* Does a search ask for the pages that it takes to be absent? */
static bool asks(hny_reader *reader, int query) {
    search(reader, query, K, 0);
    return reader->beam.asks;
}

/* How many requests it makes. */
static unsigned count_requests(hny_reader *reader, int query) {
    const unsigned before = kernel.advice;
    search(reader, query, K, 0);
    return kernel.advice - before;
}

/* ------------------------------------------------------------------------------------- tests -- */

/* A search that is not slow looks at no count and asks for nothing. */
static void test_warm(void **unused) {
    hny_reader *const reader = open_reader(NULL);
    (void)unused;
    const unsigned looks = kernel.looks;
    kernel.more = 1;
    for (int i = 0; i < QUERIES; i++) {
        assert_false(asks(reader, i));
    }
    assert_int_equal(kernel.looks, looks);
    close_reader(reader);
}

/* A slow one looks, and asks if the reason is faults: from there on. */
static void test_faults(void **unused) {
    hny_reader *const reader = open_reader(NULL);
    (void)unused;
    kernel.step = 1000000;
    assert_false(asks(reader, 0));
    assert_false(asks(reader, 1));
    kernel.more = 1;
    assert_true(asks(reader, 2));
    kernel.step = 1000;
    for (int i = 0; i < QUERIES; i++) {
        assert_true(asks(reader, i));
    }
    kernel.more = 0; /* all pages have been read */
    int last = 0;
    for (; last < 100 && asks(reader, last); last++) {
    }
    assert_in_range(last, 1, 20);
    assert_false(asks(reader, 0));
    kernel.step = 1000000;
    assert_false(asks(reader, 0));
    kernel.more = 1;
    assert_true(asks(reader, 0));
    close_reader(reader);
}

/* The first search of a file that is not in memory asks. */
static void test_absent(void **unused) {
    (void)unused;
    kernel.absent = true;
    hny_reader *reader = open_reader(NULL);
    assert_true(asks(reader, 0));
    close_reader(reader);
    kernel.absent = false;
    reader = open_reader(NULL);
    assert_false(asks(reader, 0));
    close_reader(reader);
}

static void test_rules(void **unused) {
    (void)unused;
    hny_reader *reader = open_reader("always");
    for (int i = 0; i < QUERIES; i++) {
        assert_in_range(count_requests(reader, i % 2), 10, ROWS);
    }
    close_reader(reader);
    kernel.absent = true;
    kernel.more = 1;
    kernel.step = 1000000;
    reader = open_reader("never");
    for (int i = 0; i < QUERIES; i++) {
        assert_int_equal(count_requests(reader, i), 0);
    }
    close_reader(reader);
}

/*
** Pages that were read lately are not asked for again, by this search or another, until searches
** find that they have left memory.
*/
static void test_horizon(void **unused) {
    (void)unused;
    kernel.absent = true;
    kernel.more = 1;
    hny_reader *const reader = open_reader(NULL);
    const unsigned first = count_requests(reader, 0), again = count_requests(reader, 0);
    assert_in_range(first, 10, ROWS);
    assert_in_range(again, 0, first / 4); /* not all: a page may have the place of another */
    for (int i = 0; i < QUERIES; i++) {
        search(reader, i, K, 0);
    }
    assert_in_range(count_requests(reader, 0), 0, first / 4);
    kernel.more = 100; /* faults of a search, and of every 12 pages that it reads one is a fault */
    for (int i = 0; i < 20; i++) {
        search(reader, 0, K, 0);
    }
    assert_int_equal(reader->paging.horizon, 0);
    assert_in_range(count_requests(reader, 0), first / 2, ROWS);
    close_reader(reader);
}

/* Faults of a search, with no page of the sidecar in memory before it. */
static int count_faults(hny_reader *reader, int query) {
    const hny__value file = hny__all_pages(reader->view.txn);
    struct sigaction handler = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO}, before;
    assert_int_equal(sigaction(SIGSEGV, &handler, &before), 0);
    assert_int_equal(mprotect((void *)(uintptr_t)file.data, file.size, PROT_NONE), 0);
    faults = 0;
    search(reader, query, K, 0);
    const int count = faults;
    assert_int_equal(mprotect((void *)(uintptr_t)file.data, file.size, PROT_READ), 0);
    sigaction(SIGSEGV, &before, NULL);
    return count;
}

/*
** Next to nothing that a search reads has not been asked for: of a new reader LMDB's branches and
** the nodes above the leaves of the map of rowids, and then those alone.
*/
static void test_pages_are_asked_for(void **unused) {
    (void)unused;
    hny_reader *reader = open_reader("never");
    assert_true(count_faults(reader, 0) > 40);
    assert_true(count_faults(reader, 0) > 30);
    close_reader(reader);
    reader = open_reader("always");
    for (int i = 0; i < QUERIES; i++) {
        const int count = count_faults(reader, i);
        if (count > (i == 0 ? 8 : 4)) {
            fail_msg("search %d: %d faults", i, count);
        }
    }
    close_reader(reader);
}

/* The bytes of the file, if so many searches ask for all of them beside their pages. */
static size_t count_ahead(int searches, uint64_t free_memory, bool absent, const char *budget) {
    kernel.absent = absent;
    kernel.more = 1;
    kernel.free_memory = free_memory;
    kernel.ahead = 0;
    if (budget) {
        setenv("HANNOY_READER_PREFETCH_MEMORY", budget, 1);
    }
    hny_reader *const reader = open_reader(NULL);
    unsetenv("HANNOY_READER_PREFETCH_MEMORY");
    const hny__value file = hny__all_pages(reader->view.txn);
    file_start = file.data;
    for (int i = 0; i < searches; i++) {
        search(reader, i, K, 0);
    }
    file_start = NULL;
    close_reader(reader);
    return kernel.ahead == file.size ? file.size : 0;
}

/* A file that is not in memory, and for which there is memory, is read ahead. */
static void test_read_ahead(void **unused) {
    (void)unused;
    const size_t bytes = count_ahead(5, UINT64_MAX, true, NULL);
    assert_true(bytes > 1000000);
    assert_int_equal(count_ahead(5, bytes / 3 * 4 + 8, true, NULL), bytes);
    assert_int_equal(count_ahead(5, bytes, true, NULL), 0);
    assert_int_equal(count_ahead(5, UINT64_MAX, false, NULL), 0);
    assert_int_equal(count_ahead(5, UINT64_MAX, true, "0"), 0);
    /* A part would hold all of it, and the first search asks for none. */
    assert_int_equal(count_ahead(2, UINT64_MAX, true, NULL), bytes);
    assert_int_equal(count_ahead(1, UINT64_MAX, true, NULL), 0);
}

static int compare_distances(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The exact distance of the K-th nearest row. */
static double last_distance(int query) {
    static double distances[ROWS];
    for (int i = 0; i < ROWS; i++) {
        double dot = 0, a = 0, b = 0;
        for (int d = 0; d < DIM; d++) {
            dot += (double)vectors[i][d] * queries[query][d];
            a += (double)vectors[i][d] * vectors[i][d];
            b += (double)queries[query][d] * queries[query][d];
        }
        distances[i] = 1 - dot / sqrt(a * b);
    }
    qsort(distances, ROWS, sizeof *distances, compare_distances);
    return distances[K - 1];
}

/* How many of the K nearest rows all searches together find. */
static int count_found(const char *rule, uint32_t ef, const double *last) {
    hny_reader *const reader = open_reader(rule);
    int found = 0;
    for (int i = 0; i < QUERIES; i++) {
        const size_t count = search(reader, i, K, ef);
        for (size_t j = 0; j < count && j < K; j++) {
            found += hits[j].distance - hits[j].error <= last[i] + 1e-6;
        }
    }
    close_reader(reader);
    return found;
}

static void test_recall(void **unused) {
    static double last[QUERIES];
    (void)unused;
    for (int i = 0; i < QUERIES; i++) {
        last[i] = last_distance(i);
    }
    for (uint32_t ef = 0; ef <= 160; ef = ef ? ef * 2 : 10) {
        const int never = count_found("never", ef, last), always = count_found("always", ef, last);
        if (always < never) {
            fail_msg("ef %u: %d found, %d without asking", ef, always, never);
        }
    }
}

/* With an ef of all rows both find all, in one order. */
static void test_all_rows(void **unused) {
    static hny_hit expected[ROWS];
    (void)unused;
    hny_reader *reader = open_reader("never");
    assert_int_equal(search(reader, 3, ROWS, ROWS), ROWS);
    memcpy(expected, hits, sizeof expected);
    close_reader(reader);
    reader = open_reader("always");
    assert_int_equal(search(reader, 3, ROWS, ROWS), ROWS);
    for (int i = 0; i < ROWS; i++) {
        assert_int_equal(hits[i].rowid, expected[i].rowid);
    }
    close_reader(reader);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_warm, reset_kernel),
        cmocka_unit_test_setup(test_faults, reset_kernel),
        cmocka_unit_test_setup(test_absent, reset_kernel),
        cmocka_unit_test_setup(test_rules, reset_kernel),
        cmocka_unit_test_setup(test_horizon, reset_kernel),
        cmocka_unit_test_setup(test_pages_are_asked_for, reset_kernel),
        cmocka_unit_test_setup(test_read_ahead, reset_kernel),
        cmocka_unit_test_setup(test_recall, reset_kernel),
        cmocka_unit_test_setup(test_all_rows, reset_kernel),
    };
    return cmocka_run_group_tests(tests, begin_all, end_all);
}
