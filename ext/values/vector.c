/*
** Reads a user's value as the bytes that a table stores for a vector; contract in vector.h.
*/
#include "values/vector.h"

#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "values/json.h"
#include "values/mark.h"
#include "values/names.h"
#include "values/refuse.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "vectors are stored as they are given, which is little-endian"
#endif

/* The arguments that every step needs. */
typedef struct vector_request {
    hny_shape shape;
    const char *what; /* in sentences: "vector" or "query" */
    char **error;
} vector_request;

/* ------------------------------------------------------------------------------------ errors -- */

/* "hannoy: element 3 (counted from 1) of the vector is …" */
static int refuse_element(const vector_request *r, size_t index, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *const is = sqlite3_vmprintf(format, arguments);
    va_end(arguments);
    if (!is) {
        return SQLITE_NOMEM;
    }
    const int rc =
        hx_refuse(r->error, SQLITE_ERROR, "hannoy: element %llu (counted from 1) of the %s is %s",
                  (unsigned long long)index + 1, r->what, is);
    sqlite3_free(is);
    return rc;
}

static int refuse_not_finite(const vector_request *r, size_t index, float value) {
    const char *const name = isnan(value) ? "NaN" : value > 0 ? "infinity" : "-infinity";
    return refuse_element(r, index, "%s; a vector takes finite numbers only", name);
}

static const char *plural(uint64_t count) {
    return count == 1 ? "" : "s";
}

/* ------------------------------------------------------------------------------ from float32 -- */

/* Bytes of a BLOB need not be aligned. */
static inline float float_at(const void *floats, size_t i) {
    float value;
    memcpy(&value, (const char *)floats + i * sizeof value, sizeof value);
    return value;
}

static int check_floats(const vector_request *r, const void *floats) {
    const uint32_t infinity = 0x7f800000;
    uint32_t bad = 0;
    for (size_t i = 0; i < r->shape.dim; i++) {
        uint32_t bits;
        memcpy(&bits, (const char *)floats + i * sizeof bits, sizeof bits);
        bad |= (bits & infinity) == infinity; /* no early exit: this way it is vectorised */
    }
    for (size_t i = 0; bad && i < r->shape.dim; i++) {
        if (!isfinite(float_at(floats, i))) {
            return refuse_not_finite(r, i, float_at(floats, i));
        }
    }
    return SQLITE_OK;
}

#define HALF_INFINITY 0x7c00

static int store_half(const vector_request *r, const void *floats, char *out) {
    for (size_t i = 0; i < r->shape.dim; i++) {
        const float value = float_at(floats, i);
        const uint16_t half = hny_half_from_float(value);
        if ((half & HALF_INFINITY) == HALF_INFINITY) {
            return refuse_element(r, i, "%.7g; float16 reaches from -65504 to 65504",
                                  (double)value);
        }
        memcpy(out + i * sizeof half, &half, sizeof half);
    }
    return SQLITE_OK;
}

/* The product is exact in double precision, so the result is the same on every processor. */
static void store_scaled(const vector_request *r, const void *floats, char *out) {
    float max = 0;
    for (size_t i = 0; i < r->shape.dim; i++) {
        const float size = fabsf(float_at(floats, i));
        max = size > max ? size : max;
    }
    const double divisor = max > 0 ? (double)max : 1;
    for (size_t i = 0; i < r->shape.dim; i++) {
        const double scaled = (double)float_at(floats, i) * 127 / divisor;
        out[i] = (char)(int8_t)(scaled + (scaled < 0 ? -0.5 : 0.5));
    }
}

/* Seven digits show a float as it was written, except next to a whole number. */
static int refuse_fraction(const vector_request *r, size_t index, float value) {
    const float off = fabsf(value - rintf(value));
    const char *const metric = r->shape.metric ? hx_metric_name(r->shape.metric) : NULL;
    return refuse_element(r, index,
                          "%.*g; %s%s%sa vector of type int8 takes whole numbers from -128 to 127",
                          off > 0 && off < 1e-3f ? 9 : 7, (double)value, metric ? "under " : "",
                          metric ? metric : "", metric ? " " : "");
}

static int store_whole(const vector_request *r, const void *floats, char *out) {
    for (size_t i = 0; i < r->shape.dim; i++) {
        const float value = float_at(floats, i);
        if (!(value >= -128 && value <= 127 && value == truncf(value))) {
            return refuse_fraction(r, i, value);
        }
        out[i] = (char)(int8_t)value;
    }
    return SQLITE_OK;
}

static void store_bits(const vector_request *r, const void *floats, char *out) {
    memset(out, 0, hny_vector_bytes(r->shape));
    for (size_t i = 0; i < r->shape.dim; i++) {
        out[i / 8] = (char)(out[i / 8] | (float_at(floats, i) > 0) << i % 8);
    }
}

/* Converts dim float32 values to the table's type. */
static int store_floats(const vector_request *r, const void *floats, void *out) {
    const int rc = check_floats(r, floats);
    if (rc != SQLITE_OK) {
        return rc;
    }
    switch (r->shape.type) {
    case HNY_FLOAT16:
        return store_half(r, floats, out);
    case HNY_INT8:
        if (r->shape.metric != HNY_COSINE) {
            return store_whole(r, floats, out);
        }
        store_scaled(r, floats, out);
        return SQLITE_OK;
    case HNY_BIT:
        store_bits(r, floats, out);
        return SQLITE_OK;
    default:
        memcpy(out, floats, hny_vector_bytes(r->shape));
        return SQLITE_OK;
    }
}

/* ------------------------------------------------------------------------------------- BLOBs -- */

static int check_halves(const vector_request *r, const char *halves) {
    for (size_t i = 0; i < r->shape.dim; i++) {
        uint16_t half;
        memcpy(&half, halves + i * sizeof half, sizeof half);
        if ((half & HALF_INFINITY) == HALF_INFINITY) {
            return refuse_not_finite(r, i, hny_float_from_half(half));
        }
    }
    return SQLITE_OK;
}

/* Copies bytes that are of the table's type. */
static int copy_bytes(const vector_request *r, const void *bytes, char *out) {
    const size_t size = hny_vector_bytes(r->shape);
    int rc = SQLITE_OK;
    if (r->shape.type == HNY_FLOAT32) {
        rc = check_floats(r, bytes);
    }
    if (r->shape.type == HNY_FLOAT16) {
        rc = check_halves(r, bytes);
    }
    if (rc != SQLITE_OK) {
        return rc;
    }
    memcpy(out, bytes, size);
    if (r->shape.type == HNY_BIT && r->shape.dim % 8) {
        out[size - 1] = (char)(out[size - 1] & ((1 << r->shape.dim % 8) - 1));
    }
    return SQLITE_OK;
}

static int refuse_dimensions(const vector_request *r, size_t given, const char *hint) {
    return hx_refuse(r->error, SQLITE_ERROR, "hannoy: the %s has %llu dimension%s, the table %u%s",
                     r->what, (unsigned long long)given, plural(given), r->shape.dim, hint);
}

/* numpy and many models have float64 where nothing else is said; for a sentence about the size. */
static const char *double_hint(const vector_request *r, size_t bytes) {
    return bytes == 8 * (size_t)r->shape.dim
               ? "; if its numbers are float64, convert them to float32"
               : "";
}

/* The BLOB is not a whole number of elements. */
static int refuse_odd_size(const vector_request *r, size_t bytes) {
    const uint32_t dim = r->shape.dim;
    if (r->shape.type == HNY_FLOAT16) {
        return hx_refuse(
            r->error, SQLITE_ERROR,
            "hannoy: the %s is a BLOB of %llu byte%s; a vector of dim %u takes %llu bytes "
            "as float16, %llu as float32",
            r->what, (unsigned long long)bytes, plural(bytes), dim, 2ull * dim, 4ull * dim);
    }
    return hx_refuse(r->error, SQLITE_ERROR,
                     "hannoy: the %s is a BLOB of %llu byte%s; a vector of dim %u takes %llu bytes",
                     r->what, (unsigned long long)bytes, plural(bytes), dim, 4ull * dim);
}

/* The size is neither that of the table's type nor that of float32. */
static int refuse_size(const vector_request *r, size_t bytes) {
    const uint8_t type = r->shape.type;
    const char *const name = hx_type_name(type);
    const char *const up_to = type == HNY_BIT ? "up to " : "";
    const unsigned long long as_floats = bytes / 4;
    unsigned long long own = bytes;
    if (type == HNY_FLOAT32) {
        return bytes % 4 ? refuse_odd_size(r, bytes)
                         : refuse_dimensions(r, bytes / 4, double_hint(r, bytes));
    }
    if (type == HNY_FLOAT16) {
        if (bytes % 2) {
            return refuse_odd_size(r, bytes);
        }
        own = bytes / 2;
    }
    if (type == HNY_BIT) {
        own = bytes * 8;
    }
    if (bytes % 4) {
        return hx_refuse(r->error, SQLITE_ERROR,
                         "hannoy: the %s has %s%llu dimension%s as %s, the table %u", r->what,
                         up_to, own, plural(own), name, r->shape.dim);
    }
    return hx_refuse(
        r->error, SQLITE_ERROR,
        "hannoy: the %s has %s%llu dimension%s as %s or %llu as float32, the table %u%s", r->what,
        up_to, own, plural(own), name, as_floats, r->shape.dim, double_hint(r, bytes));
}

static int read_blob(const vector_request *r, sqlite3_value *value, void *out) {
    /* The size first: when zeroblob(N) finds no memory for its bytes, its size is lost too. */
    const size_t size = (size_t)sqlite3_value_bytes(value);
    const void *const bytes = sqlite3_value_blob(value);
    if (!bytes && size) {
        return SQLITE_NOMEM;
    }
    if (size == hny_vector_bytes(r->shape)) {
        return copy_bytes(r, bytes, out);
    }
    if (size == 4 * (size_t)r->shape.dim) {
        return store_floats(r, bytes, out);
    }
    return refuse_size(r, size);
}

/* -------------------------------------------------------------------------------------- JSON -- */

static int refuse_json(const vector_request *r, const char *text, size_t length,
                       const hx_json_fault *fault) {
    if (fault->expected) {
        return hx_refuse(
            r->error, SQLITE_ERROR,
            "hannoy: the %s is not a JSON array of numbers: expected %s at byte %llu%s", r->what,
            fault->expected, (unsigned long long)fault->position,
            fault->position > length ? ", where it ends" : "");
    }
    const bool whole = fault->width <= 20;
    return refuse_element(r, fault->element - 1, "%.*s%s, too large for a float32",
                          whole ? (int)fault->width : 20, text + fault->position - 1,
                          whole ? "" : "…");
}

static int read_json(const vector_request *r, sqlite3_value *value, void *out) {
    const char *const text = (const char *)sqlite3_value_text(value);
    const size_t length = (size_t)sqlite3_value_bytes(value);
    float *const floats = sqlite3_malloc64(4ull * r->shape.dim);
    size_t count = 0;
    hx_json_fault fault;
    int rc;
    if (!text || !floats) {
        rc = SQLITE_NOMEM;
    } else if (hx_json_floats(text, length, floats, r->shape.dim, &count, &fault)) {
        rc = refuse_json(r, text, length, &fault);
    } else if (count != r->shape.dim) {
        rc = refuse_dimensions(r, count, "");
    } else {
        rc = store_floats(r, floats, out);
    }
    sqlite3_free(floats);
    return rc;
}

/* ----------------------------------------------------------------------------------- lengths -- */

static int refuse_dim(const vector_request *r, size_t count) {
    return hx_refuse(r->error, SQLITE_ERROR,
                     "hannoy: the %s has %llu dimension%s; a vector has 1 to %u", r->what,
                     (unsigned long long)count, plural(count), HNY_MAX_DIM);
}

static int measure_blob(const vector_request *r, size_t size, uint32_t *dim) {
    static const uint8_t widths[] = {[HNY_FLOAT32] = 4, [HNY_FLOAT16] = 2, [HNY_INT8] = 1};
    const uint8_t type = r->shape.type;
    if (type != HNY_BIT && size % widths[type]) {
        return hx_refuse(r->error, SQLITE_ERROR,
                         "hannoy: the %s is a BLOB of %llu byte%s; a vector of type %s has %u a "
                         "dimension, and any other type must be named",
                         r->what, (unsigned long long)size, plural(size), hx_type_name(type),
                         widths[type]);
    }
    const size_t count = type == HNY_BIT ? 8 * size : size / widths[type];
    if (count < 1 || count > HNY_MAX_DIM) {
        return refuse_dim(r, count);
    }
    *dim = (uint32_t)count;
    return SQLITE_OK;
}

/* In blocks of a fixed size, which gcc vectorises at -O2: 1 us for 16 KB, 14 without. */
static size_t count_commas(const char *text, size_t length) {
    enum { BLOCK = 128 };
    size_t count = 0, i = 0;
    for (; i + BLOCK <= length; i += BLOCK) {
        uint8_t some = 0;
        for (size_t j = 0; j < BLOCK; j++) {
            some = (uint8_t)(some + (text[i + j] == ','));
        }
        count += some;
    }
    for (; i < length; i++) {
        count += text[i] == ',';
    }
    return count;
}

static bool has_digit(const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if (text[i] >= '0' && text[i] <= '9') {
            return true;
        }
    }
    return false;
}

/*
** An array of numbers has one comma less than elements.  Whether the text is such an array shows
** when it is read; here only empty and too long arrays are parsed.
*/
static int measure_json(const vector_request *r, const char *text, size_t length, uint32_t *dim) {
    size_t count = count_commas(text, length) + 1;
    hx_json_fault fault;
    if (count > HNY_MAX_DIM || !has_digit(text, length)) {
        if (hx_json_floats(text, length, NULL, 0, &count, &fault)) {
            return refuse_json(r, text, length, &fault);
        }
        return refuse_dim(r, count);
    }
    *dim = (uint32_t)count;
    return SQLITE_OK;
}

/* -------------------------------------------------------------------------------------------- */

static int refuse_class(const vector_request *r, sqlite3_value *value) {
    char number[40] = "NULL";
    if (sqlite3_value_type(value) == SQLITE_INTEGER) {
        sqlite3_snprintf(sizeof number, number, "the integer %lld", sqlite3_value_int64(value));
    }
    if (sqlite3_value_type(value) == SQLITE_FLOAT) {
        sqlite3_snprintf(sizeof number, number, "the number %.7g", sqlite3_value_double(value));
    }
    return hx_refuse(r->error, SQLITE_MISMATCH,
                     "hannoy: the %s must be a BLOB or a JSON array, not %s", r->what, number);
}

int hx_vector_measure(uint8_t type, sqlite3_value *value, const char *what, uint32_t *dim,
                      char **error) {
    const vector_request r = {{.type = type}, what, error};
    *error = NULL;
    if (sqlite3_value_type(value) == SQLITE_BLOB) {
        return measure_blob(&r, (size_t)sqlite3_value_bytes(value), dim);
    }
    if (sqlite3_value_type(value) != SQLITE_TEXT) {
        return refuse_class(&r, value);
    }
    const char *const text = (const char *)sqlite3_value_text(value);
    return text ? measure_json(&r, text, (size_t)sqlite3_value_bytes(value), dim) : SQLITE_NOMEM;
}

int hx_vector_read(hny_shape shape, sqlite3_value *value, const char *what, void *out,
                   char **error) {
    const vector_request r = {shape, what, error};
    *error = NULL;
    if (sqlite3_value_type(value) == SQLITE_BLOB) {
        return read_blob(&r, value, out);
    }
    if (sqlite3_value_type(value) == SQLITE_TEXT) {
        return read_json(&r, value, out);
    }
    return refuse_class(&r, value);
}

/* A BLOB of float32 is converted to any type. */
int hx_vector_parse(hny_shape shape, sqlite3_value *value, const char *what, void *out,
                    char **error) {
    const uint8_t type = hx_mark_read(value);
    const vector_request r = {shape, what, error};
    if (!type || type == shape.type) {
        return hx_vector_read(shape, value, what, out, error);
    }
    if (type != HNY_FLOAT32) {
        return hx_refuse(error, SQLITE_MISMATCH,
                         "hannoy: the %s is of type %s, and the table's vectors are of type %s",
                         what, hx_type_name(type), hx_type_name(shape.type));
    }
    const size_t size = (size_t)sqlite3_value_bytes(value);
    *error = NULL;
    return size == 4 * (size_t)shape.dim ? store_floats(&r, sqlite3_value_blob(value), out)
                                         : refuse_dimensions(&r, size / 4, "");
}
