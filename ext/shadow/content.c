/* The rows of a table: reading and writing them.  The contract is in content.h. */
#include "shadow/content.h"

#include <string.h>
#include <xxhash.h>

#include "shadow/error.h"
#include "shadow/shadow.h"
#include "values/vector.h"

/* ----------------------------------------------------------------------------------- reading -- */

/*
** A value of the user's content table.  *out is NULL if it is not a valid vector; *error says
** why.
*/
static int parse_source_vector(hx_shadow *shadow, int vector, sqlite3_stmt *stmt, int column,
                               const void **out, char **error) {
    sqlite3_value *const value = sqlite3_column_value(stmt, column);
    *out = NULL;
    *error = NULL;
    if (sqlite3_value_type(value) == SQLITE_NULL) {
        return SQLITE_OK;
    }
    const int rc = hx_vector_parse(shadow->config.vectors[vector].options.shape, value,
                                   shadow->vector_label[vector], shadow->parsed[vector], error);
    if (rc == SQLITE_OK) {
        *out = shadow->parsed[vector];
    }
    return rc == SQLITE_NOMEM ? rc : SQLITE_OK;
}

/* The vector in a column of the current row.  *out is valid until the next step. */
static int read_vector(hx_shadow *shadow, int vector, sqlite3_stmt *stmt, int column, int64_t id,
                       const void **out) {
    if (hx_columns_external(&shadow->columns)) {
        char *error;
        const int rc = parse_source_vector(shadow, vector, stmt, column, out, &error);
        sqlite3_free(error);
        return rc;
    }
    const int type = sqlite3_column_type(stmt, column);
    const bool blob = type == SQLITE_BLOB;
    *out = NULL;
    if (type == SQLITE_NULL && shadow->columns.vectors > 1) {
        return SQLITE_OK;
    }
    *out = sqlite3_column_blob(stmt, column);
    const int bytes = sqlite3_column_bytes(stmt, column);
    if (blob && *out && (size_t)bytes == shadow->vector_bytes[vector]) {
        return SQLITE_OK;
    }
    if (!*out && sqlite3_errcode(shadow->db) == SQLITE_NOMEM) {
        return SQLITE_NOMEM;
    }
    return hx_fail(
        shadow, SQLITE_CORRUPT_VTAB,
        "hannoy: row %lld of %s_content holds %s of %d bytes where a vector is a BLOB of "
        "%lld; delete the row or write it again",
        id, shadow->name, blob ? "a BLOB" : "a value", bytes,
        (sqlite3_int64)shadow->vector_bytes[vector]);
}

int hx_content_attribute(const hx_shadow *shadow, int place, sqlite3_value *value,
                         hny_attribute *out) {
    return hx_comparable_attribute(shadow->comparables[place], value, out);
}

/* The attributes of the current row, in the columns from `first` on. */
static int read_attributes(const hx_shadow *shadow, sqlite3_stmt *stmt, int first,
                           hny_attribute *attributes) {
    int rc = SQLITE_OK;
    for (int i = 0; i < shadow->columns.attributes && rc == SQLITE_OK; i++) {
        rc = hx_content_attribute(shadow, i, sqlite3_column_value(stmt, first + i), &attributes[i]);
    }
    return rc;
}

int hx_content_each(hx_shadow *shadow, int vector, hx_visit visit, void *arg) {
    hny_attribute attributes[HNY_MAX_ATTRIBUTES];
    sqlite3_stmt *stmt;
    int rc = hx_sql_of(shadow, HX_SQL_CONTENT_ALL, vector, &stmt);
    while (rc == SQLITE_OK) {
        rc = hx_sql_step(shadow, stmt);
        if (rc != SQLITE_ROW) {
            return rc == SQLITE_DONE ? SQLITE_OK : rc;
        }
        const int64_t id = sqlite3_column_int64(stmt, 0);
        const void *bytes;
        rc = read_vector(shadow, vector, stmt, 1, id, &bytes);
        if (rc == SQLITE_OK) {
            rc = read_attributes(shadow, stmt, 2, attributes);
        }
        if (rc == SQLITE_OK && bytes) {
            rc = visit(arg, id, bytes, attributes);
        }
        if (rc) {
            hx_sql_done(stmt);
        }
    }
    return rc;
}

int hx_content_check(hx_shadow *shadow, int vector) {
    sqlite3_stmt *stmt;
    int rc = hx_sql_of(shadow, HX_SQL_CONTENT_ALL, vector, &stmt);
    while (rc == SQLITE_OK) {
        rc = hx_sql_step(shadow, stmt);
        if (rc != SQLITE_ROW) {
            return rc == SQLITE_DONE ? SQLITE_OK : rc;
        }
        const int64_t id = sqlite3_column_int64(stmt, 0);
        const void *bytes;
        char *error;
        rc = parse_source_vector(shadow, vector, stmt, 1, &bytes, &error);
        if (rc == SQLITE_OK && error) {
            rc = hx_fail(shadow, SQLITE_CORRUPT_VTAB,
                         "%s; %s leaves out row %lld of %s; correct the value, or set it to NULL",
                         error, shadow->name, id, shadow->columns.source.table);
        }
        sqlite3_free(error);
        if (rc) {
            hx_sql_done(stmt);
        }
    }
    return rc;
}

static int visit_one(hx_shadow *shadow, int vector, sqlite3_stmt *stmt, int64_t id, hx_visit visit,
                     void *arg) {
    hny_attribute attributes[HNY_MAX_ATTRIBUTES];
    const void *bytes = NULL;
    sqlite3_bind_int64(stmt, 1, id);
    int rc = hx_sql_step(shadow, stmt);
    if (rc == SQLITE_DONE) {
        return visit(arg, id, NULL, NULL);
    }
    if (rc != SQLITE_ROW) {
        return rc;
    }
    rc = read_vector(shadow, vector, stmt, 0, id, &bytes);
    if (rc == SQLITE_OK) {
        rc = read_attributes(shadow, stmt, 1, attributes);
    }
    if (rc == SQLITE_OK) {
        rc = visit(arg, id, bytes, attributes);
    }
    hx_sql_done(stmt);
    return rc;
}

int hx_content_each_of(hx_shadow *shadow, int vector, const int64_t *ids, size_t count,
                       hx_visit visit, void *arg) {
    sqlite3_stmt *stmt;
    int rc = hx_sql_of(shadow, HX_SQL_CONTENT_GET, vector, &stmt);
    for (size_t i = 0; rc == SQLITE_OK && i < count; i++) {
        rc = visit_one(shadow, vector, stmt, ids[i], visit, arg);
    }
    return rc;
}

/* Whether the current row is one of the table, and its vectors. */
static int read_vectors(hx_shadow *shadow, sqlite3_stmt *stmt, int64_t id, const void **vectors,
                        bool *present) {
    int rc = SQLITE_OK;
    *present = !hx_columns_external(&shadow->columns);
    for (int i = 0; i < shadow->columns.vectors && rc == SQLITE_OK; i++) {
        rc = read_vector(shadow, i, stmt, 1 + i, id, &vectors[i]);
        *present |= rc == SQLITE_OK && vectors[i];
    }
    return rc;
}

int hx_content_row(hx_shadow *shadow, int64_t id, hx_visit_row visit, void *arg) {
    hny_attribute attributes[HNY_MAX_ATTRIBUTES];
    const void *vectors[HX_MAX_VECTORS];
    sqlite3_stmt *stmt;
    bool present;
    int rc = hx_sql_get(shadow, HX_SQL_CONTENT_ROW, &stmt);
    if (rc) {
        return rc;
    }
    sqlite3_bind_int64(stmt, 1, id);
    rc = hx_sql_step(shadow, stmt);
    if (rc == SQLITE_DONE) {
        return visit(arg, id, NULL, NULL);
    }
    if (rc != SQLITE_ROW) {
        return rc;
    }
    rc = read_vectors(shadow, stmt, id, vectors, &present);
    if (rc == SQLITE_OK) {
        rc = read_attributes(shadow, stmt, 1 + shadow->columns.vectors, attributes);
    }
    if (rc == SQLITE_OK) {
        rc = visit(arg, id, present ? vectors : NULL, present ? attributes : NULL);
    }
    hx_sql_done(stmt);
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
    if (vector) {
        memcpy(c->out, vector, c->bytes);
    }
    return SQLITE_OK;
}

int hx_content_get(hx_shadow *shadow, int vector, int64_t id, void *out, bool *found) {
    copy c = {out, shadow->vector_bytes[vector], false};
    const int rc = hx_content_each_of(shadow, vector, &id, 1, copy_vector, &c);
    *found = c.found;
    return rc;
}

int hx_content_exists(hx_shadow *shadow, int64_t id, bool *out) {
    sqlite3_stmt *stmt;
    int rc = hx_sql_get(shadow, HX_SQL_CONTENT_EXISTS, &stmt);
    *out = false;
    if (rc) {
        return rc;
    }
    sqlite3_bind_int64(stmt, 1, id);
    rc = hx_sql_step(shadow, stmt);
    *out = rc == SQLITE_ROW;
    if (*out) {
        hx_sql_done(stmt);
    }
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* The key is bound. */
static int step_find(hx_shadow *shadow, sqlite3_stmt *stmt, int64_t *id, bool *found) {
    const int rc = hx_sql_step(shadow, stmt);
    *found = rc == SQLITE_ROW;
    if (*found) {
        *id = sqlite3_column_int64(stmt, 0);
        hx_sql_done(stmt);
    }
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int hx_content_find(hx_shadow *shadow, sqlite3_value *key, int64_t *id, bool *found) {
    sqlite3_stmt *stmt;
    int rc = hx_sql_get(shadow, HX_SQL_KEY_FIND, &stmt);
    if (rc == SQLITE_OK) {
        rc = sqlite3_bind_value(stmt, 1, key);
    }
    return rc ? rc : step_find(shadow, stmt, id, found);
}

int hx_content_find_number(hx_shadow *shadow, int64_t key, int64_t *id, bool *found) {
    sqlite3_stmt *stmt;
    int rc = hx_sql_get(shadow, HX_SQL_KEY_FIND, &stmt);
    if (rc == SQLITE_OK) {
        rc = sqlite3_bind_int64(stmt, 1, key);
    }
    return rc ? rc : step_find(shadow, stmt, id, found);
}

/* A value with its type, since '1' and 1 may be different vectors. */
static uint64_t digest_value(sqlite3_stmt *stmt, int column, uint64_t digest) {
    const int type = sqlite3_column_type(stmt, column);
    unsigned char word[8] = {0};
    if (type == SQLITE_TEXT || type == SQLITE_BLOB) {
        const void *const bytes = sqlite3_column_blob(stmt, column);
        const size_t count = (size_t)sqlite3_column_bytes(stmt, column);
        digest = XXH64(bytes ? bytes : word, bytes ? count : 0, digest);
    } else if (type != SQLITE_NULL) {
        const double number = sqlite3_column_double(stmt, column);
        uint64_t bits;
        memcpy(&bits, &number, sizeof bits);
        digest = hx_boundary_digest_word(bits, digest);
    }
    return hx_boundary_digest_word((uint64_t)type, digest);
}

static int digest_row(hx_shadow *shadow, sqlite3_stmt *stmt, uint64_t *digest) {
    hny_attribute attributes[HNY_MAX_ATTRIBUTES];
    const int vectors = shadow->columns.vectors;
    const int rc = read_attributes(shadow, stmt, 1 + vectors, attributes);
    *digest = hx_boundary_digest_word((uint64_t)sqlite3_column_int64(stmt, 0), *digest);
    for (int i = 0; i < vectors; i++) {
        *digest = digest_value(stmt, 1 + i, *digest);
    }
    for (int i = 0; i < shadow->columns.attributes && rc == SQLITE_OK; i++) {
        *digest = hx_boundary_digest_word(attributes[i].word, *digest);
        *digest = hx_boundary_digest_word(attributes[i].detail, *digest);
    }
    return rc;
}

int hx_content_digest(hx_shadow *shadow, uint64_t *digest) {
    sqlite3_stmt *stmt;
    int rc = hx_sql_get(shadow, HX_SQL_CONTENT_DIGEST, &stmt);
    while (rc == SQLITE_OK) {
        rc = hx_sql_step(shadow, stmt);
        if (rc != SQLITE_ROW) {
            return rc == SQLITE_DONE ? SQLITE_OK : rc;
        }
        rc = digest_row(shadow, stmt, digest);
        if (rc) {
            hx_sql_done(stmt);
        }
    }
    return rc;
}

int hx_content_count(hx_shadow *shadow, int64_t *out) {
    sqlite3_stmt *stmt;
    sqlite3_int64 count = 0;
    int rc = hx_sql_get(shadow, HX_SQL_CONTENT_COUNT, &stmt);
    if (rc == SQLITE_OK) {
        rc = hx_sql_integer(shadow, stmt, &count);
    }
    *out = count;
    return rc;
}

int hx_content_count_having(hx_shadow *shadow, int vector, int64_t *out) {
    sqlite3_stmt *stmt;
    sqlite3_int64 count = 0;
    int rc = hx_sql_of(shadow, HX_SQL_CONTENT_HAVING, vector, &stmt);
    if (rc == SQLITE_OK) {
        rc = hx_sql_integer(shadow, stmt, &count);
    }
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

/* The column as v_content has it, but for its constraints. */
static void define_column_of(const hx_column *column, sqlite3_str *text) {
    char name[HX_STORED_NAME];
    sqlite3_str_appendf(text, "%s %s", hx_column_stored_name(column, name),
                        column->role == HX_ROLE_VECTOR ? "BLOB" : column->type);
    if (strcmp(column->collation, "BINARY") != 0) {
        sqlite3_str_appendf(text, " COLLATE %s", column->collation);
    }
}

static void define_columns(const hx_shadow *shadow, hx_role role, sqlite3_str *text) {
    const hx_columns *const columns = &shadow->columns;
    for (int i = 0; i < columns->count; i++) {
        const hx_column *const column = &columns->at[i];
        if (column->role != role) {
            continue;
        }
        sqlite3_str_appendall(text, ", ");
        define_column_of(column, text);
        if (role == HX_ROLE_KEY) {
            sqlite3_str_appendall(text, " NOT NULL UNIQUE");
        }
        if (role == HX_ROLE_VECTOR && columns->vectors == 1) {
            sqlite3_str_appendall(text, " NOT NULL");
        }
    }
}

int hx_content_create(hx_shadow *shadow) {
    const hx_columns *const columns = &shadow->columns;
    sqlite3_str *const text = sqlite3_str_new(shadow->db);
    sqlite3_str_appendf(text, "CREATE TABLE \"%w\".\"%w_content\"(id INTEGER PRIMARY KEY%s",
                        shadow->schema, shadow->name,
                        columns->autoincrement ? " AUTOINCREMENT" : "");
    define_columns(shadow, HX_ROLE_FILTER, text);
    define_columns(shadow, HX_ROLE_KEY, text);
    define_columns(shadow, HX_ROLE_VECTOR, text);
    define_columns(shadow, HX_ROLE_KEPT, text);
    sqlite3_str_appendall(text, ")");
    char *const sql = sqlite3_str_finish(text);
    const int rc = sql ? hx_sql_exec(shadow, "%s", sql) : SQLITE_NOMEM;
    sqlite3_free(sql);
    return rc;
}

static int alter_content(hx_shadow *shadow, char *change) {
    const int rc = change ? hx_sql_exec(shadow, "ALTER TABLE \"%w\".\"%w_content\" %s",
                                        shadow->schema, shadow->name, change)
                          : SQLITE_NOMEM;
    sqlite3_free(change);
    return rc;
}

int hx_content_add_column(hx_shadow *shadow, const hx_column *column) {
    sqlite3_str *const text = sqlite3_str_new(shadow->db);
    char name[HX_STORED_NAME];
    sqlite3_str_appendall(text, "ADD COLUMN ");
    define_column_of(column, text);
    const int rc = alter_content(shadow, sqlite3_str_finish(text));
    if (rc || !column->value) {
        return rc;
    }
    return hx_sql_exec(shadow, "UPDATE \"%w\".\"%w_content\" SET %s = %s", shadow->schema,
                       shadow->name, hx_column_stored_name(column, name), column->value);
}

/* SQLite before 3.35 has no DROP COLUMN: the column is emptied and gets a name of its own. */
static int retire_column(hx_shadow *shadow, const char *name) {
    unsigned number;
    sqlite3_randomness(sizeof number, &number);
    const int rc = hx_sql_exec(shadow, "UPDATE \"%w\".\"%w_content\" SET %s = NULL", shadow->schema,
                               shadow->name, name);
    return rc ? rc
              : alter_content(shadow,
                              sqlite3_mprintf("RENAME COLUMN %s TO retired_%08x", name, number));
}

/* The later columns of the role move up: their names have their places. */
int hx_content_drop_column(hx_shadow *shadow, hx_role role, int place) {
    const hx_columns *const columns = &shadow->columns;
    const int count = role == HX_ROLE_FILTER ? columns->attributes : columns->kept;
    hx_column column = {.role = role, .place = place};
    char from[HX_STORED_NAME], to[HX_STORED_NAME];
    hx_column_stored_name(&column, to);
    int rc = sqlite3_libversion_number() < 3035000
                 ? retire_column(shadow, to)
                 : alter_content(shadow, sqlite3_mprintf("DROP COLUMN %s", to));
    while (rc == SQLITE_OK && column.place < count) {
        hx_column_stored_name(&column, to);
        column.place++;
        hx_column_stored_name(&column, from);
        rc = alter_content(shadow, sqlite3_mprintf("RENAME COLUMN %s TO %s", from, to));
    }
    return rc;
}

/* The parameters {values} of an INSERT, or {sets} of an UPDATE. */
typedef struct parameters {
    sqlite3_stmt *stmt;
    int next;
    bool update;
} parameters;

/* In an UPDATE whether to assign comes before the value. */
static int bind_flag(parameters *p, sqlite3_value *value) {
    return p->update ? sqlite3_bind_int(p->stmt, p->next++, !sqlite3_value_nochange(value))
                     : SQLITE_OK;
}

static int bind_vectors(const hx_shadow *shadow, parameters *p, const void *const *vectors,
                        sqlite3_value **columns) {
    int rc = SQLITE_OK;
    for (int i = 0; i < shadow->columns.vectors && rc == SQLITE_OK; i++) {
        rc = bind_flag(p, columns[shadow->columns.vector[i]]);
        if (rc == SQLITE_OK) {
            rc = sqlite3_bind_blob64(p->stmt, p->next++, vectors[i], shadow->vector_bytes[i],
                                     SQLITE_STATIC);
        }
    }
    return rc;
}

static int bind_columns(const hx_shadow *shadow, parameters *p, const void *const *vectors,
                        sqlite3_value **columns) {
    int rc = bind_vectors(shadow, p, vectors, columns);
    for (int i = 0; i < shadow->columns.count && rc == SQLITE_OK; i++) {
        if (shadow->columns.at[i].stored < 0) {
            continue;
        }
        rc = bind_flag(p, columns[i]);
        if (rc == SQLITE_OK) {
            rc = sqlite3_bind_value(p->stmt, p->next++, columns[i]);
        }
    }
    return rc;
}

int hx_content_insert(hx_shadow *shadow, sqlite3_value *id, const void *const *vectors,
                      sqlite3_value **columns, bool replace) {
    sqlite3_stmt *stmt;
    int rc = hx_sql_get(shadow, replace ? HX_SQL_CONTENT_REPLACE : HX_SQL_CONTENT_INSERT, &stmt);
    if (rc) {
        return rc;
    }
    sqlite3_bind_value(stmt, 1, id);
    rc = bind_columns(shadow, &(parameters){stmt, 2, false}, vectors, columns);
    return rc ? hx_fail_sql(shadow, rc) : hx_sql_run(shadow, stmt);
}

static int run_change(hx_shadow *shadow, sqlite3_stmt *stmt, bool *existed) {
    const int rc = hx_sql_run(shadow, stmt);
    *existed = rc == SQLITE_OK && sqlite3_changes(shadow->db) > 0;
    return rc;
}

int hx_content_update(hx_shadow *shadow, int64_t id, const void *const *vectors,
                      sqlite3_value **columns, bool *existed) {
    sqlite3_stmt *stmt;
    int rc = hx_sql_get(shadow, HX_SQL_CONTENT_UPDATE, &stmt);
    if (rc) {
        return rc;
    }
    sqlite3_bind_int64(stmt, 1, id);
    rc = bind_columns(shadow, &(parameters){stmt, 2, true}, vectors, columns);
    return rc ? hx_fail_sql(shadow, rc) : run_change(shadow, stmt, existed);
}

int hx_content_move(hx_shadow *shadow, int64_t id, int64_t to, bool *existed) {
    sqlite3_stmt *stmt;
    const int rc = hx_sql_get(shadow, HX_SQL_CONTENT_MOVE, &stmt);
    if (rc) {
        return rc;
    }
    sqlite3_bind_int64(stmt, 1, id);
    sqlite3_bind_int64(stmt, 2, to);
    return run_change(shadow, stmt, existed);
}

int hx_content_delete(hx_shadow *shadow, int64_t id, bool *existed) {
    sqlite3_stmt *stmt;
    const int rc = hx_sql_get(shadow, HX_SQL_CONTENT_DELETE, &stmt);
    if (rc) {
        return rc;
    }
    sqlite3_bind_int64(stmt, 1, id);
    return run_change(shadow, stmt, existed);
}
