/*
** hannoy's engine: an HNSW index over LMDB, and all that ext/ sees of it.
**
** A *sidecar* is one LMDB file beside a SQLite database.  It holds the graphs of all hannoy tables
** of that database, each under the number its table carries in its own configuration.  It is
** derived data: every function here may fail without anything being lost, and whatever it answers
** is said to be the state at a *boundary*, a place (seq, chain) in the table's log.  The caller
** finds out what its own snapshot has beyond that boundary and what it lacks.
**
** A *reader* is one connection's view of one table.  hny_reader_begin pins the newest committed
** state and hny_reader_end lets it go; nothing is pinned between calls, so a forgotten cursor
** never holds back the reuse of pages.  A reader belongs to one thread at a time.
**
** A *build* takes changes in and publishes them as a new boundary.  One build runs per sidecar,
** over all connections and processes; a second one gets HNY_BUSY at once and never waits.
**
** All functions return 0 or a negative hny_status.  None prints, none keeps a pointer that it was
** given past its return except where it says so.
*/
#ifndef HANNOY_H
#define HANNOY_H

#include <stddef.h>
#include <stdint.h>

/* Error codes and their sentences: the only list of both. */
#define HNY_STATUS_MAP(X)                                                                          \
    X(OK, 0, "ok")                                                                                 \
    X(NOMEM, -1, "out of memory")                                                                  \
    X(BUSY, -2, "the index is busy: another connection or process is building it")                 \
    X(INTERRUPT, -3, "interrupted")                                                                \
    X(IO, -4, "the sidecar cannot be read or written")                                             \
    X(FULL, -5, "the disk is full")                                                                \
    X(CORRUPT, -6, "the sidecar is damaged; the next build replaces it")                           \
    X(VERSION, -7, "the sidecar has another format version; the next build replaces it")           \
    X(MISSING, -8, "there is no index yet; the next build makes it")                               \
    X(SHAPE, -9, "the index was built for other options; the next build replaces it")              \
    X(READERS, -10, "too many readers have the sidecar open")                                      \
    X(LIMIT, -11, "a table holds at most 1073741823 vectors")

typedef enum hny_status {
#define HNY_STATUS_ENUM(name, code, text) HNY_##name = code,
    HNY_STATUS_MAP(HNY_STATUS_ENUM)
#undef HNY_STATUS_ENUM
} hny_status;

/* The sentence of a status, without a full stop.  Never NULL. */
const char *hny_strerror(int status);

/* ---------------------------------------------------------------------------------- vectors -- */

typedef enum hny_metric { HNY_COSINE = 1, HNY_EUCLIDEAN, HNY_MANHATTAN, HNY_HAMMING } hny_metric;
typedef enum hny_type { HNY_FLOAT32 = 1, HNY_FLOAT16, HNY_INT8, HNY_BIT } hny_type;

/* What the graph is built and walked on, where the vectors themselves would be larger (coding.h). */
typedef enum hny_codes {
    HNY_CODES_INT8 = 1,
    HNY_CODES_FLOAT16,
    HNY_CODES_FLOAT32,
    HNY_CODES_BIT,
    HNY_CODES_INT4
} hny_codes;

#define HNY_MAX_DIM 65536

/* What every vector of a table has in common. */
typedef struct hny_shape {
    uint32_t dim;   /* 1 .. HNY_MAX_DIM */
    uint8_t metric; /* hny_metric */
    uint8_t type;   /* hny_type: how a row is stored */
} hny_shape;

/* Bytes of one stored vector: 4, 2 or 1 a dimension, or one bit, rounded up to a byte. */
size_t hny_vector_bytes(hny_shape shape);

/* IEEE 754 half precision <-> single, round to nearest even; what overflows becomes infinity. */
uint16_t hny_half_from_float(float value);
float hny_float_from_half(uint16_t half);

#define HNY_MAX_ATTRIBUTES 32 /* of a row */

/*
** A value beside a vector, as far as a search needs it: NULL, a number, or the beginning and a
** digest of a text or a BLOB.  Compared as SQLite compares values: NULL apart, numbers before texts
** before BLOBs, texts and BLOBs by their bytes.
*/
typedef struct hny_attribute {
    uint64_t word;   /* the number's bits; the first eight bytes, the first one highest */
    uint64_t detail; /* lowest byte: what it is; above it of a text or BLOB its digest */
} hny_attribute;

hny_attribute hny_attribute_null(void);
hny_attribute hny_attribute_integer(int64_t value);
hny_attribute hny_attribute_real(double value); /* not a NaN */
hny_attribute hny_attribute_text(const void *text, size_t bytes);
hny_attribute hny_attribute_blob(const void *blob, size_t bytes);

/*
** Distances from one vector to many, computed in double precision from the stored bytes, the same
** on every processor: 1 - cos (1 where either vector is zero), the root of the sum of squares, the
** sum of absolute differences, the number of bits that differ (x > 0 is a set bit).  `type=bit`
** under cosine, euclidean and manhattan stands for a vector of +1 and -1.  This is what every
** returned distance is, whichever way its row was found.
*/
typedef struct hny_distance_computer hny_distance_computer;
int hny_distance_computer_new(hny_shape shape, const void *vector,
                              hny_distance_computer **out); /* copies the vector */
void hny_distance_computer_free(hny_distance_computer *computer);
double hny_distance_computer_distance(const hny_distance_computer *computer, const void *vector);

/*
** The instruction set that the inner loops are written for: the best that the processor has, or the
** one that the environment variable HANNOY_KERNELS names, for tests.  Chosen once a process.
*/
const char *hny_kernels_name(void);

/* *fault: a sentence, the caller's to free(), where HANNOY_KERNELS names none of them; else NULL. */
int hny_kernels_check(char **fault);

/* ------------------------------------------------------------------------------ the sidecar -- */

/* A place in a table's log.  Equal pairs mean equal content. */
typedef struct hny_boundary {
    int64_t seq;
    int64_t chain;
} hny_boundary;

/* What the graph of a table is made with. */
typedef struct hny_options {
    hny_shape shape;
    uint8_t codes;            /* hny_codes */
    uint32_t m;               /* links of a node above level 0; twice as many on level 0. 4 .. 63 */
    uint32_t ef_construction; /* candidates considered for a new node. 4 .. 4096 */
    uint32_t attributes;      /* of a row. 0 .. HNY_MAX_ATTRIBUTES */
} hny_options;

/* Called now and then from the thread that made the call; nonzero stops the work. */
typedef struct hny_interrupt {
    int (*check)(void *arg);
    void *arg;
} hny_interrupt;

typedef struct hny_sidecar hny_sidecar;

/*
** A handle on the sidecar of the database file `database`: database + "-hannoy".  Opens and
** creates nothing.  With database NULL it is a private temporary file that is unlinked as soon as
** it is open, and lives as long as this handle.
*/
int hny_sidecar_new(const char *database, hny_sidecar **out);
hny_sidecar *hny_sidecar_ref(hny_sidecar *sidecar);
void hny_sidecar_unref(hny_sidecar *sidecar); /* NULL is fine */

/* The path of the file, or NULL for a private one. */
const char *hny_sidecar_path(const hny_sidecar *sidecar);

/* What a build that runs in this process is doing. */
typedef struct hny_progress {
    uint32_t table;       /* 0: no build runs here */
    const char *phase;    /* "reading", "linking", "calibrating", "trimming",
                          "consolidating", "publishing" */
    uint64_t done, total; /* of the phase's rows, vectors or blocks */
} hny_progress;
void hny_sidecar_progress(hny_sidecar *sidecar, hny_progress *out);

/* ---------------------------------------------------------------------------------- readers -- */

typedef struct hny_reader hny_reader;

/* Of a table whose rows have vectors of this shape and so many attributes. */
int hny_reader_new(hny_sidecar *sidecar, uint32_t table, hny_shape shape, uint32_t attributes,
                   hny_reader **out);
void hny_reader_free(hny_reader *reader); /* NULL is fine */

/*
** Pins the newest state.  HNY_OK: the table has an index here.  HNY_NOMEM: give up.  Anything
** else: the sidecar has nothing to offer for this table, for the reason that hny_strerror tells;
** the reader is not pinned, and the caller answers from the content.  Creates no file.
*/
int hny_reader_begin(hny_reader *reader);
void hny_reader_end(hny_reader *reader);

/*
** Asked before the end: is all that was read since the begin of the state that was pinned?  0 where somebody
** took the sidecar's lock file away under its users and others may have written since: then nothing of it
** is to be believed.
*/
int hny_reader_intact(const hny_reader *reader);

/*
** Changes whenever the pinned state is, or may be, another one than at the last begin.  What was
** computed for one version (a merge base, a mask) holds as long as the version does.
*/
uint64_t hny_reader_version(const hny_reader *reader);

/*
** The boundaries that the pinned state remembers: age 0 is the newest and the state itself.
** HNY_MISSING past the oldest.
*/
int hny_reader_boundary(hny_reader *reader, uint32_t age, hny_boundary *out);

/*
** The rowids touched on the way from the boundary of age + 1 to the one of `age`, ascending and
** without repeats.  *ids is the caller's to free().  Not kept for the oldest boundary
** (HNY_MISSING).
*/
int hny_reader_touched(hny_reader *reader, uint32_t age, int64_t **ids, size_t *count);

/*
** From now on, searches and scans of this version leave these rowids out (sorted or not; ids not
** in the index are fine).  A new version starts without a mask.
*/
int hny_reader_mask(hny_reader *reader, const int64_t *ids, size_t count);

/*
** A row and its distance as far as the sidecar knows it: the exact one (hny_distance_computer_distance) differs
** by no more than `error`, which is 0 where it is the same and may be infinite.
*/
typedef struct hny_hit {
    double distance;
    int64_t rowid;
    double error;
} hny_hit;

/* By distance, then by rowid: the one order in which rows are returned. */
int hny_hit_compare(const void *a, const void *b);

/* What the exact distance of a hit does not fall below. */
static inline double hny_hit_lower_bound(const hny_hit *hit) {
    return hit->distance - hit->error;
}

/* By that, then by rowid: the order of a scan. */
int hny_hit_compare_lower_bound(const void *a, const void *b);

/*
** Which rows a search may return: all terms hold.  A comparison with NULL holds for no row, and a row
** whose value is NULL passes no term but IS_NULL.  Of texts and BLOBs that begin with the same eight
** bytes an order by attributes is not known: those rows pass as HNY_MAYBE.
*/
typedef enum hny_op {
    HNY_EQ,
    HNY_NE,
    HNY_LT,
    HNY_LE,
    HNY_GT,
    HNY_GE,
    HNY_IN, /* any of a list */
    HNY_IS_NULL,
    HNY_NOT_NULL
} hny_op;

typedef enum hny_answer { HNY_NO, HNY_MAYBE, HNY_YES } hny_answer;

typedef struct hny_filter hny_filter;
int hny_filter_new(hny_filter **out);
void hny_filter_free(hny_filter *filter); /* NULL is fine */

/* Another term: `count` is 1, but of HNY_IN any number and of the last two 0.  Copies the attributes. */
int hny_filter_where(hny_filter *filter, uint32_t attribute, hny_op op,
                     const hny_attribute *attributes, size_t count);

/* Another term: the rowid is among these, in any order and with repeats. */
int hny_filter_rowids(hny_filter *filter, const int64_t *rowids, size_t count);

/* May rows pass as HNY_MAYBE? */
int hny_filter_unsure(const hny_filter *filter);

hny_answer hny_filter_test(const hny_filter *filter, int64_t rowid,
                           const hny_attribute *attributes);

/* What a search is for, and how hard it tries. */
typedef struct hny_search {
    uint64_t k;    /* neighbours; 0: as many as the ef finds */
    uint32_t ef;   /* as good as a classic walk with so many candidates; 0: for `recall` */
    double recall; /* the share of the k nearest that is to be found, on average */
    const hny_filter *filter; /* NULL: all rows */
} hny_search;

/* What the last search or scan of a reader did. */
typedef enum hny_strategy { HNY_SCAN = 1, HNY_WALK, HNY_WALK_THEN_SCAN } hny_strategy;
typedef struct hny_work {
    hny_strategy strategy;
    uint64_t distances; /* computed, of codes */
    uint64_t matches; /* rows that pass the filter, as far as they were counted; 0: they were not */
} hny_work;

/* The ef of a classic walk that finds the k nearest with this recall, by the last calibration. */
uint32_t hny_reader_ef(const hny_reader *reader, uint64_t k, double recall);

/* How many hits to ask for so that the best k of them by exact distance are among them. */
size_t hny_reader_ask(const hny_reader *reader, const hny_search *search);

/*
** The nearest rows that the graph search finds, at most `limit` of them, in order (HNSW, Malkov &
** Yashunin 2018, algorithms 2 and 5; walk.h for how it ends).  hits has room for `limit`.  With an
** ef at the number of rows or above, every row that is not masked is found.
*/
int hny_reader_search(hny_reader *reader, const void *vector, const hny_search *search,
                      size_t limit, hny_interrupt interrupt, hny_hit *hits, size_t *count);

/*
** Scans the index for the `limit` rows that may be nearest: by the least that their distance can be,
** which is distance less error, then by rowid.  What is not among them lies behind the last of them
** in that order; `after` (NULL: the first) is the last one of the scan before.  Only rows that the
** filter (NULL: none) lets through.
*/
int hny_reader_scan(hny_reader *reader, const void *vector, const hny_filter *filter,
                    const hny_hit *after, size_t limit, hny_interrupt interrupt, hny_hit *hits,
                    size_t *count);

const hny_work *hny_reader_work(const hny_reader *reader);

typedef struct hny_stats {
    hny_boundary boundary;
    uint64_t rows;       /* live vectors */
    uint64_t nodes;      /* nodes of the graph: rows and deleted nodes */
    uint64_t deleted;    /* deleted, still walked through */
    uint64_t unlinked;   /* in the index, scanned, and not linked yet */
    uint32_t levels;     /* 0 for an empty graph, 1 for level 0 alone, … */
    uint64_t links;      /* links of level 0; 0 unless asked for, since counting reads them all */
    uint64_t bytes;      /* of the sidecar file: pages in use, all tables together */
    uint32_t boundaries; /* remembered */
    uint32_t m;
    uint8_t codes; /* hny_codes */
} hny_stats;
int hny_reader_stats(hny_reader *reader, int count_links, hny_stats *out);

/*
** Is this rowid in the pinned state, and has it the codes of this vector and these attributes?  1, 0 or a
** status.
*/
int hny_reader_holds(hny_reader *reader, int64_t rowid, const void *vector,
                     const hny_attribute *attributes);

/*
** Checks every record, digest, link and set of the pinned state.  HNY_OK and *fault NULL: sound.
** HNY_OK and *fault set: a sentence about the first fault found, the caller's to free().
*/
int hny_reader_check(hny_reader *reader, hny_interrupt interrupt, char **fault);

/* ----------------------------------------------------------------------------------- builds -- */

typedef struct hny_build hny_build;

/*
** Flags.  CONSOLIDATE: clear deleted nodes away sooner than otherwise.  APPEND: while they are few
** beside the table, new rows are only added to the index, where searches scan them, and linked by a
** later build together: linking 1000 rows at random changes 33,000 nodes, and a table that grows by
** so many a time would write its links over and over.
*/
#define HNY_BUILD_CONSOLIDATE 1
#define HNY_BUILD_APPEND      2

/*
** Takes the builder's lock and makes the sidecar ready to be written: creates it, or sets aside
** one that is unusable.  HNY_BUSY at once where another build runs.  `threads` 0: one a core.
** Everything between open and close happens in one call of the host, on one thread.
*/
int hny_build_open(hny_sidecar *sidecar, uint32_t table, const hny_options *options,
                   unsigned threads, int flags, hny_interrupt interrupt, hny_build **out);

/*
** A pinned reader of the state that this build starts from; NULL where there is none.  Of use until
** the first put, remove, restart or publish.
*/
hny_reader *hny_build_reader(hny_build *build);

/* Was the base made with another m, or with other codes, than the options of this build say? */
int hny_build_outdated(const hny_build *build);

/* Rows that the base has and that are not linked yet. */
uint32_t hny_build_unlinked(const hny_build *build);

/* Start over: what the index has is dropped when this build is published. */
int hny_build_restart(hny_build *build);

/* Rows to expect, before the first one: for the progress figures, and for APPEND. */
void hny_build_expect(hny_build *build, uint64_t changes);

/*
** The row's state at the boundary to come: this vector with all its attributes, or absent.  Each rowid
** at most once.
*/
int hny_build_put(hny_build *build, int64_t rowid, const void *vector,
                  const hny_attribute *attributes);
int hny_build_remove(hny_build *build, int64_t rowid);

/*
** Links the new nodes with parallel threads, all joined before this returns, and makes the result
** durable as boundary `at`.  Every rowid that was put or removed counts as touched.  On failure
** the sidecar is as before.
*/
int hny_build_publish(hny_build *build, hny_boundary at);

/*
** Drops the tables whose number is not among `live` and whatever interrupted builds left behind.
** For callers that hold the database's write lock only: an older snapshot does not know newer
** tables.
*/
int hny_build_sweep(hny_build *build, const uint32_t *live, size_t count);

void hny_build_close(hny_build *build); /* NULL is fine; drops what was not published */

#endif
