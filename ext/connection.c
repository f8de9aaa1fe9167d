#include "connection.h"

#include <stdbool.h>
#include <string.h>

#include "table.h"

/* The sidecar of one schema. */
typedef struct seat {
    struct seat *next;
    char *schema;
    char *database; /* the file; NULL: private */
    hny_sidecar *sidecar;
    unsigned users;
} seat;

struct hx_connection {
    sqlite3 *db;
    unsigned refs;
    hx_table *tables; /* the last connected one first */
    seat *seats;
};

int hx_connection_new(sqlite3 *db, hx_connection **out) {
    hx_connection *const connection = sqlite3_malloc(sizeof *connection);
    if (!connection) return SQLITE_NOMEM;
    *connection = (hx_connection){.db = db, .refs = 1};
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

/* ---------------------------------------------------------------------------------- sidecars -- */

static void free_seat(seat *old) {
    hny_sidecar_unref(old->sidecar);
    sqlite3_free(old->schema);
    sqlite3_free(old->database);
    sqlite3_free(old);
}

void hx_connection_unref(void *arg) {
    hx_connection *const connection = arg;
    if (--connection->refs) return;
    while (connection->seats) {
        seat *const first = connection->seats;
        connection->seats = first->next;
        free_seat(first);
    }
    sqlite3_free(connection);
}

/* A VFS that keeps databases in memory gives them names that are no files. */
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

static seat *find_seat(hx_connection *connection, const char *schema, const char *file) {
    for (seat *s = connection->seats; s; s = s->next) {
        if (sqlite3_stricmp(s->schema, schema) == 0 && same_file(s->database, file)) return s;
    }
    return NULL;
}

static seat *make_seat(const char *schema, const char *file) {
    seat *const s = sqlite3_malloc(sizeof *s);
    if (!s) return NULL;
    *s = (seat){.schema = sqlite3_mprintf("%s", schema)};
    if (file) s->database = sqlite3_mprintf("%s", file);
    if (!s->schema || (file && !s->database) || hny_sidecar_new(file, &s->sidecar) != HNY_OK) {
        s->sidecar = NULL;
        free_seat(s);
        return NULL;
    }
    return s;
}

int hx_connection_sidecar(hx_connection *connection, const char *schema, hny_sidecar **out) {
    const char *const file = file_of(connection->db, schema);
    seat *s = find_seat(connection, schema, file);
    if (!s) {
        s = make_seat(schema, file);
        if (!s) return SQLITE_NOMEM;
        s->next = connection->seats;
        connection->seats = s;
    }
    s->users++;
    *out = hny_sidecar_ref(s->sidecar);
    return SQLITE_OK;
}

void hx_connection_release(hx_connection *connection, hny_sidecar *sidecar) {
    for (seat **link = &connection->seats; *link; link = &(*link)->next) {
        seat *const s = *link;
        if (s->sidecar != sidecar) continue;
        if (--s->users == 0 && s->database) {
            *link = s->next;
            free_seat(s);
        }
        break;
    }
    hny_sidecar_unref(sidecar);
}

/* ------------------------------------------------------------------------------------ tables -- */

/* A schema change connects the new object before it disconnects the old one: the new one first. */
void hx_connection_add(hx_connection *connection, hx_table *table) {
    table->next = connection->tables;
    connection->tables = table;
}

void hx_connection_remove(hx_connection *connection, hx_table *table) {
    hx_table **link = &connection->tables;
    while (*link && *link != table) link = &(*link)->next;
    if (*link) *link = table->next;
}

static hx_table *find_table(const hx_connection *connection, const char *schema, const char *name) {
    for (hx_table *t = connection->tables; t; t = t->next) {
        if (sqlite3_stricmp(t->shadow.schema, schema) == 0 &&
            sqlite3_stricmp(t->shadow.name, name) == 0)
            return t;
    }
    return NULL;
}

void hx_found_release(hx_found *found) {
    sqlite3_finalize(found->anchor);
    *found = (hx_found){NULL, NULL};
}

/* What SQLite knows under a name. */
enum { NOTHING, ANOTHER_KIND, HANNOY_TABLE };

/*
** Has SQLite look at schema.name, whatever that is; the step makes it notice a schema that another
** connection changed.
*/
static int look(hx_connection *connection, const char *schema, const char *name, hx_found *found,
                int *kind) {
    char *const text = sqlite3_mprintf("SELECT rowid FROM \"%w\".\"%w\" LIMIT 0", schema, name);
    if (!text) return SQLITE_NOMEM;
    int rc = sqlite3_prepare_v2(connection->db, text, -1, &found->anchor, NULL);
    sqlite3_free(text);
    if (rc == SQLITE_OK) {
        sqlite3_step(found->anchor);
        rc = sqlite3_reset(found->anchor);
    }
    if (rc == SQLITE_OK) {
        found->table = find_table(connection, schema, name);
        *kind = found->table ? HANNOY_TABLE : ANOTHER_KIND;
    }
    if (!found->table) hx_found_release(found);
    return rc == SQLITE_ERROR ? SQLITE_OK : rc; /* no such table, or one without rowids */
}

/* As SQLite does; PRAGMA database_list has main before temp. */
static int look_everywhere(hx_connection *connection, const char *name, hx_found *found,
                           int *kind) {
    sqlite3_stmt *list;
    int rc = look(connection, "temp", name, found, kind);
    if (rc || *kind != NOTHING) return rc;
    rc = sqlite3_prepare_v2(connection->db, "PRAGMA database_list", -1, &list, NULL);
    if (rc) return rc;
    while (!rc && *kind == NOTHING && sqlite3_step(list) == SQLITE_ROW)
        rc = look(connection, (const char *)sqlite3_column_text(list, 1), name, found, kind);
    const int ended = sqlite3_finalize(list);
    return rc ? rc : ended;
}

static char *not_found(const char *schema, const char *name, int kind) {
    char *const full =
        schema ? sqlite3_mprintf("%s.%s", schema, name) : sqlite3_mprintf("%s", name);
    char *out = NULL;
    if (full)
        out = sqlite3_mprintf(kind == NOTHING ? "hannoy: no such table: '%s'; give the name that "
                                                "stands in CREATE VIRTUAL TABLE"
                                              : "hannoy: %s is not a hannoy table; give the name "
                                                "that stands in CREATE VIRTUAL TABLE",
                              full);
    sqlite3_free(full);
    return out;
}

int hx_connection_find(hx_connection *connection, const char *schema, const char *name,
                       hx_found *out, char **error) {
    int kind = NOTHING;
    *out = (hx_found){NULL, NULL};
    *error = NULL;
    const int rc = schema ? look(connection, schema, name, out, &kind)
                          : look_everywhere(connection, name, out, &kind);
    if (rc == SQLITE_OK && kind == HANNOY_TABLE) return rc;
    hx_found_release(out);
    if (rc == SQLITE_NOMEM) return rc;
    *error =
        rc ? sqlite3_mprintf("%s", sqlite3_errmsg(connection->db)) : not_found(schema, name, kind);
    if (!*error) return SQLITE_NOMEM;
    return rc ? rc : SQLITE_ERROR;
}
