/* The rows of a table: reading and writing them.  The contract is in content.h. */
#include "shadow/content.h"

#include <string.h>

#include "shadow/error.h"
#include "shadow/shadow.h"
#include "values/vector.h"

/* ----------------------------------------------------------------------------------- reading -- */

/*
** A value of the user's content table.  *out is NULL if it is not a valid vector; *error says
** why.
*/
static int parse_source_vector(hx_shadow *shadow, sqlite3_stmt *stmt, int column, const void **out,
                               char **error) {
    sqlite3_value *const value = sqlite3_column_value(stmt, column);
    *out = NULL;
    *error = NULL;
    if (sqlite3_value_type(value) == SQLITE_NULL) return SQLITE_OK;
    const int rc =
        hx_vector_parse(shadow->config.options.shape, value, "vector", shadow->parsed, error);
    if (rc == SQLITE_OK) *out = shadow->parsed;
    return rc == SQLITE_NOMEM ? rc : SQLITE_OK;
}

/* The vector in a column of the current row.  *out is valid until the next step. */
static int read_vector(hx_shadow *shadow, sqlite3_stmt *stmt, int column, int64_t id,
                       const void **out) {
    if (hx_columns_external(&shadow->columns)) {
        char *error;
        const int rc = parse_source_vector(shadow, stmt, column, out, &error);
        sqlite3_free(error);
        return rc;
    }
    const bool blob = sqlite3_column_type(stmt, column) == SQLITE_BLOB;
    *out = sqlite3_column_blob(stmt, column);
    const int bytes = sqlite3_column_bytes(stmt, column);
    if (blob && *out && (size_t)bytes == shadow->vector_bytes) return SQLITE_OK;
    if (!*out && sqlite3_errcode(shadow->db) == SQLITE_NOMEM) return SQLITE_NOMEM;
    return hx_fail(
        shadow, SQLITE_CORRUPT_VTAB,
        "hannoy: row %lld of %s_content holds %s of %d bytes where a vector is a BLOB of "
        "%lld; delete the row or write it again",
        id, shadow->name, blob ? "a BLOB" : "a value", bytes, (sqlite3_int64)shadow->vector_bytes);
}

hny_attribute hx_attribute_of(sqlite3_value *value) {
    switch (sqlite3_value_type(value)) {
    case SQLITE_INTEGER:
        return hny_attribute_integer(sqlite3_value_int64(value));
    case SQLITE_FLOAT:
        return hny_attribute_real(sqlite3_value_double(value));
    case SQLITE_TEXT: {
        const void *const text = sqlite3_value_text(value);
        return text ? hny_attribute_text(text, (size_t)sqlite3_value_bytes(value))
                    : hny_attribute_null();
    }
    case SQLITE_BLOB: {
        const void *const blob = sqlite3_value_blob(value);
        return hny_attribute_blob(blob, (size_t)sqlite3_value_bytes(value));
    }
    default:
        return hny_attribute_null();
    }
}

/* The attributes of the current row, in the columns from `first` on. */
static void read_attributes(const hx_shadow *shadow, sqlite3_stmt *stmt, int first,
                            hny_attribute *attributes) {
    for (int i = 0; i < shadow->columns.attributes; i++) {
        attributes[i] = hx_attribute_of(sqlite3_column_value(stmt, first + i));
    }
}

int hx_content_each(hx_shadow *shadow, hx_visit visit, void *arg) {
    hny_attribute attributes[HNY_MAX_ATTRIBUTES];
    sqlite3_stmt *stmt;
    int rc = hx_sql_get(shadow, HX_SQL_CONTENT_ALL, &stmt);
    while (rc == SQLITE_OK) {
        rc = hx_sql_step(shadow, stmt);
        if (rc != SQLITE_ROW) return rc == SQLITE_DONE ? SQLITE_OK : rc;
        const int64_t id = sqlite3_column_int64(stmt, 0);
        const void *vector;
        rc = read_vector(shadow, stmt, 1, id, &vector);
        read_attributes(shadow, stmt, 2, attributes);
        if (rc == SQLITE_OK && vector) rc = visit(arg, id, vector, attributes);
        if (rc) hx_sql_done(stmt);
    }
    return rc;
}

int hx_content_check(hx_shadow *shadow) {
    sqlite3_stmt *stmt;
    int rc = hx_sql_get(shadow, HX_SQL_CONTENT_ALL, &stmt);
    while (rc == SQLITE_OK) {
        rc = hx_sql_step(shadow, stmt);
        if (rc != SQLITE_ROW) return rc == SQLITE_DONE ? SQLITE_OK : rc;
        const int64_t id = sqlite3_column_int64(stmt, 0);
        const void *vector;
        char *error;
        rc = parse_source_vector(shadow, stmt, 1, &vector, &error);
        if (rc == SQLITE_OK && error) {
            rc = hx_fail(shadow, SQLITE_CORRUPT_VTAB,
                         "%s; %s leaves out row %lld of %s; correct the value, or set it to NULL",
                         error, shadow->name, id, shadow->columns.source.table);
        }
        sqlite3_free(error);
        if (rc) hx_sql_done(stmt);
    }
    return rc;
}

static int visit_row(hx_shadow *shadow, sqlite3_stmt *stmt, int64_t id, hx_visit visit, void *arg) {
    hny_attribute attributes[HNY_MAX_ATTRIBUTES];
    const void *vector = NULL;
    sqlite3_bind_int64(stmt, 1, id);
    int rc = hx_sql_step(shadow, stmt);
    if (rc == SQLITE_DONE) return visit(arg, id, NULL, NULL);
    if (rc != SQLITE_ROW) return rc;
    rc = read_vector(shadow, stmt, 0, id, &vector);
    read_attributes(shadow, stmt, 1, attributes);
    if (rc == SQLITE_OK) rc = visit(arg, id, vector, attributes);
    hx_sql_done(stmt);
    return rc;
}

int hx_content_each_of(hx_shadow *shadow, const int64_t *ids, size_t count, hx_visit visit,
                       void *arg) {
    sqlite3_stmt *stmt;
    int rc = hx_sql_get(shadow, HX_SQL_CONTENT_GET, &stmt);
    for (size_t i = 0; rc == SQLITE_OK && i < count; i++) {
        rc = visit_row(shadow, stmt, ids[i], visit, arg);
    }
    return rc;
}

typedef struct copy {
    void *out;
    size_t bytes;
    bool found;
} copy;

static int copy_vector(void *arg, int64_t id, const void *vector, const hny_attribute *attributes) {
    copy *const c = arg;
    (void)id;
    (void)attributes;
    c->found = vector != NULL;
    if (vector) memcpy(c->out, vector, c->bytes);
    return SQLITE_OK;
}

int hx_content_get(hx_shadow *shadow, int64_t id, void *out, bool *found) {
    copy c = {out, shadow->vector_bytes, false};
    const int rc = hx_content_each_of(shadow, &id, 1, copy_vector, &c);
    *found = c.found;
    return rc;
}

int hx_content_find(hx_shadow *shadow, sqlite3_value *key, int64_t *id, bool *found) {
    sqlite3_stmt *stmt;
    int rc = hx_sql_get(shadow, HX_SQL_KEY_FIND, &stmt);
    if (rc == SQLITE_OK) rc = sqlite3_bind_value(stmt, 1, key);
    if (rc) return rc;
    rc = hx_sql_step(shadow, stmt);
    *found = rc == SQLITE_ROW;
    if (*found) {
        *id = sqlite3_column_int64(stmt, 0);
        hx_sql_done(stmt);
    }
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int hx_content_count(hx_shadow *shadow, int64_t *out) {
    sqlite3_stmt *stmt;
    sqlite3_int64 count = 0;
    int rc = hx_sql_get(shadow, HX_SQL_CONTENT_COUNT, &stmt);
    if (rc == SQLITE_OK) rc = hx_sql_integer(shadow, stmt, &count);
    *out = count;
    return rc;
}

int hx_content_count_to(hx_shadow *shadow, int64_t limit, int64_t *out) {
    sqlite3_stmt *stmt;
    sqlite3_int64 count = 0;
    int rc = hx_sql_get(shadow, HX_SQL_CONTENT_COUNT_TO, &stmt);
    if (rc == SQLITE_OK) {
        sqlite3_bind_int64(stmt, 1, limit);
        rc = hx_sql_integer(shadow, stmt, &count);
    }
    *out = count;
    return rc;
}

/* ----------------------------------------------------------------------------------- writing -- */

static void define_columns(const hx_shadow *shadow, hx_role role, sqlite3_str *text) {
    char name[HX_STORED_NAME];
    for (int i = 0; i < shadow->columns.count; i++) {
        const hx_column *const column = &shadow->columns.at[i];
        if (column->role == role) {
            sqlite3_str_appendf(text, ", %s %s", hx_column_stored_name(column, name), column->type);
        }
        if (column->role == role && role == HX_ROLE_KEY) {
            sqlite3_str_appendall(text, " NOT NULL UNIQUE");
        }
    }
}

int hx_content_create(hx_shadow *shadow) {
    sqlite3_str *const text = sqlite3_str_new(shadow->db);
    sqlite3_str_appendf(text, "CREATE TABLE \"%w\".\"%w_content\"(id INTEGER PRIMARY KEY",
                        shadow->schema, shadow->name);
    define_columns(shadow, HX_ROLE_FILTER, text);
    define_columns(shadow, HX_ROLE_KEY, text);
    sqlite3_str_appendall(text, ", vector BLOB NOT NULL");
    define_columns(shadow, HX_ROLE_KEPT, text);
    sqlite3_str_appendall(text, ")");
    char *const sql = sqlite3_str_finish(text);
    const int rc = sql ? hx_sql_exec(shadow, "%s", sql) : SQLITE_NOMEM;
    sqlite3_free(sql);
    return rc;
}

static void bind_vector(const hx_shadow *shadow, sqlite3_stmt *stmt, int parameter,
                        const void *vector) {
    sqlite3_bind_blob64(stmt, parameter, vector, shadow->vector_bytes, SQLITE_STATIC);
}

/* The parameters {values} of an INSERT, or {sets} of an UPDATE. */
static int bind_columns(const hx_shadow *shadow, sqlite3_stmt *stmt, sqlite3_value **columns,
                        bool update) {
    int rc = SQLITE_OK;
    for (int i = 0, at = update ? 4 : 3; i < shadow->columns.count && rc == SQLITE_OK; i++) {
        if (shadow->columns.at[i].stored < 0) continue;
        if (update) rc = sqlite3_bind_int(stmt, at++, !sqlite3_value_nochange(columns[i]));
        if (rc == SQLITE_OK) rc = sqlite3_bind_value(stmt, at++, columns[i]);
    }
    return rc;
}

int hx_content_insert(hx_shadow *shadow, sqlite3_value *id, const void *vector,
                      sqlite3_value **columns, bool replace) {
    sqlite3_stmt *stmt;
    int rc = hx_sql_get(shadow, replace ? HX_SQL_CONTENT_REPLACE : HX_SQL_CONTENT_INSERT, &stmt);
    if (rc) return rc;
    sqlite3_bind_value(stmt, 1, id);
    bind_vector(shadow, stmt, 2, vector);
    rc = bind_columns(shadow, stmt, columns, false);
    return rc ? hx_fail_sql(shadow, rc) : hx_sql_run(shadow, stmt);
}

static int run_change(hx_shadow *shadow, sqlite3_stmt *stmt, bool *existed) {
    const int rc = hx_sql_run(shadow, stmt);
    *existed = rc == SQLITE_OK && sqlite3_changes(shadow->db) > 0;
    return rc;
}

int hx_content_update(hx_shadow *shadow, int64_t id, const void *vector, sqlite3_value **columns,
                      bool *existed) {
    sqlite3_stmt *stmt;
    int rc = hx_sql_get(shadow, HX_SQL_CONTENT_UPDATE, &stmt);
    if (rc) return rc;
    sqlite3_bind_int64(stmt, 1, id);
    sqlite3_bind_int(stmt, 2, vector != NULL);
    if (vector) bind_vector(shadow, stmt, 3, vector);
    rc = bind_columns(shadow, stmt, columns, true);
    return rc ? hx_fail_sql(shadow, rc) : run_change(shadow, stmt, existed);
}

int hx_content_move(hx_shadow *shadow, int64_t id, int64_t to, bool *existed) {
    sqlite3_stmt *stmt;
    const int rc = hx_sql_get(shadow, HX_SQL_CONTENT_MOVE, &stmt);
    if (rc) return rc;
    sqlite3_bind_int64(stmt, 1, id);
    sqlite3_bind_int64(stmt, 2, to);
    return run_change(shadow, stmt, existed);
}

int hx_content_delete(hx_shadow *shadow, int64_t id, bool *existed) {
    sqlite3_stmt *stmt;
    const int rc = hx_sql_get(shadow, HX_SQL_CONTENT_DELETE, &stmt);
    if (rc) return rc;
    sqlite3_bind_int64(stmt, 1, id);
    return run_change(shadow, stmt, existed);
}
