/*
** The figures of a table as key and value; contract in info.h.
**
** A value is computed when its column is read, so that watching the progress of a build, WHERE key
** = 'state', does not count the links of a million nodes each time.
*/
#include "functions/info.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "change/heal.h"
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

/* Sets the result and returns an SQLite code.  Called with the view's snapshot begun. */
typedef int (*view_value)(hx_view *view, sqlite3_context *context);

/* The same of a whole table.  No snapshot is begun. */
typedef int (*table_value)(hx_table *table, sqlite3_context *context);

static bool has_index(const hx_view *view) {
    return view->snapshot.pinned;
}

/* Up to date, the index of the only vector knows the number; counting reads every page. */
static int count_rows(hx_table *table, int64_t *rows) {
    hx_view *const view = &table->views[0];
    int rc = table->shadow.columns.vectors > 1 ? SQLITE_OK : hx_snapshot_begin(view);
    if (rc) {
        return rc;
    }
    const hx_snapshot *const s = &view->snapshot;
    if (table->shadow.columns.vectors > 1) {
        return hx_content_count(&table->shadow, rows);
    }
    if (!s->indexed || s->delta.ids.count) {
        rc = hx_content_count(&table->shadow, rows);
    } else {
        *rows = (int64_t)s->stats.rows;
    }
    hx_snapshot_end(view);
    return rc;
}

static int count_pending(hx_view *view, int64_t *pending) {
    const hx_snapshot *const s = &view->snapshot;
    hx_ids delta;
    int status;
    if (!hx_merge_base_usable(&view->snapshot.base)) {
        return hx_content_count_having(view->shadow, view->vector, pending);
    }
    const int rc = hx_merge_base_delta(view->shadow, view->reader, &s->base, &delta, &status);
    if (rc) {
        return rc;
    }
    if (status) {
        return hx_content_count_having(view->shadow, view->vector, pending);
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

static int value_pending(hx_view *view, sqlite3_context *context) {
    int64_t pending = 0;
    const int rc = count_pending(view, &pending);
    sqlite3_result_int64(context, pending);
    return rc;
}

/* Of the index that lacks most. */
static int value_most_pending(hx_table *table, sqlite3_context *context) {
    int64_t most = 0;
    for (int i = 0; i < table->shadow.columns.vectors; i++) {
        int64_t pending = 0;
        int rc = hx_snapshot_begin(&table->views[i]);
        if (rc == SQLITE_OK) {
            rc = count_pending(&table->views[i], &pending);
            hx_snapshot_end(&table->views[i]);
        }
        if (rc) {
            return rc;
        }
        most = pending > most ? pending : most;
    }
    sqlite3_result_int64(context, most);
    return SQLITE_OK;
}

/* The figures of the sidecar, whether this snapshot can use it or not; zeros without an index. */
static hny_stats read_stats(hx_view *view, bool count_links) {
    hny_stats stats;
    if (!has_index(view) || hny_reader_stats(view->reader, count_links, &stats) != HNY_OK) {
        memset(&stats, 0, sizeof stats);
    }
    return stats;
}

static int value_nodes(hx_view *view, sqlite3_context *context) {
    sqlite3_result_int64(context, (int64_t)read_stats(view, false).nodes);
    return SQLITE_OK;
}

static int value_deleted(hx_view *view, sqlite3_context *context) {
    sqlite3_result_int64(context, (int64_t)read_stats(view, false).deleted);
    return SQLITE_OK;
}

static int value_unlinked(hx_view *view, sqlite3_context *context) {
    sqlite3_result_int64(context, (int64_t)read_stats(view, false).unlinked);
    return SQLITE_OK;
}

static int value_levels(hx_view *view, sqlite3_context *context) {
    sqlite3_result_int64(context, read_stats(view, false).levels);
    return SQLITE_OK;
}

static int value_links(hx_view *view, sqlite3_context *context) {
    sqlite3_result_int64(context, (int64_t)read_stats(view, true).links);
    return SQLITE_OK;
}

/* The sidecar is the same for all vectors; any index in it tells. */
static int value_bytes(hx_table *table, sqlite3_context *context) {
    uint64_t bytes = 0;
    for (int i = 0; i < table->shadow.columns.vectors && bytes == 0; i++) {
        const int rc = hx_snapshot_begin(&table->views[i]);
        if (rc) {
            return rc;
        }
        bytes = read_stats(&table->views[i], false).bytes;
        hx_snapshot_end(&table->views[i]);
    }
    sqlite3_result_int64(context, (int64_t)bytes);
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
static int value_boundary(hx_view *view, sqlite3_context *context) {
    const hny_boundary at = read_stats(view, false).boundary;
    if (!has_index(view)) {
        return SQLITE_OK;
    }
    return result_text(context, sqlite3_mprintf("%lld:%llx", at.seq, at.chain));
}

static int value_sidecar(hx_table *table, sqlite3_context *context) {
    const char *const path = hny_sidecar_path(table->sidecar);
    sqlite3_result_text(context, path ? path : "a private temporary file", -1, SQLITE_TRANSIENT);
    return SQLITE_OK;
}

/* ------------------------------------------------------------------------------------- state -- */

static char *changes_pending(int64_t pending) {
    return pending == 1 ? sqlite3_mprintf("1 change pending")
                        : sqlite3_mprintf("%lld changes pending", pending);
}

/* Whether the index serves this snapshot; *well: it does, and lacks nothing. */
static int describe_state(hx_view *view, char **out, bool *well) {
    int64_t pending = 0;
    int rc = hx_loss_reason(view, out);
    *well = false;
    if (rc || *out) {
        return rc;
    }
    rc = count_pending(view, &pending);
    *well = pending == 0;
    *out = pending ? changes_pending(pending) : sqlite3_mprintf("up to date");
    return rc;
}

/* In UTC, as SQLite's datetime() has it.  NULL: out of memory. */
static char *sentence_of_time(int64_t since) {
    const time_t seconds = (time_t)since;
    struct tm at;
    if (!gmtime_r(&seconds, &at)) {
        return sqlite3_mprintf("an unknown time");
    }
    return sqlite3_mprintf("%04d-%02d-%02d %02d:%02d:%02d", at.tm_year + 1900, at.tm_mon + 1,
                           at.tm_mday, at.tm_hour, at.tm_min, at.tm_sec);
}

/* NULL while the index is used. */
static int result_since(sqlite3_int64 since, sqlite3_context *context) {
    return since ? result_text(context, sentence_of_time(since)) : SQLITE_OK;
}

static int value_scans_since(hx_view *view, sqlite3_context *context) {
    return result_since(view->loss.since, context);
}

/* Of the index that is unused longest. */
static int value_table_scans_since(hx_table *table, sqlite3_context *context) {
    sqlite3_int64 first = 0;
    for (int i = 0; i < table->shadow.columns.vectors; i++) {
        hx_view *const view = &table->views[i];
        const int rc = hx_snapshot_begin(view);
        if (rc) {
            return rc;
        }
        hx_snapshot_end(view);
        if (view->loss.since && (first == 0 || view->loss.since < first)) {
            first = view->loss.since;
        }
    }
    return result_since(first, context);
}

/* Of a build of this index in this process; empty and zero when none runs. */
static hny_progress progress_of(const hx_view *view) {
    hny_progress p;
    hny_sidecar_progress(view->sidecar, &p);
    if (p.table != hx_view_config(view)->number) {
        p = (hny_progress){0, "", 0, 0};
    }
    return p;
}

/* The index of a table that is being built; the first one when none is. */
static const hx_view *built_view(const hx_table *table) {
    for (int i = 0; i < table->shadow.columns.vectors; i++) {
        if (progress_of(&table->views[i]).table) {
            return &table->views[i];
        }
    }
    return &table->views[0];
}

static int result_phase(const hx_view *view, sqlite3_context *context) {
    sqlite3_result_text(context, progress_of(view).phase, -1, SQLITE_TRANSIENT);
    return SQLITE_OK;
}

static int result_done(const hx_view *view, sqlite3_context *context) {
    sqlite3_result_int64(context, (int64_t)progress_of(view).done);
    return SQLITE_OK;
}

static int result_total(const hx_view *view, sqlite3_context *context) {
    sqlite3_result_int64(context, (int64_t)progress_of(view).total);
    return SQLITE_OK;
}

static int value_linker(hx_view *view, sqlite3_context *context) {
    static const char *const words[] = {[HNY_LINKER_IDLE] = "idle",
                                        [HNY_LINKER_WAITING] = "waiting",
                                        [HNY_LINKER_PAUSED] = "paused",
                                        [HNY_LINKER_RUNNING] = "running"};
    hny_linker_report report;
    hny_linker_look(view->sidecar, hx_view_config(view)->number, &report);
    const hny_progress *const p = &report.progress;
    char *const now = p->phase
                          ? sqlite3_mprintf("running: %s %llu of %llu", p->phase, p->done, p->total)
                          : sqlite3_mprintf("%s", words[report.state]);
    if (report.status == HNY_OK || report.status == HNY_BUSY || report.status == HNY_INTERRUPT) {
        return result_text(context, now);
    }
    char *const at = sentence_of_time(report.at);
    char *const all =
        now && at ? sqlite3_mprintf("%s; failed at %s: %s", now, at, hny_strerror(report.status))
                  : NULL;
    sqlite3_free(now);
    sqlite3_free(at);
    return result_text(context, all);
}

/* The first vector's whose linker does something or has failed. */
static int value_table_linker(hx_table *table, sqlite3_context *context) {
    int chosen = 0;
    for (int i = table->shadow.columns.vectors - 1; i >= 0; i--) {
        hx_view *const view = &table->views[i];
        hny_linker_report report;
        hny_linker_look(view->sidecar, hx_view_config(view)->number, &report);
        if (report.state != HNY_LINKER_IDLE || report.status) {
            chosen = i;
        }
    }
    return value_linker(&table->views[chosen], context);
}

static int value_phase(hx_view *view, sqlite3_context *context) {
    return result_phase(view, context);
}

static int value_done(hx_view *view, sqlite3_context *context) {
    return result_done(view, context);
}

static int value_total(hx_view *view, sqlite3_context *context) {
    return result_total(view, context);
}

static int value_table_phase(hx_table *table, sqlite3_context *context) {
    return result_phase(built_view(table), context);
}

static int value_table_done(hx_table *table, sqlite3_context *context) {
    return result_done(built_view(table), context);
}

static int value_table_total(hx_table *table, sqlite3_context *context) {
    return result_total(built_view(table), context);
}

static char *describe_progress(const hx_view *view) {
    hny_progress p;
    hny_sidecar_progress(view->sidecar, &p);
    if (p.table == 0) {
        return sqlite3_mprintf(
            hny_sidecar_builds_elsewhere(view->sidecar) ? "; another process builds" : "");
    }
    if (p.table != hx_view_config(view)->number) {
        return sqlite3_mprintf("; another table is being built");
    }
    return sqlite3_mprintf("; building: %s %llu of %llu", p.phase, p.done, p.total);
}

/* Why the last builds that nobody asked for failed; NULL: they did not. */
typedef struct troubles {
    const char *commit, *search;
} troubles;

/* The state with its vector's name, the progress and the troubles. */
static char *join_state(const char *vector, const char *state, const char *progress, troubles t) {
    return state && progress
               ? sqlite3_mprintf("%s%s%s%s%s%s%s%s", vector, vector[0] ? ": " : "", state, progress,
                                 t.commit ? "; at the last COMMIT: " : "", t.commit ? t.commit : "",
                                 t.search ? "; at a search: " : "", t.search ? t.search : "")
               : NULL;
}

/* The first vector's state that is not "up to date", or that of all. */
static int value_table_state(hx_table *table, sqlite3_context *context) {
    const hx_columns *const columns = &table->shadow.columns;
    char *state = NULL;
    bool well = true;
    int rc = SQLITE_OK, last = 0;
    for (int i = 0; i < columns->vectors && well && rc == SQLITE_OK; i++) {
        sqlite3_free(state);
        state = NULL;
        last = i;
        rc = hx_snapshot_begin(&table->views[i]);
        if (rc == SQLITE_OK) {
            rc = describe_state(&table->views[i], &state, &well);
            hx_snapshot_end(&table->views[i]);
        }
    }
    char *const progress = describe_progress(built_view(table));
    const troubles t = {well ? NULL : table->writer.autobuild.trouble,
                        well ? NULL : hx_heal_trouble(&table->views[last])};
    char *const text =
        rc ? NULL : join_state(well ? "" : hx_columns_which(columns, last), state, progress, t);
    sqlite3_free(state);
    sqlite3_free(progress);
    return rc ? rc : result_text(context, text);
}

static int value_state(hx_view *view, sqlite3_context *context) {
    char *state = NULL;
    bool well;
    const int rc = describe_state(view, &state, &well);
    char *const progress = describe_progress(view);
    const troubles t = {NULL, well ? NULL : hx_heal_trouble(view)};
    char *const text = rc ? NULL : join_state("", state, progress, t);
    sqlite3_free(state);
    sqlite3_free(progress);
    return rc ? rc : result_text(context, text);
}

/* ----------------------------------------------------------------------------------- options -- */

static int value_dim(hx_view *view, sqlite3_context *context) {
    sqlite3_result_int64(context, hx_view_options(view)->shape.dim);
    return SQLITE_OK;
}

static int value_metric(hx_view *view, sqlite3_context *context) {
    sqlite3_result_text(context, hx_metric_name(hx_view_options(view)->shape.metric), -1,
                        SQLITE_STATIC);
    return SQLITE_OK;
}

static int value_type(hx_view *view, sqlite3_context *context) {
    sqlite3_result_text(context, hx_type_name(hx_view_options(view)->shape.type), -1,
                        SQLITE_STATIC);
    return SQLITE_OK;
}

static int value_codes(hx_view *view, sqlite3_context *context) {
    sqlite3_result_text(context, hx_codes_name(hx_view_options(view)->codes), -1, SQLITE_STATIC);
    return SQLITE_OK;
}

static int value_m(hx_view *view, sqlite3_context *context) {
    sqlite3_result_int64(context, hx_view_options(view)->m);
    return SQLITE_OK;
}

static int value_ef_construction(hx_view *view, sqlite3_context *context) {
    sqlite3_result_int64(context, hx_view_options(view)->ef_construction);
    return SQLITE_OK;
}

/* When it is not set, that of a search for ten rows; NULL without an index. */
static int value_ef(hx_view *view, sqlite3_context *context) {
    const hx_options *const options = hx_view_options(view);
    if (options->ef) {
        sqlite3_result_int64(context, options->ef);
    } else if (has_index(view)) {
        const double recall = hx_options_recall(options);
        sqlite3_result_int64(context, options->aim_ef ? options->aim_ef
                                                      : hny_reader_ef(view->reader, 10, recall));
    }
    return SQLITE_OK;
}

/* The target that ef is derived from; NULL when ef is set. */
static int value_recall(hx_view *view, sqlite3_context *context) {
    const hx_options *const options = hx_view_options(view);
    if (!options->ef) {
        sqlite3_result_double(context, options->recall / HX_RECALL_UNIT);
    }
    return SQLITE_OK;
}

/* What searches aim at since a calibration with queries: by the table's own rows. */
static int value_calibrated(hx_view *view, sqlite3_context *context) {
    const hx_options *const options = hx_view_options(view);
    if (!options->aim_recall) {
        return SQLITE_OK;
    }
    return result_text(context, options->aim_ef
                                    ? sqlite3_mprintf("ef=%u", options->aim_ef)
                                    : sqlite3_mprintf("recall=%g", hx_options_recall(options)));
}

/* The options of the table are the same in all vectors. */
static int table_options(hx_table *table, const hx_options **out) {
    *out = &table->shadow.config.vectors[0].options;
    return hx_log_refresh_config(&table->shadow);
}

static int value_autobuild(hx_table *table, sqlite3_context *context) {
    const hx_options *options;
    const int rc = table_options(table, &options);
    sqlite3_result_int64(context, options->autobuild);
    return rc;
}

static int value_threads(hx_table *table, sqlite3_context *context) {
    const hx_options *options;
    const int rc = table_options(table, &options);
    sqlite3_result_int64(context, options->threads);
    return rc;
}

static int value_linear_below(hx_table *table, sqlite3_context *context) {
    const hx_options *options;
    const int rc = table_options(table, &options);
    sqlite3_result_int64(context, options->linear_below);
    return rc;
}

static int result_or_auto(uint32_t value, sqlite3_context *context) {
    if (value == HX_AUTO) {
        sqlite3_result_text(context, "auto", -1, SQLITE_STATIC);
    } else {
        sqlite3_result_int64(context, value);
    }
    return SQLITE_OK;
}

static int value_background(hx_table *table, sqlite3_context *context) {
    const hx_options *options;
    const int rc = table_options(table, &options);
    return rc ? rc : result_or_auto(options->background, context);
}

static int value_log_keep(hx_table *table, sqlite3_context *context) {
    const hx_options *options;
    const int rc = table_options(table, &options);
    return rc ? rc : result_or_auto(options->log_keep, context);
}

/* ---------------------------------------------------------------------------- the last query -- */

static int value_last_strategy(hx_table *table, sqlite3_context *context) {
    static const char *const words[] = {
        [0] = NULL,
        [HNY_SCAN] = "scan",
        [HNY_GRAPH] = "walk",
        [HNY_GRAPH_THEN_SCAN] = "walk, then scan",
    };
    const hx_last *const last = &table->last;
    const char *const word = last->strategy      ? words[last->strategy]
                             : last->nanoseconds ? "scan of the table"
                                                 : NULL;
    if (word) {
        sqlite3_result_text(context, word, -1, SQLITE_STATIC);
    }
    return SQLITE_OK;
}

static int value_last_distances(hx_table *table, sqlite3_context *context) {
    sqlite3_result_int64(context, table->last.distances);
    return SQLITE_OK;
}

static int value_last_filter_matches(hx_table *table, sqlite3_context *context) {
    if (table->last.matches) {
        sqlite3_result_int64(context, table->last.matches);
    }
    return SQLITE_OK;
}

static int value_last_unindexed_rows(hx_table *table, sqlite3_context *context) {
    sqlite3_result_int64(context, table->last.delta_rows);
    return SQLITE_OK;
}

static int value_last_microseconds(hx_table *table, sqlite3_context *context) {
    sqlite3_result_double(context, (double)table->last.nanoseconds / 1000);
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

/* A key that each vector has, as NAME.key where there are several, or the table, or both. */
typedef struct item {
    const char *key;
    view_value of_vector;
    table_value of_table;
} item;

static const item items[] = {
    {"rows", NULL, value_rows},
    {"pending", value_pending, value_most_pending},
    {"nodes", value_nodes, NULL},
    {"deleted", value_deleted, NULL},
    {"unlinked", value_unlinked, NULL},
    {"levels", value_levels, NULL},
    {"links", value_links, NULL},
    {"bytes", NULL, value_bytes},
    {"boundary", value_boundary, NULL},
    {"state", value_state, value_table_state},
    {"scans_since", value_scans_since, value_table_scans_since},
    {"linker", value_linker, value_table_linker},
    {"phase", value_phase, value_table_phase},
    {"done", value_done, value_table_done},
    {"total", value_total, value_table_total},
    {"dim", value_dim, NULL},
    {"metric", value_metric, NULL},
    {"type", value_type, NULL},
    {"codes", value_codes, NULL},
    {"m", value_m, NULL},
    {"ef_construction", value_ef_construction, NULL},
    {"ef", value_ef, NULL},
    {"recall", value_recall, NULL},
    {"calibrated", value_calibrated, NULL},
    {"autobuild", NULL, value_autobuild},
    {"threads", NULL, value_threads},
    {"linear_below", NULL, value_linear_below},
    {"log_keep", NULL, value_log_keep},
    {"background", NULL, value_background},
    {"notes", NULL, value_notes},
    {"sidecar", NULL, value_sidecar},
    {"kernels", NULL, value_kernels},
    {"last_strategy", NULL, value_last_strategy},
    {"last_distances", NULL, value_last_distances},
    {"last_filter_matches", NULL, value_last_filter_matches},
    {"last_unindexed_rows", NULL, value_last_unindexed_rows},
    {"last_microseconds", NULL, value_last_microseconds},
};

enum { ITEM_COUNT = sizeof items / sizeof items[0] };

/* A row: an item of the table, or of one of several vectors. */
typedef struct info_row {
    const item *item;
    int vector; /* -1: of the table */
} info_row;

/*
** A table with one vector has each key once, the others first the table's and then each vector's.
*/
static bool has_row(const hx_columns *columns, const item *it, int vector) {
    return vector < 0 ? it->of_table || columns->vectors == 1
                      : it->of_vector && columns->vectors > 1;
}

/* The row of this number, from 0; false: there are not so many. */
static bool find_info_row(const hx_columns *columns, int64_t number, info_row *out) {
    for (int vector = -1; vector < columns->vectors; vector++) {
        for (int i = 0; i < ITEM_COUNT; i++) {
            if (has_row(columns, &items[i], vector) && number-- == 0) {
                *out = (info_row){&items[i], vector};
                return true;
            }
        }
    }
    return false;
}

static int64_t count_info_rows(const hx_columns *columns) {
    int64_t count = 0;
    for (int vector = -1; vector < columns->vectors; vector++) {
        for (int i = 0; i < ITEM_COUNT; i++) {
            count += has_row(columns, &items[i], vector);
        }
    }
    return count;
}

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

/* Also loads the configuration: a table knows its builds by its number. */
static int info_hold(info_cursor *cursor) {
    hx_table *const table = cursor->found.table;
    int rc = hx_sql_borrow(&table->shadow, HX_SQL_HOLD, HX_ALL_VECTORS, &cursor->hold);
    if (rc == SQLITE_OK) {
        rc = hx_sql_step(&table->shadow, cursor->hold.stmt);
    }
    if (rc == SQLITE_ROW || rc == SQLITE_DONE) {
        rc = hx_log_refresh_config(&table->shadow);
    }
    return rc ? info_fail(cursor, rc) : SQLITE_OK;
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
    base->count = count_info_rows(&cursor->found.table->shadow.columns);
    return info_hold(cursor);
}

static int result_key(const hx_columns *columns, const info_row *row, sqlite3_context *context) {
    if (row->vector < 0) {
        sqlite3_result_text(context, row->item->key, -1, SQLITE_STATIC);
        return SQLITE_OK;
    }
    return result_text(
        context, sqlite3_mprintf("%s.%s", hx_columns_which(columns, row->vector), row->item->key));
}

static int result_value(hx_table *table, const info_row *row, sqlite3_context *context) {
    if (row->vector < 0 && row->item->of_table) {
        return row->item->of_table(table, context);
    }
    hx_view *const view = &table->views[row->vector < 0 ? 0 : row->vector];
    int rc = hx_snapshot_begin(view);
    if (rc == SQLITE_OK) {
        rc = row->item->of_vector(view, context);
        hx_snapshot_end(view);
    }
    return rc;
}

static int info_column(hx_tvf_cursor *base, sqlite3_context *context, int column) {
    info_cursor *const cursor = (info_cursor *)base;
    hx_table *const table = cursor->found.table;
    info_row row;
    if (!find_info_row(&table->shadow.columns, (int64_t)base->row, &row)) {
        return SQLITE_OK;
    }
    if (column == COLUMN_KEY) {
        return result_key(&table->shadow.columns, &row, context);
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
    const int rc = result_value(table, &row, context);
    return rc ? info_fail(cursor, rc) : rc;
}

int hx_info_value(hx_table *table, const char *key, bool report, sqlite3_context *context) {
    int rc = hx_log_refresh_config(&table->shadow);
    for (int i = 0; i < ITEM_COUNT && rc == SQLITE_OK; i++) {
        if (strcmp(items[i].key, key) == 0) {
            rc = result_value(table, &(info_row){&items[i], -1}, context);
            break;
        }
    }
    if (rc == SQLITE_OK || rc == SQLITE_NOMEM) {
        return rc;
    }
    const char *const sentence = table->shadow.vtab.zErrMsg;
    if (report) {
        sqlite3_result_text(context, sentence ? sentence : sqlite3_errstr(rc), -1,
                            SQLITE_TRANSIENT);
    } else {
        sqlite3_result_null(context);
    }
    hx_forgive(&table->shadow);
    return SQLITE_OK;
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
