#include "change/autobuild.h"

#include "change/index_build.h"
#include "change/writer.h"
#include "shadow/content.h"
#include "shadow/error.h"
#include "shadow/interrupt.h"

/* A table whose index is lost is started over by a COMMIT up to this size: it must stay short. */
#define RESTART_ROWS 50000

/* With autobuild=0 the log is looked at now and then too: somebody else may be building. */
#define LOOK_EVERY 1000

int hx_autobuild_begin(hx_writer *writer) {
    writer->autobuild.written = 0;
    return SQLITE_OK;
}

/* Must not run SQL: that would leave a transaction open which nobody ends. */
int hx_autobuild_done(hx_writer *writer) {
    writer->autobuild.written = 0;
    return SQLITE_OK;
}

void hx_autobuild_free(hx_autobuild *commit) {
    sqlite3_free(commit->trouble);
    commit->trouble = NULL;
}

/* ---------------------------------------------------------------------------------- trouble -- */

/* What hannoy_info will say; out of memory, nothing. */
static void note(hx_writer *writer, const char *sentence) {
    sqlite3_free(writer->autobuild.trouble);
    writer->autobuild.trouble = sentence ? sqlite3_mprintf("%s", sentence) : NULL;
}

static bool transaction_lives(const hx_writer *writer) {
    return sqlite3_txn_state(writer->shadow->db, writer->shadow->schema) == SQLITE_TXN_WRITE;
}

/*
** A build that fails leaves the log as it was and the COMMIT alone.  But where SQLite has answered
** an error of its own by rolling everything back, success would be a lie.
*/
static int swallow(hx_writer *writer, int rc) {
    if (!transaction_lives(writer)) return rc ? rc : SQLITE_ABORT;
    note(writer, writer->shadow->vtab.zErrMsg ? writer->shadow->vtab.zErrMsg : sqlite3_errstr(rc));
    hx_forgive(writer->shadow);
    return SQLITE_OK;
}

/* ------------------------------------------------------------------------------------ trimming -- */

static int trim_to(hx_writer *writer, const hx_log *log, hny_boundary at) {
    if (at.seq <= log->trim.seq || hx_interrupted(writer->shadow)) return SQLITE_OK;
    return hx_log_trim(writer->shadow, at);
}

int hx_autobuild_trim(hx_writer *writer, const hx_index_build *build) {
    hx_log log;
    if (!build->current) return SQLITE_OK;
    note(writer, NULL);
    writer->autobuild.wait_for = 0;
    const int rc = hx_log_read(writer->shadow, &log);
    return rc ? rc : trim_to(writer, &log, build->at);
}

/* ------------------------------------------------------------------------- automatic builds -- */

/*
** May this COMMIT make the index from nothing?  Yes, if the table is small, or mostly what the
** transaction itself wrote: its work follows what was written.
*/
static int may_start_over(hx_writer *writer, const hx_log *log, bool *out) {
    int64_t rows = log->tip.seq; /* never fewer than there are rows of our own */
    *out = true;
    if (hx_columns_external(&writer->shadow->columns)) rows = INT64_MAX;
    if (rows <= RESTART_ROWS || rows <= 2 * writer->autobuild.written) return SQLITE_OK;
    const int rc = hx_content_count_to(writer->shadow, RESTART_ROWS + 1, &rows);
    *out = rows <= RESTART_ROWS;
    return rc;
}

static void wait_until(hx_writer *writer, int64_t until, bool indexed) {
    writer->autobuild.wait_for = until;
    writer->autobuild.indexed = indexed;
}

static bool is_waiting(const hx_writer *writer, const hx_log *log, bool indexed) {
    const hx_autobuild *const c = &writer->autobuild;
    const int64_t autobuild = writer->shadow->config.options.autobuild;
    const int64_t longest = autobuild > RESTART_ROWS ? autobuild : RESTART_ROWS;
    const int64_t left = c->wait_for - log->tip.seq; /* too many: the log went back */
    return left > 0 && left <= longest && c->indexed == indexed;
}

static int refuse(hx_writer *writer, const hx_log *log) {
    char *const sentence =
        sqlite3_mprintf("the table has no index and too many rows for a COMMIT to make one; "
                        "INSERT INTO %s(%s) VALUES('build') or SELECT hannoy_build('%s') does it",
                        writer->shadow->name, writer->shadow->name, writer->shadow->name);
    if (sentence) note(writer, sentence);
    sqlite3_free(sentence);
    wait_until(writer, log->tip.seq + RESTART_ROWS, false);
    return SQLITE_OK;
}

/* Another build may be over at the next COMMIT, and so is an interrupt; other failures last. */
static int build_now(hx_writer *writer, const hx_log *log, bool indexed) {
    hx_index_build build = {.sweep = true, .changes = indexed};
    const int rc = hx_index_build_run(writer->view, &build);
    if (rc == SQLITE_OK && build.current) return hx_autobuild_trim(writer, &build);
    if (rc != SQLITE_INTERRUPT && build.status != HNY_BUSY && build.status != HNY_INTERRUPT)
        wait_until(writer, log->tip.seq + writer->shadow->config.options.autobuild, indexed);
    return swallow(writer, rc ? rc : hx_fail_status(writer->shadow, build.status));
}

/* Where the newest boundary in common is, as the sidecar stands. */
static int find_base(hx_writer *writer, const hx_log *log, hx_merge_base *base) {
    int rc = hx_view_reader(writer->view);
    if (rc) return rc;
    const int status = hny_reader_begin(writer->view->reader);
    if (status == HNY_NOMEM) return SQLITE_NOMEM;
    rc =
        hx_merge_base_find(writer->shadow, status ? NULL : writer->view->reader, status, log, base);
    if (status == HNY_OK) hny_reader_end(writer->view->reader);
    return rc;
}

static int look(hx_writer *writer, const hx_log *log) {
    const int64_t autobuild = writer->shadow->config.options.autobuild;
    hx_merge_base base;
    bool start_over;
    int rc = find_base(writer, log, &base);
    if (rc) return swallow(writer, rc);
    const bool indexed = base.kind == HX_MERGE_BASE_FOUND;
    writer->autobuild.looked_at = log->tip.seq;
    if (indexed && (autobuild == 0 || log->tip.seq - base.at.seq < autobuild))
        return trim_to(writer, log, base.at);
    if (autobuild == 0 || is_waiting(writer, log, indexed)) return SQLITE_OK;
    if (indexed) return build_now(writer, log, true);
    rc = may_start_over(writer, log, &start_over);
    if (rc) return swallow(writer, rc);
    return start_over ? build_now(writer, log, false) : refuse(writer, log);
}

/*
** Below `autobuild` changes nothing of the sidecar is touched.  The log is trimmed up to what was
** built whenever it is looked at, so its own length tells what is pending.
*/
static bool is_due(const hx_writer *writer, const hx_log *log) {
    const int64_t autobuild = writer->shadow->config.options.autobuild;
    const int64_t logged = log->tip.seq - log->trim.seq;
    if (autobuild) return logged >= autobuild;
    const int64_t since =
        log->tip.seq - writer->autobuild.looked_at; /* negative: the log went back */
    return logged >= LOOK_EVERY && (since < 0 || since >= LOOK_EVERY);
}

int hx_autobuild_sync(hx_writer *writer) {
    hx_log log;
    if (writer->autobuild.written == 0 || !transaction_lives(writer)) return SQLITE_OK;
    int rc = hx_log_read(writer->shadow, &log);
    if (rc && !hx_shadow_exists(writer->shadow)) { /* ROLLBACK TO undid the CREATE */
        hx_forgive(writer->shadow);
        return SQLITE_OK;
    }
    if (rc) return swallow(writer, rc);
    if (!is_due(writer, &log)) return SQLITE_OK;
    const sqlite3_int64 last = sqlite3_last_insert_rowid(writer->shadow->db);
    rc = look(writer, &log);
    sqlite3_set_last_insert_rowid(writer->shadow->db, last);
    if (rc == SQLITE_OK && !transaction_lives(writer)) rc = SQLITE_ABORT;
    return rc;
}
