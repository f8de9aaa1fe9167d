/*
** Vectors as arguments and results of SQL functions; contract in argument.h.
*/
#include "functions/argument.h"

#include "values/mark.h"
#include "values/names.h"
#include "values/refuse.h"

/* --------------------------------------------------------------------------------- functions -- */

int hx_function_register(sqlite3 *db, const hx_function *function) {
    const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS | function->flags;
    return sqlite3_create_function_v2(db, function->name, function->argc, flags, (void *)function,
                                      function->call, NULL, NULL, NULL);
}

const hx_function *hx_function_of(sqlite3_context *context) {
    return sqlite3_user_data(context);
}

/* ----------------------------------------------------------------------------------- vectors -- */

bool hx_vector_new(uint8_t type, uint32_t dim, hx_vector *out) {
    out->shape = (hny_shape){.dim = dim, .type = type};
    out->bytes = sqlite3_malloc64(hny_vector_bytes(out->shape));
    return out->bytes != NULL;
}

static int choose_vector_type(const hx_reading *reading, sqlite3_value *value, uint8_t *type,
                              char **error) {
    const uint8_t mark = hx_mark_read(value);
    *type = reading->type ? reading->type : mark ? mark : HNY_FLOAT32;
    if (!mark || mark == *type || reading->recast) {
        return SQLITE_OK;
    }
    return hx_refuse(error, SQLITE_ERROR,
                     "hannoy: the %s is of type %s, as the function that made it says, and not %s",
                     reading->what, hx_type_name(mark), hx_type_name(*type));
}

int hx_argument_read(const hx_reading *reading, sqlite3_value *value, hx_vector *out,
                     char **error) {
    uint8_t type;
    uint32_t dim;
    hx_vector vector;
    *error = NULL;
    int rc = choose_vector_type(reading, value, &type, error);
    if (rc == SQLITE_OK) {
        rc = hx_vector_measure(type, value, reading->what, &dim, error);
    }
    if (rc) {
        return rc;
    }
    if (!hx_vector_new(type, dim, &vector)) {
        return SQLITE_NOMEM;
    }
    rc = hx_vector_read(vector.shape, value, reading->what, vector.bytes, error);
    if (rc) {
        sqlite3_free(vector.bytes);
    } else {
        *out = vector;
    }
    return rc;
}

int hx_argument_type(sqlite3_value *value, const char *name, uint8_t *type, char **error) {
    const char *const text = (const char *)sqlite3_value_text(value);
    *error = NULL;
    if (!text) {
        return SQLITE_NOMEM;
    }
    return hx_type_parse((hx_span){text, (size_t)sqlite3_value_bytes(value)}, name, type, error);
}

bool hx_argument_any_null(int argc, sqlite3_value **argv) {
    for (int i = 0; i < argc; i++) {
        if (sqlite3_value_type(argv[i]) == SQLITE_NULL) {
            return true;
        }
    }
    return false;
}

void hx_result_vector(sqlite3_context *context, hx_vector vector) {
    sqlite3_result_blob64(context, vector.bytes, hny_vector_bytes(vector.shape), sqlite3_free);
    hx_mark_result(context, vector.shape.type);
}

#define JSON_MARK 'J' /* SQLite's: json_array() then takes the text for an array */

void hx_result_json(sqlite3_context *context, sqlite3_str *text) {
    const int rc = sqlite3_str_errcode(text), length = sqlite3_str_length(text);
    char *const json = sqlite3_str_finish(text);
    if (rc == SQLITE_TOOBIG) {
        sqlite3_result_error_toobig(context);
        sqlite3_free(json);
    } else if (rc || !json) {
        sqlite3_result_error_nomem(context);
        sqlite3_free(json);
    } else {
        sqlite3_result_text(context, json, length, sqlite3_free);
        sqlite3_result_subtype(context, JSON_MARK);
    }
}
