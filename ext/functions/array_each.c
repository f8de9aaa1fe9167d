/*
** The elements of a vector as rows; contract in array_each.h.
*/
#include "functions/array_each.h"

#include "functions/argument.h"
#include "functions/tvf.h"
#include "values/number.h"

typedef struct each_cursor {
    hx_tvf_cursor base;
    hx_vector vector;
    sqlite3_value *given[HX_TVF_ARGUMENTS]; /* the arguments, which are columns too */
} each_cursor;

static const hx_tvf vec_each;

/* sqlite-vec's, with its order of bits. */
static bool is_vec_each(const each_cursor *cursor) {
    return cursor->base.tvf == &vec_each;
}

/* ------------------------------------------------------------------------------------ cursor -- */

static void each_end(hx_tvf_cursor *base) {
    each_cursor *const cursor = (each_cursor *)base;
    sqlite3_free(cursor->vector.bytes);
    cursor->vector.bytes = NULL;
    for (int i = 0; i < HX_TVF_ARGUMENTS; i++) {
        sqlite3_value_free(cursor->given[i]);
        cursor->given[i] = NULL;
    }
}

static int read_arguments(each_cursor *cursor, int argc, sqlite3_value **argv) {
    const bool is_vec = is_vec_each(cursor);
    hx_reading reading = {.what = is_vec ? "vector of vec_each" : "vector of hannoy_each"};
    char *error = NULL;
    int rc = SQLITE_OK;
    if (argc > 1) {
        rc = hx_argument_type(argv[1], cursor->base.tvf->name, &reading.type, &error);
    }
    if (rc == SQLITE_OK) {
        rc = hx_argument_read(&reading, argv[0], &cursor->vector, &error);
    }
    if (rc) {
        return hx_tvf_fail(&cursor->base, rc, error);
    }
    cursor->base.count = cursor->vector.shape.dim;
    return SQLITE_OK;
}

static int keep_arguments(each_cursor *cursor, int argc, sqlite3_value **argv) {
    for (int i = 0; i < argc; i++) {
        cursor->given[i] = sqlite3_value_dup(argv[i]);
        if (!cursor->given[i]) {
            return SQLITE_NOMEM;
        }
    }
    return SQLITE_OK;
}

static int each_filter(hx_tvf_cursor *base, int argc, sqlite3_value **argv) {
    each_cursor *const cursor = (each_cursor *)base;
    if (argc == 0) {
        return hx_tvf_fail(
            base, SQLITE_ERROR,
            sqlite3_mprintf("hannoy: give %s a vector: %s(:v)", base->tvf->name, base->tvf->name));
    }
    if (hx_argument_any_null(argc, argv)) {
        return SQLITE_OK;
    }
    const int rc = read_arguments(cursor, argc, argv);
    return rc == SQLITE_OK ? keep_arguments(cursor, argc, argv) : rc;
}

/* vec_each gives the bits of a byte highest first. */
static void result_element(sqlite3_context *context, const each_cursor *cursor) {
    const uint8_t type = cursor->vector.shape.type;
    const size_t row = (size_t)cursor->base.row;
    const size_t at = is_vec_each(cursor) && type == HNY_BIT ? row ^ 7 : row;
    const double number = hx_number_at(type, cursor->vector.bytes, at);
    if (type == HNY_INT8 || type == HNY_BIT) {
        sqlite3_result_int(context, (int)number);
    } else {
        sqlite3_result_double(context, number);
    }
}

/* The column before the arguments is the element, and one before that its key. */
static int each_column(hx_tvf_cursor *base, sqlite3_context *context, int column) {
    const each_cursor *const cursor = (each_cursor *)base;
    const int argument = column - base->tvf->first_argument;
    if (argument >= 0) {
        if (cursor->given[argument]) {
            sqlite3_result_value(context, cursor->given[argument]);
        }
    } else if (argument == -1) {
        result_element(context, cursor);
    } else {
        sqlite3_result_int64(context, base->row);
    }
    return SQLITE_OK;
}

/* ------------------------------------------------------------------------------- registering -- */

static const hx_tvf hannoy_each = {
    .name = "hannoy_each",
    .declaration = "CREATE TABLE x(key INTEGER, value, each_vector HIDDEN, each_type HIDDEN)",
    .first_argument = 2,
    .innocuous = true,
    .cost = 1000,
    .rows = 1000,
    .cursor_bytes = sizeof(each_cursor),
    .filter = each_filter,
    .column = each_column,
    .end = each_end,
};

static const hx_tvf vec_each = {
    .name = "vec_each",
    .declaration = "CREATE TABLE x(value, vector HIDDEN)",
    .first_argument = 1,
    .innocuous = true,
    .cost = 1000,
    .rows = 1000,
    .cursor_bytes = sizeof(each_cursor),
    .filter = each_filter,
    .column = each_column,
    .end = each_end,
};

/*
** Whether the connection has no vec_each yet.  *out is false when the list of modules lacks
** hannoy_each: SQLite was built without the pragma or an authorizer forbids it, and no module may
** be replaced unseen.  (Preparing a statement on vec_each would read the schema, which an encrypted
** database does not have yet.)
*/
static int vec_each_is_free(sqlite3 *db, bool *out) {
    sqlite3_stmt *stmt = NULL;
    bool complete = false, taken = false;
    const int rc = sqlite3_prepare_v2(db, "PRAGMA module_list", -1, &stmt, NULL);
    while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        const char *const name = (const char *)sqlite3_column_text(stmt, 0);
        if (!name) {
            continue;
        }
        complete |= sqlite3_stricmp(name, hannoy_each.name) == 0;
        taken |= sqlite3_stricmp(name, vec_each.name) == 0;
    }
    const int end = sqlite3_finalize(stmt);
    if (rc == SQLITE_NOMEM || end == SQLITE_NOMEM) {
        return SQLITE_NOMEM;
    }
    *out = rc == SQLITE_OK && end == SQLITE_OK && complete && !taken;
    return SQLITE_OK;
}

int hx_array_each_register(sqlite3 *db) {
    bool is_free = false;
    int rc = hx_tvf_register(db, &hannoy_each, NULL, NULL);
    if (rc == SQLITE_OK) {
        rc = vec_each_is_free(db, &is_free);
    }
    if (rc == SQLITE_OK && is_free) {
        rc = hx_tvf_register(db, &vec_each, NULL, NULL);
    }
    return rc;
}
