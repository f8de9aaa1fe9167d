/* The entry point of the extension: registers the module and the functions. */
#define HX_DEFINES_SQLITE_API
#include "sqlite_api.h"

#include <stdlib.h>

#include "connection.h"
#include "functions/admin_functions.h"
#include "functions/array_each.h"
#include "functions/hannoy_functions.h"
#include "functions/info.h"
#include "functions/tables.h"
#include "functions/vec_functions.h"
#include "hannoy.h"
#include "query/cursor.h"
#include "query/plan.h"
#include "sqlite3_hannoy.h"
#include "table.h"

/* SQLite 3.34 has sqlite3_txn_state; all that is newer is asked for at run time. */
#define OLDEST_SQLITE 3034000

/* sqlite3_module of SQLite 3.44 and newer, which an older one takes for its own. */
typedef struct module_with_integrity {
    sqlite3_module base;
#if SQLITE_VERSION_NUMBER < 3044000
    int (*xIntegrity)(sqlite3_vtab *vtab, const char *schema, const char *name, int quick,
                      char **fault);
#endif
} module_with_integrity;

static const module_with_integrity module = {
    .base =
        {
            .iVersion = 4,
            .xCreate = hx_table_create,
            .xConnect = hx_table_connect,
            .xBestIndex = hx_plan_best,
            .xDisconnect = hx_table_disconnect,
            .xDestroy = hx_table_destroy,
            .xOpen = hx_table_open,
            .xClose = hx_cursor_close,
            .xFilter = hx_table_filter,
            .xNext = hx_cursor_next,
            .xEof = hx_cursor_eof,
            .xColumn = hx_cursor_column,
            .xRowid = hx_cursor_rowid,
            .xUpdate = hx_table_update,
            .xBegin = hx_table_begin,
            .xSync = hx_table_sync,
            .xCommit = hx_table_done,
            .xRollback = hx_table_done,
            .xFindFunction = hx_plan_function,
            .xRename = hx_table_rename,
            .xShadowName = hx_shadow_name,
#if SQLITE_VERSION_NUMBER >= 3044000
            .xIntegrity = hx_table_integrity,
        },
#else
        },
    .xIntegrity = hx_table_integrity,
#endif
};

/*
** A second registration would replace the functions by ones that do not know the tables.  Another
** copy of this library may have registered them; the SQL function tells, unless an authorizer
** forbids it.
*/
static bool is_registered(sqlite3 *db, const hx_connection *connection) {
    sqlite3_stmt *stmt = NULL;
    if (connection) {
        return hx_connection_is_registered(connection);
    }
    const int rc = sqlite3_prepare_v2(db, "SELECT hannoy_version()", -1, &stmt, NULL);
    sqlite3_finalize(stmt);
    return rc == SQLITE_OK;
}

/* Takes over the reference. */
static int register_all(sqlite3 *db, hx_connection *connection) {
    int rc = sqlite3_create_module_v2(db, "hannoy", &module.base, hx_connection_ref(connection),
                                      hx_connection_unref);
    if (rc == SQLITE_OK) {
        rc = hx_info_register(connection);
    }
    if (rc == SQLITE_OK) {
        rc = hx_tables_register(connection);
    }
    if (rc == SQLITE_OK) {
        rc = hx_hannoy_functions_register(db);
    }
    if (rc == SQLITE_OK) {
        rc = hx_vec_functions_register(db);
    }
    if (rc == SQLITE_OK) {
        rc = hx_array_each_register(db);
    }
    if (rc == SQLITE_OK) {
        rc = hx_admin_functions_register(connection);
    }
    if (rc == SQLITE_OK) {
        hx_connection_set_registered(connection);
    }
    hx_connection_unref(connection);
    return rc;
}

#ifndef SQLITE_CORE
/*
** All copies of SQLite in a process share this library and its API pointer, so only the first
** copy to load it can be served.  Python's sqlite3 and apsw, for example, have a copy each;
** overwriting the pointer made connections of one call into the other.
*/
static int take_api(const sqlite3_api_routines *api, char **error) {
    const sqlite3_api_routines *first = NULL;
    if (!api) {
        return SQLITE_ERROR;
    }
    if (api->libversion_number() < OLDEST_SQLITE) {
        *error =
            api->mprintf("hannoy: SQLite %s is too old; it takes 3.34 or newer", api->libversion());
        return SQLITE_ERROR;
    }
    if (__atomic_compare_exchange_n(&sqlite3_api, &first, api, 0, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE) ||
        first == api) {
        return SQLITE_OK;
    }
    *error = api->mprintf("hannoy: another SQLite library of this process has loaded hannoy "
                          "already; use one of the two, or a process for each");
    return SQLITE_ERROR;
}
#endif

/* An unknown HANNOY_KERNELS is an error, so that benchmarks never silently use another ISA. */
static int check_kernels(char **error) {
    char *fault;
    if (hny_kernels_check(&fault) != HNY_OK) {
        return SQLITE_NOMEM;
    }
    if (!fault) {
        return SQLITE_OK;
    }
    *error = sqlite3_mprintf("hannoy: %s", fault);
    free(fault);
    return SQLITE_ERROR;
}

/*
** Loaded permanently: open sidecars belong to the process, not to the connection that loaded the
** extension first.  sqlite3_auto_extension takes any code but SQLITE_OK for a failure.
*/
#ifdef SQLITE_CORE
#define DONE SQLITE_OK
#define EXPORTED
#else
#define DONE     SQLITE_OK_LOAD_PERMANENTLY
#define EXPORTED __attribute__((visibility("default")))
#endif

EXPORTED int sqlite3_hannoy_init(sqlite3 *db, char **error, const sqlite3_api_routines *api) {
    int rc;
#ifdef SQLITE_CORE
    (void)api;
#else
    rc = take_api(api, error);
    if (rc) {
        return rc;
    }
#endif
    rc = check_kernels(error);
    if (rc) {
        return rc;
    }
    hx_connection *connection = hx_connection_of(db);
    if (is_registered(db, connection)) {
        return DONE;
    }
    if (connection) { /* an earlier load failed */
        hx_connection_ref(connection);
    } else {
        rc = hx_connection_new(db, &connection);
    }
    if (rc == SQLITE_OK) {
        rc = register_all(db, connection);
    }
    return rc == SQLITE_OK ? DONE : rc;
}

#ifndef SQLITE_CORE
/* The name that SQLite looks for first, so that a copy of the file under any name loads. */
int sqlite3_extension_init(sqlite3 *db, char **error, const sqlite3_api_routines *api);

EXPORTED int sqlite3_extension_init(sqlite3 *db, char **error, const sqlite3_api_routines *api) {
    return sqlite3_hannoy_init(db, error, api);
}
#endif
