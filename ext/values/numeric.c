/*
** Reads SQL values as numbers; contract in numeric.h.
*/
#include "values/numeric.h"

/* The value as a number or as it is, for sqlite3_value_free().  The argument may be a constant. */
static int to_numeric(sqlite3_value *value, sqlite3_value **out) {
    *out = sqlite3_value_dup(value);
    if (!*out) {
        return SQLITE_NOMEM;
    }
    if (sqlite3_value_type(*out) == SQLITE_TEXT) {
        sqlite3_value_numeric_type(*out);
    }
    return SQLITE_OK;
}

/* Whether a REAL is a whole number that an INTEGER holds. */
static bool is_whole(double real) {
    return real >= -0x1p63 && real < 0x1p63 && (double)(int64_t)real == real;
}

int hx_value_integer(sqlite3_value *value, int64_t *out, bool *is) {
    sqlite3_value *numeric;
    *is = false;
    const int rc = to_numeric(value, &numeric);
    if (rc) {
        return rc;
    }
    const int type = sqlite3_value_type(numeric);
    *is =
        type == SQLITE_INTEGER || (type == SQLITE_FLOAT && is_whole(sqlite3_value_double(numeric)));
    if (*is) {
        *out = sqlite3_value_int64(numeric);
    }
    sqlite3_value_free(numeric);
    return SQLITE_OK;
}

int hx_value_real(sqlite3_value *value, double *out, bool *is) {
    sqlite3_value *numeric;
    *is = false;
    const int rc = to_numeric(value, &numeric);
    if (rc) {
        return rc;
    }
    const int type = sqlite3_value_type(numeric);
    *is = type == SQLITE_INTEGER || type == SQLITE_FLOAT;
    if (*is) {
        *out = sqlite3_value_double(numeric);
    }
    sqlite3_value_free(numeric);
    return SQLITE_OK;
}
