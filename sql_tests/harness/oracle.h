/*
** What an answer must be: vectors of every type, the content of a table, and the exact distances,
** computed here in double precision and by the book, with nothing of the engine's in them.
*/
#ifndef SQL_TESTS_ORACLE_H
#define SQL_TESTS_ORACLE_H

#include "common.h"

/* ----------------------------------------------------------------------------------- vectors -- */

enum { COSINE, EUCLIDEAN, MANHATTAN, HAMMING, DOT, METRICS };
enum { FLOAT32, FLOAT16, INT8, BIT, TYPES };
enum { LATTICE, GAUSS, HUGE_VALUES, TINY_VALUES, STYLES };

extern const char *const metric_name[METRICS];
extern const char *const type_name[TYPES];
extern const char *const style_name[STYLES];

#define MAX_DIM 1024

/*
** What else a table has: a filter column `tag INTEGER`, and then its rows perhaps in another table,
** or a text key, `id`, which is the rowid in letters, or a second vector, `other`, of the same
** shape: by its tag a row has the vector in both columns, or NULL in one of them.
*/
enum { PLAIN, TAGGED, EXTERNAL, KEYED, PAIRED, KINDS };

typedef struct shape {
    int dim; /* 1 .. MAX_DIM */
    int metric;
    int type;
    int kind;
    bool coarse; /* codes=int4, not the standard ones */
} shape;

size_t shape_bytes(shape s);

/*
** What a rowset keeps of a row: the vector, and if there is one the tag in a byte behind it, 0 for
** NULL and TAGS - 1 at most.
*/
#define TAGS       6
#define MAX_RECORD (MAX_DIM * 4 + 1)
size_t record_bytes(shape s);
int record_tag(shape s, const void *record);

/* Whether a row of a table with two vectors has it in this column. */
static inline bool tag_has_vector(int tag, bool other) {
    return tag % 3 != (other ? 1 : 2);
}

/*
** A random vector, as stored.  LATTICE: few values, so that distances tie and vectors come twice;
** HUGE and TINY: squares that single precision cannot hold.
*/
void vector_random(shape s, int style, rng *r, void *out);
void vector_zero(shape s, void *out);

/* The vector's elements; +1 and -1 for type=bit. */
void vector_decode(shape s, const void *vector, double *out);

/* The distance, in double precision, by the book. */
double vector_distance(shape s, const void *a, const void *b);

/*
** Binds a vector in one of the ways a user can write it: the type's own bytes, float32, JSON text.
** An SQLite code.
*/
enum { AS_BYTES, AS_FLOATS, AS_JSON, WAYS };
int vector_bind(sqlite3_stmt *stmt, int index, shape s, const void *vector, int way);

/* Floats into this type are scaled by each row's largest, so that other bytes may be stored. */
bool vector_is_scaled(shape s);

/* -------------------------------------------------------------------------------------- rows -- */

/* The content of a table, by rowid. */
typedef struct rowset {
    size_t count, capacity, width; /* width: bytes of a record */
    int64_t *ids;                  /* ascending */
    unsigned char *data;           /* count * width */
} rowset;

void rowset_clear(rowset *content, size_t width);
void rowset_free(rowset *content);
void rowset_copy(rowset *to, const rowset *from);
long rowset_find(const rowset *content, int64_t id);   /* position, or -1 */
size_t rowset_seek(const rowset *content, int64_t id); /* position of the first id >= this */
const void *rowset_at(const rowset *content, size_t position);
void rowset_put(rowset *content, int64_t id, const void *vector); /* adds or replaces */
bool rowset_remove(rowset *content, int64_t id);
bool rowset_equal(const rowset *a, const rowset *b);

/*
** Reads them, from the virtual table or from its shadow table.  An SQLite code; a row that is not a
** vector of this shape fails the case.
*/
int rowset_load(rowset *content, sqlite3 *db, const char *table, bool shadow, shape s);

/* The first difference, for messages; static buffer. */
const char *rowset_difference(const rowset *is, const rowset *should);

/* ------------------------------------------------------------------------------------ oracle -- */

/*
** Holds the rows of an answer, as they come, against the exact one: each exists, has its exact
** distance, comes once and in order (by distance, then by rowid).  `complete`: nothing nearer may
** be missing.
*/
typedef struct judge {
    shape s;
    bool complete;
    rowset content;
    double size;         /* of the query's vector; under dot, times the longest row's */
    double *distance;    /* of the row at each position of content */
    double *sorted;      /* all of them, ascending */
    unsigned char *seen; /* positions that came */
    size_t got;
    double last;
    int64_t last_id;
    char error[512]; /* set by the first thing that is wrong */
} judge;

void judge_begin(judge *j, shape s, const void *vector, const rowset *content, bool complete);
bool judge_row(judge *j, int64_t rowid, double distance); /* NAN: not asked for */

/*
** After the last one. So many rows must have come, or, where not `all` of them are promised, one:
** a stream that walks with a small ef cannot hand out a row any more that is nearer than the last
** one, so what the walk missed stays away.
*/
bool judge_end(judge *j, size_t expected, bool all);
void judge_free(judge *j);

/*
** The ways to write a query, and what it selects: a distance that nobody reads need not be exact.
*/
enum { BY_FUNCTION, BY_MATCH, BY_ARGUMENTS, SPELLINGS };
enum { WITH_DISTANCE, WITH_VECTOR, ROWID_ALONE, COLUMNS };
enum { NO_FILTER, TAG_IS, TAG_IS_NOT, TAG_NULL, TAG_FROM, TAG_IN, ROWID_IN, KEY_IN, FILTERS };

typedef struct query {
    const char *table;
    shape s;
    const void *vector; /* as stored */
    int64_t k;          /* -1: none, rows stream */
    int64_t ef;         /* -1: the table's own */
    int spelling;
    int columns;
    bool other; /* on the second vector */
    int way;    /* of binding the vector, where that loses nothing */
    int limit;  /* -1: none */
    int filter; /* of tags, or of rowids */
    int tag;
    int64_t ids[2];
    bool exact;
} query;

/* Begins a judge of its answer, of the rows that its filter lets through; how many must come. */
size_t query_judge(const query *q, const rowset *content, judge *j);

/* Prepared, with everything bound. */
int query_prepare(sqlite3 *db, const query *q, sqlite3_stmt **out);
const char *query_text(const query *q); /* for messages; static buffer */

/* The row that its statement stands on. */
bool query_row(const query *q, sqlite3_stmt *stmt, judge *j);

/* Random in all but table, shape and vector. */
void query_vary(query *q, size_t count, rng *r);

/*
** Runs it against `content`.  An SQLite code; a wrong answer fails the case with `where` in front.
*/
int query_check(sqlite3 *db, const query *q, const rowset *content, const char *where);

/*
** In one read transaction of its own: content, and `queries` random queries with ef at the number
** of rows, held against it.  `expected` may be NULL.  Fails the case on any error.
*/
void table_check(sqlite3 *db, const char *table, shape s, const rowset *expected, int queries,
                 rng *r, const char *where);

#endif
