/* The tables and sidecars of one connection; the contract is in connection.h. */
#include "connection.h"

#include <stdbool.h>
#include <string.h>

#include "shadow/encryption.h"
#include "shadow/error.h"
#include "table.h"

/* The sidecar of one schema. */
typedef struct schema_sidecar {
    struct schema_sidecar *next;
    char *schema;
    char *database; /* the file; NULL: none */
    bool is_private;
    hny_sidecar *sidecar;
    unsigned users;
} schema_sidecar;

struct hx_connection {
    sqlite3 *db;
    hx_connection *next; /* in `connections` */
    bool registered;
    unsigned refs;
    unsigned depth;
    hx_table *tables; /* the last connected one first */
    schema_sidecar *sidecars;
    char *folder; /* of sidecars; NULL: the environment's, or beside the database */
};

/* Of this process. */
static hx_connection *connections;

static sqlite3_mutex *lock_connections(void) {
    sqlite3_mutex *const mutex = sqlite3_mutex_alloc(SQLITE_MUTEX_STATIC_APP3);
    sqlite3_mutex_enter(mutex);
    return mutex;
}

static void list_connection(hx_connection *connection) {
    sqlite3_mutex *const mutex = lock_connections();
    connection->next = connections;
    connections = connection;
    sqlite3_mutex_leave(mutex);
}

static void unlist_connection(hx_connection *connection) {
    sqlite3_mutex *const mutex = lock_connections();
    hx_connection **link = &connections;
    while (*link && *link != connection) {
        link = &(*link)->next;
    }
    if (*link) {
        *link = connection->next;
    }
    sqlite3_mutex_leave(mutex);
}

hx_connection *hx_connection_of(sqlite3 *db) {
    sqlite3_mutex *const mutex = lock_connections();
    hx_connection *found = connections;
    while (found && found->db != db) {
        found = found->next;
    }
    sqlite3_mutex_leave(mutex);
    return found;
}

void hx_connection_set_registered(hx_connection *connection) {
    connection->registered = true;
}

bool hx_connection_is_registered(const hx_connection *connection) {
    return connection->registered;
}

int hx_connection_new(sqlite3 *db, hx_connection **out) {
    hx_connection *const connection = sqlite3_malloc(sizeof *connection);
    if (!connection) {
        return SQLITE_NOMEM;
    }
    *connection = (hx_connection){.db = db, .refs = 1};
    list_connection(connection);
    *out = connection;
    return SQLITE_OK;
}

hx_connection *hx_connection_ref(hx_connection *connection) {
    connection->refs++;
    return connection;
}

sqlite3 *hx_connection_db(const hx_connection *connection) {
    return connection->db;
}

unsigned *hx_connection_depth(hx_connection *connection) {
    return &connection->depth;
}

/* ---------------------------------------------------------------------------------- sidecars -- */

static void free_sidecar(schema_sidecar *old) {
    if (old->sidecar) {
        hny_linker_leave(old->sidecar);
    }
    hny_sidecar_unref(old->sidecar);
    sqlite3_free(old->schema);
    sqlite3_free(old->database);
    sqlite3_free(old);
}

void hx_connection_unref(void *arg) {
    hx_connection *const connection = arg;
    if (--connection->refs) {
        return;
    }
    while (connection->sidecars) {
        schema_sidecar *const first = connection->sidecars;
        connection->sidecars = first->next;
        free_sidecar(first);
    }
    unlist_connection(connection);
    sqlite3_free(connection->folder);
    sqlite3_free(connection);
}

/* VFSes that keep databases in memory name them like files. */
static bool is_memdb(sqlite3 *db, const char *schema) {
    char *vfs = NULL;
    sqlite3_file_control(db, schema, SQLITE_FCNTL_VFSNAME, &vfs);
    const bool found = vfs && strncmp(vfs, "memdb", 5) == 0;
    sqlite3_free(vfs);
    return found;
}

static const char *file_of(sqlite3 *db, const char *schema) {
    const char *const file = sqlite3_db_filename(db, schema);
    return file && *file && !is_memdb(db, schema) ? file : NULL;
}

static bool same_file(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static schema_sidecar *find_sidecar(hx_connection *connection, const char *schema, const char *file,
                                    bool is_private) {
    for (schema_sidecar *entry = connection->sidecars; entry; entry = entry->next) {
        if (sqlite3_stricmp(entry->schema, schema) == 0 && same_file(entry->database, file) &&
            entry->is_private == is_private) {
            return entry;
        }
    }
    return NULL;
}

static schema_sidecar *make_sidecar(const char *schema, const char *file, bool is_private,
                                    const char *folder) {
    schema_sidecar *const entry = sqlite3_malloc(sizeof *entry);
    if (!entry) {
        return NULL;
    }
    *entry = (schema_sidecar){.schema = sqlite3_mprintf("%s", schema), .is_private = is_private};
    if (file) {
        entry->database = sqlite3_mprintf("%s", file);
    }
    if (!entry->schema || (file && !entry->database) ||
        hny_sidecar_new(is_private ? NULL : file, folder, &entry->sidecar) != HNY_OK) {
        entry->sidecar = NULL;
        free_sidecar(entry);
        return NULL;
    }
    return entry;
}

int hx_connection_sidecar(hx_connection *connection, const char *schema, hx_place place,
                          hny_sidecar **out) {
    const char *const file = file_of(connection->db, schema);
    const bool is_private =
        !file || place == HX_PLACE_PRIVATE ||
        (place == HX_PLACE_AUTO && hx_database_is_encrypted(connection->db, schema));
    schema_sidecar *entry = find_sidecar(connection, schema, file, is_private);
    if (!entry) {
        entry = make_sidecar(schema, file, is_private, connection->folder);
        if (!entry) {
            return SQLITE_NOMEM;
        }
        entry->next = connection->sidecars;
        connection->sidecars = entry;
    }
    entry->users++;
    *out = hny_sidecar_ref(entry->sidecar);
    return SQLITE_OK;
}

void hx_connection_release(hx_connection *connection, hny_sidecar *sidecar) {
    for (schema_sidecar **link = &connection->sidecars; *link; link = &(*link)->next) {
        schema_sidecar *const entry = *link;
        if (entry->sidecar != sidecar) {
            continue;
        }
        if (--entry->users == 0 && !entry->is_private) {
            *link = entry->next;
            free_sidecar(entry);
        }
        break;
    }
    hny_sidecar_unref(sidecar);
}

const char *hx_connection_folder(const hx_connection *connection) {
    return connection->folder;
}

int hx_connection_move(hx_connection *connection, const char *folder) {
    char *const copy = folder ? sqlite3_mprintf("%s", folder) : NULL;
    int status = folder && !copy ? HNY_NOMEM : HNY_OK;
    for (schema_sidecar *s = connection->sidecars; s && status == HNY_OK; s = s->next) {
        hny_linker_leave(s->sidecar);
        status = hny_sidecar_move(s->sidecar, copy);
    }
    if (status) {
        sqlite3_free(copy);
        return SQLITE_NOMEM;
    }
    sqlite3_free(connection->folder);
    connection->folder = copy;
    return SQLITE_OK;
}

/* ------------------------------------------------------------------------------------ tables -- */

/* After a schema change SQLite connects the new object before it disconnects the old one. */
void hx_connection_add(hx_connection *connection, hx_table *table) {
    table->next = connection->tables;
    connection->tables = table;
}

void hx_connection_remove(hx_connection *connection, hx_table *table) {
    hx_table **link = &connection->tables;
    while (*link && *link != table) {
        link = &(*link)->next;
    }
    if (*link) {
        *link = table->next;
    }
}

unsigned hx_connection_readers(const hx_connection *connection, const hx_table *table) {
    unsigned count = 0;
    for (hx_table *t = connection->tables; t; t = t->next) {
        if (sqlite3_stricmp(t->shadow.schema, table->shadow.schema) == 0 &&
            sqlite3_stricmp(t->shadow.name, table->shadow.name) == 0) {
            count += t->shadow.cursors;
        }
    }
    return count;
}

static hx_table *find_table(const hx_connection *connection, const char *schema, const char *name) {
    for (hx_table *t = connection->tables; t; t = t->next) {
        if (sqlite3_stricmp(t->shadow.schema, schema) == 0 &&
            sqlite3_stricmp(t->shadow.name, name) == 0) {
            return t;
        }
    }
    return NULL;
}

void hx_found_release(hx_found *found) {
    if (found->table) {
        hx_sql_settle(&found->table->shadow);
    }
    sqlite3_finalize(found->anchor);
    *found = (hx_found){NULL, NULL};
}

/* Results of a look-up. */
enum { NO_TABLE, OTHER_TABLE, HANNOY_TABLE };

/*
** What schema.name is: *virtual_table false for a view, which must not be stepped since it could
** lead back here.  This step also makes SQLite see a schema that another connection has changed.
*/
static int read_kind(hx_connection *connection, const char *schema, const char *name, int *kind,
                     bool *virtual_table) {
    sqlite3_stmt *stmt = NULL;
    char *const text = sqlite3_mprintf(
        "SELECT type = 'table' AND rootpage = 0 FROM \"%w\".sqlite_schema WHERE name = %Q COLLATE "
        "NOCASE AND type IN ('table', 'view')",
        schema, name);
    *virtual_table = false;
    if (!text) {
        return SQLITE_NOMEM;
    }
    int rc = sqlite3_prepare_v2(connection->db, text, -1, &stmt, NULL);
    sqlite3_free(text);
    if (rc) {
        return rc == SQLITE_ERROR ? SQLITE_OK : rc; /* no such schema */
    }
    if (sqlite3_step(stmt) == SQLITE_ROW) {
        *kind = OTHER_TABLE;
        *virtual_table = sqlite3_column_int(stmt, 0);
    }
    return sqlite3_finalize(stmt);
}

/* Makes SQLite connect schema.name.  What SQLite says of a failure is lost with the next call. */
static int look_up(hx_connection *connection, const char *schema, const char *name, hx_found *found,
                   int *kind, char **error) {
    bool virtual_table;
    int rc = read_kind(connection, schema, name, kind, &virtual_table);
    if (rc || !virtual_table) {
        return rc;
    }
    char *const text = sqlite3_mprintf("SELECT rowid FROM \"%w\".\"%w\" LIMIT 0", schema, name);
    if (!text) {
        return SQLITE_NOMEM;
    }
    rc = sqlite3_prepare_v2(connection->db, text, -1, &found->anchor, NULL);
    sqlite3_free(text);
    if (rc == SQLITE_OK) {
        found->table = find_table(connection, schema, name);
    } else {
        *error = sqlite3_mprintf("%s", hx_sql_sentence(connection->db, rc));
    }
    if (found->table) {
        *kind = HANNOY_TABLE;
    } else {
        hx_found_release(found);
    }
    return rc;
}

/* In SQLite's order; PRAGMA database_list has main before temp. */
static int look_up_everywhere(hx_connection *connection, const char *name, hx_found *found,
                              int *kind, char **error) {
    sqlite3_stmt *list;
    int rc = look_up(connection, "temp", name, found, kind, error);
    if (rc || *kind != NO_TABLE) {
        return rc;
    }
    rc = sqlite3_prepare_v2(connection->db, "PRAGMA database_list", -1, &list, NULL);
    if (rc) {
        return rc;
    }
    while (!rc && *kind == NO_TABLE && sqlite3_step(list) == SQLITE_ROW) {
        rc = look_up(connection, (const char *)sqlite3_column_text(list, 1), name, found, kind,
                     error);
    }
    const int ended = sqlite3_finalize(list);
    return rc ? rc : ended;
}

static char *not_found_sentence(const char *schema, const char *name, int kind) {
    char *const full =
        schema ? sqlite3_mprintf("%s.%s", schema, name) : sqlite3_mprintf("%s", name);
    char *out = NULL;
    if (full) {
        out = sqlite3_mprintf(kind == NO_TABLE ? "hannoy: no such table: '%s'; give the name "
                                                 "used in CREATE VIRTUAL TABLE"
                                               : "hannoy: %s is not a hannoy table; give the name "
                                                 "used in CREATE VIRTUAL TABLE",
                              full);
    }
    sqlite3_free(full);
    return out;
}

int hx_connection_find(hx_connection *connection, const char *schema, const char *name,
                       hx_found *out, char **error) {
    int kind = NO_TABLE;
    *out = (hx_found){NULL, NULL};
    *error = NULL;
    const int rc = schema ? look_up(connection, schema, name, out, &kind, error)
                          : look_up_everywhere(connection, name, out, &kind, error);
    if (rc == SQLITE_OK && kind == HANNOY_TABLE) {
        return rc;
    }
    hx_found_release(out);
    if (rc == SQLITE_NOMEM) {
        sqlite3_free(*error);
        *error = NULL;
    }
    if (rc == SQLITE_NOMEM || *error) {
        return rc;
    }
    *error = rc ? sqlite3_mprintf("%s", hx_sql_sentence(connection->db, rc))
                : not_found_sentence(schema, name, kind);
    if (!*error) {
        return SQLITE_NOMEM;
    }
    return rc ? rc : SQLITE_ERROR;
}
