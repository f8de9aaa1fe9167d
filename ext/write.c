#include "write.h"

#include "command.h"
#include "content.h"
#include "error.h"
#include "table.h"
#include "vector.h"

/* argv of xUpdate: the old rowid, the new one, then the columns. */
#define OLD_ROWID    0
#define NEW_ROWID    1
#define FIRST_COLUMN 2

static bool is_null(sqlite3_value *value) {
    return sqlite3_value_type(value) == SQLITE_NULL;
}

/* --------------------------------------------------------------------------------- refusals -- */

/* Columns that say how to search cannot be stored. */
static int check_hidden(hx_table *table, sqlite3_value **argv) {
    static const char *const names[] = {"query", "k", "ef", "distance"};
    for (int i = HX_COLUMN_QUERY; i <= HX_COLUMN_DISTANCE; i++) {
        sqlite3_value *const value = argv[FIRST_COLUMN + i];
        if (!sqlite3_value_nochange(value) && !is_null(value))
            return hx_fail(table, SQLITE_ERROR,
                           "hannoy: %s is not stored; write rowid and vector only",
                           names[i - HX_COLUMN_QUERY]);
    }
    return SQLITE_OK;
}

static int parse_vector(hx_table *table, sqlite3_value *value) {
    char *error = NULL;
    const int rc =
        hx_vector_parse(table->config.options.shape, value, "vector", table->row, &error);
    return rc ? hx_fail_with(table, rc, error) : rc;
}

static int check_rowid(hx_table *table, sqlite3_value *value) {
    if (sqlite3_value_numeric_type(value) == SQLITE_INTEGER) return SQLITE_OK;
    const char *const text = (const char *)sqlite3_value_text(value);
    return hx_fail(table, SQLITE_MISMATCH, "hannoy: a rowid must be an integer, not %.80s",
                   text ? text : "NULL");
}

static int row_exists(hx_table *table, int64_t id) {
    return hx_fail(table, SQLITE_CONSTRAINT,
                   "hannoy: there is a row %lld in %s already; use another rowid, UPDATE or "
                   "INSERT OR REPLACE",
                   id, table->name);
}

static bool replaces(const hx_table *table) {
    return sqlite3_vtab_on_conflict(table->db) == SQLITE_REPLACE;
}

/* The tip, with the log's own statement ready: after this only the disk can fail. */
static int begin_change(hx_table *table, hny_boundary *tip) {
    sqlite3_stmt *append;
    const int rc = hx_log_tip(table, tip);
    return rc ? rc : hx_sql_get(table, HX_SQL_LOG_APPEND, &append);
}

static int log_change(hx_table *table, hny_boundary *tip, int64_t id, const void *vector) {
    table->commit.written++;
    return hx_log_append(table, tip, id, vector);
}

/* ---------------------------------------------------------------------------- INSERT, DELETE -- */

static int insert_row(hx_table *table, sqlite3_value **argv, sqlite3_int64 *rowid) {
    sqlite3_value *const id = argv[NEW_ROWID];
    hny_boundary tip;
    int rc = check_hidden(table, argv);
    if (rc == SQLITE_OK) rc = parse_vector(table, argv[FIRST_COLUMN + HX_COLUMN_VECTOR]);
    if (rc == SQLITE_OK && !is_null(id)) rc = check_rowid(table, id);
    if (rc == SQLITE_OK) rc = begin_change(table, &tip);
    if (rc) return rc;
    rc = hx_content_insert(table, id, table->row, replaces(table));
    if ((rc & 0xff) == SQLITE_CONSTRAINT) return row_exists(table, sqlite3_value_int64(id));
    if (rc) return rc;
    *rowid = sqlite3_last_insert_rowid(table->db);
    return log_change(table, &tip, *rowid, table->row);
}

static int delete_row(hx_table *table, int64_t id) {
    hny_boundary tip;
    bool existed;
    int rc = begin_change(table, &tip);
    if (rc == SQLITE_OK) rc = hx_content_delete(table, id, &existed);
    return rc || !existed ? rc : log_change(table, &tip, id, NULL);
}

/* ------------------------------------------------------------------------------------ UPDATE -- */

static int update_vector(hx_table *table, int64_t id) {
    hny_boundary tip;
    bool existed;
    int rc = begin_change(table, &tip);
    if (rc == SQLITE_OK) rc = hx_content_update(table, id, table->row, &existed);
    return rc || !existed ? rc : log_change(table, &tip, id, table->row);
}

/* Makes way for a row that moves to `to`, or refuses. */
static int check_target(hx_table *table, int64_t to, bool *occupied) {
    sqlite3_stmt *stmt;
    int rc = hx_sql_get(table, HX_SQL_SCAN_ONE, &stmt);
    if (rc) return rc;
    sqlite3_bind_int64(stmt, 1, to);
    rc = hx_sql_step(table, stmt);
    *occupied = rc == SQLITE_ROW;
    if (*occupied) hx_sql_done(stmt);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) return rc;
    return *occupied && !replaces(table) ? row_exists(table, to) : SQLITE_OK;
}

/* table->row is what the row holds at its new place. */
static int write_move(hx_table *table, int64_t id, int64_t to, bool occupied, bool changed) {
    hny_boundary tip;
    bool existed;
    int rc = begin_change(table, &tip);
    if (rc == SQLITE_OK && occupied) rc = hx_content_delete(table, to, &existed);
    if (rc == SQLITE_OK) rc = hx_content_move(table, id, to, &existed);
    if (rc == SQLITE_OK && changed) rc = hx_content_update(table, to, table->row, &existed);
    if (rc == SQLITE_OK) rc = log_change(table, &tip, id, NULL);
    return rc ? rc : log_change(table, &tip, to, table->row);
}

static int update_row(hx_table *table, sqlite3_value **argv) {
    sqlite3_value *const vector = argv[FIRST_COLUMN + HX_COLUMN_VECTOR];
    const bool changed = !sqlite3_value_nochange(vector);
    const int64_t id = sqlite3_value_int64(argv[OLD_ROWID]);
    bool found = true, occupied = false;
    int rc = check_hidden(table, argv);
    if (rc == SQLITE_OK) rc = check_rowid(table, argv[NEW_ROWID]);
    if (rc == SQLITE_OK && changed) rc = parse_vector(table, vector);
    if (rc) return rc;
    const int64_t to = sqlite3_value_int64(argv[NEW_ROWID]);
    if (to == id) return changed ? update_vector(table, id) : SQLITE_OK;
    if (!changed) rc = hx_content_get(table, id, table->row, &found);
    if (rc == SQLITE_OK && found) rc = check_target(table, to, &occupied);
    return rc || !found ? rc : write_move(table, id, to, occupied, changed);
}

/* ----------------------------------------------------------------------------------- xUpdate -- */

/* A value in the column named like the table is a command, with nothing beside it. */
static int insert_or_command(hx_table *table, sqlite3_value **argv, sqlite3_int64 *rowid) {
    sqlite3_value *const text = argv[FIRST_COLUMN + HX_COLUMN_COMMAND];
    if (is_null(text)) return insert_row(table, argv, rowid);
    for (int i = NEW_ROWID; i < FIRST_COLUMN + HX_COLUMN_COMMAND; i++) {
        if (!is_null(argv[i]))
            return hx_fail(table, SQLITE_ERROR,
                           "hannoy: a command stands alone: INSERT INTO %s(%s) VALUES('build')",
                           table->name, table->name);
    }
    *rowid = sqlite3_last_insert_rowid(table->db);
    return hx_command_run(table, text);
}

int hx_write_update(sqlite3_vtab *vtab, int argc, sqlite3_value **argv, sqlite3_int64 *rowid) {
    hx_table *const table = (hx_table *)vtab;
    const sqlite3_int64 last = sqlite3_last_insert_rowid(table->db);
    int rc;
    if (argc == 1)
        rc = delete_row(table, sqlite3_value_int64(argv[OLD_ROWID]));
    else if (is_null(argv[OLD_ROWID]))
        rc = insert_or_command(table, argv, rowid);
    else if (!sqlite3_value_nochange(argv[FIRST_COLUMN + HX_COLUMN_COMMAND]) &&
             !is_null(argv[FIRST_COLUMN + HX_COLUMN_COMMAND]))
        rc = hx_fail(table, SQLITE_ERROR,
                     "hannoy: commands are inserted: INSERT INTO %s(%s) VALUES('build')",
                     table->name, table->name);
    else
        rc = update_row(table, argv);
    sqlite3_set_last_insert_rowid(table->db, last);
    return rc;
}
