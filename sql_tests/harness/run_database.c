/* Connections with the real extension in each, their cursors and parameters. */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die(const run *r, const char *what, const char *why) {
    printf("%s: %s: %s\n", r->path, what, why);
    fflush(stdout);
    abort();
}

/* ---------------------------------------------------------------------------- connections -- */

static connection *find(run *r, const char *label) {
    for (int i = 0; i < r->connection_count; i++) {
        if (!strcmp(r->connections[i].label, label)) {
            return &r->connections[i];
        }
    }
    return NULL;
}

void database_select(run *r, const char *label, const char *file, int readonly) {
    connection *c = find(r, label);
    if (!c) {
        if (r->connection_count == RUN_CONNECTIONS) {
            die(r, "connection", "too many");
        }
        c = &r->connections[r->connection_count++];
        c->label = run_strdup(label);
        c->file = run_strdup(file ? file : r->database);
        c->readonly = readonly;
    }
    r->current = c;
}

static int load(sqlite3 *db, const char *extension, char **message) {
    int rc = sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_load_extension(db, extension, NULL, message);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    }
    return rc;
}

int database_load(run *r, const char *path, char **message) {
    return load(database_open(r), path, message);
}

sqlite3 *database_open(run *r) {
    connection *const c = r->current;
    char *message = NULL;
    if (c->db) {
        return c->db;
    }
    const int flags =
        c->readonly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    if (sqlite3_open_v2(c->file, &c->db, flags | SQLITE_OPEN_URI, NULL) != SQLITE_OK) {
        die(r, c->file, sqlite3_errmsg(c->db));
    }
    sqlite3_extended_result_codes(c->db, 1);
    if (r->extension && load(c->db, r->extension, &message) != SQLITE_OK) {
        die(r, r->extension, message ? message : sqlite3_errmsg(c->db));
    }
    if (functions_register(c->db) != SQLITE_OK) {
        die(r, "test_", sqlite3_errmsg(c->db));
    }
    return c->db;
}

/* A connection that cannot be closed has a statement that the extension forgot. */
static void close_one(run *r, connection *c, size_t line) {
    for (int i = r->cursor_count - 1; i >= 0; i--) {
        if (sqlite3_db_handle(r->cursors[i].stmt) == c->db) {
            cursor_close(r, r->cursors[i].name, line);
        }
    }
    const int rc = sqlite3_close(c->db);
    if (rc == SQLITE_OK) {
        c->db = NULL;
        return;
    }
    run_fail(r, line, "expected connection %s to close, got %s", c->label, sqlite3_errmsg(c->db));
    sqlite3_close_v2(c->db);
    c->db = NULL;
}

void database_close(run *r, const char *label, size_t line) {
    connection *const only = label ? find(r, label) : NULL;
    if (label && !only) {
        run_fail(r, line, "no connection %s", label);
        return;
    }
    for (int i = 0; i < r->connection_count; i++) {
        connection *const c = &r->connections[i];
        if (c->db && (!only || c == only)) {
            close_one(r, c, line);
        }
    }
}

void database_reset(run *r, size_t line) {
    database_close(r, NULL, line);
    for (int i = 0; i < r->connection_count; i++) {
        free(r->connections[i].label);
        free(r->connections[i].file);
    }
    for (int i = 0; i < r->binding_count; i++) {
        free(r->bindings[i].name);
        sqlite3_value_free(r->bindings[i].value);
    }
    for (int i = 0; i < r->label_count; i++) {
        free(r->labels[i].name);
        free(r->labels[i].value);
    }
    r->connection_count = r->binding_count = r->label_count = 0;
    r->current = NULL;
    free(r->database);
    r->database = NULL;
}

/* ----------------------------------------------------------------------------- statements -- */

static sqlite3_value *bound(const run *r, const char *name) {
    for (int i = 0; name && i < r->binding_count; i++) {
        if (!strcmp(r->bindings[i].name, name)) {
            return r->bindings[i].value;
        }
    }
    return NULL;
}

/* A parameter without a value is a fault of the test, not a NULL. */
static int bind_all(const run *r, sqlite3_stmt *stmt, text *message) {
    for (int i = 1; i <= sqlite3_bind_parameter_count(stmt); i++) {
        const char *const name = sqlite3_bind_parameter_name(stmt, i);
        sqlite3_value *const value = bound(r, name);
        if (!value) {
            text_printf(message, "no `bind` line for parameter %s", name ? name : "?");
            return SQLITE_MISUSE;
        }
        const int rc = sqlite3_bind_value(stmt, i, value);
        if (rc != SQLITE_OK) {
            return rc;
        }
    }
    return SQLITE_OK;
}

static int wrong_columns(sqlite3_stmt *stmt, const char *types, text *message) {
    const int columns = sqlite3_column_count(stmt);
    if (!types || (size_t)columns == strlen(types)) {
        return 0;
    }
    text_printf(message, "%d columns, but the types are %s", columns, types);
    return 1;
}

static int step_all(run *r, sqlite3_stmt *stmt, const char *types, rows *got, text *message) {
    int rc = bind_all(r, stmt, message);
    if (rc != SQLITE_OK) {
        return rc;
    }
    if (wrong_columns(stmt, types, message)) {
        return SQLITE_MISUSE;
    }
    if (got) {
        rows_free(got);
        got->columns = (size_t)sqlite3_column_count(stmt);
    }
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        if (got) {
            rows_add(got, stmt, types);
        }
    }
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int database_exec(run *r, const char *sql, const char *types, rows *got, text *message) {
    sqlite3 *const db = database_open(r);
    int rc = SQLITE_OK;
    while (rc == SQLITE_OK && *sql) {
        sqlite3_stmt *stmt = NULL;
        rc = sqlite3_prepare_v2(db, sql, -1, &stmt, &sql);
        sql += strspn(sql, " \t\n");
        if (rc == SQLITE_OK && stmt) {
            rc = step_all(r, stmt, *sql ? NULL : types, got, message);
        }
        if (rc != SQLITE_OK && !message->length) {
            text_printf(message, "%s", sqlite3_errmsg(db));
        }
        sqlite3_finalize(stmt);
    }
    return rc;
}

void database_bind(run *r, const char *name, const char *expression, size_t line) {
    sqlite3 *const db = database_open(r);
    sqlite3_stmt *stmt = NULL;
    text message = {0};
    char *const sql = sqlite3_mprintf("SELECT %s", expression);
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK) {
        rc = bind_all(r, stmt, &message);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(stmt);
    }
    if (rc != SQLITE_ROW || r->binding_count == RUN_BINDINGS) {
        run_fail(r, line, "bind %s: %s %s", name, text_string(&message), sqlite3_errmsg(db));
    } else {
        sqlite3_value *const value = sqlite3_value_dup(sqlite3_column_value(stmt, 0));
        int i = 0;
        while (i < r->binding_count && strcmp(r->bindings[i].name, name) != 0) {
            i++;
        }
        if (i == r->binding_count) {
            r->bindings[r->binding_count++].name = run_strdup(name);
        } else {
            sqlite3_value_free(r->bindings[i].value);
        }
        r->bindings[i].value = value;
    }
    sqlite3_finalize(stmt);
    sqlite3_free(sql);
    text_free(&message);
}

/* --------------------------------------------------------------------------------- backup -- */

void database_copy(run *r, const char *file, int into, size_t line) {
    sqlite3 *const db = database_open(r);
    sqlite3 *other = NULL;
    int rc = sqlite3_open(file, &other);
    sqlite3 *const target = into ? other : db;
    sqlite3_backup *const copy =
        rc == SQLITE_OK ? sqlite3_backup_init(target, "main", into ? db : other, "main") : NULL;
    if (copy) {
        rc = sqlite3_backup_step(copy, -1);
        const int finished = sqlite3_backup_finish(copy);
        if (rc == SQLITE_DONE) {
            rc = finished;
        }
    }
    if (!copy || rc != SQLITE_OK) {
        run_fail(r, line, "expected a copy of %s, got %s", file, sqlite3_errmsg(target));
    } else {
        run_pass(r);
    }
    sqlite3_close(other);
}

/* --------------------------------------------------------------------------------- digest -- */

static sqlite3_uint64 fnv(sqlite3_uint64 hash, const void *bytes, size_t length) {
    const unsigned char *const p = bytes;
    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ p[i]) * 1099511628211u;
    }
    return hash;
}

static sqlite3_uint64 digest_row(sqlite3_uint64 hash, sqlite3_stmt *stmt) {
    for (int i = 0; i < sqlite3_column_count(stmt); i++) {
        const int type = sqlite3_column_type(stmt, i);
        hash = fnv(hash, &type, sizeof type);
        if (type == SQLITE_NULL) {
            continue;
        }
        const void *const bytes = sqlite3_column_blob(stmt, i);
        const int length = sqlite3_column_bytes(stmt, i);
        hash = fnv(hash, &length, sizeof length);
        if (length) {
            hash = fnv(hash, bytes, (size_t)length);
        }
    }
    return hash;
}

static sqlite3_uint64 digest_query(sqlite3 *db, char *sql, sqlite3_uint64 hash) {
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK) {
        while (sqlite3_step(stmt) == SQLITE_ROW) {
            hash = digest_row(hash, stmt);
        }
    }
    sqlite3_finalize(stmt);
    sqlite3_free(sql);
    return hash;
}

/* Virtual tables have no root page: what counts is the tables below them. */
static sqlite3_uint64 digest_schema(sqlite3 *db, const char *schema, sqlite3_uint64 hash) {
    sqlite3_stmt *stmt = NULL;
    char *const sql = sqlite3_mprintf(
        "SELECT name FROM \"%w\".sqlite_schema WHERE type = 'table' AND rootpage > 0", schema);
    hash = digest_query(db, sqlite3_mprintf("SELECT * FROM \"%w\".sqlite_schema", schema), hash);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK) {
        while (sqlite3_step(stmt) == SQLITE_ROW) {
            const char *const name = (const char *)sqlite3_column_text(stmt, 0);
            char *const query = sqlite3_mprintf("SELECT * FROM \"%w\".\"%w\"", schema, name);
            hash = digest_query(db, query, hash);
        }
    }
    sqlite3_finalize(stmt);
    sqlite3_free(sql);
    return hash;
}

sqlite3_int64 database_digest(sqlite3 *db) {
    sqlite3_stmt *stmt = NULL;
    sqlite3_uint64 hash = 14695981039346656037u;
    if (sqlite3_prepare_v2(db, "PRAGMA database_list", -1, &stmt, NULL) == SQLITE_OK) {
        while (sqlite3_step(stmt) == SQLITE_ROW) {
            hash = digest_schema(db, (const char *)sqlite3_column_text(stmt, 1), hash);
        }
    }
    sqlite3_finalize(stmt);
    return (sqlite3_int64)hash;
}

/* -------------------------------------------------------------------------------- cursors -- */

cursor *cursor_find(run *r, const char *name) {
    for (int i = 0; i < r->cursor_count; i++) {
        if (!strcmp(r->cursors[i].name, name)) {
            return &r->cursors[i];
        }
    }
    return NULL;
}

void cursor_open(run *r, const char *name, const char *sql, size_t line) {
    sqlite3 *const db = database_open(r);
    sqlite3_stmt *stmt = NULL;
    text message = {0};
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK) {
        rc = bind_all(r, stmt, &message);
    }
    if (rc != SQLITE_OK || r->cursor_count == RUN_CURSORS || cursor_find(r, name)) {
        run_fail(r, line, "cursor %s: %s %s", name, sqlite3_errmsg(db), text_string(&message));
        sqlite3_finalize(stmt);
    } else {
        cursor *const c = &r->cursors[r->cursor_count++];
        c->name = run_strdup(name);
        c->stmt = stmt;
        c->done = 0;
        run_pass(r);
    }
    text_free(&message);
}

int cursor_fetch(cursor *c, const char *types, size_t limit, rows *got, text *message) {
    int rc = c->done ? SQLITE_DONE : SQLITE_ROW;
    if (wrong_columns(c->stmt, types, message)) {
        return SQLITE_MISUSE;
    }
    got->columns = strlen(types);
    for (size_t i = 0; i < limit && rc == SQLITE_ROW; i++) {
        rc = sqlite3_step(c->stmt);
        if (rc == SQLITE_ROW) {
            rows_add(got, c->stmt, types);
        }
    }
    c->done = rc != SQLITE_ROW;
    if (rc == SQLITE_ROW || rc == SQLITE_DONE) {
        return SQLITE_OK;
    }
    text_printf(message, "%s", sqlite3_errmsg(sqlite3_db_handle(c->stmt)));
    return rc;
}

void cursor_close(run *r, const char *name, size_t line) {
    cursor *const c = cursor_find(r, name);
    if (!c) {
        run_fail(r, line, "no cursor %s", name);
        return;
    }
    sqlite3_finalize(c->stmt);
    free(c->name);
    *c = r->cursors[--r->cursor_count];
}
