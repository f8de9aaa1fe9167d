/* The shadow tables of one table: create, drop, rename.  The contract is in shadow.h. */
#include "shadow/shadow.h"

#include <string.h>

#include "shadow/content.h"
#include "shadow/error.h"
#include "shadow/external_content.h"
#include "shadow/table_columns.h"
#include "shadow/table_ids.h"

#define MAX_OWN_COLUMNS 3

typedef struct shadow_table {
    const char *suffix;
    const char *columns[MAX_OWN_COLUMNS]; /* those that make it ours */
    int count;                            /* of them */
} shadow_table;

static const shadow_table shadow_tables[] = {
    {"content", {"id", "vector"}, 2},
    {"log", {"seq", "id", "chain"}, 3},
    {"config", {"key", "value"}, 2},
};
enum { TABLE_COUNT = sizeof shadow_tables / sizeof shadow_tables[0] };

/* With content= there is no v_content. */
static int first_table(const hx_shadow *shadow) {
    return hx_columns_external(&shadow->columns) ? 1 : 0;
}

/* The encoding of the database, by which BINARY compares texts. */
static int read_encoding(sqlite3 *db, int *out) {
    sqlite3_stmt *stmt;
    int rc = sqlite3_prepare_v2(db, "PRAGMA encoding", -1, &stmt, NULL);
    if (rc) {
        return rc;
    }
    *out = SQLITE_UTF8;
    if (sqlite3_step(stmt) == SQLITE_ROW) {
        const char *const name = (const char *)sqlite3_column_text(stmt, 0);
        if (name && strcmp(name, "UTF-16le") == 0) {
            *out = SQLITE_UTF16LE;
        }
        if (name && strcmp(name, "UTF-16be") == 0) {
            *out = SQLITE_UTF16BE;
        }
    }
    return sqlite3_finalize(stmt);
}

/* Values of v_content have the affinity of their column already. */
static void note_comparables(hx_shadow *shadow) {
    const hx_columns *const columns = &shadow->columns;
    const bool external = hx_columns_external(columns);
    for (int i = 0; i < columns->count; i++) {
        const hx_column *const column = &columns->at[i];
        if (column->role != HX_ROLE_FILTER) {
            continue;
        }
        shadow->comparables[column->place] =
            (hx_comparable){external ? hx_affinity_of_type(column->type) : HX_AFFINITY_NONE,
                            hx_collation_of_name(column->collation), shadow->encoding};
    }
}

int hx_shadow_init(hx_shadow *shadow, sqlite3 *db, const char *schema, const char *name,
                   const hx_options *options, hx_columns *columns) {
    shadow->db = db;
    shadow->columns = *columns;
    *columns = HX_NO_COLUMNS;
    shadow->schema = sqlite3_mprintf("%s", schema);
    shadow->name = sqlite3_mprintf("%s", name);
    int rc = shadow->schema && shadow->name ? hx_sql_init(shadow) : SQLITE_NOMEM;
    if (rc == SQLITE_OK) {
        rc = read_encoding(db, &shadow->encoding);
    }
    note_comparables(shadow);
    for (int i = 0; i < shadow->columns.vectors && rc == SQLITE_OK; i++) {
        shadow->config.vectors[i].options = options[i];
        shadow->vector_bytes[i] = hny_vector_bytes(options[i].shape);
        shadow->parsed[i] = sqlite3_malloc64(shadow->vector_bytes[i]);
        shadow->vector_label[i] =
            sqlite3_mprintf(shadow->columns.vectors > 1 ? "vector %s" : "vector",
                            hx_columns_which(&shadow->columns, i));
        rc = shadow->parsed[i] && shadow->vector_label[i] ? SQLITE_OK : SQLITE_NOMEM;
    }
    return rc;
}

void hx_shadow_free(hx_shadow *shadow) {
    hx_forgive(shadow);
    hx_sql_free(shadow);
    for (int i = 0; i < shadow->columns.vectors; i++) {
        sqlite3_free(shadow->parsed[i]);
        sqlite3_free(shadow->vector_label[i]);
    }
    hx_schema_state_free(&shadow->schema_state);
    hx_columns_free(&shadow->columns);
    hx_arguments_free(&shadow->arguments);
    sqlite3_free(shadow->schema);
    sqlite3_free(shadow->name);
}

/* ------------------------------------------------------------------------------------- names -- */

/*
** Refuses a name under which a shadow table could not be told from a table of the user's.  With
** content= this includes v_content: SQLite asks for the suffix alone (xShadowName), and would
** make a table of that name read-only in defensive mode.
*/
static int check_names(hx_shadow *shadow, const char *name) {
    for (int i = 0; i < TABLE_COUNT; i++) {
        const char *const suffix = shadow_tables[i].suffix;
        bool exists;
        const int rc =
            hx_sql_ask(shadow, &exists,
                       sqlite3_mprintf("SELECT 1 FROM \"%w\".sqlite_schema WHERE name = '%q_%q' "
                                       "COLLATE NOCASE AND type IN ('table', 'view')",
                                       shadow->schema, name, suffix));
        if (rc) {
            return rc;
        }
        if (exists) {
            return hx_fail(shadow, SQLITE_ERROR,
                           "hannoy: there is already a table %s_%s, a name that %s needs for "
                           "itself; choose another name",
                           name, suffix, name);
        }
    }
    return SQLITE_OK;
}

/*
** Is the shadow table there, and is it ours?  A view, or a table with other columns, is the
** user's.
*/
static int owns_table(hx_shadow *shadow, const shadow_table *table, bool *out) {
    char *const name = sqlite3_mprintf("%s_%s", shadow->name, table->suffix);
    int rc = name ? hx_sql_ask(shadow, out,
                               sqlite3_mprintf("SELECT 1 FROM \"%w\".sqlite_schema WHERE name = %Q "
                                               "COLLATE NOCASE AND type = 'table' AND rootpage > 0",
                                               shadow->schema, name))
                  : SQLITE_NOMEM;
    if (rc == SQLITE_OK && *out) {
        rc = hx_table_has_columns(shadow, name, table->columns, table->count, out);
    }
    sqlite3_free(name);
    return rc;
}

/* ---------------------------------------------------------------------- create, drop, rename -- */

static int create_config(hx_shadow *shadow, uint32_t number) {
    char *const remark = hx_table_ids_remark(number, shadow->columns.vectors);
    const int rc =
        remark ? hx_sql_exec(shadow,
                             "CREATE TABLE \"%w\".\"%w_config\"(key TEXT PRIMARY KEY, value "
                             "%s) WITHOUT ROWID",
                             shadow->schema, shadow->name, remark)
               : SQLITE_NOMEM;
    sqlite3_free(remark);
    return rc;
}

static int create_tables(hx_shadow *shadow, uint32_t number) {
    const char *const schema = shadow->schema, *const name = shadow->name;
    const bool external = hx_columns_external(&shadow->columns);
    sqlite3_stmt *insert;
    int rc = external ? SQLITE_OK : hx_content_create(shadow);
    if (rc == SQLITE_OK) {
        rc = hx_sql_exec(shadow,
                         "CREATE TABLE \"%w\".\"%w_log\"(seq INTEGER NOT NULL, id INTEGER, "
                         "chain INTEGER NOT NULL, PRIMARY KEY(seq, chain)) WITHOUT ROWID",
                         schema, name);
    }
    if (rc == SQLITE_OK) {
        rc = create_config(shadow, number);
    }
    /* Fails if a default is not an expression that an INSERT takes. */
    return rc || external ? rc : hx_sql_get(shadow, HX_SQL_CONTENT_INSERT, &insert);
}

int hx_shadow_create(hx_shadow *shadow) {
    const bool external = hx_columns_external(&shadow->columns);
    uint32_t number = 0;
    hx_log log;
    int rc = check_names(shadow, shadow->name);
    if (rc == SQLITE_OK && external) {
        rc = hx_external_content_check(shadow);
    }
    if (rc == SQLITE_OK) {
        rc = hx_table_ids_next(shadow, shadow->columns.vectors, &number);
    }
    if (rc == SQLITE_OK) {
        rc = create_tables(shadow, number);
    }
    if (rc == SQLITE_OK) {
        rc = hx_config_create(shadow, number);
    }
    if (rc || !external) {
        return rc;
    }
    rc = hx_log_read(shadow, &log);
    if (rc == SQLITE_OK) {
        rc = hx_log_start(shadow);
    }
    return rc ? rc : hx_external_content_attach(shadow);
}

static int drop_table(hx_shadow *shadow, const shadow_table *table) {
    bool ours;
    const int rc = owns_table(shadow, table, &ours);
    if (rc || !ours) {
        return rc;
    }
    return hx_sql_exec(shadow, "DROP TABLE \"%w\".\"%w_%w\"", shadow->schema, shadow->name,
                       table->suffix);
}

int hx_shadow_drop(hx_shadow *shadow) {
    int rc = SQLITE_OK;
    if (hx_columns_external(&shadow->columns)) {
        rc = hx_external_content_detach(shadow);
    }
    hx_sql_drop(shadow);
    for (int i = first_table(shadow); i < TABLE_COUNT && rc == SQLITE_OK; i++) {
        rc = drop_table(shadow, &shadow_tables[i]);
    }
    return rc;
}

static int rename_table(hx_shadow *shadow, const shadow_table *table, const char *name) {
    bool ours;
    const int rc = owns_table(shadow, table, &ours);
    if (rc || !ours) {
        return rc;
    }
    return hx_sql_exec(shadow, "ALTER TABLE \"%w\".\"%w_%w\" RENAME TO \"%w_%w\"", shadow->schema,
                       shadow->name, table->suffix, name, table->suffix);
}

/* SQLite renames the table in triggers, but not with PRAGMA legacy_alter_table. */
int hx_shadow_rename(hx_shadow *shadow, const char *name) {
    const bool external = hx_columns_external(&shadow->columns);
    char *const copy = sqlite3_mprintf("%s", name);
    int rc = copy ? check_names(shadow, name) : SQLITE_NOMEM;
    if (rc == SQLITE_OK && external) {
        rc = hx_external_content_detach(shadow);
    }
    hx_sql_drop(shadow);
    for (int i = first_table(shadow); i < TABLE_COUNT && rc == SQLITE_OK; i++) {
        rc = rename_table(shadow, &shadow_tables[i], name);
    }
    if (rc) {
        sqlite3_free(copy);
        return rc;
    }
    sqlite3_free(shadow->name);
    shadow->name = copy;
    return external ? hx_external_content_attach(shadow) : SQLITE_OK;
}

bool hx_shadow_exists(hx_shadow *shadow) {
    char *const name = sqlite3_mprintf("%s_config", shadow->name);
    const int rc = name ? sqlite3_table_column_metadata(shadow->db, shadow->schema, name, NULL,
                                                        NULL, NULL, NULL, NULL, NULL)
                        : SQLITE_NOMEM;
    sqlite3_free(name);
    return rc != SQLITE_ERROR;
}

int hx_shadow_name(const char *suffix) {
    for (int i = 0; i < TABLE_COUNT; i++) {
        if (sqlite3_stricmp(suffix, shadow_tables[i].suffix) == 0) {
            return 1;
        }
    }
    return 0;
}
