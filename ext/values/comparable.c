/* Values as SQLite's comparisons see them.  The contract is in comparable.h. */
#include "values/comparable.h"

#include <string.h>

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

static int own_attribute(hx_comparable how, sqlite3_value *value, hny_attribute *out) {
    switch (sqlite3_value_type(value)) {
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
    if (!changes_value(how.affinity, value)) {
        return own_attribute(how, value, out);
    }
    /* A conversion changes the value in place, and the statement may use it elsewhere. */
    sqlite3_value *const copy = sqlite3_value_dup(value);
    if (!copy) {
        return SQLITE_NOMEM;
    }
    if (how.affinity == HX_AFFINITY_NUMERIC) {
        sqlite3_value_numeric_type(copy);
    }
    const int rc = how.affinity == HX_AFFINITY_NUMERIC ? own_attribute(how, copy, out)
                                                       : text_attribute(how, copy, out);
    sqlite3_value_free(copy);
    return rc;
}

/* ----------------------------------------------------------------------------------- binding -- */

int hx_affinity_bind(hx_affinity affinity, sqlite3_value *value, sqlite3_stmt *stmt,
                     int parameter) {
    if (!changes_value(affinity, value)) {
        return sqlite3_bind_value(stmt, parameter, value);
    }
    sqlite3_value *const copy = sqlite3_value_dup(value);
    if (!copy) {
        return SQLITE_NOMEM;
    }
    int rc;
    if (affinity == HX_AFFINITY_NUMERIC) {
        sqlite3_value_numeric_type(copy);
        rc = sqlite3_bind_value(stmt, parameter, copy);
    } else {
        const char *const text = (const char *)sqlite3_value_text(copy);
        rc = text ? sqlite3_bind_text(stmt, parameter, text, -1, SQLITE_TRANSIENT) : SQLITE_NOMEM;
    }
    sqlite3_value_free(copy);
    return rc;
}
