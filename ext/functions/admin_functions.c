/*
** SQL functions about the extension and its tables; contract in admin_functions.h.
*/
#include "functions/admin_functions.h"

#include <stdlib.h>
#include <string.h>

#include "change/index_build.h"
#include "functions/argument.h"
#include "query/plan.h"
#include "query/recall.h"
#include "shadow/error.h"
#include "table.h"
#include "values/numeric.h"

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
    const int rc = hx_index_build_all(table->views, &build);
    if (rc) {
        hx_result_failure(context, &table->shadow, rc);
    } else {
        sqlite3_result_int64(context, build.taken);
    }
}

/* The table of this name; `schema` may be NULL.  False: the result is set to an error. */
static bool find_argument_table(sqlite3_context *context, sqlite3_value *name,
                                sqlite3_value *schema, hx_found *found) {
    hx_connection *const connection = sqlite3_user_data(context);
    const char *const text = (const char *)sqlite3_value_text(name);
    char *error = NULL;
    const char *const schema_text = schema ? (const char *)sqlite3_value_text(schema) : NULL;
    const int rc = text && (schema_text || !schema)
                       ? hx_connection_find(connection, schema_text, text, found, &error)
                       : SQLITE_NOMEM;
    if (rc) {
        hx_result_sentence(context, error ? rc : SQLITE_NOMEM, error);
    }
    return rc == SQLITE_OK;
}

static void call_build(sqlite3_context *context, int argc, sqlite3_value **argv) {
    hx_found found;
    if (hx_argument_any_null(argc, argv) ||
        !find_argument_table(context, argv[0], argc > 1 ? argv[1] : NULL, &found)) {
        return;
    }
    build_table(context, found.table);
    hx_found_release(&found);
}

#define RECALL_QUERIES 200

/* False: the result is set to an error. */
static bool read_query_count(sqlite3_context *context, sqlite3_value *value, int64_t *out) {
    bool whole;
    if (hx_value_integer(value, out, &whole)) {
        sqlite3_result_error_nomem(context);
        return false;
    }
    if (whole && *out >= 1) {
        return true;
    }
    sqlite3_result_error(context,
                         "hannoy: the number of queries of hannoy_recall must be a whole number, 1 "
                         "or more",
                         -1);
    return false;
}

/* What the arguments of hannoy_recall say: v [, vector] [, queries [, schema]]. */
typedef struct recall_arguments {
    sqlite3_value *vector, *queries, *schema; /* NULL: not given */
} recall_arguments;

/* A text that is neither a number nor a set of queries names a vector. */
static recall_arguments sort_arguments(int argc, sqlite3_value **argv) {
    recall_arguments a = {NULL, NULL, NULL};
    int next = 1;
    int type;
    if (argc > 1 && !hx_query_set_is(argv[1]) &&
        (hx_value_numeric_type(argv[1], &type) || type == SQLITE_TEXT)) {
        a.vector = argv[next++];
    }
    if (next < argc) {
        a.queries = argv[next++];
    }
    if (next < argc) {
        a.schema = argv[next++];
    }
    return a;
}

/* The places of the vectors to measure, from *first up to but not including *end. */
static bool find_vectors(sqlite3_context *context, const hx_columns *columns, sqlite3_value *name,
                         int *first, int *end) {
    const char *const text = name ? (const char *)sqlite3_value_text(name) : NULL;
    *first = 0;
    *end = columns->vectors;
    for (int i = 0; text && i < columns->vectors; i++) {
        if (sqlite3_stricmp(text, columns->at[columns->vector[i]].name) == 0) {
            *first = i;
            *end = i + 1;
            return true;
        }
    }
    if (name) {
        hx_result_sentence(context, SQLITE_ERROR,
                           sqlite3_mprintf("hannoy: the number of queries of hannoy_recall must be "
                                           "a whole number, 1 or more, and '%.80s' is no vector of "
                                           "the table",
                                           text ? text : ""));
    }
    return !name;
}

/* The smallest recall of these vectors. */
static void measure_vectors(sqlite3_context *context, hx_table *table, int first, int end,
                            int64_t queries) {
    double smallest = 1;
    bool any = false;
    for (int i = first; i < end; i++) {
        double recall;
        bool measured;
        const int rc = hx_measure_recall(&table->shadow, i, queries, &recall, &measured);
        if (rc) {
            hx_result_failure(context, &table->shadow, rc);
            return;
        }
        any |= measured;
        if (measured && recall < smallest) {
            smallest = recall;
        }
    }
    if (any) {
        sqlite3_result_double(context, smallest);
    }
}

/* The recall of a user's queries; *any false: there was nothing to find. */
static int measure_set(hx_shadow *shadow, int vector, sqlite3_value *queries, double *recall,
                       bool *any) {
    hx_query_set set;
    hx_recall measured = {.truths = NULL};
    int rc = hx_log_refresh_config(shadow);
    if (rc) {
        return rc;
    }
    rc = hx_query_set_read(shadow, vector, queries, &set);
    if (rc == SQLITE_OK) {
        rc = hx_recall_init(&measured, shadow, vector, &set);
    }
    if (rc == SQLITE_OK) {
        rc = hx_recall_measure(&measured, recall);
    }
    *any = measured.wanted > 0;
    hx_recall_free(&measured);
    hx_query_set_free(&set);
    return rc;
}

static void measure_queries(sqlite3_context *context, hx_table *table, int vector, bool named,
                            sqlite3_value *queries) {
    double recall = 0;
    bool any = false;
    hx_shadow *const shadow = &table->shadow;
    const int rc = !named && shadow->columns.vectors > 1
                       ? hx_fail(shadow, SQLITE_ERROR,
                                 "hannoy: %s has several vectors; name the one that the queries "
                                 "are for: hannoy_recall('%s', '%s', …)",
                                 shadow->name, shadow->name,
                                 shadow->columns.at[shadow->columns.vector[0]].name)
                       : measure_set(shadow, vector, queries, &recall, &any);
    if (rc) {
        hx_result_failure(context, shadow, rc);
    } else if (any) {
        sqlite3_result_double(context, recall);
    }
}

static void call_recall(sqlite3_context *context, int argc, sqlite3_value **argv) {
    const recall_arguments a = sort_arguments(argc, argv);
    const bool given = a.queries && hx_query_set_is(a.queries);
    int64_t count = RECALL_QUERIES;
    hx_found found;
    int first, end;
    if (hx_argument_any_null(argc, argv) ||
        (a.queries && !given && !read_query_count(context, a.queries, &count)) ||
        !find_argument_table(context, argv[0], a.schema, &found)) {
        return;
    }
    if (find_vectors(context, &found.table->shadow.columns, a.vector, &first, &end)) {
        if (given) {
            measure_queries(context, found.table, first, a.vector, a.queries);
        } else {
            measure_vectors(context, found.table, first, end, count);
        }
    }
    hx_found_release(&found);
}

/* The absolute path of a folder, for free().  NULL: the result is set to an error. */
static char *resolve_folder(sqlite3_context *context, sqlite3_value *value) {
    const char *const text = (const char *)sqlite3_value_text(value);
    char *path;
    if (!text) {
        sqlite3_result_error_nomem(context);
        return NULL;
    }
    const int status = hny_folder_resolve(text, &path);
    if (status == HNY_NOMEM) {
        sqlite3_result_error_nomem(context);
        return NULL;
    }
    if (status) {
        hx_result_sentence(context, SQLITE_ERROR,
                           sqlite3_mprintf("hannoy: '%.200s' is no folder for sidecars; make it "
                                           "first, or give '' for the database's own",
                                           text));
        return NULL;
    }
    return path;
}

/* Never in a schema (SQLITE_DIRECTONLY): a database must not choose where files are written. */
static void call_sidecar_dir(sqlite3_context *context, int argc, sqlite3_value **argv) {
    hx_connection *const connection = sqlite3_user_data(context);
    int rc = SQLITE_OK;
    if (argc && sqlite3_value_type(argv[0]) == SQLITE_NULL) {
        rc = hx_connection_move(connection, NULL);
    } else if (argc) {
        char *const folder = resolve_folder(context, argv[0]);
        if (!folder) {
            return;
        }
        rc = hx_connection_move(connection, folder);
        free(folder);
    }
    const char *const set = hx_connection_folder(connection);
    if (rc) {
        sqlite3_result_error_nomem(context);
    } else {
        sqlite3_result_text(context, set ? set : getenv("HANNOY_SIDECAR_DIR"), -1,
                            SQLITE_TRANSIENT);
    }
}

/* All statements of the check see one snapshot of the database. */
static int check_table(hx_table *table, char **fault) {
    hx_loan hold = {.stmt = NULL};
    int rc = hx_sql_borrow(&table->shadow, HX_SQL_HOLD, HX_ALL_VECTORS, &hold);
    if (rc == SQLITE_OK) {
        rc = hx_sql_step(&table->shadow, hold.stmt);
    }
    if (rc == SQLITE_ROW || rc == SQLITE_DONE) {
        rc = hx_table_check(table, fault);
    }
    hx_sql_return(&table->shadow, &hold);
    return rc;
}

/* As PRAGMA integrity_check: 'ok' or what is wrong. */
static void call_check(sqlite3_context *context, int argc, sqlite3_value **argv) {
    char *fault = NULL;
    hx_found found;
    if (hx_argument_any_null(argc, argv) ||
        !find_argument_table(context, argv[0], argc > 1 ? argv[1] : NULL, &found)) {
        return;
    }
    const int rc = check_table(found.table, &fault);
    if (rc) {
        hx_result_failure(context, &found.table->shadow, rc);
    } else if (fault) {
        sqlite3_result_text(context, fault, -1, sqlite3_free);
    } else {
        sqlite3_result_text(context, "ok", -1, SQLITE_STATIC);
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
    {"hannoy_check", 1, SQLITE_DIRECTONLY, call_check},
    {"hannoy_check", 2, SQLITE_DIRECTONLY, call_check},
    {"hannoy_recall", 1, SQLITE_DIRECTONLY, call_recall},
    {"hannoy_recall", 2, SQLITE_DIRECTONLY, call_recall},
    {"hannoy_recall", 3, SQLITE_DIRECTONLY, call_recall},
    {"hannoy_recall", 4, SQLITE_DIRECTONLY, call_recall},
    {"hannoy_sidecar_dir", 0, SQLITE_DIRECTONLY, call_sidecar_dir},
    {"hannoy_sidecar_dir", 1, SQLITE_DIRECTONLY, call_sidecar_dir},
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
