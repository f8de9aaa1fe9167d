#include "functions.h"

#include "build.h"
#include "error.h"
#include "plan.h"
#include "table.h"

#ifndef HANNOY_VERSION
#error "HANNOY_VERSION is not defined: the Makefile gives it to the compiler"
#endif

static void version(sqlite3_context *context, int argc, sqlite3_value **argv) {
    (void)argc;
    (void)argv;
    sqlite3_result_text(context, HANNOY_VERSION, -1, SQLITE_STATIC);
}

/* Never trims the log: that would take the write lock. */
static void build_table(sqlite3_context *context, hx_table *table) {
    hx_build build = {.asked = true, .needs_hold = true};
    int rc = hx_build_run(table, &build);
    if (rc == SQLITE_OK && build.status) rc = hx_fail_status(table, build.status);
    if (rc)
        hx_result_failure(context, table, rc);
    else
        sqlite3_result_int64(context, build.taken);
}

static void build(sqlite3_context *context, int argc, sqlite3_value **argv) {
    hx_hub *const hub = sqlite3_user_data(context);
    const char *const name = (const char *)sqlite3_value_text(argv[0]);
    const char *const schema = argc > 1 ? (const char *)sqlite3_value_text(argv[1]) : NULL;
    hx_found found;
    char *error;
    if (!name) {
        sqlite3_result_error(context, "hannoy: hannoy_build needs a table's name, not NULL", -1);
        return;
    }
    const int rc = hx_hub_find(hub, schema, name, &found, &error);
    if (rc == SQLITE_OK) {
        build_table(context, found.table);
        hx_found_release(&found);
    } else if (!error) {
        sqlite3_result_error_nomem(context);
    } else {
        sqlite3_result_error(context, error, -1);
        sqlite3_result_error_code(context, rc);
        sqlite3_free(error);
    }
}

typedef struct function {
    const char *name;
    int argc;
    int flags;
    void (*call)(sqlite3_context *, int, sqlite3_value **);
} function;

/* The version last: module.c takes it for the sign that all is registered, the others' files too. */
static const function functions[] = {
    {"hannoy_build", 1, SQLITE_DIRECTONLY, build},
    {"hannoy_build", 2, SQLITE_DIRECTONLY, build},
    {"knn_match", 2, SQLITE_INNOCUOUS, hx_knn_match},
    {"hannoy_version", 0, SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, version},
};

int hx_functions_register(hx_hub *hub) {
    int rc = SQLITE_OK;
    for (size_t i = 0; rc == SQLITE_OK && i < sizeof functions / sizeof functions[0]; i++) {
        const function *const f = &functions[i];
        rc = sqlite3_create_function_v2(hx_hub_connection(hub), f->name, f->argc,
                                        SQLITE_UTF8 | f->flags, hx_hub_ref(hub), f->call, NULL,
                                        NULL, hx_hub_unref);
    }
    return rc;
}
