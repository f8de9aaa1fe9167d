/*
** SQL functions of vectors under sqlite-vec's names; contract in vec_functions.h.
*/
#include "functions/vec_functions.h"

#include <math.h>
#include <string.h>

#include "functions/distance.h"
#include "functions/hannoy_functions.h"
#include "shadow/error.h"
#include "values/names.h"
#include "values/number.h"

/* --------------------------------------------------------------------------------- arguments -- */

/* Reads argv[which] as the type of its mark.  False: the result is set, to NULL or an error. */
static bool read_marked(sqlite3_context *context, sqlite3_value **argv, int which, hx_vector *out) {
    const hx_reading reading = {.what = hx_function_of(context)->vectors[which]};
    char *error;
    if (sqlite3_value_type(argv[which]) == SQLITE_NULL) {
        return false;
    }
    const int rc = hx_argument_read(&reading, argv[which], out, &error);
    if (rc) {
        hx_result_sentence(context, rc, error);
    }
    return rc == SQLITE_OK;
}

/* Sets the result to this sentence (of sqlite3_mprintf), or to out of memory. */
static void result_refusal(sqlite3_context *context, char *sentence) {
    hx_result_sentence(context, sentence ? SQLITE_ERROR : SQLITE_NOMEM, sentence);
}

/* ------------------------------------------------------------------------------ constructors -- */

/* Constructs a vector of the type in the function's detail. */
static void vec_construct(sqlite3_context *context, int argc, sqlite3_value **argv) {
    const hx_function *const function = hx_function_of(context);
    const hx_reading reading = {
        .what = function->vectors[0], .type = function->detail, .recast = true};
    hx_vector vector;
    char *error;
    if (hx_argument_any_null(argc, argv)) {
        return;
    }
    const int rc = hx_argument_read(&reading, argv[0], &vector, &error);
    if (rc) {
        hx_result_sentence(context, rc, error);
    } else {
        hx_result_vector(context, vector);
    }
}

/* -------------------------------------------------------------------------------- properties -- */

static void vec_length(sqlite3_context *context, int argc, sqlite3_value **argv) {
    hx_vector vector;
    (void)argc;
    if (!read_marked(context, argv, 0, &vector)) {
        return;
    }
    sqlite3_result_int64(context, vector.shape.dim);
    sqlite3_free(vector.bytes);
}

static void vec_type(sqlite3_context *context, int argc, sqlite3_value **argv) {
    hx_vector vector;
    (void)argc;
    if (!read_marked(context, argv, 0, &vector)) {
        return;
    }
    sqlite3_result_text(context, hx_type_name(vector.shape.type), -1, SQLITE_STATIC);
    sqlite3_free(vector.bytes);
}

static void vec_to_json(sqlite3_context *context, int argc, sqlite3_value **argv) {
    hx_vector vector;
    (void)argc;
    if (!read_marked(context, argv, 0, &vector)) {
        return;
    }
    const uint8_t of = vector.shape.type;
    const char *const format = of == HNY_INT8 || of == HNY_BIT ? "%.0f" : "%f";
    sqlite3_str *const text = sqlite3_str_new(sqlite3_context_db_handle(context));
    for (size_t i = 0; i < vector.shape.dim; i++) {
        sqlite3_str_appendchar(text, 1, i ? ',' : '[');
        sqlite3_str_appendf(text, format, hx_number_at(of, vector.bytes, i));
    }
    sqlite3_str_appendchar(text, 1, ']');
    sqlite3_free(vector.bytes);
    hx_result_json(context, text);
}

/* -------------------------------------------------------------------------------- arithmetic -- */

static bool check_alike(sqlite3_context *context, const hx_vector *a, const hx_vector *b) {
    const char *const name = hx_function_of(context)->name;
    if (a->shape.type != b->shape.type) {
        result_refusal(context,
                       sqlite3_mprintf("hannoy: %s takes vectors of one type, not %s and %s", name,
                                       hx_type_name(a->shape.type), hx_type_name(b->shape.type)));
    } else if (a->shape.type != HNY_FLOAT32 && a->shape.type != HNY_INT8) {
        result_refusal(context,
                       sqlite3_mprintf("hannoy: %s takes vectors of type float32 or int8, not %s",
                                       name, hx_type_name(a->shape.type)));
    } else if (a->shape.dim != b->shape.dim) {
        result_refusal(
            context,
            sqlite3_mprintf("hannoy: %s takes vectors of one length, not %u dimension%s and %u",
                            name, a->shape.dim, a->shape.dim == 1 ? "" : "s", b->shape.dim));
    } else {
        return true;
    }
    return false;
}

/* Adds `sign` times b to a.  False: the result is set to an error. */
static bool add_to(sqlite3_context *context, hx_vector *a, const hx_vector *b, int sign) {
    for (size_t i = 0; i < a->shape.dim; i++) {
        const double sum = hx_number_at(a->shape.type, a->bytes, i) +
                           sign * hx_number_at(b->shape.type, b->bytes, i);
        const float single = (float)sum;
        if (a->shape.type == HNY_INT8) {
            a->bytes[i] = (uint8_t)(int)sum;
        } else if (isfinite(single)) {
            memcpy(a->bytes + 4 * i, &single, sizeof single);
        } else {
            result_refusal(
                context,
                sqlite3_mprintf("hannoy: element %llu (counted from 1) of the result of %s is "
                                "%.7g, too large for a float32",
                                (unsigned long long)i + 1, hx_function_of(context)->name, sum));
            return false;
        }
    }
    return true;
}

static void combine(sqlite3_context *context, sqlite3_value **argv, int sign) {
    hx_vector a, b;
    if (hx_argument_any_null(2, argv) || !read_marked(context, argv, 0, &a)) {
        return;
    }
    if (!read_marked(context, argv, 1, &b)) {
        sqlite3_free(a.bytes);
        return;
    }
    if (check_alike(context, &a, &b) && add_to(context, &a, &b, sign)) {
        hx_result_vector(context, a);
    } else {
        sqlite3_free(a.bytes);
    }
    sqlite3_free(b.bytes);
}

static void vec_add(sqlite3_context *context, int argc, sqlite3_value **argv) {
    (void)argc;
    combine(context, argv, 1);
}

static void vec_sub(sqlite3_context *context, int argc, sqlite3_value **argv) {
    (void)argc;
    combine(context, argv, -1);
}

static void vec_normalize(sqlite3_context *context, int argc, sqlite3_value **argv) {
    hx_vector vector;
    (void)argc;
    if (read_marked(context, argv, 0, &vector)) {
        hx_result_normalized(context, vector);
    }
}

/* ------------------------------------------------------------------------------------- slice -- */

/* A sentence about bad bounds for sqlite3_free(), or NULL. */
static char *check_bounds(const hx_vector *vector, sqlite3_int64 start, sqlite3_int64 end) {
    const uint32_t dim = vector->shape.dim;
    if (start < 0 || end > dim || start >= end) {
        return sqlite3_mprintf("hannoy: vec_slice takes a start below its end, both from 0 to the "
                               "vector's %u dimension%s, not %lld and %lld",
                               dim, dim == 1 ? "" : "s", start, end);
    }
    if (vector->shape.type == HNY_BIT && (start % 8 || end % 8)) {
        return sqlite3_mprintf("hannoy: vec_slice cuts a vector of type bit at multiples of 8, "
                               "not at %lld",
                               start % 8 ? start : end);
    }
    return NULL;
}

static void vec_slice(sqlite3_context *context, int argc, sqlite3_value **argv) {
    const sqlite3_int64 start = sqlite3_value_int64(argv[1]), end = sqlite3_value_int64(argv[2]);
    hx_vector vector, out;
    if (hx_argument_any_null(argc, argv) || !read_marked(context, argv, 0, &vector)) {
        return;
    }
    char *const fault = check_bounds(&vector, start, end);
    if (fault) {
        result_refusal(context, fault);
    } else if (!hx_vector_new(vector.shape.type, (uint32_t)(end - start), &out)) {
        sqlite3_result_error_nomem(context);
    } else {
        const hny_shape before = {.dim = (uint32_t)start, .type = vector.shape.type};
        memcpy(out.bytes, vector.bytes + hny_vector_bytes(before), hny_vector_bytes(out.shape));
        hx_result_vector(context, out);
    }
    sqlite3_free(vector.bytes);
}

/* -------------------------------------------------------------------------------- quantizing -- */

static void vec_quantize_binary(sqlite3_context *context, int argc, sqlite3_value **argv) {
    hx_vector vector, out;
    (void)argc;
    if (!read_marked(context, argv, 0, &vector)) {
        return;
    }
    if (vector.shape.type == HNY_BIT) {
        result_refusal(context,
                       sqlite3_mprintf("hannoy: vec_quantize_binary takes numbers, not bits"));
    } else if (vector.shape.dim % 8) {
        result_refusal(context,
                       sqlite3_mprintf("hannoy: vec_quantize_binary takes a multiple of 8 "
                                       "dimensions, not %u; hannoy_bits takes any number of them",
                                       vector.shape.dim));
    } else if (hx_vector_bits(&vector, &out)) {
        sqlite3_result_error_nomem(context);
    } else {
        hx_result_vector(context, out);
    }
    sqlite3_free(vector.bytes);
}

/* A step is a 255th of the way from -1 to 1, as a float32. */
static int8_t quantize(double number) {
    const float step = 2.0 / 255;
    const double level = (number + 1) / (double)step - 128;
    if (level > 127) {
        return 127;
    }
    return level < -128 ? -128 : (int8_t)level;
}

static bool is_unit(sqlite3_value *value) {
    const char *const text = (const char *)sqlite3_value_text(value);
    return text && sqlite3_stricmp(text, "unit") == 0;
}

/* Reads float32, whatever the mark of a BLOB. */
static void vec_quantize_int8(sqlite3_context *context, int argc, sqlite3_value **argv) {
    const hx_reading reading = {
        .what = hx_function_of(context)->vectors[0], .type = HNY_FLOAT32, .recast = true};
    hx_vector vector, out;
    char *error;
    if (hx_argument_any_null(argc, argv)) {
        return;
    }
    const int rc = hx_argument_read(&reading, argv[0], &vector, &error);
    if (rc) {
        hx_result_sentence(context, rc, error);
        return;
    }
    if (!is_unit(argv[1])) {
        result_refusal(context,
                       sqlite3_mprintf("hannoy: the second argument of vec_quantize_int8 must be "
                                       "'unit', for numbers from -1 to 1"));
    } else if (!hx_vector_new(HNY_INT8, vector.shape.dim, &out)) {
        sqlite3_result_error_nomem(context);
    } else {
        for (size_t i = 0; i < out.shape.dim; i++) {
            out.bytes[i] = (uint8_t)quantize(hx_number_at(HNY_FLOAT32, vector.bytes, i));
        }
        hx_result_vector(context, out);
    }
    sqlite3_free(vector.bytes);
}

/* ----------------------------------------------------------------------------------- version -- */

#define VEC_VERSION "v0.1.9 (hannoy " HANNOY_VERSION ")"

static void vec_version(sqlite3_context *context, int argc, sqlite3_value **argv) {
    (void)argc;
    (void)argv;
    sqlite3_result_text(context, VEC_VERSION, -1, SQLITE_STATIC);
}

static void vec_debug(sqlite3_context *context, int argc, sqlite3_value **argv) {
    (void)argc;
    (void)argv;
    char *const text = sqlite3_mprintf("Version: %s\nKernels: %s", VEC_VERSION, hny_kernels_name());
    if (text) {
        sqlite3_result_text(context, text, -1, sqlite3_free);
    } else {
        sqlite3_result_error_nomem(context);
    }
}

/* ------------------------------------------------------------------------------- registering -- */

#define TAKES SQLITE_SUBTYPE
#define MARKS (SQLITE_SUBTYPE | SQLITE_RESULT_SUBTYPE)
#define ONE(name, argc, call, flags, detail)                                                       \
    { name, argc, call, flags, detail, HX_ONE_VECTOR(name) }
#define TWO(name, call, flags, detail)                                                             \
    { name, 2, call, flags, detail, HX_TWO_VECTORS(name) }

static const hx_function vec_functions[] = {
    ONE("vec_f32", 1, vec_construct, MARKS, HNY_FLOAT32),
    ONE("vec_int8", 1, vec_construct, MARKS, HNY_INT8),
    ONE("vec_bit", 1, vec_construct, MARKS, HNY_BIT),
    ONE("vec_length", 1, vec_length, TAKES, 0),
    ONE("vec_type", 1, vec_type, TAKES, 0),
    ONE("vec_to_json", 1, vec_to_json, MARKS, 0),
    TWO("vec_add", vec_add, MARKS, 0),
    TWO("vec_sub", vec_sub, MARKS, 0),
    ONE("vec_slice", 3, vec_slice, MARKS, 0),
    ONE("vec_normalize", 1, vec_normalize, MARKS, 0),
    ONE("vec_quantize_binary", 1, vec_quantize_binary, MARKS, 0),
    ONE("vec_quantize_int8", 2, vec_quantize_int8, MARKS, 0),
    TWO("vec_distance_l2", hx_distance_marked, TAKES, HNY_EUCLIDEAN),
    TWO("vec_distance_l1", hx_distance_marked, TAKES, HNY_MANHATTAN),
    TWO("vec_distance_cosine", hx_distance_marked, TAKES, HNY_COSINE),
    TWO("vec_distance_hamming", hx_distance_marked, TAKES, HNY_HAMMING),
    {"vec_version", 0, vec_version, 0, 0, {NULL, NULL}},
    {"vec_debug", 0, vec_debug, 0, 0, {NULL, NULL}},
};

enum { FUNCTION_COUNT = sizeof vec_functions / sizeof vec_functions[0] };

/* Notes the functions of ours whose calls would reach this function of the connection. */
static void note_taken(bool *taken, const char *name, int argc) {
    for (int i = 0; i < FUNCTION_COUNT; i++) {
        if (!sqlite3_stricmp(name, vec_functions[i].name) &&
            (argc == vec_functions[i].argc || argc < 0)) {
            taken[i] = true;
        }
    }
}

/*
** Lists which of our functions the connection has already.  *complete: the list has a function that
** this extension has just registered.  It lacks it when SQLite is built without the pragma or an
** authorizer forbids it.  (sqlite3_prepare for each would write a line to the error log for each.)
*/
static int list_taken(sqlite3 *db, bool *taken, bool *complete) {
    enum { COLUMN_NAME = 0, COLUMN_ARGC = 4 };
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA function_list", -1, &stmt, NULL);
    *complete = false;
    while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        const char *const name = (const char *)sqlite3_column_text(stmt, COLUMN_NAME);
        if (!name) {
            continue;
        }
        note_taken(taken, name, sqlite3_column_int(stmt, COLUMN_ARGC));
        *complete |= sqlite3_stricmp(name, "hannoy_vector") == 0;
    }
    const int end = sqlite3_finalize(stmt);
    if (rc == SQLITE_NOMEM || end == SQLITE_NOMEM) {
        return SQLITE_NOMEM;
    }
    if (rc || end) {
        *complete = false;
    }
    return SQLITE_OK;
}

int hx_vec_functions_register(sqlite3 *db) {
    bool taken[FUNCTION_COUNT] = {false}, complete;
    int rc = list_taken(db, taken, &complete);
    for (int i = 0; rc == SQLITE_OK && complete && i < FUNCTION_COUNT; i++) {
        if (!taken[i]) {
            rc = hx_function_register(db, &vec_functions[i]);
        }
    }
    return rc;
}
