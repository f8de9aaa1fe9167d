/* Automatic builds at COMMIT; the contract is in autobuild.h. */
#include "change/autobuild.h"

#include "change/index_build.h"
#include "change/writer.h"
#include "shadow/content.h"
#include "shadow/error.h"
#include "shadow/host_interrupt.h"

/* A COMMIT rebuilds a lost index of at most this many rows, because a COMMIT must stay short. */
#define RESTART_ROWS 50000

/* With autobuild=0 the log is trimmed at this interval, if another connection has built. */
#define CHECK_INTERVAL 1000

/*
** What log_keep=auto keeps: the changes of so many builds or a share of the rows, whichever is
** more. A search of an index that lacks a quarter of the rows is still faster than one without an
** index.
*/
#define KEPT_BUILDS 10
#define KEPT_SHARE  4
#define KEPT_LIMIT  (((int64_t)64 << 20) / LOG_ROW_BYTES)

#define LOG_ROW_BYTES 20

int hx_autobuild_begin(hx_writer *writer) {
    writer->autobuild.written = 0;
    return SQLITE_OK;
}

/* Must not run SQL: SQLite would leave the transaction of that statement open. */
int hx_autobuild_done(hx_writer *writer) {
    writer->autobuild.written = 0;
    return SQLITE_OK;
}

void hx_autobuild_free(hx_autobuild *autobuild) {
    sqlite3_free(autobuild->trouble);
    autobuild->trouble = NULL;
}

/* ---------------------------------------------------------------------------------- trouble -- */

/* Keeps the sentence for hannoy_info; none if memory runs out. */
static void note_trouble(hx_writer *writer, const char *sentence) {
    sqlite3_free(writer->autobuild.trouble);
    writer->autobuild.trouble = sentence ? sqlite3_mprintf("%s", sentence) : NULL;
}

static bool is_transaction_open(const hx_writer *writer) {
    return sqlite3_txn_state(writer->shadow->db, writer->shadow->schema) == SQLITE_TXN_WRITE;
}

/*
** A failed build leaves the log unchanged and lets the COMMIT succeed.  If SQLite has rolled back
** the transaction meanwhile, the COMMIT must report the failure.
*/
static int swallow_failure(hx_writer *writer, int rc) {
    if (!is_transaction_open(writer)) {
        return rc ? rc : SQLITE_ABORT;
    }
    const char *const sentence = writer->shadow->vtab.zErrMsg;
    note_trouble(writer, sentence ? sentence : sqlite3_errstr(rc));
    hx_forgive(writer->shadow);
    return SQLITE_OK;
}

/* ---------------------------------------------------------------------------------- trimming -- */

static int64_t interval_of(const hx_writer *writer) {
    return writer->shadow->config.vectors[0].options.autobuild;
}

/* Of the largest index; 0 where there is none. */
static int count_indexed_rows(hx_writer *writer, int64_t *out) {
    *out = 0;
    for (int i = 0; i < writer->shadow->columns.vectors; i++) {
        hx_view *const view = &writer->views[i];
        hny_stats stats;
        const int rc = hx_view_reader(view);
        if (rc) {
            return rc;
        }
        int status = hny_reader_begin(view->reader);
        if (status == HNY_OK) {
            status = hny_reader_stats(view->reader, false, &stats);
            hny_reader_end(view->reader);
        }
        if (status == HNY_NOMEM) {
            return SQLITE_NOMEM;
        }
        if (status == HNY_OK && (int64_t)stats.rows > *out) {
            *out = (int64_t)stats.rows;
        }
    }
    return SQLITE_OK;
}

static int changes_to_keep(hx_writer *writer, int64_t *out) {
    const uint32_t set = writer->shadow->config.vectors[0].options.log_keep;
    const int64_t interval = interval_of(writer) ? interval_of(writer) : CHECK_INTERVAL;
    int64_t rows;
    *out = set;
    if (set != HX_AUTO) {
        return SQLITE_OK;
    }
    const int rc = count_indexed_rows(writer, &rows);
    const int64_t builds = KEPT_BUILDS * interval, share = rows / KEPT_SHARE;
    const int64_t more = builds > share ? builds : share;
    *out = more < KEPT_LIMIT ? more : KEPT_LIMIT;
    return rc;
}

/*
** A nested statement that ran out of memory has rolled the transaction back, even where its failure
** was swallowed.  A trim would then be a transaction of its own: the index would seem to hold a
** state that was never committed.
*/
static int trim_to(hx_writer *writer, const hx_log *log, hny_boundary at) {
    if (!is_transaction_open(writer)) {
        return SQLITE_ABORT;
    }
    if (at.seq <= log->trim.seq || hx_interrupted(writer->shadow)) {
        return SQLITE_OK;
    }
    int64_t keep;
    const int rc = changes_to_keep(writer, &keep);
    return rc ? rc : hx_log_trim(writer->shadow, log, at, keep);
}

int hx_autobuild_trim(hx_writer *writer, hny_boundary at) {
    hx_log log;
    note_trouble(writer, NULL);
    for (int i = 0; i < writer->shadow->columns.vectors; i++) {
        writer->autobuild.waits[i].until = 0;
    }
    const int rc = hx_log_read(writer->shadow, &log);
    return rc ? rc : trim_to(writer, &log, at);
}

/* ------------------------------------------------------------------------- automatic builds -- */

/*
** May this COMMIT build the index from all rows?  Yes if the table is small, or if this transaction
** wrote at least half of it, so that the work is in proportion to what was written.
*/
static int may_start_over(hx_writer *writer, const hx_log *log, bool *out) {
    int64_t rows = log->tip.seq; /* at least the number of rows in v_content */
    *out = true;
    if (hx_columns_external(&writer->shadow->columns)) {
        rows = INT64_MAX;
    }
    if (rows <= RESTART_ROWS || rows <= 2 * writer->autobuild.written) {
        return SQLITE_OK;
    }
    const int rc = hx_content_count_to(writer->shadow, RESTART_ROWS + 1, &rows);
    *out = rows <= RESTART_ROWS;
    return rc;
}

static void wait_until(hx_writer *writer, const hx_view *view, int64_t until, bool indexed) {
    writer->autobuild.waits[view->vector] = (hx_autobuild_wait){until, indexed};
}

static bool is_waiting(const hx_writer *writer, const hx_view *view, const hx_log *log,
                       bool indexed) {
    const hx_autobuild_wait *const wait = &writer->autobuild.waits[view->vector];
    const int64_t interval = interval_of(writer);
    const int64_t longest = interval > RESTART_ROWS ? interval : RESTART_ROWS;
    const int64_t left = wait->until - log->tip.seq; /* > longest: the log was rolled back */
    return left > 0 && left <= longest && wait->indexed == indexed;
}

static int refuse_restart(hx_writer *writer, const hx_view *view, const hx_log *log) {
    char *const sentence = sqlite3_mprintf(
        "the table has no index and too many rows to build one at COMMIT; %s "
        "SELECT hannoy_build('%s')",
        hx_index_build_defers(view) ? "the next search does, or" : "run", writer->shadow->name);
    if (sentence) {
        note_trouble(writer, sentence);
    }
    sqlite3_free(sentence);
    wait_until(writer, view, log->tip.seq + RESTART_ROWS, false);
    return SQLITE_OK;
}

/* What came of one index at a COMMIT. */
typedef struct outcome {
    bool indexed;    /* the index holds a boundary of this log: */
    hny_boundary at; /* the newest one */
    bool built, failed;
} outcome;

/* The next COMMIT tries again after HNY_BUSY or an interrupt.  After other failures it waits. */
static int build_now(hx_writer *writer, hx_view *view, const hx_log *log, outcome *out) {
    hx_index_build build = {.sweep = true, .changes = out->indexed};
    const int rc = hx_index_build_run(view, &build);
    if (rc == SQLITE_OK && build.current) {
        *out = (outcome){.indexed = true, .at = build.at, .built = true};
        return SQLITE_OK;
    }
    if (rc != SQLITE_INTERRUPT && build.status != HNY_BUSY && build.status != HNY_INTERRUPT) {
        wait_until(writer, view, log->tip.seq + interval_of(writer), out->indexed);
    }
    out->failed = true;
    return swallow_failure(writer, rc ? rc : hx_index_build_fail(view, build.status));
}

/* The newest boundary that log and sidecar share. */
static int find_base(hx_writer *writer, hx_view *view, const hx_log *log, hx_merge_base *base) {
    int rc = hx_view_reader(view);
    if (rc) {
        return rc;
    }
    const int status = hny_reader_begin(view->reader);
    if (status == HNY_NOMEM) {
        return SQLITE_NOMEM;
    }
    rc = hx_merge_base_find(writer->shadow, status ? NULL : view->reader, status, log, base);
    if (status == HNY_OK) {
        hny_reader_end(view->reader);
    }
    return rc;
}

static int consider_index(hx_writer *writer, hx_view *view, const hx_log *log, outcome *out) {
    const int64_t autobuild = interval_of(writer);
    hx_merge_base base;
    bool start_over;
    *out = (outcome){.failed = true};
    int rc = find_base(writer, view, log, &base);
    if (rc) {
        return swallow_failure(writer, rc);
    }
    *out = (outcome){.indexed = base.kind == HX_MERGE_BASE_FOUND, .at = base.boundary};
    if (out->indexed && log->tip.seq - base.boundary.seq < autobuild) {
        return SQLITE_OK;
    }
    if (autobuild == 0 || is_waiting(writer, view, log, out->indexed)) {
        return SQLITE_OK;
    }
    if (out->indexed) {
        return build_now(writer, view, log, out);
    }
    rc = may_start_over(writer, log, &start_over);
    if (rc) {
        out->failed = true;
        return swallow_failure(writer, rc);
    }
    return start_over ? build_now(writer, view, log, out) : refuse_restart(writer, view, log);
}

/* The log is trimmed to what all indexes hold, but not after a failure. */
static int consider_builds(hx_writer *writer, const hx_log *log) {
    outcome all = {.indexed = true, .at = log->tip, .built = false};
    writer->autobuild.checked_at = log->tip.seq;
    for (int i = 0; i < writer->shadow->columns.vectors; i++) {
        outcome one;
        const int rc = consider_index(writer, &writer->views[i], log, &one);
        if (rc) {
            return rc;
        }
        all.indexed &= one.indexed;
        all.built |= one.built;
        all.failed |= one.failed;
        if (one.indexed && one.at.seq < all.at.seq) {
            all.at = one.at;
        }
    }
    if (!all.indexed || all.failed) {
        return SQLITE_OK;
    }
    return all.built && all.at.seq == log->tip.seq ? hx_autobuild_trim(writer, all.at)
                                                   : trim_to(writer, log, all.at);
}

/*
** Below `autobuild` pending changes the sidecar is not opened.  Each check notes the last build in
** the configuration, so the number is known without it.
*/
static int is_due(hx_writer *writer, const hx_log *log, bool *out) {
    const int64_t autobuild = interval_of(writer);
    const int64_t least = autobuild ? autobuild : CHECK_INTERVAL;
    const int64_t since = log->tip.seq - writer->autobuild.checked_at; /* < 0: rolled back */
    int64_t pending;
    *out = false;
    if (log->tip.seq - log->trim.seq < least) {
        return SQLITE_OK;
    }
    const int rc = hx_log_pending(writer->shadow, log, &pending);
    *out = pending >= least && (autobuild || since < 0 || since >= CHECK_INTERVAL);
    return rc;
}

/* The log is due to be looked at: by builds, and for changes that it lacks. */
static int sync_log(hx_writer *writer, hx_log *log) {
    const int rc = hx_log_repair(writer->shadow, log);
    return rc ? swallow_failure(writer, rc) : consider_builds(writer, log);
}

int hx_autobuild_sync(hx_writer *writer) {
    hx_log log;
    bool due;
    if (writer->autobuild.written == 0 || !is_transaction_open(writer)) {
        return SQLITE_OK;
    }
    int rc = hx_log_read(writer->shadow, &log);
    if (rc && !hx_shadow_exists(writer->shadow)) { /* undone by ROLLBACK TO */
        hx_forgive(writer->shadow);
        return SQLITE_OK;
    }
    if (rc == SQLITE_OK) {
        rc = is_due(writer, &log, &due);
    }
    if (rc) {
        return swallow_failure(writer, rc);
    }
    if (!due) {
        return SQLITE_OK;
    }
    const sqlite3_int64 last = sqlite3_last_insert_rowid(writer->shadow->db);
    rc = sync_log(writer, &log);
    sqlite3_set_last_insert_rowid(writer->shadow->db, last);
    if (rc == SQLITE_OK && !is_transaction_open(writer)) {
        rc = SQLITE_ABORT;
    }
    return rc;
}
