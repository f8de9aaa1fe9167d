/*
** SQL functions of vectors under hannoy's names; contract in hannoy_functions.h.
*/
#include "functions/hannoy_functions.h"

#include <string.h>

#include "functions/distance.h"
#include "shadow/error.h"
#include "values/names.h"
#include "values/number.h"

/* ------------------------------------------------------------------------------ computations -- */

static void put_float(hx_vector *vector, size_t i, double number) {
    const float single = (float)number;
    const uint16_t half = hny_half_from_float(single);
    if (vector->shape.type == HNY_FLOAT16) {
        memcpy(vector->bytes + 2 * i, &half, sizeof half);
    } else {
        memcpy(vector->bytes + 4 * i, &single, sizeof single);
    }
}

/* The length as tables compute it: the euclidean distance from zero. */
static int measure_length(const hx_vector *vector, const void *zero, double *length) {
    hny_shape shape = vector->shape;
    hny_distance_computer *computer;
    shape.metric = HNY_EUCLIDEAN;
    const int status = hny_distance_computer_new(shape, vector->bytes, &computer);
    if (status) {
        return hx_status_code(status);
    }
    *length = hny_distance_computer_distance(computer, zero);
    hny_distance_computer_free(computer);
    return SQLITE_OK;
}

int hx_vector_normalize(const hx_vector *vector, const char *name, hx_vector *out, char **error) {
    const hny_shape shape = vector->shape;
    double length = 0;
    *error = NULL;
    if (shape.type == HNY_INT8 || shape.type == HNY_BIT) {
        *error = sqlite3_mprintf("hannoy: %s takes a vector of type float32 or float16, not %s, "
                                 "which has no numbers between 0 and 1",
                                 name, hx_type_name(shape.type));
        return *error ? SQLITE_ERROR : SQLITE_NOMEM;
    }
    if (!hx_vector_new(shape.type, shape.dim, out)) {
        return SQLITE_NOMEM;
    }
    memset(out->bytes, 0, hny_vector_bytes(shape));
    const int rc = measure_length(vector, out->bytes, &length);
    if (rc) {
        sqlite3_free(out->bytes);
        return rc;
    }
    for (size_t i = 0; length > 0 && i < shape.dim; i++) {
        put_float(out, i, hx_number_at(shape.type, vector->bytes, i) / length);
    }
    return SQLITE_OK;
}

int hx_vector_bits(const hx_vector *vector, hx_vector *out) {
    const hny_shape shape = vector->shape;
    if (!hx_vector_new(HNY_BIT, shape.dim, out)) {
        return SQLITE_NOMEM;
    }
    memset(out->bytes, 0, hny_vector_bytes(out->shape));
    for (size_t i = 0; i < shape.dim; i++) {
        const unsigned bit = hx_number_at(shape.type, vector->bytes, i) > 0;
        out->bytes[i / 8] |= (uint8_t)(bit << i % 8);
    }
    return SQLITE_OK;
}

/* --------------------------------------------------------------------------------- functions -- */

/* Reads the arguments of f(vector [, type]).  False: the result is set, to NULL or an error. */
static bool read_typed(sqlite3_context *context, int argc, sqlite3_value **argv, hx_vector *out) {
    const hx_function *const function = hx_function_of(context);
    hx_reading reading = {.what = function->vectors[0]};
    char *error = NULL;
    int rc = SQLITE_OK;
    if (hx_argument_any_null(argc, argv)) {
        return false;
    }
    if (argc > 1) {
        rc = hx_argument_type(argv[1], function->name, &reading.type, &error);
    }
    if (rc == SQLITE_OK) {
        rc = hx_argument_read(&reading, argv[0], out, &error);
    }
    if (rc) {
        hx_result_sentence(context, rc, error);
    }
    return rc == SQLITE_OK;
}

static void call_vector(sqlite3_context *context, int argc, sqlite3_value **argv) {
    hx_vector vector;
    if (read_typed(context, argc, argv, &vector)) {
        hx_result_vector(context, vector);
    }
}

static void call_json(sqlite3_context *context, int argc, sqlite3_value **argv) {
    hx_vector vector;
    char number[HX_NUMBER_BYTES];
    if (!read_typed(context, argc, argv, &vector)) {
        return;
    }
    sqlite3_str *const text = sqlite3_str_new(sqlite3_context_db_handle(context));
    for (size_t i = 0; i < vector.shape.dim; i++) {
        const uint8_t type = vector.shape.type;
        const size_t length = hx_number_write(type, hx_number_at(type, vector.bytes, i), number);
        sqlite3_str_appendchar(text, 1, i ? ',' : '[');
        sqlite3_str_append(text, number, (int)length);
    }
    sqlite3_str_appendchar(text, 1, ']');
    sqlite3_free(vector.bytes);
    hx_result_json(context, text);
}

void hx_result_normalized(sqlite3_context *context, hx_vector vector) {
    hx_vector out;
    char *error;
    const int rc = hx_vector_normalize(&vector, hx_function_of(context)->name, &out, &error);
    sqlite3_free(vector.bytes);
    if (rc) {
        hx_result_sentence(context, rc, error);
    } else {
        hx_result_vector(context, out);
    }
}

static void call_normalize(sqlite3_context *context, int argc, sqlite3_value **argv) {
    hx_vector vector;
    if (read_typed(context, argc, argv, &vector)) {
        hx_result_normalized(context, vector);
    }
}

static void call_bits(sqlite3_context *context, int argc, sqlite3_value **argv) {
    hx_vector vector, out;
    if (!read_typed(context, argc, argv, &vector)) {
        return;
    }
    const int rc = hx_vector_bits(&vector, &out);
    sqlite3_free(vector.bytes);
    if (rc) {
        sqlite3_result_error_nomem(context);
    } else {
        hx_result_vector(context, out);
    }
}

#define TAKES SQLITE_SUBTYPE
#define MARKS (SQLITE_SUBTYPE | SQLITE_RESULT_SUBTYPE)

static const hx_function hannoy_functions[] = {
    {"hannoy_distance", 3, hx_distance, TAKES, 0, HX_TWO_VECTORS("hannoy_distance")},
    {"hannoy_distance", 4, hx_distance, TAKES, 0, HX_TWO_VECTORS("hannoy_distance")},
    {"hannoy_vector", 1, call_vector, MARKS, 0, HX_ONE_VECTOR("hannoy_vector")},
    {"hannoy_vector", 2, call_vector, MARKS, 0, HX_ONE_VECTOR("hannoy_vector")},
    {"hannoy_json", 1, call_json, MARKS, 0, HX_ONE_VECTOR("hannoy_json")},
    {"hannoy_json", 2, call_json, MARKS, 0, HX_ONE_VECTOR("hannoy_json")},
    {"hannoy_normalize", 1, call_normalize, MARKS, 0, HX_ONE_VECTOR("hannoy_normalize")},
    {"hannoy_normalize", 2, call_normalize, MARKS, 0, HX_ONE_VECTOR("hannoy_normalize")},
    {"hannoy_bits", 1, call_bits, MARKS, 0, HX_ONE_VECTOR("hannoy_bits")},
    {"hannoy_bits", 2, call_bits, MARKS, 0, HX_ONE_VECTOR("hannoy_bits")},
};

int hx_hannoy_functions_register(sqlite3 *db) {
    int rc = SQLITE_OK;
    for (size_t i = 0; rc == SQLITE_OK && i < sizeof hannoy_functions / sizeof hannoy_functions[0];
         i++) {
        rc = hx_function_register(db, &hannoy_functions[i]);
    }
    return rc;
}
