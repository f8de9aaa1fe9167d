/* Exact answers by plain double arithmetic, and the judge of answers by them. */
#include "oracle.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const metric_name[METRICS] = {"cosine", "euclidean", "manhattan", "hamming", "dot"};
const char *const type_name[TYPES] = {"float32", "float16", "int8", "bit"};
const char *const style_name[STYLES] = {"lattice", "gauss", "huge", "tiny"};

static void *must(void *memory) {
    if (!memory) {
        fail("out of memory");
    }
    return memory;
}

/* ----------------------------------------------------------------------------------- vectors -- */

size_t shape_bytes(shape s) {
    static const size_t width[TYPES] = {4, 2, 1, 0};
    return s.type == BIT ? (size_t)(s.dim + 7) / 8 : (size_t)s.dim * width[s.type];
}

size_t record_bytes(shape s) {
    return shape_bytes(s) + (s.kind != PLAIN);
}

int record_tag(shape s, const void *record) {
    return s.kind == PLAIN ? 0 : ((const unsigned char *)record)[shape_bytes(s)];
}

static double half_value(uint16_t half) {
    const int exponent = half >> 10 & 31, mantissa = half & 1023;
    const double value =
        exponent == 0 ? ldexp(mantissa, -24) : ldexp(1024 + mantissa, exponent - 25);
    return half & 0x8000 ? -value : value;
}

static float float_random(int style, rng *r) {
    const int step = (int)rng_below(r, 5) - 2;
    const double normal = rng_normal(r) + 1e-3; /* never -0, which JSON need not keep */
    switch (style) {
    case GAUSS:
        return (float)normal;
    case HUGE_VALUES:
        return (float)(normal * 1e25);
    case TINY_VALUES:
        return (float)(normal * 1e-25);
    default:
        return step ? (float)step / 2 : 0;
    }
}

static uint16_t half_random(int style, rng *r) {
    static const uint16_t lattice[5] = {0, 0x3800, 0x3c00, 0xb800,
                                        0xbc00}; /* 0, 1/2, 1, -1/2, -1 */
    const uint16_t sign = rng_below(r, 2) ? 0x8000 : 0, mantissa = (uint16_t)rng_below(r, 1024);
    switch (style) {
    case GAUSS:
        return (uint16_t)(sign | (12 + rng_below(r, 4)) << 10 | mantissa);
    case HUGE_VALUES:
        return (uint16_t)(sign | (27 + rng_below(r, 4)) << 10 | mantissa);
    case TINY_VALUES:
        return (uint16_t)(sign | (mantissa + 1) % 1024); /* below the normal ones */
    default:
        return lattice[rng_below(r, 5)];
    }
}

static int8_t int8_random(int style, rng *r) {
    switch (style) {
    case LATTICE:
        return (int8_t)((int)rng_below(r, 5) - 2);
    case HUGE_VALUES:
        return rng_below(r, 2) ? 127 : -128;
    case TINY_VALUES:
        return (int8_t)rng_below(r, 2);
    default:
        return (int8_t)((int)rng_below(r, 256) - 128);
    }
}

void vector_zero(shape s, void *out) {
    memset(out, 0, shape_bytes(s));
}

void vector_random(shape s, int style, rng *r, void *out) {
    unsigned char *const bytes = out;
    vector_zero(s, out);
    for (int i = 0; i < s.dim; i++) {
        const float f = s.type == FLOAT32 ? float_random(style, r) : 0;
        const uint16_t half = s.type == FLOAT16 ? half_random(style, r) : 0;
        switch (s.type) {
        case FLOAT32:
            memcpy(bytes + 4 * i, &f, 4);
            break;
        case FLOAT16:
            memcpy(bytes + 2 * i, &half, 2);
            break;
        case INT8:
            bytes[i] = (unsigned char)int8_random(style, r);
            break;
        default:
            bytes[i / 8] |= (unsigned char)(rng_below(r, 2) << i % 8);
            break;
        }
    }
}

void vector_decode(shape s, const void *vector, double *out) {
    const unsigned char *const bytes = vector;
    for (int i = 0; i < s.dim; i++) {
        float f;
        uint16_t half;
        switch (s.type) {
        case FLOAT32:
            memcpy(&f, bytes + 4 * i, 4);
            out[i] = f;
            break;
        case FLOAT16:
            memcpy(&half, bytes + 2 * i, 2);
            out[i] = half_value(half);
            break;
        case INT8:
            out[i] = (int8_t)bytes[i];
            break;
        default:
            out[i] = bytes[i / 8] >> i % 8 & 1 ? 1 : -1;
            break;
        }
    }
}

static double cosine_distance(int dim, const double *a, const double *b) {
    double dot = 0, aa = 0, bb = 0;
    for (int i = 0; i < dim; i++) {
        dot += a[i] * b[i];
        aa += a[i] * a[i];
        bb += b[i] * b[i];
    }
    return aa == 0 || bb == 0 ? 1 : 1 - dot / (sqrt(aa) * sqrt(bb));
}

static double decoded_distance(shape s, const double *a, const double *b) {
    double sum = 0;
    if (s.metric == COSINE) {
        return cosine_distance(s.dim, a, b);
    }
    for (int i = 0; i < s.dim; i++) {
        const double d = a[i] - b[i];
        switch (s.metric) {
        case EUCLIDEAN:
            sum += d * d;
            break;
        case MANHATTAN:
            sum += fabs(d);
            break;
        case DOT:
            sum -= a[i] * b[i];
            break;
        default:
            sum += (a[i] > 0) != (b[i] > 0);
            break;
        }
    }
    return s.metric == EUCLIDEAN ? sqrt(sum) : sum;
}

double vector_distance(shape s, const void *a, const void *b) {
    double x[MAX_DIM], y[MAX_DIM];
    vector_decode(s, a, x);
    vector_decode(s, b, y);
    return decoded_distance(s, x, y);
}

static int bind_json(sqlite3_stmt *stmt, int index, int dim, const double *values) {
    char *const text = must(malloc((size_t)dim * 32 + 3));
    size_t n = 0;
    text[n++] = '[';
    for (int i = 0; i < dim; i++) {
        n += (size_t)sprintf(text + n, i ? ", %.9g" : "%.9g", values[i]);
    }
    text[n++] = ']';
    const int rc = sqlite3_bind_text(stmt, index, text, (int)n, SQLITE_TRANSIENT);
    free(text);
    return rc;
}

static int bind_floats(sqlite3_stmt *stmt, int index, int dim, const double *values) {
    float *const floats = must(malloc((size_t)dim * sizeof *floats));
    for (int i = 0; i < dim; i++) {
        floats[i] = (float)values[i];
    }
    const int rc = sqlite3_bind_blob(stmt, index, floats, dim * 4, SQLITE_TRANSIENT);
    free(floats);
    return rc;
}

int vector_bind(sqlite3_stmt *stmt, int index, shape s, const void *vector, int way) {
    double values[MAX_DIM];
    vector_decode(s, vector, values);
    if (way == AS_FLOATS) {
        return bind_floats(stmt, index, s.dim, values);
    }
    if (way == AS_JSON) {
        return bind_json(stmt, index, s.dim, values);
    }
    return sqlite3_bind_blob(stmt, index, vector, (int)shape_bytes(s), SQLITE_TRANSIENT);
}

bool vector_is_scaled(shape s) {
    return s.type == INT8 && s.metric == COSINE;
}

/* -------------------------------------------------------------------------------------- rows -- */

void rowset_clear(rowset *content, size_t width) {
    if (content->width != width) {
        rowset_free(content);
        content->width = width;
    }
    content->count = 0;
}

void rowset_free(rowset *content) {
    free(content->ids);
    free(content->data);
    *content = (rowset){0};
}

static void rowset_reserve(rowset *content, size_t count) {
    if (count <= content->capacity) {
        return;
    }
    const size_t capacity = count * 2 + 16;
    content->ids = must(realloc(content->ids, capacity * sizeof *content->ids));
    content->data = must(realloc(content->data, capacity * content->width));
    content->capacity = capacity;
}

void rowset_copy(rowset *to, const rowset *from) {
    rowset_clear(to, from->width);
    rowset_reserve(to, from->count);
    to->count = from->count;
    if (from->count == 0) {
        return;
    }
    memcpy(to->ids, from->ids, from->count * sizeof *from->ids);
    memcpy(to->data, from->data, from->count * from->width);
}

size_t rowset_seek(const rowset *content, int64_t id) {
    size_t low = 0, high = content->count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (content->ids[middle] < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

long rowset_find(const rowset *content, int64_t id) {
    const size_t at = rowset_seek(content, id);
    return at < content->count && content->ids[at] == id ? (long)at : -1;
}

const void *rowset_at(const rowset *content, size_t position) {
    return content->data + position * content->width;
}

void rowset_put(rowset *content, int64_t id, const void *vector) {
    const size_t at = rowset_seek(content, id), width = content->width;
    if (at == content->count || content->ids[at] != id) {
        rowset_reserve(content, content->count + 1);
        const size_t after = content->count - at;
        memmove(content->ids + at + 1, content->ids + at, after * sizeof *content->ids);
        memmove(content->data + (at + 1) * width, content->data + at * width, after * width);
        content->ids[at] = id;
        content->count++;
    }
    memcpy(content->data + at * width, vector, width);
}

bool rowset_remove(rowset *content, int64_t id) {
    const long at = rowset_find(content, id);
    if (at < 0) {
        return false;
    }
    const size_t after = content->count - (size_t)at - 1, width = content->width;
    memmove(content->ids + at, content->ids + at + 1, after * sizeof *content->ids);
    memmove(content->data + (size_t)at * width, content->data + (size_t)(at + 1) * width,
            after * width);
    content->count--;
    return true;
}

bool rowset_equal(const rowset *a, const rowset *b) {
    if (a->count != b->count) {
        return false;
    }
    return a->count == 0 || (!memcmp(a->ids, b->ids, a->count * sizeof *a->ids) &&
                             !memcmp(a->data, b->data, a->count * a->width));
}

int rowset_load(rowset *content, sqlite3 *db, const char *table, bool shadow, shape s) {
    char sql[256];
    const bool tagged = s.kind != PLAIN;
    shadow = shadow && s.kind != EXTERNAL;
    const char *const tag = !tagged ? "" : shadow ? ", c0" : ", tag";
    const char *const more = s.kind == KEYED && !shadow ? ", id"
                             : s.kind != PAIRED         ? ""
                             : shadow                   ? ", vector IS NULL, v1 IS NULL"
                                                        : ", vector IS NULL, other IS NULL";
    const char *const stored = s.kind != PAIRED ? "vector"
                               : shadow         ? "ifnull(vector, v1)"
                                                : "ifnull(vector, other)";
    snprintf(sql, sizeof sql, "SELECT %s, %s%s%s FROM %s%s", shadow ? "id" : "rowid", stored, tag,
             more, table, shadow ? "_content" : "");
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    rowset_clear(content, record_bytes(s));
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const int64_t id = sqlite3_column_int64(stmt, 0);
        const void *const vector = sqlite3_column_blob(stmt, 1);
        unsigned char record[MAX_RECORD];
        if (!vector || (size_t)sqlite3_column_bytes(stmt, 1) != shape_bytes(s)) {
            if (sqlite3_errcode(db) == SQLITE_NOMEM) {
                break;
            }
            fail("row %lld of %s has %d bytes", (long long)id, table,
                 sqlite3_column_bytes(stmt, 1));
        }
        if (rowset_find(content, id) >= 0) {
            fail("%s has row %lld twice", table, (long long)id);
        }
        memcpy(record, vector, shape_bytes(s));
        if (tagged) {
            record[shape_bytes(s)] = (unsigned char)sqlite3_column_int(stmt, 2);
        }
        if (s.kind == KEYED && !shadow && sqlite3_column_int64(stmt, 3) != id) {
            fail("row %lld of %s has the key %s", (long long)id, table,
                 sqlite3_column_text(stmt, 3));
        }
        for (int i = 0; s.kind == PAIRED && i < 2; i++) {
            if (sqlite3_column_int(stmt, 3 + i) == tag_has_vector(record_tag(s, record), i)) {
                fail("row %lld of %s has %s", (long long)id, table,
                     sqlite3_column_int(stmt, 3 + i) ? "NULL" : "a vector");
            }
        }
        rowset_put(content, id, record);
        rc = SQLITE_OK;
    }
    const int end = sqlite3_finalize(stmt);
    if (rc == SQLITE_DONE) {
        return SQLITE_OK;
    }
    return end != SQLITE_OK ? end : rc == SQLITE_ROW ? SQLITE_NOMEM : rc;
}

const char *rowset_difference(const rowset *is, const rowset *should) {
    static char text[256];
    size_t i = 0, j = 0;
    while (i < is->count || j < should->count) {
        if (i == is->count || (j < should->count && should->ids[j] < is->ids[i])) {
            snprintf(text, sizeof text, "row %lld is missing", (long long)should->ids[j]);
            return text;
        }
        if (j == should->count || is->ids[i] < should->ids[j]) {
            snprintf(text, sizeof text, "row %lld should not be there", (long long)is->ids[i]);
            return text;
        }
        if (memcmp(rowset_at(is, i), rowset_at(should, j), is->width)) {
            snprintf(text, sizeof text, "row %lld has another vector", (long long)is->ids[i]);
            return text;
        }
        i++, j++;
    }
    return "no difference";
}

/* ------------------------------------------------------------------------------------ oracle -- */

static int compare_doubles(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/*
** Both sides compute in double precision and may add in another order. Under cosine that leaves an
** absolute error, since 1 - cos cancels, and under dot, whose terms cancel, one relative to the
** lengths; elsewhere a relative one.
*/
static bool near(const judge *j, double is, double should) {
    const double slack = j->s.metric == COSINE ? 1e-9 : j->s.metric == DOT ? 1e-12 * j->size : 0;
    return fabs(is - should) <= slack + 1e-6 * fabs(should);
}

/*
** A statement that does not look at distances has its rows in the order of the sidecar's fine
** codes, which are off by some 3e-5 of the vectors' lengths, or 3e-3 with codes=int4.
*/
static bool about(const judge *j, double is, double should) {
    return fabs(is - should) <= (j->s.coarse ? 1e-2 : 1e-4) * (j->size + fabs(should));
}

/* Squares of such distances are 0 in single precision, and so are the ranks that a walk goes by. */
#define VANISHING 1e-17

/* What a code's error is relative to: under cosine all vectors have unit length. */
static double length_of(shape s, const double *x) {
    double size = 0, square = 0;
    for (int i = 0; i < s.dim; i++) {
        size += fabs(x[i]);
        square += x[i] * x[i];
    }
    if (s.metric == COSINE) {
        return 1;
    }
    return s.metric == MANHATTAN ? size : sqrt(square);
}

void judge_begin(judge *j, shape s, const void *vector, const rowset *content, bool complete) {
    const size_t n = content->count;
    double x[MAX_DIM], y[MAX_DIM];
    *j = (judge){.s = s, .complete = complete, .last = -INFINITY};
    rowset_copy(&j->content, content);
    j->distance = must(malloc((n + 1) * sizeof *j->distance));
    j->sorted = must(malloc((n + 1) * sizeof *j->sorted));
    j->seen = must(calloc(n + 1, 1));
    vector_decode(s, vector, x);
    j->size = length_of(s, x);
    double longest = 0;
    for (size_t i = 0; i < n; i++) {
        vector_decode(s, rowset_at(content, i), y);
        longest = fmax(longest, length_of(s, y));
        j->distance[i] = j->sorted[i] = decoded_distance(s, x, y);
    }
    if (s.metric == DOT) {
        j->size *= longest;
    }
    qsort(j->sorted, n, sizeof *j->sorted, compare_doubles);
}

static bool wrong(judge *j, const char *what, int64_t rowid, double is, double should) {
    if (!j->error[0]) {
        snprintf(j->error, sizeof j->error, "answer %zu, row %lld: %s (%.17g, should be %.17g)",
                 j->got, (long long)rowid, what, is, should);
    }
    return false;
}

bool judge_row(judge *j, int64_t rowid, double distance) {
    const long at = rowset_find(&j->content, rowid);
    if (at < 0) {
        return wrong(j, "not in this snapshot", rowid, distance, NAN);
    }
    const double exact = j->distance[at];
    if (j->seen[at]) {
        return wrong(j, "came twice", rowid, distance, exact);
    }
    const bool asked = !isnan(distance);
    if (!asked) {
        distance = exact;
    }
    if (!near(j, distance, exact)) {
        return wrong(j, "wrong distance", rowid, distance, exact);
    }
    bool (*const fits)(const judge *, double, double) = asked ? near : about;
    if (j->complete && fabs(distance) > VANISHING && !fits(j, distance, j->sorted[j->got])) {
        return wrong(j, "a nearer row is missing", rowid, distance, j->sorted[j->got]);
    }
    if (j->got && distance < j->last && (asked || !about(j, distance, j->last))) {
        return wrong(j, "out of order", rowid, distance, j->last);
    }
    if (asked && j->got && distance == j->last && rowid < j->last_id) {
        return wrong(j, "a tie out of the order of rowids", rowid, distance, exact);
    }
    j->seen[at] = 1;
    j->got++;
    j->last = distance;
    j->last_id = rowid;
    return true;
}

bool judge_end(judge *j, size_t expected, bool all) {
    if (!j->error[0] && (all ? j->got != expected : expected > 0 && j->got == 0)) {
        snprintf(j->error, sizeof j->error, "%zu rows came, not %zu of %zu", j->got, expected,
                 j->content.count);
    }
    return !j->error[0];
}

void judge_free(judge *j) {
    rowset_free(&j->content);
    free(j->distance);
    free(j->sorted);
    free(j->seen);
    *j = (judge){0};
}

/* ----------------------------------------------------------------------------------- queries -- */

static int filter_sql(const query *q, char *sql, size_t size) {
    static const char *const formats[FILTERS] = {
        [TAG_IS] = " AND tag = %d",          [TAG_IS_NOT] = " AND %d <> tag",
        [TAG_NULL] = " AND tag IS NULL",     [TAG_FROM] = " AND tag >= %d",
        [TAG_IN] = " AND tag IN (%d, 2, 7)",
    };
    if (q->filter == ROWID_IN) {
        return snprintf(sql, size, " AND rowid IN (%lld, %lld, 3)", (long long)q->ids[0],
                        (long long)q->ids[1]);
    }
    if (q->filter == KEY_IN) {
        return snprintf(sql, size, " AND id IN ('%lld', '%lld', '3', 'no')", (long long)q->ids[0],
                        (long long)q->ids[1]);
    }
    return q->filter ? snprintf(sql, size, formats[q->filter], q->tag) : 0;
}

static bool lets_through(const query *q, const rowset *content, size_t position) {
    const int tag = record_tag(q->s, rowset_at(content, position));
    const int64_t id = content->ids[position];
    if (q->s.kind == PAIRED && !tag_has_vector(tag, q->other)) {
        return false;
    }
    switch (q->filter) {
    case TAG_IS:
        return tag && tag == q->tag;
    case TAG_IS_NOT:
        return tag && tag != q->tag;
    case TAG_NULL:
        return !tag;
    case TAG_FROM:
        return tag && tag >= q->tag;
    case TAG_IN:
        return tag && (tag == q->tag || tag == 2);
    case ROWID_IN:
    case KEY_IN:
        return id == q->ids[0] || id == q->ids[1] || id == 3;
    default:
        return true;
    }
}

static void passing_rows(const query *q, const rowset *content, rowset *out) {
    rowset_clear(out, content->width);
    for (size_t i = 0; i < content->count; i++) {
        if (lets_through(q, content, i)) {
            rowset_put(out, content->ids[i], rowset_at(content, i));
        }
    }
}

static void query_sql(const query *q, char *sql, size_t size) {
    static const char *const columns[COLUMNS + 1] = {"rowid, distance", "rowid, distance, vector",
                                                     "rowid", "rowid, distance, other"};
    const bool other = q->other && q->columns == WITH_VECTOR;
    const char *const what = columns[other ? COLUMNS : q->columns];
    const char *const vector = q->other ? "other" : "vector";
    int n;
    if (q->spelling == BY_ARGUMENTS && !q->other &&
        (q->k >= 0 || q->ef < 0)) { /* a k of NULL is refused */
        n = snprintf(sql, size, "SELECT %s FROM %s(?1%s%s) WHERE 1", what, q->table,
                     q->k >= 0 || q->ef >= 0 ? ", ?2" : "", q->ef >= 0 ? ", ?3" : "");
    } else {
        n = snprintf(sql, size,
                     q->spelling == BY_MATCH ? "SELECT %s FROM %s WHERE %s MATCH ?1%s%s"
                                             : "SELECT %s FROM %s WHERE knn_match(%s, ?1)%s%s",
                     what, q->table, vector, q->k >= 0 ? " AND k = ?2" : "",
                     q->ef >= 0 ? " AND ef = ?3" : "");
    }
    n += filter_sql(q, sql + n, size - (size_t)n);
    if (q->exact) {
        n += snprintf(sql + n, size - (size_t)n, " AND exact = 1");
    }
    if (q->limit >= 0) {
        snprintf(sql + n, size - (size_t)n, " ORDER BY distance LIMIT %d", q->limit);
    }
}

int query_prepare(sqlite3 *db, const query *q, sqlite3_stmt **out) {
    char sql[256];
    query_sql(q, sql, sizeof sql);
    int rc = sqlite3_prepare_v2(db, sql, -1, out, NULL);
    if (rc != SQLITE_OK) {
        return rc;
    }
    rc = vector_bind(*out, 1, q->s, q->vector, vector_is_scaled(q->s) ? AS_BYTES : q->way);
    if (rc != SQLITE_OK) {
        sqlite3_finalize(*out);
        return rc;
    }
    const int count = sqlite3_bind_parameter_count(*out);
    if (count >= 2 && q->k >= 0) {
        sqlite3_bind_int64(*out, 2, q->k);
    }
    if (count >= 3) {
        sqlite3_bind_int64(*out, 3, q->ef);
    }
    return SQLITE_OK;
}

const char *query_text(const query *q) {
    static char text[512];
    char sql[256];
    query_sql(q, sql, sizeof sql);
    snprintf(text, sizeof text, "%s [k %lld, ef %lld, dim %d, %s, %s]", sql, (long long)q->k,
             (long long)q->ef, q->s.dim, metric_name[q->s.metric], type_name[q->s.type]);
    return text;
}

void query_vary(query *q, size_t count, rng *r) {
    static const int64_t odd[] = {0, 1, 1000000, INT64_MAX};
    q->k = rng_chance(r, 0.1) ? odd[rng_below(r, 4)] : (int64_t)rng_below(r, (uint32_t)count + 3);
    if (rng_chance(r, 0.2)) {
        q->k = -1;
    }
    q->ef = -1;
    if (rng_chance(r, 0.7)) {
        q->ef = count ? (int64_t)count : 1;
    }
    if (rng_chance(r, 0.15)) {
        q->ef = 1 + (int64_t)rng_below(r, 8);
    }
    q->spelling = (int)rng_below(r, SPELLINGS);
    q->columns = rng_chance(r, 0.6) ? WITH_DISTANCE : (int)rng_below(r, COLUMNS);
    q->way = (int)rng_below(r, WAYS);
    q->filter = NO_FILTER;
    if (q->s.kind != PLAIN && rng_chance(r, 0.5)) {
        q->filter = (int)rng_below(r, FILTERS);
    }
    if (q->s.kind == PLAIN && rng_chance(r, 0.1)) {
        q->filter = ROWID_IN;
    }
    if (q->filter == KEY_IN && q->s.kind != KEYED) {
        q->filter = ROWID_IN;
    }
    q->tag = 1 + (int)rng_below(r, TAGS);
    for (int i = 0; i < 2; i++) {
        q->ids[i] = (int64_t)rng_below(r, 40);
    }
    q->other = q->s.kind == PAIRED && rng_chance(r, 0.5);
    q->exact = rng_chance(r, 0.15);
    q->limit = rng_chance(r, 0.15) ? (int)rng_below(r, (uint32_t)count + 2) : -1;
}

bool query_row(const query *q, sqlite3_stmt *stmt, judge *j) {
    const int64_t rowid = sqlite3_column_int64(stmt, 0);
    const double distance = q->columns == ROWID_ALONE ? NAN : sqlite3_column_double(stmt, 1);
    if (!judge_row(j, rowid, distance) || q->columns != WITH_VECTOR) {
        return !j->error[0];
    }
    const void *const vector = sqlite3_column_blob(stmt, 2);
    const size_t bytes = (size_t)sqlite3_column_bytes(stmt, 2);
    if (!vector && sqlite3_errcode(sqlite3_db_handle(stmt)) == SQLITE_NOMEM) {
        return true;
    }
    const size_t at = (size_t)rowset_find(&j->content, rowid);
    if (!vector || bytes != shape_bytes(q->s) ||
        memcmp(vector, rowset_at(&j->content, at), bytes)) {
        return wrong(j, "another vector", rowid, distance, distance);
    }
    return true;
}

static size_t expected_rows(const query *q, size_t count) {
    if (q->k >= 0 && (uint64_t)q->k < count) {
        count = (size_t)q->k;
    }
    if (q->limit >= 0 && (size_t)q->limit < count) {
        count = (size_t)q->limit;
    }
    return count;
}

size_t query_judge(const query *q, const rowset *content, judge *j) {
    rowset passing = {0};
    passing_rows(q, content, &passing);
    judge_begin(j, q->s, q->vector, &passing, q->exact || q->ef >= (int64_t)content->count);
    const size_t rows = expected_rows(q, passing.count);
    rowset_free(&passing);
    return rows;
}

int query_check(sqlite3 *db, const query *q, const rowset *content, const char *where) {
    sqlite3_stmt *stmt = NULL;
    int rc = query_prepare(db, q, &stmt);
    if (rc != SQLITE_OK) {
        return rc;
    }
    judge j;
    const size_t expected = query_judge(q, content, &j);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        if (!query_row(q, stmt, &j)) {
            break;
        }
    }
    if (rc == SQLITE_DONE) {
        judge_end(&j, expected, q->k >= 0 || j.complete);
    }
    if (j.error[0]) {
        fail("%s: %s: %s", where, query_text(q), j.error);
    }
    judge_free(&j);
    const int end = sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : end != SQLITE_OK ? end : rc;
}

/* A vector that is like those of the table, or one of them. */
static void query_vector(const rowset *content, shape s, rng *r, void *out) {
    if (content->count && rng_chance(r, 0.6)) {
        memcpy(out, rowset_at(content, rng_below(r, (uint32_t)content->count)), shape_bytes(s));
    } else {
        vector_random(s, rng_chance(r, 0.5) ? LATTICE : GAUSS, r, out);
    }
}

void table_check(sqlite3 *db, const char *table, shape s, const rowset *expected, int queries,
                 rng *r, const char *where) {
    rowset content = {0}, shadow = {0};
    unsigned char vector[MAX_DIM * 4];
    db_must(db, "SAVEPOINT table_check");
    int rc = rowset_load(&content, db, table, false, s);
    if (rc == SQLITE_OK) {
        rc = rowset_load(&shadow, db, table, true, s);
    }
    if (rc != SQLITE_OK) {
        fail("%s: reading %s: %s (%d)", where, table, sqlite3_errmsg(db), rc);
    }
    if (!rowset_equal(&content, &shadow)) {
        fail("%s: %s differs from its shadow table: %s", where, table,
             rowset_difference(&content, &shadow));
    }
    if (expected && !rowset_equal(&content, expected)) {
        fail("%s: %s: %s", where, table, rowset_difference(&content, expected));
    }
    for (int i = 0; i < queries; i++) {
        query q = {.table = table, .s = s, .vector = vector};
        query_vector(&content, s, r, vector);
        query_vary(&q, content.count, r);
        if (rng_chance(r, 0.8)) {
            q.ef = content.count ? (int64_t)content.count : 1;
        }
        rc = query_check(db, &q, &content, where);
        if (rc != SQLITE_OK) {
            fail("%s: %s: %s (%d)", where, query_text(&q), sqlite3_errmsg(db), rc);
        }
    }
    db_must(db, "RELEASE table_check");
    rowset_free(&content);
    rowset_free(&shadow);
}
