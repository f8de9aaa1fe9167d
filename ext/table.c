/* SQLite's methods of a hannoy table; each calls the folder that implements it. */
#include "table.h"

#include <string.h>

#include "change/heal.h"
#include "change/integrity_check.h"
#include "change/write.h"
#include "query/cursor.h"
#include "query/plan.h"
#include "shadow/error.h"
#include "values/refuse.h"

/* ------------------------------------------------------------------------------- the object -- */

static void free_table(hx_table *table) {
    if (!table) {
        return;
    }
    hx_autobuild_free(&table->writer.autobuild);
    for (int i = 0; i < table->shadow.columns.vectors && table->views; i++) {
        hx_view_free(&table->views[i]);
    }
    sqlite3_free(table->views);
    if (table->sidecar) {
        hx_connection_release(table->connection, table->sidecar);
    }
    hx_connection_remove(table->connection, table);
    hx_connection_unref(table->connection);
    for (int i = 0; i < HX_MAX_VECTORS; i++) {
        sqlite3_free(table->writer.row[i]);
    }
    hx_shadow_free(&table->shadow);
    sqlite3_free(table);
}

/* One view and one scratch vector for each vector. */
static int make_views(hx_table *table) {
    const int count = table->shadow.columns.vectors;
    const size_t bytes = (size_t)count * sizeof *table->views;
    table->views = sqlite3_malloc64(bytes);
    if (!table->views) {
        return SQLITE_NOMEM;
    }
    memset(table->views, 0, bytes);
    table->writer.views = table->views;
    for (int i = 0; i < count; i++) {
        hx_view_init(&table->views[i], &table->shadow, table->sidecar, &table->last, i);
        table->writer.row[i] = sqlite3_malloc64(table->shadow.vector_bytes[i]);
        if (!table->writer.row[i]) {
            return SQLITE_NOMEM;
        }
    }
    return SQLITE_OK;
}

/* Takes over *columns. */
static int make_table(sqlite3 *db, hx_connection *connection, int argc, const char *const *argv,
                      const hx_options *options, hx_columns *columns, hx_table **out) {
    hx_table *const table = sqlite3_malloc(sizeof *table);
    if (!table) {
        return SQLITE_NOMEM;
    }
    memset(table, 0, sizeof *table);
    table->connection = hx_connection_ref(connection);
    table->writer.shadow = &table->shadow;
    table->shadow.depth = hx_connection_depth(connection);
    int rc = hx_shadow_init(&table->shadow, db, argv[1], argv[2], options, columns);
    for (int i = 3; i < argc && rc == SQLITE_OK; i++) {
        rc = hx_arguments_add(&table->shadow.arguments, "%s", argv[i]);
    }
    if (rc == SQLITE_OK) {
        rc = hx_connection_sidecar(connection, argv[1], (hx_place)options[0].sidecar,
                                   &table->sidecar);
    }
    if (rc == SQLITE_OK) {
        rc = make_views(table);
    }
    if (rc) {
        free_table(table);
        return rc;
    }
    hx_connection_add(connection, table);
    *out = table;
    return SQLITE_OK;
}

/*
** INNOCUOUS: a table may be used in views and triggers of an untrusted schema, because it accesses
** nothing but its own shadow tables and a file whose name follows from the database's, in a folder
** that no schema chooses.
*/
static int declare_table(sqlite3 *db, const hx_columns *columns, char **error) {
    char *const text = hx_columns_declaration(columns);
    if (!text) {
        return SQLITE_NOMEM;
    }
    int rc = sqlite3_declare_vtab(db, text);
    sqlite3_free(text);
    if (rc == SQLITE_ERROR) { /* a type that has a reserved word, for example */
        return hx_refuse(error, rc, "hannoy: SQLite takes no such columns: %s", sqlite3_errmsg(db));
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_vtab_config(db, SQLITE_VTAB_CONSTRAINT_SUPPORT, 1);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
    }
    return rc;
}

static int open_table(sqlite3 *db, hx_connection *connection, int argc, const char *const *argv,
                      hx_table **out, char **error) {
    hx_columns columns;
    hx_options options[HX_MAX_VECTORS];
    int rc = hx_columns_parse(argc - 3, argv + 3, argv[2], &columns, options, error);
    if (rc) {
        return rc;
    }
    rc = declare_table(db, &columns, error);
    if (rc == SQLITE_OK) {
        rc = make_table(db, connection, argc, argv, options, &columns, out);
    }
    hx_columns_free(&columns);
    return rc;
}

/* ----------------------------------------------------------------------------------- methods -- */

int hx_table_connect(sqlite3 *db, void *aux, int argc, const char *const *argv, sqlite3_vtab **out,
                     char **error) {
    hx_table *table;
    const int rc = open_table(db, aux, argc, argv, &table, error);
    if (rc == SQLITE_OK) {
        *out = &table->shadow.vtab;
    }
    return rc;
}

int hx_table_create(sqlite3 *db, void *aux, int argc, const char *const *argv, sqlite3_vtab **out,
                    char **error) {
    hx_table *table;
    int rc = open_table(db, aux, argc, argv, &table, error);
    if (rc) {
        return rc;
    }
    const sqlite3_int64 last = sqlite3_last_insert_rowid(db);
    rc = hx_shadow_create(&table->shadow);
    sqlite3_set_last_insert_rowid(db, last);
    if (rc) {
        *error = table->shadow.vtab.zErrMsg;
        table->shadow.vtab.zErrMsg = NULL;
        free_table(table);
        return rc;
    }
    *out = &table->shadow.vtab;
    return SQLITE_OK;
}

int hx_table_disconnect(sqlite3_vtab *vtab) {
    free_table((hx_table *)vtab);
    return SQLITE_OK;
}

/*
** The index stays in the sidecar, because SQLite does not report the rollback of a DROP.  A later
** automatic build deletes it.
*/
int hx_table_destroy(sqlite3_vtab *vtab) {
    hx_table *const table = (hx_table *)vtab;
    const int rc = hx_shadow_drop(&table->shadow);
    if (rc == SQLITE_OK) {
        free_table(table);
    }
    return rc;
}

int hx_table_rename(sqlite3_vtab *vtab, const char *name) {
    return hx_shadow_rename((hx_shadow *)vtab, name);
}

/* For a statement that changes the columns and goes on. */
static int check_columns(hx_table *table) {
    return table->shadow.stale
               ? hx_fail(&table->shadow, SQLITE_ABORT,
                         "hannoy: this statement has added or dropped a column of %s; go on in "
                         "another one",
                         table->shadow.name)
               : SQLITE_OK;
}

int hx_table_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out) {
    const int rc = check_columns((hx_table *)vtab);
    return rc ? rc : hx_cursor_open(((hx_table *)vtab)->views, out);
}

int hx_table_filter(sqlite3_vtab_cursor *cursor, int plan, const char *words, int argc,
                    sqlite3_value **argv) {
    const int rc = hx_cursor_filter(cursor, plan, words, argc, argv);
    const hx_table *const table = (hx_table *)cursor->pVtab;
    return rc || !(plan & HX_PLAN_KNN) ? rc : hx_heal(&table->views[hx_plan_searched(plan)]);
}

int hx_table_update(sqlite3_vtab *vtab, int argc, sqlite3_value **argv, sqlite3_int64 *rowid) {
    hx_table *const table = (hx_table *)vtab;
    const int stale = check_columns(table);
    if (stale) {
        return stale;
    }
    table->shadow.readers = hx_connection_readers(table->connection, table);
    const int rc = hx_write_update(&((hx_table *)vtab)->writer, argc, argv, rowid);
    hx_sql_settle(&((hx_table *)vtab)->shadow);
    return rc;
}

int hx_table_begin(sqlite3_vtab *vtab) {
    return hx_autobuild_begin(&((hx_table *)vtab)->writer);
}

int hx_table_sync(sqlite3_vtab *vtab) {
    if (((hx_table *)vtab)->shadow.stale) { /* the object of the new columns builds */
        return SQLITE_OK;
    }
    const int rc = hx_autobuild_sync(&((hx_table *)vtab)->writer);
    hx_sql_settle(&((hx_table *)vtab)->shadow);
    return rc;
}

int hx_table_done(sqlite3_vtab *vtab) {
    return hx_autobuild_done(&((hx_table *)vtab)->writer);
}

static int take_fault(hx_table *table, char **fault) {
    *fault = table->shadow.vtab.zErrMsg;
    table->shadow.vtab.zErrMsg = NULL;
    return *fault ? SQLITE_OK : SQLITE_NOMEM;
}

int hx_table_check(hx_table *table, char **fault) {
    int rc = SQLITE_OK;
    *fault = NULL;
    for (int i = 0; i < table->shadow.columns.vectors && rc == SQLITE_OK; i++) {
        rc = hx_integrity_check(&table->views[i]);
    }
    return rc == SQLITE_CORRUPT_VTAB ? take_fault(table, fault) : rc;
}

/*
** PRAGMA quick_check does not compare indexes with rows.  Where a table cannot be checked, as when
** v_content is missing, its sentence becomes a row: an error would end PRAGMA integrity_check for
** all tables, and SQLite would show the code alone.
*/
int hx_table_integrity(sqlite3_vtab *vtab, const char *schema, const char *name, int quick,
                       char **fault) {
    hx_table *const table = (hx_table *)vtab;
    (void)schema;
    (void)name;
    *fault = NULL;
    const int rc = quick ? SQLITE_OK : hx_table_check(table, fault);
    return rc == SQLITE_ERROR ? take_fault(table, fault) : rc;
}
