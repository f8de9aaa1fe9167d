#include "table.h"

#include <stdlib.h>
#include <string.h>

#include "shadow/content.h"
#include "shadow/error.h"
#include "shadow/external_content.h"

static const char *const shadows[] = {"content", "log", "config"};
enum { SHADOW_COUNT = sizeof shadows / sizeof shadows[0] };

/* A table over another one has no content of its own. */
static int first_shadow(const hx_table *table) {
    return hx_columns_external(&table->columns) ? 1 : 0;
}

/* A table has a hidden column of its own name, so the names of its columns are taken. */
static bool name_is_taken(const hx_columns *columns, const char *name) {
    for (int i = 0; i < columns->count; i++) {
        if (sqlite3_stricmp(name, columns->at[i].name) == 0) return true;
    }
    for (int i = 0; i < HX_COMMAND; i++) {
        if (sqlite3_stricmp(name, hx_hidden_name((hx_hidden)i)) == 0) return true;
    }
    return sqlite3_stricmp(name, "rowid") == 0;
}

static char *taken_sentence(const char *name) {
    return sqlite3_mprintf("hannoy: a table cannot be called '%s', since it has a column of that "
                           "name; choose another name",
                           name);
}

/* ------------------------------------------------------------------------------- the object -- */

static void free_table(hx_table *table) {
    if (!table) return;
    hx_forgive(table);
    hx_autobuild_free(&table->commit);
    hx_table_drop_reader(table);
    if (table->sidecar) hx_connection_release(table->hub, table->sidecar);
    hx_sql_drop(table);
    hx_connection_remove(table->hub, table);
    hx_connection_unref(table->hub);
    hx_columns_free(&table->columns);
    sqlite3_free(table->row);
    sqlite3_free(table->parsed);
    sqlite3_free(table->schema);
    sqlite3_free(table->name);
    sqlite3_free(table);
}

/* The columns are taken over. */
static int make_table(sqlite3 *db, hx_connection *hub, const char *const *argv,
                      const hx_options *options, hx_columns *columns, hx_table **out) {
    hx_table *const table = sqlite3_malloc(sizeof *table);
    if (!table) return SQLITE_NOMEM;
    memset(table, 0, sizeof *table);
    table->columns = *columns;
    *columns = HX_NO_COLUMNS;
    table->hub = hx_connection_ref(hub);
    table->db = db;
    table->config.options = *options;
    table->vector_bytes = hny_vector_bytes(options->shape);
    table->schema = sqlite3_mprintf("%s", argv[1]);
    table->name = sqlite3_mprintf("%s", argv[2]);
    table->row = sqlite3_malloc64(table->vector_bytes);
    table->parsed = sqlite3_malloc64(table->vector_bytes);
    int rc = table->schema && table->name && table->row && table->parsed ? SQLITE_OK : SQLITE_NOMEM;
    if (rc == SQLITE_OK) rc = hx_connection_sidecar(hub, table->schema, &table->sidecar);
    if (rc) {
        free_table(table);
        return rc;
    }
    hx_connection_add(hub, table);
    *out = table;
    return SQLITE_OK;
}

/*
** INNOCUOUS: whoever controls the schema gains nothing by a table of ours in a view or trigger.  It
** reads and writes its own shadow tables and a file whose name follows from the database's.
*/
static int declare(sqlite3 *db, const hx_columns *columns, const char *name) {
    char *const text = hx_columns_declaration(columns, name);
    if (!text) return SQLITE_NOMEM;
    int rc = sqlite3_declare_vtab(db, text);
    sqlite3_free(text);
    if (rc == SQLITE_OK) rc = sqlite3_vtab_config(db, SQLITE_VTAB_CONSTRAINT_SUPPORT, 1);
    if (rc == SQLITE_OK) rc = sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
    return rc;
}

static int open_table(sqlite3 *db, hx_connection *hub, int argc, const char *const *argv,
                      hx_table **out, char **error) {
    hx_columns columns;
    hx_arguments arguments;
    hx_options options;
    int rc = hx_columns_parse(argc - 3, argv + 3, argv[2], &columns, &arguments, error);
    if (rc) return rc;
    if (name_is_taken(&columns, argv[2])) {
        *error = taken_sentence(argv[2]);
        rc = *error ? SQLITE_ERROR : SQLITE_NOMEM;
    }
    if (rc == SQLITE_OK) rc = hx_options_parse(arguments.count, arguments.at, &options, error);
    if (rc == SQLITE_OK) rc = declare(db, &columns, argv[2]);
    if (rc == SQLITE_OK) rc = make_table(db, hub, argv, &options, &columns, out);
    hx_columns_free(&columns);
    sqlite3_free(arguments.at);
    return rc;
}

/* ------------------------------------------------------------------------------ shadow tables -- */

static int create_shadows(hx_table *table) {
    const char *const schema = table->schema, *const name = table->name;
    const bool external = hx_columns_external(&table->columns);
    int rc = external ? hx_external_content_check(table) : hx_content_create(table);
    if (rc == SQLITE_OK)
        rc = hx_sql_exec(table,
                         "CREATE TABLE \"%w\".\"%w_log\"(seq INTEGER PRIMARY KEY, id INTEGER, "
                         "chain INTEGER)",
                         schema, name);
    if (rc == SQLITE_OK)
        rc = hx_sql_exec(table,
                         "CREATE TABLE \"%w\".\"%w_config\"(key TEXT PRIMARY KEY, value) "
                         "WITHOUT ROWID",
                         schema, name);
    return rc;
}

bool hx_table_exists(hx_table *table) {
    char *const name = sqlite3_mprintf("%s_config", table->name);
    const int rc = name ? sqlite3_table_column_metadata(table->db, table->schema, name, NULL, NULL,
                                                        NULL, NULL, NULL, NULL)
                        : SQLITE_NOMEM;
    sqlite3_free(name);
    return rc != SQLITE_ERROR;
}

int hx_table_shadow_name(const char *suffix) {
    for (int i = 0; i < SHADOW_COUNT; i++) {
        if (sqlite3_stricmp(suffix, shadows[i]) == 0) return 1;
    }
    return 0;
}

/* ------------------------------------------------------------------------------------ methods -- */

int hx_table_connect(sqlite3 *db, void *aux, int argc, const char *const *argv, sqlite3_vtab **out,
                     char **error) {
    hx_table *table;
    const int rc = open_table(db, aux, argc, argv, &table, error);
    if (rc == SQLITE_OK) *out = &table->base;
    return rc;
}

int hx_table_create(sqlite3 *db, void *aux, int argc, const char *const *argv, sqlite3_vtab **out,
                    char **error) {
    hx_table *table;
    int rc = open_table(db, aux, argc, argv, &table, error);
    if (rc) return rc;
    const sqlite3_int64 last = sqlite3_last_insert_rowid(db);
    uint32_t number;
    rc = create_shadows(table);
    if (rc == SQLITE_OK) rc = hx_config_create(table, &number);
    if (rc == SQLITE_OK && hx_columns_external(&table->columns))
        rc = hx_external_content_attach(table, number);
    sqlite3_set_last_insert_rowid(db, last);
    if (rc) {
        *error = table->base.zErrMsg;
        table->base.zErrMsg = NULL;
        free_table(table);
        return rc;
    }
    *out = &table->base;
    return SQLITE_OK;
}

int hx_table_disconnect(sqlite3_vtab *vtab) {
    free_table((hx_table *)vtab);
    return SQLITE_OK;
}

/*
** The sidecar keeps what it has: a DROP can be rolled back, and no callback says so.  A later
** automatic build sweeps it away.
*/
int hx_table_destroy(sqlite3_vtab *vtab) {
    hx_table *const table = (hx_table *)vtab;
    if (hx_columns_external(&table->columns)) {
        const int rc = hx_external_content_detach(table);
        if (rc) return rc;
    }
    hx_sql_drop(table);
    for (int i = 0; i < SHADOW_COUNT; i++) {
        const int rc = hx_sql_exec(table, "DROP TABLE IF EXISTS \"%w\".\"%w_%w\"", table->schema,
                                   table->name, shadows[i]);
        if (rc) return rc;
    }
    free_table(table);
    return SQLITE_OK;
}

int hx_table_rename(sqlite3_vtab *vtab, const char *name) {
    hx_table *const table = (hx_table *)vtab;
    if (name_is_taken(&table->columns, name))
        return hx_fail_with(table, SQLITE_ERROR, taken_sentence(name));
    char *const copy = sqlite3_mprintf("%s", name);
    if (!copy) return SQLITE_NOMEM;
    hx_sql_drop(table);
    for (int i = first_shadow(table); i < SHADOW_COUNT; i++) {
        const int rc = hx_sql_exec(table, "ALTER TABLE \"%w\".\"%w_%w\" RENAME TO \"%w_%w\"",
                                   table->schema, table->name, shadows[i], name, shadows[i]);
        if (rc) {
            sqlite3_free(copy);
            return rc;
        }
    }
    sqlite3_free(table->name);
    table->name = copy;
    return SQLITE_OK;
}

int hx_table_reader(hx_table *table) {
    if (table->reader) return SQLITE_OK;
    const int status =
        hny_reader_new(table->sidecar, table->config.number, table->config.options.shape,
                       (uint32_t)table->columns.attributes, &table->reader);
    return status ? hx_fail_status(table, status) : SQLITE_OK;
}

void hx_table_drop_reader(hx_table *table) {
    hx_snapshot_free(&table->snapshot);
    hx_vector_cache_free(&table->recent);
    hny_reader_free(table->reader);
    table->reader = NULL;
}
