#include "change/autobuild.h"

#include "change/index_build.h"
#include "shadow/content.h"
#include "shadow/error.h"
#include "shadow/interrupt.h"
#include "table.h"

/* A table whose index is lost is started over by a COMMIT up to this size: it must stay short. */
#define RESTART_ROWS 50000

/* With autobuild=0 the log is looked at now and then too: somebody else may be building. */
#define LOOK_EVERY 1000

int hx_autobuild_begin(sqlite3_vtab *vtab) {
    ((hx_table *)vtab)->commit.written = 0;
    return SQLITE_OK;
}

/* Must not run SQL: that would leave a transaction open which nobody ends. */
int hx_autobuild_done(sqlite3_vtab *vtab) {
    ((hx_table *)vtab)->commit.written = 0;
    return SQLITE_OK;
}

void hx_autobuild_free(hx_autobuild *commit) {
    sqlite3_free(commit->trouble);
    commit->trouble = NULL;
}

/* ---------------------------------------------------------------------------------- trouble -- */

/* What hannoy_info will say; out of memory, nothing. */
static void note(hx_table *table, const char *sentence) {
    sqlite3_free(table->commit.trouble);
    table->commit.trouble = sentence ? sqlite3_mprintf("%s", sentence) : NULL;
}

static bool transaction_lives(const hx_table *table) {
    return sqlite3_txn_state(table->db, table->schema) == SQLITE_TXN_WRITE;
}

/*
** A build that fails leaves the log as it was and the COMMIT alone.  But where SQLite has answered
** an error of its own by rolling everything back, success would be a lie.
*/
static int swallow(hx_table *table, int rc) {
    if (!transaction_lives(table)) return rc ? rc : SQLITE_ABORT;
    note(table, table->base.zErrMsg ? table->base.zErrMsg : sqlite3_errstr(rc));
    hx_forgive(table);
    return SQLITE_OK;
}

/* ------------------------------------------------------------------------------------ trimming -- */

static int trim_to(hx_table *table, const hx_log *log, hny_boundary at) {
    if (at.seq <= log->trim.seq || hx_interrupted(table)) return SQLITE_OK;
    return hx_log_trim(table, at);
}

int hx_autobuild_trim(hx_table *table, const hx_index_build *build) {
    hx_log log;
    if (!build->current) return SQLITE_OK;
    note(table, NULL);
    table->commit.wait_for = 0;
    const int rc = hx_log_read(table, &log);
    return rc ? rc : trim_to(table, &log, build->at);
}

/* ------------------------------------------------------------------------- automatic builds -- */

/*
** May this COMMIT make the index from nothing?  Yes, if the table is small, or mostly what the
** transaction itself wrote: its work follows what was written.
*/
static int may_start_over(hx_table *table, const hx_log *log, bool *out) {
    int64_t rows = log->tip.seq; /* never fewer than there are rows of our own */
    *out = true;
    if (hx_columns_external(&table->columns)) rows = INT64_MAX;
    if (rows <= RESTART_ROWS || rows <= 2 * table->commit.written) return SQLITE_OK;
    const int rc = hx_content_count_to(table, RESTART_ROWS + 1, &rows);
    *out = rows <= RESTART_ROWS;
    return rc;
}

static void wait_until(hx_table *table, int64_t until, bool indexed) {
    table->commit.wait_for = until;
    table->commit.indexed = indexed;
}

static bool is_waiting(const hx_table *table, const hx_log *log, bool indexed) {
    const hx_autobuild *const c = &table->commit;
    const int64_t autobuild = table->config.options.autobuild;
    const int64_t longest = autobuild > RESTART_ROWS ? autobuild : RESTART_ROWS;
    const int64_t left = c->wait_for - log->tip.seq; /* too many: the log went back */
    return left > 0 && left <= longest && c->indexed == indexed;
}

static int refuse(hx_table *table, const hx_log *log) {
    char *const sentence =
        sqlite3_mprintf("the table has no index and too many rows for a COMMIT to make one; "
                        "INSERT INTO %s(%s) VALUES('build') or SELECT hannoy_build('%s') does it",
                        table->name, table->name, table->name);
    if (sentence) note(table, sentence);
    sqlite3_free(sentence);
    wait_until(table, log->tip.seq + RESTART_ROWS, false);
    return SQLITE_OK;
}

/* Another build may be over at the next COMMIT, and so is an interrupt; other failures last. */
static int build_now(hx_table *table, const hx_log *log, bool indexed) {
    hx_index_build build = {.sweep = true, .changes = indexed};
    const int rc = hx_index_build_run(table, &build);
    if (rc == SQLITE_OK && build.current) return hx_autobuild_trim(table, &build);
    if (rc != SQLITE_INTERRUPT && build.status != HNY_BUSY && build.status != HNY_INTERRUPT)
        wait_until(table, log->tip.seq + table->config.options.autobuild, indexed);
    return swallow(table, rc ? rc : hx_fail_status(table, build.status));
}

/* Where the newest boundary in common is, as the sidecar stands. */
static int find_base(hx_table *table, const hx_log *log, hx_merge_base *base) {
    int rc = hx_table_reader(table);
    if (rc) return rc;
    const int status = hny_reader_begin(table->reader);
    if (status == HNY_NOMEM) return SQLITE_NOMEM;
    rc = hx_merge_base_find(table, status ? NULL : table->reader, status, log, base);
    if (status == HNY_OK) hny_reader_end(table->reader);
    return rc;
}

static int look(hx_table *table, const hx_log *log) {
    const int64_t autobuild = table->config.options.autobuild;
    hx_merge_base base;
    bool start_over;
    int rc = find_base(table, log, &base);
    if (rc) return swallow(table, rc);
    const bool indexed = base.kind == HX_MERGE_BASE_FOUND;
    table->commit.looked_at = log->tip.seq;
    if (indexed && (autobuild == 0 || log->tip.seq - base.at.seq < autobuild))
        return trim_to(table, log, base.at);
    if (autobuild == 0 || is_waiting(table, log, indexed)) return SQLITE_OK;
    if (indexed) return build_now(table, log, true);
    rc = may_start_over(table, log, &start_over);
    if (rc) return swallow(table, rc);
    return start_over ? build_now(table, log, false) : refuse(table, log);
}

/*
** Below `autobuild` changes nothing of the sidecar is touched.  The log is trimmed up to what was
** built whenever it is looked at, so its own length tells what is pending.
*/
static bool is_due(const hx_table *table, const hx_log *log) {
    const int64_t autobuild = table->config.options.autobuild;
    const int64_t logged = log->tip.seq - log->trim.seq;
    if (autobuild) return logged >= autobuild;
    const int64_t since = log->tip.seq - table->commit.looked_at; /* negative: the log went back */
    return logged >= LOOK_EVERY && (since < 0 || since >= LOOK_EVERY);
}

int hx_autobuild_sync(sqlite3_vtab *vtab) {
    hx_table *const table = (hx_table *)vtab;
    hx_log log;
    if (table->commit.written == 0 || !transaction_lives(table)) return SQLITE_OK;
    int rc = hx_log_read(table, &log);
    if (rc && !hx_table_exists(table)) { /* ROLLBACK TO undid the CREATE */
        hx_forgive(table);
        return SQLITE_OK;
    }
    if (rc) return swallow(table, rc);
    if (!is_due(table, &log)) return SQLITE_OK;
    const sqlite3_int64 last = sqlite3_last_insert_rowid(table->db);
    rc = look(table, &log);
    sqlite3_set_last_insert_rowid(table->db, last);
    if (rc == SQLITE_OK && !transaction_lives(table)) rc = SQLITE_ABORT;
    return rc;
}
