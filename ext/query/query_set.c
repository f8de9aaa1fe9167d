/* Query vectors of a user; the contract is in query_set.h. */
#include "query/query_set.h"

#include <string.h>

#include "schema/token.h"
#include "shadow/error.h"
#include "shadow/shadow.h"
#include "values/array.h"
#include "values/vector.h"

#define FORMS "a JSON array of vectors, a BLOB of vectors one behind another, or a SELECT as text"

/* Behind the blanks. */
static const char *skip_sql_blanks(const char *text) {
    return text + strspn(text, " \t\r\n");
}

static bool is_select(const char *text) {
    const hx_token word = hx_token_next(&text);
    return hx_token_is(word, "SELECT") || hx_token_is(word, "VALUES") || hx_token_is(word, "WITH");
}

bool hx_query_set_is(sqlite3_value *value) {
    const int type = sqlite3_value_type(value);
    if (type != SQLITE_TEXT) {
        return type == SQLITE_BLOB;
    }
    const char *const text = (const char *)sqlite3_value_text(value);
    return text && (*skip_sql_blanks(text) == '[' || is_select(text));
}

/* ----------------------------------------------------------------------------- the statement -- */

static int prepare_select(hx_shadow *shadow, const char *text, sqlite3_stmt **out) {
    const char *rest;
    const int rc = sqlite3_prepare_v2(shadow->db, text, -1, out, &rest);
    if (rc) {
        return hx_fail_sql(shadow, rc);
    }
    rest = skip_sql_blanks(rest);
    if (!sqlite3_stmt_readonly(*out) || sqlite3_column_count(*out) != 1 || *rest) {
        return hx_fail(shadow, SQLITE_ERROR,
                       "hannoy: queries are given by one SELECT with one column, the vectors");
    }
    return SQLITE_OK;
}

static int prepare_array(hx_shadow *shadow, sqlite3_value *value, sqlite3_stmt **out) {
    const int rc = sqlite3_prepare_v2(shadow->db, "SELECT value FROM json_each(?1)", -1, out, NULL);
    return rc ? hx_fail_sql(shadow, rc) : sqlite3_bind_value(*out, 1, value);
}

/* SQLite cuts the BLOB up without a copy of the whole. */
static int prepare_blob(hx_shadow *shadow, size_t bytes, sqlite3_value *value, sqlite3_stmt **out) {
    const sqlite3_int64 length = sqlite3_value_bytes(value);
    if (length % (sqlite3_int64)bytes) {
        return hx_fail(shadow, SQLITE_ERROR,
                       "hannoy: a BLOB of %lld bytes holds no whole number of vectors of %lld "
                       "bytes",
                       length, (sqlite3_int64)bytes);
    }
    int rc = sqlite3_prepare_v2(shadow->db,
                                "WITH RECURSIVE n(at) AS (SELECT 1 WHERE ?3 > 0 UNION ALL SELECT "
                                "at + ?2 FROM n WHERE at + ?2 <= ?3) SELECT substr(?1, at, ?2) "
                                "FROM n",
                                -1, out, NULL);
    if (rc) {
        return hx_fail_sql(shadow, rc);
    }
    rc = sqlite3_bind_value(*out, 1, value);
    sqlite3_bind_int64(*out, 2, (sqlite3_int64)bytes);
    sqlite3_bind_int64(*out, 3, length);
    return rc;
}

/* A statement with a row for each query.  The caller finalizes *out, also after a failure. */
static int prepare_set(hx_shadow *shadow, size_t bytes, sqlite3_value *value, sqlite3_stmt **out) {
    *out = NULL;
    if (!hx_query_set_is(value)) {
        return hx_fail(shadow, SQLITE_ERROR, "hannoy: queries are " FORMS);
    }
    if (sqlite3_value_type(value) == SQLITE_BLOB) {
        return prepare_blob(shadow, bytes, value, out);
    }
    const char *const text = (const char *)sqlite3_value_text(value);
    if (!text) {
        return SQLITE_NOMEM;
    }
    return is_select(text) ? prepare_select(shadow, text, out) : prepare_array(shadow, value, out);
}

/* ----------------------------------------------------------------------------------- reading -- */

/* `row`: of the statement, from 1. */
static int add_query(hx_shadow *shadow, int vector, sqlite3_value *value, sqlite3_int64 row,
                     hx_query_set *set) {
    char *error = NULL;
    void *const grown = hx_array_grow(set->vectors, &set->capacity, set->count + 1, set->bytes);
    char *const what = sqlite3_mprintf("query %lld", row);
    if (grown) {
        set->vectors = grown;
    }
    int rc = SQLITE_NOMEM;
    if (grown && what) {
        rc = hx_vector_parse(shadow->config.vectors[vector].options.shape, value, what,
                             set->vectors + set->count * set->bytes, &error);
        set->count += rc == SQLITE_OK;
    }
    sqlite3_free(what);
    return rc ? hx_fail_with(shadow, rc, error) : rc;
}

static int read_set(hx_shadow *shadow, int vector, sqlite3_stmt *stmt, hx_query_set *set) {
    sqlite3_int64 row = 0;
    int rc = hx_sql_descend(shadow);
    if (rc) {
        return rc;
    }
    while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        row++;
        if (sqlite3_column_type(stmt, 0) != SQLITE_NULL) {
            rc = add_query(shadow, vector, sqlite3_column_value(stmt, 0), row, set);
        }
    }
    hx_sql_ascend(shadow);
    if (rc) {
        return rc;
    }
    rc = sqlite3_reset(stmt);
    return rc ? hx_fail_sql(shadow, rc) : SQLITE_OK;
}

int hx_query_set_read(hx_shadow *shadow, int vector, sqlite3_value *value, hx_query_set *out) {
    sqlite3_stmt *stmt;
    *out = (hx_query_set){.bytes = shadow->vector_bytes[vector]};
    int rc = prepare_set(shadow, out->bytes, value, &stmt);
    if (rc == SQLITE_OK) {
        rc = read_set(shadow, vector, stmt, out);
    }
    sqlite3_finalize(stmt);
    return rc;
}

void hx_query_set_free(hx_query_set *set) {
    sqlite3_free(set->vectors);
    *set = (hx_query_set){.vectors = NULL};
}
