/* Applies the changes of a snapshot to the sidecar; the contract is in index_build.h. */
#include "change/index_build.h"

#include <limits.h>

#include "query/index_view.h"
#include "shadow/content.h"
#include "shadow/error.h"
#include "shadow/external_content.h"
#include "shadow/host_interrupt.h"
#include "shadow/secure_delete.h"
#include "shadow/table_ids.h"

/* Internal to this file: the engine failed; its status is in build->status. */
#define ENGINE_FAILED SQLITE_ABORT

typedef struct feeder {
    hny_build *engine;
    hx_index_build *build;
    const hx_ids *delta; /* of feed_rest */
    size_t next;         /* in delta */
} feeder;

static int feed_row(void *arg, int64_t id, const void *vector, const hny_attribute *attributes) {
    const feeder *const f = arg;
    f->build->status =
        vector ? hny_build_put(f->engine, id, vector, attributes) : hny_build_remove(f->engine, id);
    if (f->build->status) {
        return ENGINE_FAILED;
    }
    f->build->taken++;
    return SQLITE_OK;
}

/* A failure of the engine is in build->status and is no failure of the scan. */
static int settle_feed(const hx_index_build *build, int rc) {
    return rc == ENGINE_FAILED && build->status ? SQLITE_OK : rc;
}

/* All rows.  The log's length is the estimate of their number that progress is relative to. */
static int feed_all(hx_view *view, hny_build *engine, hx_index_build *build) {
    feeder f = {engine, build, NULL, 0};
    hny_build_expect(engine, (uint64_t)build->at.seq);
    return settle_feed(build, hx_content_each(view->shadow, view->vector, feed_row, &f));
}

/* The rows come in ascending order of their ids. */
static int feed_kept(void *arg, int64_t id, const void *vector, const hny_attribute *attributes) {
    feeder *const f = arg;
    while (f->next < f->delta->count && f->delta->items[f->next] < id) {
        f->next++;
    }
    if (f->next < f->delta->count && f->delta->items[f->next] == id) {
        return SQLITE_OK;
    }
    f->build->status = hny_build_keep(f->engine, id, vector, attributes);
    return f->build->status ? ENGINE_FAILED : SQLITE_OK;
}

/* Gives the rows outside the delta their attributes, where the index has those of another set. */
static int feed_rest(hx_view *view, hny_build *engine, const hx_ids *delta, hx_index_build *build) {
    feeder f = {engine, build, delta, 0};
    if (!hny_build_refits(engine)) {
        return SQLITE_OK;
    }
    return settle_feed(build, hx_content_each(view->shadow, view->vector, feed_kept, &f));
}

static int feed_delta(hx_view *view, hny_build *engine, const hx_merge_base *base,
                      hx_index_build *build) {
    feeder f = {engine, build, NULL, 0};
    hx_ids delta;
    hny_build_expect(engine,
                     (uint64_t)(build->at.seq - base->boundary.seq)); /* no fewer log rows */
    int rc =
        hx_merge_base_delta(view->shadow, hny_build_reader(engine), base, &delta, &build->status);
    if (rc || build->status) {
        return rc;
    }
    hny_build_expect(engine, delta.count);
    rc = settle_feed(build, hx_content_each_of(view->shadow, view->vector, delta.items, delta.count,
                                               feed_row, &f));
    if (rc == SQLITE_OK && !build->status) {
        rc = feed_rest(view, engine, &delta, build);
    }
    hx_ids_free(&delta);
    return rc;
}

/*
** A build without changes publishes nothing: each boundary that is published drops the oldest one,
** which readers may need.  An explicit build also links rows that were appended unlinked, and one
** under PRAGMA secure_delete overwrites what earlier ones have left.
*/
static bool is_up_to_date(const hx_index_build *build, const hny_build *engine,
                          const hx_merge_base *base) {
    if ((build->asked && hny_build_unlinked(engine)) || hny_build_refits(engine) ||
        hny_build_unerased(engine)) {
        return false;
    }
    return !build->restart && base->kind != HX_MERGE_BASE_NONE && base->age == 0 &&
           hx_boundary_equal(base->boundary, build->at);
}

static int take_in_changes(hx_view *view, hny_build *engine, const hx_merge_base *base,
                           hx_index_build *build) {
    if (base->kind == HX_MERGE_BASE_FOUND && !build->restart) {
        return feed_delta(view, engine, base, build);
    }
    if (!build->restart && build->changes) {
        build->status = base->status ? base->status : HNY_MISSING;
        return SQLITE_OK;
    }
    build->status = hny_build_restart(engine);
    return build->status ? SQLITE_OK : feed_all(view, engine, build);
}

/* Changes with every change of the schema.  Never 0. */
static int schema_version(hx_view *view, uint64_t *out) {
    sqlite3_stmt *stmt;
    sqlite3_int64 version = 0;
    int rc = hx_sql_get(view->shadow, HX_SQL_SCHEMA_VERSION, &stmt);
    if (rc == SQLITE_OK) {
        rc = hx_sql_integer(view->shadow, stmt, &version);
    }
    *out = 1 + (uint64_t)(uint32_t)version;
    return rc;
}

/*
** Tables that were dropped cost space only, so what the engine cannot sweep is left to the next
** build.  A failure of the database is returned: out of memory has rolled the transaction back.
*/
static int sweep_all_orphans(hx_view *view, hny_build *engine, bool *swept) {
    uint32_t *numbers;
    size_t count;
    const int rc = hx_table_ids_all(view->shadow, &numbers, &count);
    if (rc) {
        return rc;
    }
    *swept = hny_build_sweep(engine, numbers, count) == HNY_OK;
    sqlite3_free(numbers);
    return SQLITE_OK;
}

/* Builds after which what others have left, whose builds were ended, is looked for again. */
#define SWEEP_INTERVAL 64

/*
** A table is dropped by a change of the schema, so that builds of a schema as it was at the last
** sweep need none: with 2,000 tables one takes as long as a small build.
*/
static int sweep_orphans(hx_view *view, hny_build *engine) {
    const uint64_t before = hny_sidecar_swept(view->sidecar);
    uint64_t now;
    bool swept;
    int rc = schema_version(view, &now);
    if (rc) {
        return rc;
    }
    if (before / SWEEP_INTERVAL == now && before % SWEEP_INTERVAL < SWEEP_INTERVAL - 1) {
        hny_sidecar_set_swept(view->sidecar, before + 1);
        return SQLITE_OK;
    }
    rc = sweep_all_orphans(view, engine, &swept);
    if (rc == SQLITE_OK && swept) {
        hny_sidecar_set_swept(view->sidecar, now * SWEEP_INTERVAL);
    }
    return rc;
}

static int publish_changes(hx_view *view, hny_build *engine, const hx_merge_base *base,
                           hx_index_build *build) {
    const int rc = take_in_changes(view, engine, base, build);
    if (rc || build->status) {
        return rc;
    }
    hx_sql_return(view->shadow, &build->hold);
    build->status = hny_build_publish(engine, build->at);
    build->current = build->status == HNY_OK;
    return SQLITE_OK;
}

static int update_index(hx_view *view, hny_build *engine, const hx_log *log,
                        hx_index_build *build) {
    hx_merge_base base;
    int rc = hx_merge_base_find(view->shadow, hny_build_reader(engine), HNY_MISSING, log, &base);
    if (rc) {
        return rc;
    }
    if (is_up_to_date(build, engine, &base)) {
        build->current = base.kind == HX_MERGE_BASE_FOUND;
    } else {
        rc = publish_changes(view, engine, &base, build);
    }
    if (build->sweep && rc == SQLITE_OK && build->status == HNY_OK) {
        rc = sweep_orphans(view, engine);
    }
    /* What a failure leaves is left to the next build. */
    if (rc == SQLITE_OK && build->status == HNY_OK) {
        (void)hny_build_erase(engine);
    }
    return rc;
}

/*
** An index of which more than half is of deleted rows starts over when a build is asked for, and
** the file is made shorter.  Of all vectors' builds the last one does that; only for `compact` it
** must succeed.
*/
static void shrink_sidecar(const hx_view *view, hny_build *engine, hx_index_build *build) {
    uint32_t rows;
    const uint32_t vacant = hny_build_vacant(engine, &rows);
    build->sparse = !build->restart && (build->compact ? vacant > 0 : vacant > rows);
    if (build->sparse || view->vector != view->shadow->columns.vectors - 1) {
        return;
    }
    const int status = hny_build_shrink(engine, build->compact || build->restart);
    if (build->compact || status == HNY_INTERRUPT) {
        build->status = status;
    }
}

static int hold_snapshot(hx_view *view, hx_index_build *build) {
    int rc = hx_sql_borrow(view->shadow, HX_SQL_HOLD, HX_ALL_VECTORS, &build->hold);
    if (rc == SQLITE_OK) {
        rc = hx_sql_step(view->shadow, build->hold.stmt);
    }
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/*
** What the disk must have left when a build ends, so that a COMMIT does not fail because of it: the
** pages in SQLite's cache, which are those that a COMMIT may still write and more; those that are
** changed when the log is trimmed, some 64 bytes a row; and pages of other connections.  A database
** without a file writes none.
*/
static uint64_t commit_bytes(const hx_view *view, const hx_log *log) {
    const uint64_t other_bytes = (uint64_t)1 << 20;
    int used = 0, highest;
    const char *const file = sqlite3_db_filename(view->shadow->db, view->shadow->schema);
    if (!file || !*file) {
        return 0;
    }
    sqlite3_db_status(view->shadow->db, SQLITE_DBSTATUS_CACHE_USED, &used, &highest, 0);
    return other_bytes + (uint64_t)(used >= 0 ? used : INT_MAX) +
           64 * (uint64_t)(log->tip.seq - log->trim.seq);
}

bool hx_index_build_defers(const hx_view *view) {
    return hx_view_options(view)->background && hny_linker_enabled();
}

/* Is linking left to the linker? */
static bool is_deferred(const hx_view *view, const hx_index_build *build) {
    return !build->asked && hx_index_build_defers(view);
}

static int flags_of_build(hx_view *view, const hx_index_build *build, int *out) {
    bool erase;
    const int rc = hx_secure_delete(view->shadow, &erase);
    *out = build->asked ? HNY_BUILD_CONSOLIDATE : HNY_BUILD_APPEND;
    *out |= (is_deferred(view, build) ? HNY_BUILD_DEFER : 0) | (erase ? HNY_BUILD_ERASE : 0);
    return rc;
}

static hny_options engine_options(const hx_view *view) {
    const hx_options *const set = hx_view_options(view);
    return (hny_options){set->shape,
                         set->codes,
                         set->m,
                         set->ef_construction,
                         (uint32_t)view->shadow->columns.attributes,
                         view->shadow->config.attribute_set};
}

/* The next build tries again. */
static void wake_linker(hx_view *view, uint64_t reserve, int flags) {
    const hny_options options = engine_options(view);
    const hny_build_limits limits = {.threads = hx_view_options(view)->threads, .reserve = reserve};
    (void)hny_linker_wake(view->sidecar, hx_view_config(view)->number, &options, &limits,
                          flags & HNY_BUILD_ERASE);
}

void hx_index_build_link(hx_view *view) {
    const hx_index_build build = {.asked = false};
    int flags;
    if (flags_of_build(view, &build, &flags)) {
        hx_forgive(view->shadow);
    } else {
        wake_linker(view, commit_bytes(view, &view->snapshot.log), flags);
    }
}

/*
** Another attempt may succeed.  A COMMIT does not wait for other processes; it tries a second time
** in any case, as the step that had the lock may have ended before it was looked for.
*/
static bool wait_for_linker(hx_view *view, hx_index_build *build, bool defers, int attempts) {
    if (defers) {
        return hny_linker_yield(view->sidecar) || attempts == 1;
    }
    if (build->asked && hny_linker_await(view->sidecar, hx_interrupt(view->shadow))) {
        return true;
    }
    build->status = build->asked && hx_interrupted(view->shadow) ? HNY_INTERRUPT : HNY_BUSY;
    return false;
}

static int attempt_build(hx_view *view, hx_index_build *build) {
    const hx_options *const set = hx_view_options(view);
    hny_build *engine;
    hx_log log;
    int flags, rc = flags_of_build(view, build, &flags);
    if (rc == SQLITE_OK) {
        rc = hx_log_read(view->shadow, &log);
    }
    if (rc) {
        return rc;
    }
    const hny_options options = engine_options(view);
    build->at = log.tip;
    build->taken = 0;
    build->current = build->sparse = build->needs_pause = false;
    const bool defers = flags & HNY_BUILD_DEFER;
    const hny_build_limits limits = {.threads = set->threads,
                                     .reserve = commit_bytes(view, &log),
                                     .interrupt = hx_interrupt(view->shadow)};
    int attempts = 0;
    do {
        attempts++;
        build->status = hny_build_open(view->sidecar, hx_view_config(view)->number, &options,
                                       &limits, flags, &engine);
    } while (build->status == HNY_BUSY && wait_for_linker(view, build, defers, attempts));
    if (build->status) {
        return build->status == HNY_NOMEM ? SQLITE_NOMEM : SQLITE_OK;
    }
    /* An explicit build starts over if codes or m were changed. */
    const bool restart = build->restart;
    build->restart = restart || (build->asked && hny_build_outdated(engine));
    rc = update_index(view, engine, &log, build);
    if (rc == SQLITE_OK && build->asked && build->status == HNY_OK) {
        shrink_sidecar(view, engine, build);
    }
    build->restart = restart;
    if (rc || build->status) {
        hny_sidecar_set_swept(view->sidecar, 0); /* it may have left something */
    }
    build->needs_pause = defers && build->status == HNY_BUSY;
    hny_build_close(engine);
    if (defers && rc == SQLITE_OK && build->current) {
        wake_linker(view, limits.reserve, flags);
    }
    return rc;
}

/* What an explicit build mends in the database before it reads it. */
static int repair_database(hx_shadow *shadow) {
    hx_log log;
    int rc = hx_external_content_repair(shadow);
    if (rc == SQLITE_OK) {
        rc = hx_log_read(shadow, &log);
    }
    return rc ? rc : hx_log_repair(shadow, &log);
}

static int hold_and_build(hx_view *view, hx_index_build *build) {
    int rc = build->needs_hold ? hold_snapshot(view, build) : SQLITE_OK;
    if (rc == SQLITE_OK) {
        rc = attempt_build(view, build);
    }
    hx_sql_return(view->shadow, &build->hold);
    return rc;
}

/* What links, or drops a graph, excludes the linker. */
static int pause_and_build(hx_view *view, hx_index_build *build) {
    hny_pause pause;
    if (is_deferred(view, build) && !build->needs_pause) {
        return hold_and_build(view, build);
    }
    hny_linker_pause(view->sidecar, &pause);
    const int rc = hold_and_build(view, build);
    hny_linker_resume(&pause);
    return rc;
}

/* From all rows, of which there are few beside what the index holds. */
static int start_over(hx_view *view, hx_index_build *build) {
    const int64_t taken = build->taken;
    build->restart = true;
    const int rc = pause_and_build(view, build);
    build->restart = false;
    build->taken = taken;
    return rc;
}

/* A damaged or broken sidecar is set aside, and the second attempt starts over. */
static bool deserves_another_attempt(const hx_index_build *build) {
    return build->status == HNY_CORRUPT || build->status == HNY_BROKEN || build->needs_pause;
}

int hx_index_build_run(hx_view *view, hx_index_build *build) {
    int rc = build->asked ? repair_database(view->shadow) : SQLITE_OK;
    build->needs_pause = false;
    for (int i = 0; i < 2 && rc == SQLITE_OK; i++) {
        rc = pause_and_build(view, build);
        if (rc || !deserves_another_attempt(build)) {
            break;
        }
    }
    return rc == SQLITE_OK && build->sparse ? start_over(view, build) : rc;
}

int hx_index_build_fail(const hx_view *view, int status) {
    const char *const which = hx_columns_which(&view->shadow->columns, view->vector);
    return which[0] ? hx_fail(view->shadow, hx_status_code(status), "hannoy: %s: %s", which,
                              hny_strerror(status))
                    : hx_fail_status(view->shadow, status);
}

int hx_index_build_all(hx_view *views, hx_index_build *build) {
    const int count = views->shadow->columns.vectors;
    const hx_index_build asked = *build;
    const hx_view *failed = NULL;
    int status = HNY_OK;
    int64_t taken = 0;
    bool current = true;
    for (int i = 0; i < count && status != HNY_INTERRUPT; i++) {
        *build = asked;
        const int rc = hx_index_build_run(&views[i], build);
        if (rc) {
            return rc;
        }
        if (build->status && !failed) {
            failed = &views[i];
        }
        if (failed == &views[i]) {
            status = build->status;
        }
        current &= build->current;
        if (build->taken > taken) {
            taken = build->taken;
        }
    }
    build->taken = taken;
    build->current = current;
    return failed ? hx_index_build_fail(failed, status) : SQLITE_OK;
}
