/* The shadow tables of one table: create, drop, rename.  The contract is in shadow.h. */
#include "shadow/shadow.h"

#include "shadow/content.h"
#include "shadow/error.h"
#include "shadow/external_content.h"

static const char *const suffixes[] = {"content", "log", "config"};
enum { SUFFIX_COUNT = sizeof suffixes / sizeof suffixes[0] };

/* With content= there is no v_content. */
static int first_suffix(const hx_shadow *shadow) {
    return hx_columns_external(&shadow->columns) ? 1 : 0;
}

int hx_shadow_init(hx_shadow *shadow, sqlite3 *db, const char *schema, const char *name,
                   const hx_options *options, hx_columns *columns) {
    shadow->db = db;
    shadow->columns = *columns;
    *columns = HX_NO_COLUMNS;
    shadow->schema = sqlite3_mprintf("%s", schema);
    shadow->name = sqlite3_mprintf("%s", name);
    int rc = shadow->schema && shadow->name ? hx_sql_init(shadow) : SQLITE_NOMEM;
    for (int i = 0; i < shadow->columns.vectors && rc == SQLITE_OK; i++) {
        shadow->config.vectors[i].options = options[i];
        shadow->vector_bytes[i] = hny_vector_bytes(options[i].shape);
        shadow->parsed[i] = sqlite3_malloc64(shadow->vector_bytes[i]);
        rc = shadow->parsed[i] ? SQLITE_OK : SQLITE_NOMEM;
    }
    return rc;
}

void hx_shadow_free(hx_shadow *shadow) {
    hx_forgive(shadow);
    hx_sql_free(shadow);
    for (int i = 0; i < shadow->columns.vectors; i++) {
        sqlite3_free(shadow->parsed[i]);
    }
    hx_columns_free(&shadow->columns);
    sqlite3_free(shadow->schema);
    sqlite3_free(shadow->name);
}

int hx_shadow_create(hx_shadow *shadow) {
    const char *const schema = shadow->schema, *const name = shadow->name;
    const bool external = hx_columns_external(&shadow->columns);
    uint32_t number;
    sqlite3_stmt *insert;
    int rc = external ? hx_external_content_check(shadow) : hx_content_create(shadow);
    /* Fails if a default is not an expression that an INSERT takes. */
    if (rc == SQLITE_OK && !external) rc = hx_sql_get(shadow, HX_SQL_CONTENT_INSERT, &insert);
    if (rc == SQLITE_OK) {
        rc = hx_sql_exec(shadow,
                         "CREATE TABLE \"%w\".\"%w_log\"(seq INTEGER PRIMARY KEY, id INTEGER, "
                         "chain INTEGER)",
                         schema, name);
    }
    if (rc == SQLITE_OK) {
        rc = hx_sql_exec(shadow,
                         "CREATE TABLE \"%w\".\"%w_config\"(key TEXT PRIMARY KEY, value) "
                         "WITHOUT ROWID",
                         schema, name);
    }
    if (rc == SQLITE_OK) rc = hx_config_create(shadow, &number);
    if (rc == SQLITE_OK && external) rc = hx_external_content_attach(shadow, number);
    return rc;
}

int hx_shadow_drop(hx_shadow *shadow) {
    if (hx_columns_external(&shadow->columns)) {
        const int rc = hx_external_content_detach(shadow);
        if (rc) return rc;
    }
    hx_sql_drop(shadow);
    for (int i = first_suffix(shadow); i < SUFFIX_COUNT; i++) {
        const int rc = hx_sql_exec(shadow, "DROP TABLE IF EXISTS \"%w\".\"%w_%w\"", shadow->schema,
                                   shadow->name, suffixes[i]);
        if (rc) return rc;
    }
    return SQLITE_OK;
}

int hx_shadow_rename(hx_shadow *shadow, const char *name) {
    char *const copy = sqlite3_mprintf("%s", name);
    if (!copy) return SQLITE_NOMEM;
    hx_sql_drop(shadow);
    for (int i = first_suffix(shadow); i < SUFFIX_COUNT; i++) {
        const int rc = hx_sql_exec(shadow, "ALTER TABLE \"%w\".\"%w_%w\" RENAME TO \"%w_%w\"",
                                   shadow->schema, shadow->name, suffixes[i], name, suffixes[i]);
        if (rc) {
            sqlite3_free(copy);
            return rc;
        }
    }
    sqlite3_free(shadow->name);
    shadow->name = copy;
    return SQLITE_OK;
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
    for (int i = 0; i < SUFFIX_COUNT; i++) {
        if (sqlite3_stricmp(suffix, suffixes[i]) == 0) return 1;
    }
    return 0;
}
