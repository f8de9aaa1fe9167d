/* Values as SQLite's comparisons see them.  The contract is in comparable.h. */
#include "values/comparable.h"

#include <string.h>

#include "values/numeric.h"

hx_affinity hx_affinity_of_type(const char *type) {
    if (type[0] == 'T') {
        return HX_AFFINITY_TEXT;
    }
    return type[0] == 'B' || type[0] == '\0' ? HX_AFFINITY_NONE : HX_AFFINITY_NUMERIC;
}

hx_collation hx_collation_of_name(const char *name) {
    if (sqlite3_stricmp(name, "BINARY") == 0) {
        return HX_COLLATION_BINARY;
    }
    if (sqlite3_stricmp(name, "NOCASE") == 0) {
        return HX_COLLATION_NOCASE;
    }
    return sqlite3_stricmp(name, "RTRIM") == 0 ? HX_COLLATION_RTRIM : HX_COLLATION_OTHER;
}

/* -------------------------------------------------------------------------------- attributes -- */

/* NOCASE folds the letters of ASCII. */
static int nocase_attribute(const unsigned char *text, size_t bytes, hny_attribute *out) {
    unsigned char *const folded = sqlite3_malloc64(bytes + 1);
    if (!folded) {
        return SQLITE_NOMEM;
    }
    for (size_t i = 0; i < bytes; i++) {
        const unsigned char c = text[i];
        folded[i] = c >= 'A' && c <= 'Z' ? (unsigned char)(c + ('a' - 'A')) : c;
    }
    *out = hny_attribute_text(folded, bytes);
    sqlite3_free(folded);
    return SQLITE_OK;
}

/* SQLite compares by NOCASE and RTRIM in UTF-8, whatever the database's encoding. */
static int text_attribute(hx_comparable how, sqlite3_value *value, hny_attribute *out) {
    const bool wide = how.collation == HX_COLLATION_BINARY && how.encoding != SQLITE_UTF8;
    const void *const text = !wide                            ? sqlite3_value_text(value)
                             : how.encoding == SQLITE_UTF16LE ? sqlite3_value_text16le(value)
                                                              : sqlite3_value_text16be(value);
    if (!text) {
        return SQLITE_NOMEM;
    }
    size_t bytes = (size_t)(wide ? sqlite3_value_bytes16(value) : sqlite3_value_bytes(value));
    if (how.collation == HX_COLLATION_NOCASE) {
        return nocase_attribute(text, bytes, out);
    }
    if (how.collation == HX_COLLATION_RTRIM) {
        while (bytes && ((const char *)text)[bytes - 1] == ' ') {
            bytes--;
        }
    }
    *out = hny_attribute_text(text, bytes);
    return SQLITE_OK;
}

/* The attribute of a value that is of the type, or a TEXT that is a number of the type. */
static int typed_attribute(hx_comparable how, int type, sqlite3_value *value, hny_attribute *out) {
    switch (type) {
    case SQLITE_INTEGER:
        *out = hny_attribute_integer(sqlite3_value_int64(value));
        return SQLITE_OK;
    case SQLITE_FLOAT:
        *out = hny_attribute_real(sqlite3_value_double(value));
        return SQLITE_OK;
    case SQLITE_TEXT:
        return text_attribute(how, value, out);
    case SQLITE_BLOB: {
        const void *const blob = sqlite3_value_blob(value);
        *out = hny_attribute_blob(blob, (size_t)sqlite3_value_bytes(value));
        return SQLITE_OK;
    }
    default:
        *out = hny_attribute_null();
        return SQLITE_OK;
    }
}

/* Does applying the affinity change a value of this type? */
static bool changes_value(hx_affinity affinity, sqlite3_value *value) {
    if (affinity == HX_AFFINITY_NUMERIC) {
        return sqlite3_value_type(value) == SQLITE_TEXT;
    }
    return affinity == HX_AFFINITY_TEXT && hx_value_is_number(value);
}

int hx_comparable_attribute(hx_comparable how, sqlite3_value *value, hny_attribute *out) {
    int type = sqlite3_value_type(value);
    if (!changes_value(how.affinity, value)) {
        return typed_attribute(how, type, value, out);
    }
    if (how.affinity == HX_AFFINITY_NUMERIC) {
        const int rc = hx_value_numeric_type(value, &type);
        return rc ? rc : typed_attribute(how, type, value, out);
    }
    /* A conversion changes the value in place, and the statement may use it elsewhere. */
    sqlite3_value *const copy = sqlite3_value_dup(value);
    if (!copy) {
        return SQLITE_NOMEM;
    }
    const int rc = text_attribute(how, copy, out);
    sqlite3_value_free(copy);
    return rc;
}

/* ----------------------------------------------------------------------------------- binding -- */

static int bind_as_numeric(sqlite3_value *value, sqlite3_stmt *stmt, int parameter) {
    int type;
    const int rc = hx_value_numeric_type(value, &type);
    if (rc) {
        return rc;
    }
    if (type == SQLITE_INTEGER) {
        return sqlite3_bind_int64(stmt, parameter, sqlite3_value_int64(value));
    }
    return type == SQLITE_FLOAT ? sqlite3_bind_double(stmt, parameter, sqlite3_value_double(value))
                                : sqlite3_bind_value(stmt, parameter, value);
}

int hx_affinity_bind(hx_affinity affinity, sqlite3_value *value, sqlite3_stmt *stmt,
                     int parameter) {
    if (!changes_value(affinity, value)) {
        return sqlite3_bind_value(stmt, parameter, value);
    }
    if (affinity == HX_AFFINITY_NUMERIC) {
        return bind_as_numeric(value, stmt, parameter);
    }
    sqlite3_value *const copy = sqlite3_value_dup(value);
    if (!copy) {
        return SQLITE_NOMEM;
    }
    const char *const text = (const char *)sqlite3_value_text(copy);
    const int rc =
        text ? sqlite3_bind_text(stmt, parameter, text, -1, SQLITE_TRANSIENT) : SQLITE_NOMEM;
    sqlite3_value_free(copy);
    return rc;
}
