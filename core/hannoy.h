/*
** hannoy's engine: an HNSW index over LMDB, and everything that ext/ sees of it.
**
** A *sidecar* is one LMDB file beside a SQLite database.  It holds the graphs of all hannoy tables
** of that database, each under a number that the table keeps in its own configuration.  A sidecar
** is derived data: any function here may fail without losing anything.  Each committed state of a
** table belongs to a *boundary*, a place (seq, chain) in the table's log.  The caller determines
** what its own snapshot has beyond that boundary and what it lacks.
**
** A *reader* is one connection's view of one table.  hny_reader_begin pins the newest committed
** state and hny_reader_end releases it.  Nothing is pinned between calls, so a forgotten cursor
** never delays the reuse of pages.
**
** A *build* adds changes and publishes them as a new boundary.  One build runs per sidecar, over
** all connections and processes; another one gets HNY_BUSY at once and does not wait.
**
** Errors.  A function that returns int returns 0 (HNY_OK) or a negative hny_status; where it can
** also return something positive, its comment says so.  The codes of a function are listed where
** the caller must tell them apart.  Besides those, any function that allocates may return
** HNY_NOMEM, and any that reads or writes the sidecar HNY_IO, HNY_CORRUPT, HNY_BROKEN and
** HNY_FULL.  Output parameters are valid only after HNY_OK.  A structure of the sidecar that fails
** its digest gives HNY_CORRUPT; the file is then marked as damaged, and the next build
** replaces it.  HNY_BROKEN: LMDB could not write a meta page and refuses all further calls.  The
** file itself may be sound, so HNY_BROKEN is no fault that hny_verify or a check reports.
**
** Ownership.  The caller owns what a _new or _open function returns and ends it with the matching
** _free, _unref or _close, all of which accept NULL.  Functions copy what they are given; the
** exceptions say so.  "The caller frees it" means free().
**
** Threads.  Everything that hangs on one hny_sidecar handle (its readers and builds) belongs to one
** thread at a time; it may move between threads between calls, as a SQLite connection does.
** Different handles, also on the same file, may be used by different threads at the same time.
** After fork() handles may be used in the child: they notice, and open the file anew.
**
** No function prints or ends the process.
*/
#ifndef HANNOY_H
#define HANNOY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Status codes and their sentences: the only list of both. */
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
    X(LIMIT, -11, "a table holds at most 1073741823 vectors")                                      \
    X(BROKEN, -12, "a write to the sidecar failed; the next build replaces it")                    \
    X(LINK, -13, "a symbolic link is in the place of the sidecar or its lock file; remove it")     \
    X(FOLDER, -14, "a folder is in the place of the sidecar or its lock file; remove it")          \
    X(PIPE, -15, "a pipe is in the place of the sidecar or its lock file; remove it")              \
    X(SOCKET, -16, "a socket is in the place of the sidecar or its lock file; remove it")          \
    X(DEVICE, -17, "a device is in the place of the sidecar or its lock file; remove it")          \
    X(NAME, -18, "the database's name is too long for a sidecar beside it; shorten it")

typedef enum hny_status {
#define HNY_STATUS_ENUM(name, code, text) HNY_##name = code,
    HNY_STATUS_MAP(HNY_STATUS_ENUM)
#undef HNY_STATUS_ENUM
} hny_status;

/* The sentence of a status, without a full stop.  Never NULL; static memory. */
const char *hny_strerror(int status);

/*
** The absolute path of a folder, "" for "".  The caller frees *path.  HNY_OK, HNY_NOMEM, or
** HNY_MISSING: there is no such folder.
*/
int hny_folder_resolve(const char *folder, char **path);

/* ----------------------------------------------------------------------------------- vectors -- */

/* Functions on vectors and attributes keep no state and may run on any thread. */

typedef enum hny_metric {
    HNY_COSINE = 1,
    HNY_EUCLIDEAN,
    HNY_MANHATTAN,
    HNY_HAMMING,
    HNY_DOT
} hny_metric;
typedef enum hny_type { HNY_FLOAT32 = 1, HNY_FLOAT16, HNY_INT8, HNY_BIT } hny_type;

/* The codes that the graph is built and searched on (vector/quantizer.h). */
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

/* Bytes of one stored vector: 4, 2 or 1 per dimension, or one bit, rounded up to a byte. */
size_t hny_vector_bytes(hny_shape shape);

/* IEEE 754 half precision <-> single, rounded to nearest even; overflow becomes infinity. */
uint16_t hny_half_from_float(float value);
float hny_float_from_half(uint16_t half);

#define HNY_MAX_ATTRIBUTES 32 /* per row */

/*
** A value beside a vector, as far as a filter needs it: NULL, a number, or the first bytes and a
** digest of a text or BLOB.  Attributes compare as SQLite compares values: numbers before texts
** before BLOBs, texts and BLOBs by their bytes; no comparison with NULL is true.
*/
typedef struct hny_attribute {
    uint64_t word;   /* a number's bits, or the first eight bytes, the first one highest */
    uint64_t detail; /* lowest byte: the class; above it the digest of a text or BLOB */
} hny_attribute;

hny_attribute hny_attribute_null(void);
hny_attribute hny_attribute_integer(int64_t value);
hny_attribute hny_attribute_real(double value); /* not a NaN */
hny_attribute hny_attribute_text(const void *text, size_t bytes);
hny_attribute hny_attribute_blob(const void *blob, size_t bytes);

/*
** Distances from one vector to many, computed in double precision from the stored bytes, equal on
** every processor: 1 - cos (1 if either vector is zero), the root of the sum of squares, the sum of
** absolute differences, the number of bits that differ (x > 0 is a set bit), the negative dot
** product.  Under all but hamming a bit stands for +1 or -1.  Every distance that a statement
** returns is computed here.  After hny_distance_computer_new (HNY_OK or HNY_NOMEM) several threads
** may use one computer.
*/
typedef struct hny_distance_computer hny_distance_computer;
int hny_distance_computer_new(hny_shape shape, const void *vector, hny_distance_computer **out);
void hny_distance_computer_free(hny_distance_computer *computer);
double hny_distance_computer_distance(const hny_distance_computer *computer, const void *vector);

/*
** The name of the instruction set that the inner loops use: the best one that the processor has, or
** the one that the environment variable HANNOY_KERNELS names, for tests.  Chosen once per process,
** by the first call of any function that needs it; thread-safe.
*/
const char *hny_kernels_name(void);

/*
** *fault: NULL, or if HANNOY_KERNELS names no instruction set of this processor, a sentence that
** says so; the caller frees it.  HNY_OK or HNY_NOMEM.
*/
int hny_kernels_check(char **fault);

/* ------------------------------------------------------------------------------- the sidecar -- */

/* A place in a table's log.  Equal pairs mean equal content. */
typedef struct hny_boundary {
    int64_t seq;
    int64_t chain;
} hny_boundary;

/* What the graph of a table is made with. */
typedef struct hny_options {
    hny_shape shape;
    uint8_t codes;            /* hny_codes */
    uint32_t m;               /* links of a node above level 0, twice as many on it; 4 .. 63 */
    uint32_t ef_construction; /* candidates that are considered for a new node; 4 .. 4096 */
    uint32_t attributes;      /* per row; 0 .. HNY_MAX_ATTRIBUTES */
    uint32_t attribute_set;   /* changes with what the attributes mean */
} hny_options;

/*
** Polled every few milliseconds, on the thread that made the call; nonzero stops the work with
** HNY_INTERRUPT.  `check` may be NULL.
*/
typedef struct hny_interrupt {
    int (*check)(void *arg);
    void *arg;
} hny_interrupt;

typedef struct hny_sidecar hny_sidecar;

/*
** A handle on the sidecar of the database file `database`.  It lies in `folder`, under a name that
** follows from the database's path; for "" beside the database, at database + "-hannoy"; and for
** NULL where the environment variable HANNOY_SIDECAR_DIR says, or beside the database without it.
**
** Opens and creates no file.  For database NULL it is a private temporary file, which is unlinked
** as soon as it is opened and lives as long as this handle.  Handles are reference-counted, without
** locks; readers and builds hold references of their own.  HNY_OK or HNY_NOMEM.
*/
int hny_sidecar_new(const char *database, const char *folder, hny_sidecar **out);
hny_sidecar *hny_sidecar_ref(hny_sidecar *sidecar);
void hny_sidecar_unref(hny_sidecar *sidecar);

/* The path of the file, or NULL for a private one.  Valid until the handle is moved or freed. */
const char *hny_sidecar_path(const hny_sidecar *sidecar);

/*
** Another folder, as in hny_sidecar_new; a private sidecar stays where it is.  Moves no file.  No
** reader of the handle is pinned and no build is open.  HNY_OK or HNY_NOMEM.
*/
int hny_sidecar_move(hny_sidecar *sidecar, const char *folder);

/*
** A number that the caller keeps with the handle: what hny_build_sweep was last called for.  0 at
** first, and again when the handle opens another file.
*/
uint64_t hny_sidecar_swept(const hny_sidecar *sidecar);
void hny_sidecar_set_swept(hny_sidecar *sidecar, uint64_t swept);

/* What a build of this process on the same file is doing, on whichever thread.  Not the linker. */
typedef struct hny_progress {
    uint32_t table;       /* 0: no build runs in this process */
    const char *phase;    /* "reading", "reordering", "consolidating", "linking", "calibrating",
                             "trimming", "publishing", "erasing" or "shrinking" */
    uint64_t done, total; /* of the phase's rows, queries or blocks; total 0: not known */
} hny_progress;
void hny_sidecar_progress(hny_sidecar *sidecar, hny_progress *out);

/* Does a build of another process write to the file?  False on Windows, where it is not known. */
bool hny_sidecar_builds_elsewhere(const hny_sidecar *sidecar);

/* ----------------------------------------------------------------------------------- readers -- */

typedef struct hny_reader hny_reader;

/*
** A reader of the table `table`, whose rows have vectors of this shape and that many attributes of
** that set.  Holds a reference to the sidecar.  Opens no file.  HNY_OK or HNY_NOMEM.
*/
int hny_reader_new(hny_sidecar *sidecar, uint32_t table, hny_shape shape, uint32_t attributes,
                   uint32_t attribute_set, hny_reader **out);
void hny_reader_free(hny_reader *reader);

/*
** Pins the newest state.  HNY_OK: the table has an index.  HNY_NOMEM: give up.  Any other status
** says why the sidecar has no index for this table (HNY_MISSING, HNY_SHAPE, HNY_CORRUPT,
** …); the reader is not pinned then, and the caller answers from the content.  Creates
** no file.
**
** All other functions on a reader need a pinned one, except where noted.
*/
int hny_reader_begin(hny_reader *reader);
void hny_reader_end(hny_reader *reader); /* also of a reader that is not pinned */

/*
** Does the pinned state have the attributes of the reader's set?  If not, filters pass over their
** terms on attributes: the caller tests the rows that it is given.
*/
bool hny_reader_has_attributes(const hny_reader *reader);

/*
** To be asked before hny_reader_end.  False if other processes may have overwritten the data, so
** that everything read since hny_reader_begin must be discarded: LMDB had no place for this reader,
** or the lock file was replaced meanwhile or cannot be used.
*/
bool hny_reader_intact(const hny_reader *reader);

/*
** Changes whenever the pinned state is, or may be, another one than at the last begin.  What was
** computed for one version (a merge base, a mask) is valid as long as the version stays the same.
** Needs no pinned reader.
*/
uint64_t hny_reader_version(const hny_reader *reader);

/*
** The boundaries that the pinned state remembers: age 0 is the newest and the state itself.
** HNY_MISSING past the oldest.
*/
int hny_reader_boundary(hny_reader *reader, uint32_t age, hny_boundary *out);

/*
** The rowids touched between the boundary of age + 1 and the one of `age`, ascending, without
** repeats.  The caller frees *ids.  HNY_MISSING for the oldest boundary, whose ids are not kept.
*/
int hny_reader_touched(hny_reader *reader, uint32_t age, int64_t **ids, size_t *count);

/*
** Searches and scans of this version omit these rowids from now on.  They may be in any order, and
** may be missing from the index.  Replaces the mask before; a new version has none.
*/
int hny_reader_mask(hny_reader *reader, const int64_t *ids, size_t count);

/* Adds rowids to the mask; those that it has already may be among them. */
int hny_reader_mask_more(hny_reader *reader, const int64_t *ids, size_t count);

/*
** A row and its distance as far as the sidecar knows it.  The exact one
** (hny_distance_computer_distance) differs by at most `error`, which is 0 if `distance` is exact,
** and may be infinite.
*/
typedef struct hny_hit {
    double distance;
    int64_t rowid;
    double error;
} hny_hit;

/* By distance, then by rowid: the order in which rows are returned.  For qsort(). */
int hny_hit_compare(const void *a, const void *b);

/* The exact distance of a hit is not smaller than this. */
static inline double hny_hit_lower_bound(const hny_hit *hit) {
    return hit->distance - hit->error;
}

/* By lower bound, then by rowid: the order of a scan.  For qsort(). */
int hny_hit_compare_lower_bound(const void *a, const void *b);

/* ----------------------------------------------------------------------------------- filters -- */

/*
** Which rows a search may return: those for which every term holds.  A comparison with NULL is
** false, and a row whose value is NULL passes only HNY_IS_NULL.  The order of two texts or BLOBs
** whose first eight bytes are equal is not known from attributes: such rows pass as HNY_MAYBE, and
** the caller tests the values themselves.
**
** A filter that is not changed any more may be used by several threads.
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
void hny_filter_free(hny_filter *filter);

/* Adds a term.  `count` is 1; for HNY_IN any number, for HNY_IS_NULL and HNY_NOT_NULL 0. */
int hny_filter_where(hny_filter *filter, uint32_t attribute, hny_op op,
                     const hny_attribute *attributes, size_t count);

/* Adds a term: the rowid is one of these, which may be in any order and repeat. */
int hny_filter_rowids(hny_filter *filter, const int64_t *rowids, size_t count);

/* Are there terms on attributes? */
bool hny_filter_has_terms(const hny_filter *filter);

/* Can rows pass as HNY_MAYBE? */
bool hny_filter_unsure(const hny_filter *filter);

hny_answer hny_filter_test(const hny_filter *filter, int64_t rowid,
                           const hny_attribute *attributes);

/* ---------------------------------------------------------------------------------- searches -- */

/*
** A search or a scan: what is wanted, how hard to try, where the hits go, and what was found.  How
** many hits are needed, so that the k nearest by exact distance are among them, depends on the
** codes of the pinned state.  So the engine asks for their memory, by one call of `reserve` before
** it writes the first one.
*/
typedef struct hny_search {
    const void *vector;       /* of the reader's shape; need not outlive the call */
    uint64_t k;               /* neighbours wanted; 0, for searches only: as many as `ef` */
    uint32_t ef;              /* finds as much as a classic search with this ef; 0: see `recall` */
    double recall;            /* the share of the k nearest to be found, on average */
    const hny_filter *filter; /* NULL: all rows; borrowed for the call */
    const hny_hit *after;     /* scans only: the last hit of the scan before; NULL: the first one */
    hny_interrupt interrupt;

    /* Returns memory for `capacity` hits, which stays the caller's; NULL: HNY_NOMEM. */
    hny_hit *(*reserve)(void *arg, size_t capacity);
    void *arg;

    /* Set by the engine; count is 0 after a failure. */
    hny_hit *hits; /* as `reserve` returned them; NULL if it was not called */
    size_t count;
    bool
        exhaustive; /* every row that may be returned, and lies behind `after`, is among the hits */
} hny_search;

/*
** The nearest rows that the graph search finds, by hny_hit_compare: HNSW, with the departures that
** graph/beam_search.h lists.  A filtered search may scan instead.  With an ef of the number of rows
** or above, every row that is not masked is found.
*/
int hny_reader_search(hny_reader *reader, hny_search *search);

/*
** Scans the codes of all rows that pass the filter, for the nearest behind `after`.  The hits are
** ordered by hny_hit_compare_lower_bound; every other row lies behind the last one in that order.
*/
int hny_reader_scan(hny_reader *reader, hny_search *search);

/* The ef of a classic search that finds the k nearest with this recall, by the last calibration. */
uint32_t hny_reader_ef(const hny_reader *reader, uint64_t k, double recall);

/* What the last search or scan of a reader did: for introspection.  Needs no pinned reader. */
typedef enum hny_strategy { HNY_SCAN = 1, HNY_GRAPH, HNY_GRAPH_THEN_SCAN } hny_strategy;
typedef struct hny_work {
    hny_strategy strategy;
    uint64_t distances; /* computed, between codes */
    uint64_t matches;   /* rows that pass the filter; 0: they were not counted */
} hny_work;
const hny_work *hny_reader_work(const hny_reader *reader);

/* ----------------------------------------------------------------------------- introspection -- */

typedef struct hny_stats {
    hny_boundary boundary;
    uint64_t rows;       /* live vectors */
    uint64_t nodes;      /* of the graph: linked rows and deleted nodes, equal rows once */
    uint64_t deleted;    /* deleted nodes: searches still pass through them */
    uint64_t unlinked;   /* rows that are scanned, and not linked into the graph yet */
    uint32_t levels;     /* 0 for an empty graph, 1 for level 0 alone, … */
    uint64_t links;      /* of level 0; 0 unless they were counted, which reads all of them */
    uint64_t bytes;      /* of the sidecar file: pages in use, of all tables together */
    uint32_t boundaries; /* remembered */
    uint32_t m;
    uint8_t codes; /* hny_codes */
} hny_stats;
int hny_reader_stats(hny_reader *reader, bool count_links, hny_stats *out);

/*
** Does the pinned state have this rowid, with the codes of this vector and these attributes, if it
** has those of the reader's set?  Returns 1, 0 or a status.
*/
int hny_reader_holds(hny_reader *reader, int64_t rowid, const void *vector,
                     const hny_attribute *attributes);

/*
** Checks every record, digest, link and set of the pinned state.  HNY_OK with *fault NULL: sound.
** HNY_OK with *fault set: a sentence about the first fault found, which the caller frees.  Other
** statuses say why the check could not be finished.
*/
int hny_reader_check(hny_reader *reader, hny_interrupt interrupt, char **fault);

/* ------------------------------------------------------------------------------------ builds -- */

typedef struct hny_build hny_build;

/*
** Flags.  CONSOLIDATE: remove deleted nodes from the graph earlier than otherwise.  APPEND: as long
** as new rows are few beside the table, only add their codes.  Searches scan such unlinked rows,
** and a later build links them together: linking 1000 rows at random changes 33,000 nodes, and a
** table that grows by so many per build would write its links over and over.  ERASE: overwrite the
** codes and attributes of rows that were deleted or changed, by this build or one before it;
** hny_build_erase does the rest.
*/
#define HNY_BUILD_CONSOLIDATE 1
#define HNY_BUILD_APPEND      2
#define HNY_BUILD_ERASE       4
#define HNY_BUILD_DEFER       8  /* with APPEND: whatever their number; the linker links them */
#define HNY_BUILD_LINK        16 /* without changes: only links; takes the lock to publish */

/* What a build may use. */
typedef struct hny_build_limits {
    unsigned threads; /* 0: one per processor that this process may use */
    uint64_t reserve; /* bytes of the disk that others must be able to write when it has ended */
    hny_interrupt interrupt;
    uint32_t link; /* of HNY_BUILD_LINK: so many of the unlinked rows; 0: all */
} hny_build_limits;

/*
** Takes the builder's lock and makes the sidecar ready to be written: creates it, or replaces one
** that is unusable.  HNY_BUSY at once if another build runs; HNY_FULL if the disk has less room
** than the reserve, which the build holds meanwhile.  A build stays on one thread from open to
** close, within one call of the host.
*/
int hny_build_open(hny_sidecar *sidecar, uint32_t table, const hny_options *options,
                   const hny_build_limits *limits, int flags, hny_build **out);

/*
** A pinned reader of the state that this build starts from, or NULL if there is none.  Belongs to
** the build; valid until the first put, remove, restart or publish.
*/
hny_reader *hny_build_reader(hny_build *build);

/* Was that state made with another m, or with other codes, than the options of this build? */
bool hny_build_outdated(const hny_build *build);

/*
** Has that state other attributes than the options of this build?  Then each of its rows must be
** put, kept or removed; those that are not are removed.  The graph stays as it is.
*/
bool hny_build_refits(const hny_build *build);

/*
** How many codes the sidecar holds for nothing, of deleted rows and of slots that are free, once
** the build is published; *rows: for how many rows it has some.  Starting over drops them.
*/
uint32_t hny_build_vacant(const hny_build *build, uint32_t *rows);

/* The number of rows of that state that are not linked yet. */
uint32_t hny_build_unlinked(const hny_build *build);

/*
** Has that state something that this build would overwrite: what deleted rows have left, or with
** CONSOLIDATE their nodes?
*/
bool hny_build_unerased(const hny_build *build);

/* Starts over: publishing this build drops what the index had.  Before the first put or remove. */
int hny_build_restart(hny_build *build);

/* The number of changes to expect, for progress figures and APPEND.  Before the first of them. */
void hny_build_expect(hny_build *build, uint64_t changes);

/*
** The row's state at the new boundary: this vector with all its attributes, or absent.  Each rowid
** at most once.  Codes may be written to the sidecar at once; nothing refers to them until the
** build is published.  HNY_LIMIT: the table is full.
*/
int hny_build_put(hny_build *build, int64_t rowid, const void *vector,
                  const hny_attribute *attributes);
int hny_build_remove(hny_build *build, int64_t rowid);

/*
** For a build that refits: a row that has not changed since that state, with its new attributes.
** It does not count as touched.
*/
int hny_build_keep(hny_build *build, int64_t rowid, const void *vector,
                   const hny_attribute *attributes);

/*
** Links the new nodes with parallel threads, all of which are joined before this returns, and makes
** the result durable as `boundary`.  Every rowid that was put or removed counts as touched.  At
** most once per build.  On failure the sidecar's published state is as before.
*/
int hny_build_publish(hny_build *build, hny_boundary boundary);

/*
** Drops the tables whose number is not among `live`, and what interrupted builds left behind.  Only
** for callers that hold the database's write lock: an older snapshot does not know newer tables.
*/
int hny_build_sweep(hny_build *build, const uint32_t *live, size_t count);

/*
** For a build with ERASE: overwrites the pages of the file that are not in use, if deleted data may
** be in them.  After publish and sweep, before shrink.  Pages that a search has just now are waited
** for, some milliseconds; if they are not given back, or the build ends before this, the next build
** with ERASE does it.
*/
int hny_build_erase(hny_build *build);

/*
** Makes the file as short as its records allow, by copying them to a new one: with `all` whenever
** that gains anything, else if more than half of it is free.  After publish and sweep; nothing may
** follow but close.  On failure the file is as before.
*/
int hny_build_shrink(hny_build *build, bool all);

/* Releases the lock and drops what was not published. */
void hny_build_close(hny_build *build);

/* -------------------------------------------------------------------------------- the linker -- */

/*
** A thread of the process that links appended rows (HNY_BUILD_DEFER) behind the calls that appended
** them, a step at a time.  It ends when nothing is left to do.  All of this is safe from several
** threads, each with handles of its own.
*/

/*
** May linking be left to the linker?  Not with HANNOY_BACKGROUND=0 in the environment, or if no
** thread could be made.
*/
bool hny_linker_enabled(void);

/* Are so many rows unlinked, or nodes deleted, that the linker would take a step? */
bool hny_linking_due(const hny_stats *stats);

/*
** Links the rows of this table from now on, until the handle leaves.  `flags`: HNY_BUILD_ERASE, if
** what deleted rows have left is to be overwritten.
*/
int hny_linker_wake(hny_sidecar *sidecar, uint32_t table, const hny_options *options,
                    const hny_build_limits *limits, int flags);

/* What the linker does with a table, for this handle. */
typedef enum hny_linker_state {
    HNY_LINKER_IDLE,    /* nothing */
    HNY_LINKER_WAITING, /* for its turn, or for a build of another process */
    HNY_LINKER_PAUSED,  /* while another build of this process runs */
    HNY_LINKER_RUNNING
} hny_linker_state;
typedef struct hny_linker_report {
    hny_linker_state state;
    hny_progress progress; /* while it runs */
    int status;            /* of the last step; HNY_OK also before the first one */
    int64_t at;            /* when that ended, in seconds since 1970 */
} hny_linker_report;
void hny_linker_look(hny_sidecar *sidecar, uint32_t table, hny_linker_report *out);

/*
** After HNY_BUSY: the next step waits for a build of another thread, for a tenth of a second.  If
** the linker of this process begins, publishes or ends a small step of this file, or erases, waits
** for that and returns true: the build may be tried again.
*/
bool hny_linker_yield(hny_sidecar *sidecar);

/*
** After HNY_BUSY, for a build that is asked for: waits for a step of the linker of another process,
** half a minute at most, and for a build half a second.  Returns true once the build may be tried
** again, and false if the wait is over or was interrupted.
*/
bool hny_linker_await(hny_sidecar *sidecar, hny_interrupt interrupt);

/*
** No step on this file runs from pause to resume; a running one is given up first.  The pause is
** the caller's, as is the handle, which must not be moved meanwhile.
*/
typedef struct hny_pause {
    struct hny_pause *next;
    const hny_sidecar *sidecar;
} hny_pause;
void hny_linker_pause(const hny_sidecar *sidecar, hny_pause *pause);
void hny_linker_resume(const hny_pause *pause);

/*
** Before a handle is moved or freed: nothing is linked on its behalf any more.  Waits for the first
** step of a table at most a second, and for a later one until it has seen the interrupt.
*/
void hny_linker_leave(const hny_sidecar *sidecar);

#endif
