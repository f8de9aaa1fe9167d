/* INSERT, UPDATE and DELETE; the contract is in write.h. */
#include "change/write.h"

#include "change/command.h"
#include "change/writer.h"
#include "shadow/content.h"
#include "shadow/error.h"
#include "values/numeric.h"
#include "values/vector.h"

/* argv of xUpdate: the old rowid, the new one, then the columns. */
#define OLD_ROWID    0
#define NEW_ROWID    1
#define FIRST_COLUMN 2

static bool is_null(sqlite3_value *value) {
    return sqlite3_value_type(value) == SQLITE_NULL;
}

/* The values of the visible columns. */
static sqlite3_value **column_values(sqlite3_value **argv) {
    return argv + FIRST_COLUMN;
}

static sqlite3_value *vector_value(const hx_writer *writer, sqlite3_value **argv, int vector) {
    return column_values(argv)[writer->shadow->columns.vector[vector]];
}

static sqlite3_value *hidden_value(const hx_writer *writer, sqlite3_value **argv, hx_hidden which) {
    return column_values(argv)[hx_hidden_column(&writer->shadow->columns, which)];
}

/* The value of the key column of either kind; NULL: the table has none. */
static sqlite3_value *key_value(const hx_writer *writer, sqlite3_value **argv) {
    const int key = writer->shadow->columns.key;
    return key < 0 ? NULL : column_values(argv)[key];
}

/* --------------------------------------------------------------------------------- refusals -- */

/* Hidden columns are parameters of searches and cannot be stored. */
static int check_hidden(hx_writer *writer, sqlite3_value **argv) {
    for (int i = 0; i < HX_COMMAND; i++) {
        sqlite3_value *const value = hidden_value(writer, argv, (hx_hidden)i);
        if (!sqlite3_value_nochange(value) && !is_null(value)) {
            return hx_fail(writer->shadow, SQLITE_ERROR,
                           "hannoy: %s is not stored; write the rowid, the vector and the columns "
                           "of the table only",
                           hx_hidden_name(&writer->shadow->columns, (hx_hidden)i));
        }
    }
    return SQLITE_OK;
}

/* *out: the stored bytes; NULL for NULL, which a table with several vectors takes. */
static int parse_new_vector(hx_writer *writer, int vector, sqlite3_value *value, const void **out) {
    hx_shadow *const shadow = writer->shadow;
    char *error = NULL;
    *out = NULL;
    if (shadow->columns.vectors > 1 && is_null(value)) {
        return SQLITE_OK;
    }
    const int rc = hx_vector_parse(shadow->config.vectors[vector].options.shape, value,
                                   shadow->vector_label[vector], writer->row[vector], &error);
    *out = writer->row[vector];
    return rc ? hx_fail_with(shadow, rc, error) : rc;
}

/* All vectors of an INSERT; of an UPDATE those that it sets, the others are NULL. */
static int parse_new_vectors(hx_writer *writer, sqlite3_value **argv, const void **vectors) {
    int rc = SQLITE_OK;
    for (int i = 0; i < writer->shadow->columns.vectors && rc == SQLITE_OK; i++) {
        sqlite3_value *const value = vector_value(writer, argv, i);
        vectors[i] = NULL;
        if (!sqlite3_value_nochange(value)) {
            rc = parse_new_vector(writer, i, value, &vectors[i]);
        }
    }
    return rc;
}

static int read_rowid(hx_writer *writer, sqlite3_value *value, int64_t *id) {
    bool whole;
    const int rc = hx_value_integer(value, id, &whole);
    if (rc || whole) {
        return rc;
    }
    const char *const text = (const char *)sqlite3_value_text(value);
    return hx_fail(writer->shadow, SQLITE_MISMATCH, "hannoy: a rowid must be an integer, not %.80s",
                   text ? text : "NULL");
}

/*
** The sentences of SQLite's own constraints.  SQLite resolves OR IGNORE for SQLITE_CONSTRAINT only,
** not for its extended codes.
*/
static int refuse_constraint(hx_writer *writer, const char *constraint, const char *column) {
    return hx_fail(writer->shadow, SQLITE_CONSTRAINT, "%s constraint failed: %s.%s", constraint,
                   writer->shadow->name, column);
}

static int refuse_rowid(hx_writer *writer) {
    const hx_columns *const columns = &writer->shadow->columns;
    const bool named = columns->key >= 0 && !hx_columns_text_key(columns);
    return refuse_constraint(writer, "UNIQUE", named ? columns->at[columns->key].name : "rowid");
}

static int refuse_key(hx_writer *writer) {
    const hx_columns *const columns = &writer->shadow->columns;
    return refuse_constraint(writer, "UNIQUE", columns->at[columns->key].name);
}

/* Of an UPDATE, only the columns that it sets.  A default stands in for NULL in an INSERT. */
static int check_not_null(hx_writer *writer, sqlite3_value **argv, bool update) {
    const hx_columns *const columns = &writer->shadow->columns;
    for (int i = 0; i < columns->count; i++) {
        const hx_column *const column = &columns->at[i];
        sqlite3_value *const value = column_values(argv)[i];
        const bool defaults = !update && column->value;
        const bool required =
            column->role == HX_ROLE_KEY ||
            (column->not_null && column->role != HX_ROLE_ROWID && column->role != HX_ROLE_VECTOR);
        if (required && !defaults && is_null(value) && !sqlite3_value_nochange(value)) {
            return refuse_constraint(writer, "NOT NULL", column->name);
        }
    }
    return SQLITE_OK;
}

static bool replaces(const hx_writer *writer) {
    return sqlite3_vtab_on_conflict(writer->shadow->db) == SQLITE_REPLACE;
}

/* ---------------------------------------------------------------------------------- the log -- */

/* Reads the tip and prepares the append, so that after this only the disk can fail. */
static int begin_change(hx_writer *writer, hny_boundary *tip) {
    sqlite3_stmt *append;
    const int rc = hx_log_tip(writer->shadow, tip);
    return rc ? rc : hx_sql_get(writer->shadow, HX_SQL_LOG_APPEND, &append);
}

static int log_change(hx_writer *writer, hny_boundary *tip, int64_t id, const void *const *vectors,
                      const hny_attribute *attributes) {
    writer->autobuild.written++;
    return hx_log_append(writer->shadow, tip, id, vectors, attributes);
}

typedef struct relog {
    hx_writer *writer;
    hny_boundary *tip;
} relog;

static int log_read(void *arg, int64_t id, const void *const *vectors,
                    const hny_attribute *attributes) {
    const relog *const r = arg;
    return log_change(r->writer, r->tip, id, vectors, attributes);
}

/* Logs the present state of a row. */
static int log_row(hx_writer *writer, hny_boundary *tip, int64_t id) {
    relog r = {writer, tip};
    return hx_content_row(writer->shadow, id, log_read, &r);
}

static int remove_row(hx_writer *writer, hny_boundary *tip, int64_t id) {
    bool existed;
    const int rc = hx_content_delete(writer->shadow, id, &existed);
    return rc || !existed ? rc : log_change(writer, tip, id, NULL, NULL);
}

/* The row that an OR REPLACE deletes because it has the text key of another row. */
typedef struct key_owner {
    bool found;
    int64_t id;
} key_owner;

/*
** Looks for another row than `id` (NULL: than a new one) that has this text key; NULL stands for a
** default.  That is an error unless the statement is OR REPLACE.
*/
static int check_key(hx_writer *writer, sqlite3_value *key, const int64_t *id, key_owner *owner) {
    *owner = (key_owner){false, 0};
    if (is_null(key)) {
        return SQLITE_OK;
    }
    const int rc = hx_content_find(writer->shadow, key, &owner->id, &owner->found);
    if (owner->found && id && owner->id == *id) {
        owner->found = false;
    }
    return rc == SQLITE_OK && owner->found && !replaces(writer) ? refuse_key(writer) : rc;
}

static int remove_owner(hx_writer *writer, hny_boundary *tip, const key_owner *owner) {
    return owner->found ? remove_row(writer, tip, owner->id) : SQLITE_OK;
}

/* ---------------------------------------------------------------------------- INSERT, DELETE -- */

/* The rowid that an INSERT gives; an SQL NULL if it gives none. */
static sqlite3_value *asked_rowid(const hx_writer *writer, sqlite3_value **argv) {
    sqlite3_value *const key = key_value(writer, argv);
    if (!key || hx_columns_text_key(&writer->shadow->columns) || is_null(key)) {
        return argv[NEW_ROWID];
    }
    return key;
}

static int attribute_values(const hx_writer *writer, sqlite3_value **argv,
                            hny_attribute *attributes) {
    const hx_columns *const columns = &writer->shadow->columns;
    int rc = SQLITE_OK;
    for (int i = 0; i < columns->count && rc == SQLITE_OK; i++) {
        const hx_column *const column = &columns->at[i];
        if (column->role == HX_ROLE_FILTER) {
            rc = hx_content_attribute(writer->shadow, column->place, column_values(argv)[i],
                                      &attributes[column->place]);
        }
    }
    return rc;
}

/* Whether a row that is inserted has values which argv does not. */
static bool uses_default(const hx_writer *writer, sqlite3_value **argv) {
    const hx_columns *const columns = &writer->shadow->columns;
    for (int i = 0; i < columns->count; i++) {
        if (columns->at[i].value && is_null(column_values(argv)[i])) {
            return true;
        }
    }
    return false;
}

static int write_new(hx_writer *writer, sqlite3_value **argv, sqlite3_value *id,
                     const void *const *vectors, hny_boundary *tip, sqlite3_int64 *rowid) {
    hny_attribute attributes[HNY_MAX_ATTRIBUTES];
    int64_t asked = 0;
    const bool text_key = hx_columns_text_key(&writer->shadow->columns);
    sqlite3_value *const key = key_value(writer, argv);
    key_owner owner = {false, 0};
    int rc = is_null(id) ? SQLITE_OK : read_rowid(writer, id, &asked);
    if (rc == SQLITE_OK && text_key) {
        rc = check_key(writer, key, is_null(id) ? NULL : &asked, &owner);
    }
    if (rc == SQLITE_OK) {
        rc = remove_owner(writer, tip, &owner);
    }
    if (rc) {
        return rc;
    }
    rc = hx_content_insert(writer->shadow, id, vectors, column_values(argv), replaces(writer));
    if ((rc & 0xff) == SQLITE_CONSTRAINT) {
        return text_key && is_null(key) ? refuse_key(writer) : refuse_rowid(writer);
    }
    if (rc) {
        return rc;
    }
    *rowid = sqlite3_last_insert_rowid(writer->shadow->db);
    if (uses_default(writer, argv)) {
        return log_row(writer, tip, *rowid);
    }
    rc = attribute_values(writer, argv, attributes);
    return rc ? rc : log_change(writer, tip, *rowid, vectors, attributes);
}

static int insert_new_row(hx_writer *writer, sqlite3_value **argv, sqlite3_int64 *rowid) {
    sqlite3_value *const id = asked_rowid(writer, argv);
    int64_t asked;
    const void *vectors[HX_MAX_VECTORS];
    hny_boundary tip;
    int rc = check_hidden(writer, argv);
    if (rc == SQLITE_OK) {
        rc = check_not_null(writer, argv, false);
    }
    if (rc == SQLITE_OK) {
        rc = parse_new_vectors(writer, argv, vectors);
    }
    if (rc == SQLITE_OK && !is_null(id)) {
        rc = read_rowid(writer, id, &asked);
    }
    if (rc == SQLITE_OK) {
        rc = begin_change(writer, &tip);
    }
    return rc ? rc : write_new(writer, argv, id, vectors, &tip, rowid);
}

static int delete_row(hx_writer *writer, int64_t id) {
    hny_boundary tip;
    const int rc = begin_change(writer, &tip);
    return rc ? rc : remove_row(writer, &tip, id);
}

/* --------------------------------------------------------------------------- content tables -- */

/* A trigger on the content table reports a changed row. */
static int touch_row(hx_writer *writer, int64_t id) {
    hny_boundary tip;
    const int rc = begin_change(writer, &tip);
    return rc ? rc : log_row(writer, &tip, id);
}

static int refuse_write(hx_writer *writer) {
    return hx_fail(writer->shadow, SQLITE_ERROR,
                   "hannoy: the rows of %s are those of %s; write to that table instead",
                   writer->shadow->name, writer->shadow->columns.source.table);
}

static int insert_touch(hx_writer *writer, sqlite3_value **argv, sqlite3_int64 *rowid) {
    sqlite3_value *const item = hidden_value(writer, argv, HX_ITEM);
    if (sqlite3_value_type(item) != SQLITE_INTEGER) {
        return refuse_write(writer);
    }
    for (int i = NEW_ROWID;
         i < FIRST_COLUMN + hx_hidden_column(&writer->shadow->columns, HX_COMMAND); i++) {
        if (argv[i] != item && !is_null(argv[i])) {
            return refuse_write(writer);
        }
    }
    *rowid = sqlite3_last_insert_rowid(writer->shadow->db);
    return touch_row(writer, sqlite3_value_int64(item));
}

/* ------------------------------------------------------------------------------------ UPDATE -- */

/* What an UPDATE sets besides the rowid. */
typedef struct change {
    const void *vectors[HX_MAX_VECTORS]; /* the new ones; NULL: kept, or none */
    bool vector;                         /* any of them */
    bool attributes;
    bool key; /* a text */
    bool any;
} change;

static change changes_of(const hx_writer *writer, sqlite3_value **argv) {
    const hx_columns *const columns = &writer->shadow->columns;
    change c = {.any = false};
    for (int i = 0; i < columns->count; i++) {
        if (sqlite3_value_nochange(column_values(argv)[i])) {
            continue;
        }
        const hx_role role = columns->at[i].role;
        c.vector |= role == HX_ROLE_VECTOR;
        c.attributes |= role == HX_ROLE_FILTER;
        c.key |= role == HX_ROLE_KEY;
        c.any |= role != HX_ROLE_ROWID;
    }
    return c;
}

/* The rowid that an UPDATE gives a row: the key column's value, if that is changed. */
static sqlite3_value *new_rowid(const hx_writer *writer, sqlite3_value **argv) {
    sqlite3_value *const key = key_value(writer, argv);
    if (!key || hx_columns_text_key(&writer->shadow->columns) || sqlite3_value_nochange(key)) {
        return argv[NEW_ROWID];
    }
    int64_t number;
    bool whole;
    const bool same = hx_value_integer(key, &number, &whole) == SQLITE_OK && whole &&
                      number == sqlite3_value_int64(argv[OLD_ROWID]);
    return same ? argv[NEW_ROWID] : key;
}

/*
** Everything that may refuse an UPDATE, before its first write.  *existed: the row is there; an
** earlier row of the same UPDATE OR REPLACE may have deleted it.
*/
static int check_update(hx_writer *writer, sqlite3_value **argv, int64_t id, const change *c,
                        key_owner *owner, bool *existed) {
    *owner = (key_owner){false, 0};
    const int rc = hx_content_exists(writer->shadow, id, existed);
    if (rc || !*existed || !c->key) {
        return rc;
    }
    return check_key(writer, key_value(writer, argv), &id, owner);
}

static int write_columns(hx_writer *writer, sqlite3_value **argv, int64_t id, const change *c) {
    bool existed;
    if (!c->any) {
        return SQLITE_OK;
    }
    return hx_content_update(writer->shadow, id, c->vectors, column_values(argv), &existed);
}

static int write_move(hx_writer *writer, sqlite3_value **argv, int64_t id, int64_t to,
                      const change *c) {
    hny_boundary tip;
    key_owner owner;
    bool existed, occupied;
    int rc = check_update(writer, argv, id, c, &owner, &existed);
    if (rc || !existed) {
        return rc;
    }
    rc = hx_content_exists(writer->shadow, to, &occupied);
    if (rc == SQLITE_OK && occupied && !replaces(writer)) {
        rc = refuse_rowid(writer);
    }
    if (rc == SQLITE_OK) {
        rc = begin_change(writer, &tip);
    }
    if (rc == SQLITE_OK) {
        rc = remove_owner(writer, &tip, &owner);
    }
    if (rc == SQLITE_OK && occupied) {
        rc = hx_content_delete(writer->shadow, to, &existed);
    }
    if (rc == SQLITE_OK) {
        rc = hx_content_move(writer->shadow, id, to, &existed);
    }
    if (rc == SQLITE_OK) {
        rc = write_columns(writer, argv, to, c);
    }
    if (rc == SQLITE_OK) {
        rc = log_change(writer, &tip, id, NULL, NULL);
    }
    return rc ? rc : log_row(writer, &tip, to);
}

static int write_change(hx_writer *writer, sqlite3_value **argv, int64_t id, const change *c) {
    hny_boundary tip;
    key_owner owner;
    bool existed;
    int rc = check_update(writer, argv, id, c, &owner, &existed);
    if (rc || !existed) {
        return rc;
    }
    rc = begin_change(writer, &tip);
    if (rc == SQLITE_OK) {
        rc = remove_owner(writer, &tip, &owner);
    }
    if (rc == SQLITE_OK) {
        rc = write_columns(writer, argv, id, c);
    }
    return rc || !(c->vector || c->attributes) ? rc : log_row(writer, &tip, id);
}

static int update_row(hx_writer *writer, sqlite3_value **argv) {
    change c = changes_of(writer, argv);
    const int64_t id = sqlite3_value_int64(argv[OLD_ROWID]);
    int64_t to = id;
    int rc = check_hidden(writer, argv);
    if (rc == SQLITE_OK) {
        rc = read_rowid(writer, new_rowid(writer, argv), &to);
    }
    if (rc == SQLITE_OK) {
        rc = check_not_null(writer, argv, true);
    }
    if (rc == SQLITE_OK) {
        rc = parse_new_vectors(writer, argv, c.vectors);
    }
    if (rc) {
        return rc;
    }
    if (to != id) {
        return write_move(writer, argv, id, to, &c);
    }
    return c.any ? write_change(writer, argv, id, &c) : SQLITE_OK;
}

/* ----------------------------------------------------------------------------------- xUpdate -- */

/*
** The vector whose column holds a command's queries; HX_ALL_VECTORS: no other column has a value,
** or *alone is false.
*/
static int vector_of_command(const hx_writer *writer, sqlite3_value **argv, bool *alone) {
    const hx_columns *const columns = &writer->shadow->columns;
    const int last = hx_hidden_column(columns, HX_COMMAND);
    int found = HX_ALL_VECTORS;
    *alone = is_null(argv[NEW_ROWID]);
    for (int i = 0; i < last; i++) {
        if (is_null(column_values(argv)[i])) {
            continue;
        }
        const bool is_vector = i < columns->count && columns->at[i].role == HX_ROLE_VECTOR;
        *alone &= is_vector && found == HX_ALL_VECTORS;
        found = is_vector ? columns->at[i].place : found;
    }
    return found;
}

/* A value in the column named like the table is a command. */
static int insert_or_command(hx_writer *writer, sqlite3_value **argv, sqlite3_int64 *rowid) {
    const int last = hx_hidden_column(&writer->shadow->columns, HX_COMMAND);
    sqlite3_value *const text = column_values(argv)[last];
    if (is_null(text)) {
        return hx_columns_external(&writer->shadow->columns) ? insert_touch(writer, argv, rowid)
                                                             : insert_new_row(writer, argv, rowid);
    }
    bool alone;
    const int vector = vector_of_command(writer, argv, &alone);
    if (!alone) {
        return hx_command_refuse_values(writer);
    }
    *rowid = sqlite3_last_insert_rowid(writer->shadow->db);
    return hx_command_run(writer, text, vector,
                          vector == HX_ALL_VECTORS ? NULL : vector_value(writer, argv, vector));
}

int hx_write_update(hx_writer *writer, int argc, sqlite3_value **argv, sqlite3_int64 *rowid) {
    const sqlite3_int64 last = sqlite3_last_insert_rowid(writer->shadow->db);
    const bool inserts = argc > 1 && is_null(argv[OLD_ROWID]);
    int rc;
    if (!inserts && hx_columns_external(&writer->shadow->columns)) {
        rc = refuse_write(writer);
    } else if (argc == 1) {
        rc = delete_row(writer, sqlite3_value_int64(argv[OLD_ROWID]));
    } else if (inserts) {
        rc = insert_or_command(writer, argv, rowid);
    } else if (!sqlite3_value_nochange(hidden_value(writer, argv, HX_COMMAND)) &&
               !is_null(hidden_value(writer, argv, HX_COMMAND))) {
        rc = hx_fail(writer->shadow, SQLITE_ERROR,
                     "hannoy: commands are inserted: INSERT INTO %s(%s) VALUES('build')",
                     writer->shadow->name, hx_hidden_name(&writer->shadow->columns, HX_COMMAND));
    } else {
        rc = update_row(writer, argv);
    }
    sqlite3_set_last_insert_rowid(writer->shadow->db, last);
    return rc;
}
