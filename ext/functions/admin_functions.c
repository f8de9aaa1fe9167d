/*
** SQL functions about the extension and its tables; contract in admin_functions.h.
*/
#include "functions/admin_functions.h"

#include "change/index_build.h"
#include "functions/recall.h"
#include "query/plan.h"
#include "shadow/error.h"
#include "table.h"

#ifndef HANNOY_VERSION
#error "HANNOY_VERSION is not defined: the Makefile gives it to the compiler"
#endif

static void call_version(sqlite3_context *context, int argc, sqlite3_value **argv) {
    (void)argc;
    (void)argv;
    sqlite3_result_text(context, HANNOY_VERSION, -1, SQLITE_STATIC);
}

/* Never trims the log: that would take the write lock. */
static void build_table(sqlite3_context *context, hx_table *table) {
    hx_index_build build = {.asked = true, .needs_hold = true};
    int rc = hx_index_build_run(&table->views[0], &build);
    if (rc == SQLITE_OK && build.status) {
        rc = hx_fail_status(&table->shadow, build.status);
    }
    if (rc) {
        hx_result_failure(context, &table->shadow, rc);
    } else {
        sqlite3_result_int64(context, build.taken);
    }
}

/* The table of this name, in a schema that may be NULL.  False: the result is set to an error. */
static bool find_argument_table(sqlite3_context *context, const char *function, sqlite3_value *name,
                                sqlite3_value *schema, hx_found *found) {
    hx_connection *const connection = sqlite3_user_data(context);
    const char *const text = (const char *)sqlite3_value_text(name);
    char *error = NULL;
    int rc = SQLITE_ERROR;
    if (text) {
        rc =
            hx_connection_find(connection, schema ? (const char *)sqlite3_value_text(schema) : NULL,
                               text, found, &error);
    } else {
        error = sqlite3_mprintf("hannoy: %s needs a table's name, not NULL", function);
    }
    if (rc) {
        hx_result_sentence(context, error ? rc : SQLITE_NOMEM, error);
    }
    return rc == SQLITE_OK;
}

static void call_build(sqlite3_context *context, int argc, sqlite3_value **argv) {
    hx_found found;
    if (!find_argument_table(context, "hannoy_build", argv[0], argc > 1 ? argv[1] : NULL, &found)) {
        return;
    }
    build_table(context, found.table);
    hx_found_release(&found);
}

#define RECALL_QUERIES 200

static void call_recall(sqlite3_context *context, int argc, sqlite3_value **argv) {
    const int64_t queries = argc > 1 ? sqlite3_value_int64(argv[1]) : RECALL_QUERIES;
    double found_share;
    hx_found found;
    bool any;
    if (argc > 1 && (sqlite3_value_type(argv[1]) != SQLITE_INTEGER || queries < 1)) {
        sqlite3_result_error(context,
                             "hannoy: the number of queries of hannoy_recall must be a whole "
                             "number, 1 or more",
                             -1);
        return;
    }
    if (!find_argument_table(context, "hannoy_recall", argv[0], argc > 2 ? argv[2] : NULL,
                             &found)) {
        return;
    }
    const int rc = hx_measure_recall(&found.table->shadow, queries, &found_share, &any);
    if (rc) {
        hx_result_failure(context, &found.table->shadow, rc);
    } else if (any) {
        sqlite3_result_double(context, found_share);
    }
    hx_found_release(&found);
}

typedef struct admin_function {
    const char *name;
    int argc;
    int flags;
    void (*call)(sqlite3_context *, int, sqlite3_value **);
} admin_function;

/* The version last: it tells module.c that all functions are registered. */
static const admin_function admin_functions[] = {
    {"hannoy_build", 1, SQLITE_DIRECTONLY, call_build},
    {"hannoy_build", 2, SQLITE_DIRECTONLY, call_build},
    {"hannoy_recall", 1, SQLITE_DIRECTONLY, call_recall},
    {"hannoy_recall", 2, SQLITE_DIRECTONLY, call_recall},
    {"hannoy_recall", 3, SQLITE_DIRECTONLY, call_recall},
    {"knn_match", 2, SQLITE_INNOCUOUS, hx_knn_match},
    {"hannoy_version", 0, SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, call_version},
};

int hx_admin_functions_register(hx_connection *connection) {
    int rc = SQLITE_OK;
    for (size_t i = 0; rc == SQLITE_OK && i < sizeof admin_functions / sizeof admin_functions[0];
         i++) {
        const admin_function *const f = &admin_functions[i];
        rc = sqlite3_create_function_v2(hx_connection_db(connection), f->name, f->argc,
                                        SQLITE_UTF8 | f->flags, hx_connection_ref(connection),
                                        f->call, NULL, NULL, hx_connection_unref);
    }
    return rc;
}
