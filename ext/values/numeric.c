/*
** Reads SQL values as numbers; contract in numeric.h.
**
** sqlite3_value_numeric_type() is no help: it changes the value, which may be a constant of the
** statement, and of a copy by sqlite3_value_dup() SQLite 3.53 crashes on it, since a copy belongs
** to no connection.
*/
#include "values/numeric.h"

#include <stddef.h>

/* Text that is read from the front. */
typedef struct reader {
    const unsigned char *at, *end;
} reader;

static void skip_spaces(reader *r) {
    while (r->at < r->end && (*r->at == ' ' || (*r->at >= '\t' && *r->at <= '\r'))) {
        r->at++;
    }
}

static bool skip_char(reader *r, char c) {
    const bool is = r->at < r->end && *r->at == (unsigned char)c;
    r->at += is;
    return is;
}

static bool skip_sign(reader *r) {
    const bool negative = skip_char(r, '-');
    if (!negative) {
        skip_char(r, '+');
    }
    return negative;
}

static size_t skip_digits(reader *r) {
    const unsigned char *const first = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9') {
        r->at++;
    }
    return (size_t)(r->at - first);
}

/* Does an int64_t hold the digits? */
static bool fits_integer(const unsigned char *digits, const unsigned char *end, bool negative) {
    const uint64_t most = (uint64_t)INT64_MAX + (negative ? 1 : 0);
    uint64_t number = 0;
    for (; digits < end; digits++) {
        const unsigned digit = *digits - '0';
        if (number > (most - digit) / 10) {
            return false;
        }
        number = number * 10 + digit;
    }
    return true;
}

/* What SQLite's numeric affinity makes of a text. */
static int numeric_type_of_text(const unsigned char *text, size_t bytes) {
    reader r = {text, text + bytes};
    skip_spaces(&r);
    const bool negative = skip_sign(&r);
    const unsigned char *const digits = r.at;
    size_t count = skip_digits(&r);
    bool integer = fits_integer(digits, r.at, negative);
    if (skip_char(&r, '.')) {
        integer = false;
        count += skip_digits(&r);
    }
    if (count && (skip_char(&r, 'e') || skip_char(&r, 'E'))) {
        integer = false;
        skip_sign(&r);
        count = skip_digits(&r);
    }
    skip_spaces(&r);
    if (!count || r.at < r.end) {
        return SQLITE_TEXT;
    }
    return integer ? SQLITE_INTEGER : SQLITE_FLOAT;
}

int hx_value_numeric_type(sqlite3_value *value, int *out) {
    *out = sqlite3_value_type(value);
    if (*out != SQLITE_TEXT) {
        return SQLITE_OK;
    }
    const unsigned char *const text = sqlite3_value_text(value);
    if (!text) {
        return SQLITE_NOMEM;
    }
    *out = numeric_type_of_text(text, (size_t)sqlite3_value_bytes(value));
    return SQLITE_OK;
}

/* Whether a REAL is a whole number that an INTEGER holds. */
static bool is_whole(double real) {
    return real >= -0x1p63 && real < 0x1p63 && (double)(int64_t)real == real;
}

int hx_value_integer(sqlite3_value *value, int64_t *out, bool *is) {
    int type;
    *is = false;
    const int rc = hx_value_numeric_type(value, &type);
    if (rc) {
        return rc;
    }
    if (type == SQLITE_INTEGER) {
        *out = sqlite3_value_int64(value);
        *is = true;
    } else if (type == SQLITE_FLOAT && is_whole(sqlite3_value_double(value))) {
        *out = (int64_t)sqlite3_value_double(value);
        *is = true;
    }
    return SQLITE_OK;
}

int hx_value_real(sqlite3_value *value, double *out, bool *is) {
    int type;
    *is = false;
    const int rc = hx_value_numeric_type(value, &type);
    if (rc) {
        return rc;
    }
    *is = type == SQLITE_INTEGER || type == SQLITE_FLOAT;
    if (*is) {
        *out = sqlite3_value_double(value);
    }
    return SQLITE_OK;
}
