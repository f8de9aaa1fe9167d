/*
** The figures of a table as key and value; contract in info.h.
**
** A value is computed when its column is read, so that watching the progress of a build, WHERE key
** = 'state', does not count the links of a million nodes each time.
*/
#include "functions/info.h"

#include <stdbool.h>
#include <string.h>

#include "functions/argument.h"
#include "functions/tvf.h"
#include "shadow/content.h"
#include "shadow/error.h"
#include "table.h"

typedef struct info_cursor {
    hx_tvf_cursor base;
    hx_found found;
    hx_loan hold; /* keeps all rows to one snapshot of the database */
} info_cursor;

/* ------------------------------------------------------------------------------------ values -- */

/* Called with the snapshot begun; sets the result and returns an SQLite code. */
typedef int (*item_value)(hx_table *table, sqlite3_context *context);

static bool has_index(const hx_table *table) {
    return table->views[0].snapshot.pinned;
}

static bool has_base(const hx_table *table) {
    const hx_merge_base *const base = &table->views[0].snapshot.base;
    return base->kind == HX_MERGE_BASE_FOUND && base->status == HNY_OK;
}

/* Up to date, the index knows the number; counting reads every page of v_content. */
static int count_rows(hx_table *table, int64_t *rows) {
    const hx_snapshot *const s = &table->views[0].snapshot;
    if (!s->indexed || s->delta.ids.count) {
        return hx_content_count(&table->shadow, rows);
    }
    *rows = (int64_t)s->stats.rows;
    return SQLITE_OK;
}

static int count_pending(hx_table *table, int64_t *pending) {
    const hx_snapshot *const s = &table->views[0].snapshot;
    hx_ids delta;
    int status;
    if (!has_base(table)) {
        return hx_content_count(&table->shadow, pending);
    }
    const int rc =
        hx_merge_base_delta(&table->shadow, table->views[0].reader, &s->base, &delta, &status);
    if (rc) {
        return rc;
    }
    if (status) {
        return hx_content_count(&table->shadow, pending);
    }
    *pending = (int64_t)delta.count;
    hx_ids_free(&delta);
    return SQLITE_OK;
}

static int value_rows(hx_table *table, sqlite3_context *context) {
    int64_t rows = 0;
    const int rc = count_rows(table, &rows);
    sqlite3_result_int64(context, rows);
    return rc;
}

static int value_pending(hx_table *table, sqlite3_context *context) {
    int64_t pending = 0;
    const int rc = count_pending(table, &pending);
    sqlite3_result_int64(context, pending);
    return rc;
}

/* The figures of the sidecar, whether this snapshot can use it or not; zeros without an index. */
static hny_stats read_stats(hx_table *table, bool count_links) {
    hny_stats stats;
    if (!has_index(table) ||
        hny_reader_stats(table->views[0].reader, count_links, &stats) != HNY_OK) {
        memset(&stats, 0, sizeof stats);
    }
    return stats;
}

static int value_nodes(hx_table *table, sqlite3_context *context) {
    sqlite3_result_int64(context, (int64_t)read_stats(table, false).nodes);
    return SQLITE_OK;
}

static int value_deleted(hx_table *table, sqlite3_context *context) {
    sqlite3_result_int64(context, (int64_t)read_stats(table, false).deleted);
    return SQLITE_OK;
}

static int value_unlinked(hx_table *table, sqlite3_context *context) {
    sqlite3_result_int64(context, (int64_t)read_stats(table, false).unlinked);
    return SQLITE_OK;
}

static int value_levels(hx_table *table, sqlite3_context *context) {
    sqlite3_result_int64(context, read_stats(table, false).levels);
    return SQLITE_OK;
}

static int value_links(hx_table *table, sqlite3_context *context) {
    sqlite3_result_int64(context, (int64_t)read_stats(table, true).links);
    return SQLITE_OK;
}

static int value_bytes(hx_table *table, sqlite3_context *context) {
    sqlite3_result_int64(context, (int64_t)read_stats(table, false).bytes);
    return SQLITE_OK;
}

static int result_text(sqlite3_context *context, char *text) {
    if (!text) {
        return SQLITE_NOMEM;
    }
    sqlite3_result_text(context, text, -1, sqlite3_free);
    return SQLITE_OK;
}

/* NULL without an index. */
static int value_boundary(hx_table *table, sqlite3_context *context) {
    const hny_boundary at = read_stats(table, false).boundary;
    if (!has_index(table)) {
        return SQLITE_OK;
    }
    return result_text(context, sqlite3_mprintf("%lld:%llx", at.seq, at.chain));
}

static int value_sidecar(hx_table *table, sqlite3_context *context) {
    const char *const path = hny_sidecar_path(table->views[0].sidecar);
    sqlite3_result_text(context, path ? path : "a private temporary file", -1, SQLITE_TRANSIENT);
    return SQLITE_OK;
}

/* ------------------------------------------------------------------------------------- state -- */

static char *changes_pending(int64_t pending) {
    return pending == 1 ? sqlite3_mprintf("1 change pending")
                        : sqlite3_mprintf("%lld changes pending", pending);
}

/* Whether the index serves this snapshot. */
static int describe_state(hx_table *table, char **out) {
    const hx_merge_base *const base = &table->views[0].snapshot.base;
    int64_t pending = 0;
    if (!hx_schema_state_followed(&table->shadow)) {
        *out = sqlite3_mprintf("the triggers on %s are missing, changed or were disabled: queries "
                               "look at every row, and the next build creates them again",
                               table->shadow.columns.source.table);
        return SQLITE_OK;
    }
    if (has_base(table)) {
        const int rc = count_pending(table, &pending);
        *out = pending ? changes_pending(pending) : sqlite3_mprintf("up to date");
        return rc;
    }
    if (base->status == HNY_MISSING) {
        *out = sqlite3_mprintf("no index yet: queries look at every row");
    } else if (base->status) {
        *out = sqlite3_mprintf("no index: %s; until then queries look at every row",
                               hny_strerror(base->status));
    } else {
        *out = sqlite3_mprintf("the index is of another state of the database: queries look at "
                               "every row, and the next build starts over");
    }
    return SQLITE_OK;
}

/* Of a build of this table in this process; empty and zero when none runs. */
static hny_progress progress_of(const hx_table *table) {
    hny_progress p;
    hny_sidecar_progress(table->views[0].sidecar, &p);
    if (p.table != table->shadow.config.vectors[0].number) {
        p = (hny_progress){0, "", 0, 0};
    }
    return p;
}

static int value_phase(hx_table *table, sqlite3_context *context) {
    sqlite3_result_text(context, progress_of(table).phase, -1, SQLITE_TRANSIENT);
    return SQLITE_OK;
}

static int value_done(hx_table *table, sqlite3_context *context) {
    sqlite3_result_int64(context, (int64_t)progress_of(table).done);
    return SQLITE_OK;
}

static int value_total(hx_table *table, sqlite3_context *context) {
    sqlite3_result_int64(context, (int64_t)progress_of(table).total);
    return SQLITE_OK;
}

static char *describe_progress(hx_table *table) {
    hny_progress p;
    hny_sidecar_progress(table->views[0].sidecar, &p);
    if (p.table == 0) {
        return sqlite3_mprintf("");
    }
    if (p.table != table->shadow.config.vectors[0].number) {
        return sqlite3_mprintf("; another table is being built");
    }
    return sqlite3_mprintf("; building: %s %llu of %llu", p.phase, p.done, p.total);
}

static int value_state(hx_table *table, sqlite3_context *context) {
    char *state = NULL;
    const int rc = describe_state(table, &state);
    char *const progress = describe_progress(table);
    const char *const trouble = table->writer.autobuild.trouble;
    const bool shown =
        trouble && !(has_base(table) && table->views[0].snapshot.delta.ids.count == 0);
    char *const text = state && progress ? sqlite3_mprintf("%s%s%s%s", state, progress,
                                                           shown ? "; at the last COMMIT: " : "",
                                                           shown ? trouble : "")
                                         : NULL;
    sqlite3_free(state);
    sqlite3_free(progress);
    if (rc) {
        sqlite3_free(text);
        return rc;
    }
    return result_text(context, text);
}

/* ----------------------------------------------------------------------------------- options -- */

static int value_dim(hx_table *table, sqlite3_context *context) {
    sqlite3_result_int64(context, table->shadow.config.vectors[0].options.shape.dim);
    return SQLITE_OK;
}

static int value_metric(hx_table *table, sqlite3_context *context) {
    sqlite3_result_text(context,
                        hx_metric_name(table->shadow.config.vectors[0].options.shape.metric), -1,
                        SQLITE_STATIC);
    return SQLITE_OK;
}

static int value_type(hx_table *table, sqlite3_context *context) {
    sqlite3_result_text(context, hx_type_name(table->shadow.config.vectors[0].options.shape.type),
                        -1, SQLITE_STATIC);
    return SQLITE_OK;
}

static int value_codes(hx_table *table, sqlite3_context *context) {
    sqlite3_result_text(context, hx_codes_name(table->shadow.config.vectors[0].options.codes), -1,
                        SQLITE_STATIC);
    return SQLITE_OK;
}

static int value_m(hx_table *table, sqlite3_context *context) {
    sqlite3_result_int64(context, table->shadow.config.vectors[0].options.m);
    return SQLITE_OK;
}

static int value_ef_construction(hx_table *table, sqlite3_context *context) {
    sqlite3_result_int64(context, table->shadow.config.vectors[0].options.ef_construction);
    return SQLITE_OK;
}

/* When it is not set, that of a search for ten rows; NULL without an index. */
static int value_ef(hx_table *table, sqlite3_context *context) {
    const hx_options *const options = &table->shadow.config.vectors[0].options;
    if (options->ef) {
        sqlite3_result_int64(context, options->ef);
    } else if (has_index(table)) {
        const double recall = options->recall / HX_RECALL_UNIT;
        sqlite3_result_int64(context, hny_reader_ef(table->views[0].reader, 10, recall));
    }
    return SQLITE_OK;
}

/* The target that ef is derived from; NULL when ef is set. */
static int value_recall(hx_table *table, sqlite3_context *context) {
    const hx_options *const options = &table->shadow.config.vectors[0].options;
    if (!options->ef) {
        sqlite3_result_double(context, options->recall / HX_RECALL_UNIT);
    }
    return SQLITE_OK;
}

static int value_autobuild(hx_table *table, sqlite3_context *context) {
    sqlite3_result_int64(context, table->shadow.config.vectors[0].options.autobuild);
    return SQLITE_OK;
}

static int value_threads(hx_table *table, sqlite3_context *context) {
    sqlite3_result_int64(context, table->shadow.config.vectors[0].options.threads);
    return SQLITE_OK;
}

static int value_linear_below(hx_table *table, sqlite3_context *context) {
    sqlite3_result_int64(context, table->shadow.config.vectors[0].options.linear_below);
    return SQLITE_OK;
}

/* ---------------------------------------------------------------------------- the last query -- */

static int value_last_strategy(hx_table *table, sqlite3_context *context) {
    static const char *const words[] = {
        [0] = NULL,
        [HNY_SCAN] = "scan",
        [HNY_GRAPH] = "walk",
        [HNY_GRAPH_THEN_SCAN] = "walk, then scan",
    };
    const hx_last *const last = &table->views[0].last;
    const char *const word = last->strategy      ? words[last->strategy]
                             : last->nanoseconds ? "scan of the table"
                                                 : NULL;
    if (word) {
        sqlite3_result_text(context, word, -1, SQLITE_STATIC);
    }
    return SQLITE_OK;
}

static int value_last_distances(hx_table *table, sqlite3_context *context) {
    sqlite3_result_int64(context, table->views[0].last.distances);
    return SQLITE_OK;
}

static int value_last_filter_matches(hx_table *table, sqlite3_context *context) {
    if (table->views[0].last.matches) {
        sqlite3_result_int64(context, table->views[0].last.matches);
    }
    return SQLITE_OK;
}

static int value_last_unindexed_rows(hx_table *table, sqlite3_context *context) {
    sqlite3_result_int64(context, table->views[0].last.delta_rows);
    return SQLITE_OK;
}

static int value_last_microseconds(hx_table *table, sqlite3_context *context) {
    sqlite3_result_double(context, (double)table->views[0].last.nanoseconds / 1000);
    return SQLITE_OK;
}

static int value_notes(hx_table *table, sqlite3_context *context) {
    const char *const notes = table->shadow.columns.notes;
    if (notes) {
        sqlite3_result_text(context, notes, -1, SQLITE_TRANSIENT);
    }
    return SQLITE_OK;
}

static int value_kernels(hx_table *table, sqlite3_context *context) {
    (void)table;
    sqlite3_result_text(context, hny_kernels_name(), -1, SQLITE_STATIC);
    return SQLITE_OK;
}

typedef struct item {
    const char *key;
    item_value value;
} item;

static const item items[] = {
    {"rows", value_rows},
    {"pending", value_pending},
    {"nodes", value_nodes},
    {"deleted", value_deleted},
    {"unlinked", value_unlinked},
    {"levels", value_levels},
    {"links", value_links},
    {"bytes", value_bytes},
    {"boundary", value_boundary},
    {"state", value_state},
    {"phase", value_phase},
    {"done", value_done},
    {"total", value_total},
    {"dim", value_dim},
    {"metric", value_metric},
    {"type", value_type},
    {"codes", value_codes},
    {"m", value_m},
    {"ef_construction", value_ef_construction},
    {"ef", value_ef},
    {"recall", value_recall},
    {"autobuild", value_autobuild},
    {"threads", value_threads},
    {"linear_below", value_linear_below},
    {"notes", value_notes},
    {"sidecar", value_sidecar},
    {"kernels", value_kernels},
    {"last_strategy", value_last_strategy},
    {"last_distances", value_last_distances},
    {"last_filter_matches", value_last_filter_matches},
    {"last_unindexed_rows", value_last_unindexed_rows},
    {"last_microseconds", value_last_microseconds},
};

enum { ITEM_COUNT = sizeof items / sizeof items[0] };

/* ------------------------------------------------------------------------- the virtual table -- */

enum { COLUMN_KEY, COLUMN_VALUE, COLUMN_NAME, COLUMN_SCHEMA };

static void info_end(hx_tvf_cursor *base) {
    info_cursor *const cursor = (info_cursor *)base;
    if (cursor->found.table) {
        hx_sql_return(&cursor->found.table->shadow, &cursor->hold);
    }
    hx_found_release(&cursor->found);
}

/* Passes on the sentence of the table that the rows describe. */
static int info_fail(info_cursor *cursor, int rc) {
    hx_table *const table = cursor->found.table;
    sqlite3_vtab *const vtab = cursor->base.base.pVtab;
    sqlite3_free(vtab->zErrMsg);
    vtab->zErrMsg = table->shadow.vtab.zErrMsg;
    table->shadow.vtab.zErrMsg = NULL;
    return rc;
}

static int info_hold(info_cursor *cursor) {
    hx_table *const table = cursor->found.table;
    int rc = hx_sql_borrow(&table->shadow, HX_SQL_HOLD, HX_ALL_VECTORS, &cursor->hold);
    if (rc == SQLITE_OK) {
        rc = hx_sql_step(&table->shadow, cursor->hold.stmt);
    }
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : info_fail(cursor, rc);
}

static int info_filter(hx_tvf_cursor *base, int argc, sqlite3_value **argv) {
    info_cursor *const cursor = (info_cursor *)base;
    const char *const name = argc > 0 ? (const char *)sqlite3_value_text(argv[0]) : NULL;
    const char *const schema = argc > 1 ? (const char *)sqlite3_value_text(argv[1]) : NULL;
    char *error = NULL;
    if (argc == 0) {
        return hx_tvf_fail(base, SQLITE_ERROR,
                           sqlite3_mprintf("hannoy: name a table: hannoy_info('v')"));
    }
    if (hx_argument_any_null(argc, argv)) {
        return SQLITE_OK;
    }
    if (!name || (argc > 1 && !schema)) {
        return SQLITE_NOMEM;
    }
    const int rc = hx_connection_find(base->context, schema, name, &cursor->found, &error);
    if (rc) {
        return hx_tvf_fail(base, rc, error);
    }
    base->count = ITEM_COUNT;
    return info_hold(cursor);
}

static int info_column(hx_tvf_cursor *base, sqlite3_context *context, int column) {
    info_cursor *const cursor = (info_cursor *)base;
    hx_table *const table = cursor->found.table;
    const item *const it = &items[base->row];
    if (column == COLUMN_KEY) {
        sqlite3_result_text(context, it->key, -1, SQLITE_STATIC);
    }
    if (column == COLUMN_NAME) {
        sqlite3_result_text(context, table->shadow.name, -1, SQLITE_TRANSIENT);
    }
    if (column == COLUMN_SCHEMA) {
        sqlite3_result_text(context, table->shadow.schema, -1, SQLITE_TRANSIENT);
    }
    if (column != COLUMN_VALUE) {
        return SQLITE_OK;
    }
    int rc = hx_snapshot_begin(&table->views[0]);
    if (rc == SQLITE_OK) {
        rc = it->value(table, context);
        hx_snapshot_end(&table->views[0]);
    }
    return rc ? info_fail(cursor, rc) : rc;
}

static const hx_tvf info_function = {
    .name = "hannoy_info",
    .declaration = "CREATE TABLE x(key TEXT, value, table_name HIDDEN, schema_name HIDDEN)",
    .first_argument = COLUMN_NAME,
    .cost = 100,
    .rows = ITEM_COUNT,
    .first_rowid = 1,
    .cursor_bytes = sizeof(info_cursor),
    .filter = info_filter,
    .column = info_column,
    .end = info_end,
};

int hx_info_register(hx_connection *connection) {
    return hx_tvf_register(hx_connection_db(connection), &info_function,
                           hx_connection_ref(connection), hx_connection_unref);
}
