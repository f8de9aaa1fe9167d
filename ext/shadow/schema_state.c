/* Triggers on shadow tables and content tables; the contract is in schema_state.h. */
#include "shadow/schema_state.h"

#include "shadow/error.h"
#include "shadow/external_content.h"
#include "shadow/shadow.h"

void hx_schema_state_free(hx_schema_state *state) {
    sqlite3_free(state->trigger);
    sqlite3_free(state->rowid);
    *state = (hx_schema_state){.known = false, .was_disabled = state->was_disabled};
}

/* A trigger on one of the shadow tables.  Those of the schema temp are the connection's own. */
static int read_shadow_trigger(hx_shadow *shadow, char **out) {
    return hx_sql_query_text(
        shadow,
        sqlite3_mprintf("SELECT name FROM \"%w\".sqlite_schema WHERE type = 'trigger' AND lower("
                        "tbl_name) IN (lower(%Q || '_log'), lower(%Q || '_config'), iif(%d, '', "
                        "lower(%Q || '_content')))",
                        shadow->schema, shadow->name, shadow->name,
                        hx_columns_external(&shadow->columns), shadow->name),
        out);
}

static bool same_text(const char *a, const char *b) {
    return a && b ? sqlite3_stricmp(a, b) == 0 : a == b;
}

/* Statements name the rowid, so another name makes them obsolete. */
static int read_content_table(hx_shadow *shadow) {
    hx_schema_state *const state = &shadow->schema_state;
    char *rowid = NULL;
    bool followed = false;
    int rc = hx_external_content_rowid(shadow, &rowid);
    if (rc) {
        return rc;
    }
    if (!same_text(rowid, state->rowid)) {
        hx_sql_drop(shadow);
    }
    sqlite3_free(state->rowid);
    state->rowid = rowid;
    rc = hx_external_content_followed(shadow, &followed);
    state->unfollowed = !followed || !rowid;
    return rc;
}

static int read_schema(hx_shadow *shadow) {
    hx_schema_state *const state = &shadow->schema_state;
    sqlite3_free(state->trigger);
    state->trigger = NULL;
    state->known = false;
    const int rc = read_shadow_trigger(shadow, &state->trigger);
    return rc || !hx_columns_external(&shadow->columns) ? rc : read_content_table(shadow);
}

/* SQLITE_DBCONFIG_ENABLE_TRIGGER of this connection; it changes no schema. */
static bool triggers_disabled(const hx_shadow *shadow) {
    int enabled = 1;
    sqlite3_db_config(shadow->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, -1, &enabled);
    return !enabled;
}

int hx_schema_state_read(hx_shadow *shadow) {
    hx_schema_state *const state = &shadow->schema_state;
    const unsigned generation = shadow->sql.generation;
    const int prepared = hx_sql_prepared(shadow, HX_SQL_LOG_TIP);
    if (hx_columns_external(&shadow->columns) && triggers_disabled(shadow)) {
        state->was_disabled = true;
    }
    if (state->known && state->prepared == prepared && state->generation == generation) {
        return SQLITE_OK;
    }
    const int rc = read_schema(shadow);
    if (rc) {
        return rc;
    }
    state->prepared = prepared;
    state->generation = generation;
    state->known = true;
    return SQLITE_OK;
}

int hx_schema_state_check(hx_shadow *shadow) {
    const int rc = hx_schema_state_read(shadow);
    if (rc || !shadow->schema_state.trigger) {
        return rc;
    }
    return hx_fail(
        shadow, SQLITE_ERROR,
        "hannoy: the trigger %s is on a shadow table of %s, which must have none; drop it",
        shadow->schema_state.trigger, shadow->name);
}

bool hx_schema_state_followed(const hx_shadow *shadow) {
    return !shadow->schema_state.unfollowed && !shadow->schema_state.was_disabled;
}

/* A view or virtual table where a table should be; *out NULL: there is none. */
static int read_other_kind(hx_shadow *shadow, char **out) {
    const char *const source = shadow->columns.source.table;
    return hx_sql_query_text(
        shadow,
        sqlite3_mprintf("SELECT name FROM \"%w\".sqlite_schema WHERE lower(name) IN (lower(%Q || "
                        "'_log'), lower(%Q || '_config'), lower(%Q || %Q)) AND (type = 'view' OR "
                        "(type = 'table' AND rootpage = 0))",
                        shadow->schema, shadow->name, shadow->name, source ? source : shadow->name,
                        source ? "" : "_content"),
        out);
}

static int read_version(hx_shadow *shadow, int *out) {
    sqlite3_stmt *stmt;
    sqlite3_int64 version = 0;
    int rc = hx_sql_get(shadow, HX_SQL_SCHEMA_VERSION, &stmt);
    if (rc == SQLITE_OK) {
        rc = hx_sql_integer(shadow, stmt, &version);
    }
    *out = (int)version;
    return rc;
}

int hx_schema_state_tables(hx_shadow *shadow) {
    hx_schema_state *const state = &shadow->schema_state;
    char *other;
    int version;
    int rc = read_version(shadow, &version);
    if (rc || (state->tables && state->version == version)) {
        return rc;
    }
    rc = read_other_kind(shadow, &other);
    if (rc) {
        return rc;
    }
    state->tables = !other;
    state->version = version;
    if (other) {
        rc = hx_fail(shadow, SQLITE_ERROR,
                     "hannoy: %s is a view or a virtual table, where %s needs the table that was "
                     "there when %s was created; drop it or %s",
                     other, shadow->name, shadow->name, shadow->name);
        sqlite3_free(other);
    }
    return rc;
}
