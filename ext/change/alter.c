/* Adds and drops columns; the contract is in alter.h. */
#include "change/alter.h"

#include <string.h>

#include "change/writer.h"
#include "schema/definition.h"
#include "shadow/content.h"
#include "shadow/error.h"
#include "shadow/external_content.h"
#include "shadow/redeclare.h"

/* The table as it will be. */
typedef struct alteration {
    hx_writer *writer;
    hx_arguments arguments;
    hx_columns columns;
    bool begun; /* something was written */
} alteration;

static void free_alteration(alteration *a) {
    hx_arguments_free(&a->arguments);
    hx_columns_free(&a->columns);
}

/* COLUMN is optional, as in ALTER TABLE. */
static const char *skip_column_word(const char *text) {
    const char *next = text;
    const char *const rest = hx_token_is(hx_token_next(&next), "column") ? next : text;
    return rest + strspn(rest, " \t\r\n");
}

/* A cursor reads by the columns that were there when it was opened. */
static int check_unread(hx_shadow *shadow) {
    if (!shadow->readers) {
        return SQLITE_OK;
    }
    return hx_fail(shadow, SQLITE_LOCKED,
                   "hannoy: a statement is reading %s; reset it before columns are added or "
                   "dropped",
                   shadow->name);
}

static int parse_arguments_again(alteration *a) {
    hx_options options[HX_MAX_VECTORS];
    char *error = NULL;
    const int rc = hx_columns_parse(a->arguments.count, (const char *const *)a->arguments.items,
                                    a->writer->shadow->name, &a->columns, options, &error);
    return rc && error ? hx_fail_with(a->writer->shadow, rc, error) : rc;
}

static bool is_beside_vectors(const hx_column *column) {
    return column->role == HX_ROLE_FILTER || column->role == HX_ROLE_KEPT;
}

/*
** Declares the table and makes this object one of the new columns, which is good for the rest of
** the command only: SQLite connects another one.
*/
static int take_over(alteration *a, bool attributes) {
    hx_shadow *const shadow = a->writer->shadow;
    a->begun = true;
    int rc = attributes ? hx_config_change_attributes(shadow) : SQLITE_OK;
    if (rc == SQLITE_OK) {
        rc = hx_redeclare(shadow, &a->arguments);
    }
    if (rc) {
        return rc;
    }
    const hx_columns old = shadow->columns;
    hx_sql_drop(shadow);
    shadow->columns = a->columns;
    a->columns = old;
    shadow->stale = true;
    return SQLITE_OK;
}

/* What was written before a failure is undone by SQLite; this connection may have read it. */
static int settle_alteration(alteration *a, int rc) {
    hx_shadow *const shadow = a->writer->shadow;
    if (rc && a->begun) {
        char *const sentence = shadow->vtab.zErrMsg;
        shadow->vtab.zErrMsg = NULL;
        hx_redeclare_forget(shadow);
        hx_forgive(shadow);
        shadow->vtab.zErrMsg = sentence;
    }
    free_alteration(a);
    return rc;
}

static int copy_arguments_without(alteration *a, int left_out) {
    const hx_arguments *const written = &a->writer->shadow->arguments;
    int rc = SQLITE_OK;
    for (int i = 0; i < written->count && rc == SQLITE_OK; i++) {
        if (i != left_out) {
            rc = hx_arguments_add(&a->arguments, "%s", written->items[i]);
        }
    }
    return rc;
}

/* --------------------------------------------------------------------------------------- add -- */

static int beside_vectors(const hx_columns *columns) {
    return columns->attributes + columns->kept;
}

/* Rows that exist get the default; NOT NULL needs one. */
static int check_added(alteration *a) {
    hx_shadow *const shadow = a->writer->shadow;
    const hx_column *const column = &a->columns.at[a->columns.count - 1];
    int64_t rows = 0;
    if (a->columns.count != shadow->columns.count + 1 ||
        beside_vectors(&a->columns) != beside_vectors(&shadow->columns) + 1) {
        return hx_fail(shadow, SQLITE_ERROR,
                       "hannoy: 'add' takes one column beside the vectors, as in add lang TEXT or "
                       "add +note TEXT");
    }
    if (!column->not_null || column->value) {
        return SQLITE_OK;
    }
    const int rc = hx_content_count_to(shadow, 1, &rows);
    return rc || !rows ? rc
                       : hx_fail(shadow, SQLITE_ERROR,
                                 "hannoy: %s is NOT NULL, and the rows of %s have no value for it; "
                                 "give it a DEFAULT",
                                 column->name, shadow->name);
}

static int store_added(alteration *a) {
    hx_shadow *const shadow = a->writer->shadow;
    const hx_column column = a->columns.at[a->columns.count - 1];
    int rc = take_over(a, column.role == HX_ROLE_FILTER);
    if (rc) {
        return rc;
    }
    if (hx_columns_external(&shadow->columns)) {
        rc = hx_external_content_check(shadow);
        return rc ? rc : hx_external_content_attach(shadow);
    }
    return hx_content_add_column(shadow, &column);
}

int hx_alter_add(hx_writer *writer, const char *definition) {
    alteration a = {writer, {NULL, 0}, HX_NO_COLUMNS, false};
    char *const column = hx_without_comments(skip_column_word(definition));
    int rc = column ? check_unread(writer->shadow) : SQLITE_NOMEM;
    if (rc == SQLITE_OK) {
        rc = copy_arguments_without(&a, -1);
    }
    if (rc == SQLITE_OK) {
        rc = hx_arguments_add(&a.arguments, "%s", column);
    }
    sqlite3_free(column);
    if (rc == SQLITE_OK) {
        rc = parse_arguments_again(&a);
    }
    if (rc == SQLITE_OK) {
        rc = check_added(&a);
    }
    if (rc == SQLITE_OK) {
        rc = store_added(&a);
    }
    return settle_alteration(&a, rc);
}

/* -------------------------------------------------------------------------------------- drop -- */

/* The column of this name; NULL: there is none. */
static const hx_column *find_named(const hx_columns *columns, const char *name) {
    for (int i = 0; i < columns->count; i++) {
        if (sqlite3_stricmp(columns->at[i].name, name) == 0) {
            return &columns->at[i];
        }
    }
    return NULL;
}

/* Does this argument define the column? */
static int defines_column(const char *argument, const char *name, bool *out) {
    hx_definition d;
    char *error = NULL, *const plain = hx_without_comments(argument);
    int rc = plain ? hx_definition_parse(plain, &d, &error) : SQLITE_NOMEM;
    char *const found = rc == SQLITE_OK ? hx_token_unquoted(d.name) : NULL;
    *out = found && sqlite3_stricmp(found, name) == 0;
    if (rc == SQLITE_ERROR) { /* an option, or a constraint of the table */
        rc = SQLITE_OK;
    } else if (!found) {
        rc = SQLITE_NOMEM;
    }
    sqlite3_free(found);
    sqlite3_free(error);
    sqlite3_free(plain);
    return rc;
}

static int find_argument(const hx_shadow *shadow, const char *name, int *out) {
    int rc = SQLITE_OK;
    bool defines = false;
    *out = -1;
    for (int i = 0; i < shadow->arguments.count && !defines && rc == SQLITE_OK; i++) {
        rc = defines_column(shadow->arguments.items[i], name, &defines);
        if (defines) {
            *out = i;
        }
    }
    return rc;
}

/* A name, perhaps in quotes, and nothing behind it. */
static int read_name(hx_shadow *shadow, const char *text, char **out) {
    const char *at = skip_column_word(text);
    const hx_token name = hx_token_name(&at);
    *out = NULL;
    if (!hx_token_is_word(name) || hx_token_peek(at).text.length) {
        return hx_fail(shadow, SQLITE_ERROR,
                       "hannoy: 'drop' takes the name of a column, as in drop lang");
    }
    *out = hx_token_unquoted(name);
    return *out ? SQLITE_OK : SQLITE_NOMEM;
}

static int check_dropped(hx_shadow *shadow, const char *name, const hx_column *column) {
    if (!column) {
        return hx_fail(shadow, SQLITE_ERROR, "hannoy: %s has no column %s", shadow->name, name);
    }
    if (!is_beside_vectors(column)) {
        return hx_fail(
            shadow, SQLITE_ERROR, "hannoy: %s is %s of %s, and only other columns can be dropped",
            column->name, column->role == HX_ROLE_VECTOR ? "a vector" : "the key", shadow->name);
    }
    return SQLITE_OK;
}

static int store_dropped(alteration *a, const hx_column *column) {
    hx_shadow *const shadow = a->writer->shadow;
    const hx_role role = column->role;
    const int place = column->place;
    const int rc = take_over(a, role == HX_ROLE_FILTER);
    if (rc) {
        return rc;
    }
    return hx_columns_external(&shadow->columns) ? hx_external_content_attach(shadow)
                                                 : hx_content_drop_column(shadow, role, place);
}

static int drop_named(alteration *a, const char *name) {
    hx_shadow *const shadow = a->writer->shadow;
    const hx_column *const column = find_named(&shadow->columns, name);
    int argument;
    int rc = check_dropped(shadow, name, column);
    if (rc == SQLITE_OK) {
        rc = find_argument(shadow, name, &argument);
    }
    if (rc == SQLITE_OK) {
        rc = copy_arguments_without(a, argument);
    }
    if (rc == SQLITE_OK) {
        rc = parse_arguments_again(a);
    }
    return rc ? rc : store_dropped(a, column);
}

int hx_alter_drop(hx_writer *writer, const char *name) {
    alteration a = {writer, {NULL, 0}, HX_NO_COLUMNS, false};
    char *plain = NULL;
    int rc = check_unread(writer->shadow);
    if (rc == SQLITE_OK) {
        rc = read_name(writer->shadow, name, &plain);
    }
    if (rc == SQLITE_OK) {
        rc = drop_named(&a, plain);
    }
    sqlite3_free(plain);
    return settle_alteration(&a, rc);
}
