/* Searches that make the index they lack; the contract is in heal.h. */
#include "change/heal.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

#include "change/index_build.h"
#include "query/index_view.h"
#include "shadow/error.h"

/*
** Searches to wait for: where a private index would serve a connection that may end with its first
** statement, and where the index is ahead of the snapshot.  That may be the index of a COMMIT that
** has built and is about to end, or of a later state than a long transaction reads.
*/
#define WAITED_SEARCHES 3

/* Searches without an attempt: after HNY_BUSY, after the first failure, and at most. */
#define SKIPPED_BUSY   4
#define SKIPPED_FAILED 16
#define SKIPPED_MOST   4096

/* After this many seconds without an attempt, losses are no longer thought to be one series. */
#define SERIES_SECONDS 3600

/* --------------------------------------------------------------------------------- attempts -- */

/* What was tried on one index.  Only of indexes that searches could not use. */
typedef struct heal_record {
    uint64_t key; /* of the file and the table; 0: unused */
    unsigned waited;
    unsigned attempts; /* of the present series */
    unsigned skip;     /* searches that do not try */
    int64_t at;        /* the last attempt, in seconds since 1970 */
    const char *trouble;
} heal_record;

/* Of this process.  The place of a new one is that of the oldest. */
enum { RECORDS = 32 };
static heal_record heal_records[RECORDS];
static unsigned next_record;

static sqlite3_mutex *lock_records(void) {
    sqlite3_mutex *const mutex = sqlite3_mutex_alloc(SQLITE_MUTEX_STATIC_APP3);
    sqlite3_mutex_enter(mutex);
    return mutex;
}

static uint64_t key_of_index(const hx_view *view) {
    const char *const path = hny_sidecar_path(view->sidecar);
    const uint32_t number = hx_view_config(view)->number;
    const uint64_t key = path ? XXH64(path, strlen(path), number)
                              : XXH64(&view->sidecar, sizeof view->sidecar, number);
    return key ? key : 1;
}

static heal_record *find_record(uint64_t key) {
    for (int i = 0; i < RECORDS; i++) {
        if (heal_records[i].key == key) {
            return &heal_records[i];
        }
    }
    return NULL;
}

static heal_record *record_of(uint64_t key) {
    heal_record *record = find_record(key);
    if (!record) {
        record = &heal_records[next_record];
        next_record = (next_record + 1) % RECORDS;
        *record = (heal_record){.key = key};
    }
    return record;
}

/* Is it this search's turn?  Counts it. */
static bool take_turn(const hx_view *view, bool waits) {
    sqlite3_mutex *const mutex = lock_records();
    heal_record *const record = record_of(key_of_index(view));
    bool turn = !waits || record->waited >= WAITED_SEARCHES;
    if (!turn) {
        record->waited++;
    } else if (record->skip) {
        record->skip--;
        turn = false;
    }
    sqlite3_mutex_leave(mutex);
    return turn;
}

static unsigned doubled(unsigned searches, unsigned times) {
    while (times-- > 0 && searches < SKIPPED_MOST) {
        searches *= 2;
    }
    return searches;
}

/* After an attempt.  Returns true for a failure that is the first of its series. */
static bool note_attempt(const hx_view *view, const char *trouble, bool busy) {
    sqlite3_mutex *const mutex = lock_records();
    heal_record *const record = record_of(key_of_index(view));
    const int64_t now = (int64_t)time(NULL);
    const bool first = trouble && !record->trouble;
    record->waited = 0;
    if (busy) {
        record->skip = SKIPPED_BUSY;
    } else {
        record->attempts = now - record->at < SERIES_SECONDS ? record->attempts + 1 : 1;
        record->at = now;
        record->trouble = trouble;
        record->skip = trouble ? doubled(SKIPPED_FAILED, record->attempts - 1)
                               : doubled(1, record->attempts - 1) - 1;
    }
    sqlite3_mutex_leave(mutex);
    return first;
}

const char *hx_heal_trouble(const hx_view *view) {
    sqlite3_mutex *const mutex = lock_records();
    const heal_record *const record = find_record(key_of_index(view));
    const char *const trouble = record ? record->trouble : NULL;
    sqlite3_mutex_leave(mutex);
    return trouble;
}

/* ------------------------------------------------------------------------------- conditions -- */

/* The rows that the search read, because the index does not have them as the snapshot has. */
static int64_t count_lacking(const hx_delta *delta) {
    if (!delta->whole) {
        return (int64_t)delta->ids.count;
    }
    return delta->kept ? (int64_t)delta->count : INT64_MAX;
}

static bool is_immutable(const hx_shadow *shadow) {
    const char *const file = sqlite3_db_filename(shadow->db, shadow->schema);
    return file && *file && sqlite3_uri_boolean(file, "immutable", 0);
}

/* Reasons why a search could not use the index that another index would not have. */
static bool is_curable(const hx_view *view) {
    const hx_merge_base *const base = &view->snapshot.base;
    switch (base->status) {
    case HNY_NOMEM:
    case HNY_INTERRUPT:
    case HNY_BUSY:
        return false;
    default:
        return !base->forked && hx_schema_state_followed(view->shadow);
    }
}

static bool may_write(const hx_view *view) {
    const hx_shadow *const shadow = view->shadow;
    return hx_view_options(view)->autobuild > 0 && hx_index_build_defers(view) && !shadow->stale &&
           !(shadow->depth && *shadow->depth) &&
           sqlite3_txn_state(shadow->db, shadow->schema) != SQLITE_TXN_WRITE &&
           !is_immutable(shadow);
}

/* Has the sidecar a state that this snapshot does not know, and that may be newer than it? */
static bool is_index_ahead(hx_view *view) {
    const hx_merge_base *const base = &view->snapshot.base;
    hny_boundary newest;
    if (base->status || (base->kind == HX_MERGE_BASE_FOUND && base->age == 0)) {
        return false;
    }
    int status = hny_reader_begin(view->reader);
    if (status == HNY_OK) {
        status = hny_reader_boundary(view->reader, 0, &newest);
        hny_reader_end(view->reader);
    }
    return status == HNY_OK && newest.seq > view->snapshot.log.tip.seq;
}

/* May the transaction have begun before this statement? */
static bool is_snapshot_old(const hx_shadow *shadow) {
    int running = 0;
    for (sqlite3_stmt *stmt = sqlite3_next_stmt(shadow->db, NULL); stmt;
         stmt = sqlite3_next_stmt(shadow->db, stmt)) {
        running += sqlite3_stmt_busy(stmt) != 0;
    }
    return !sqlite3_get_autocommit(shadow->db) || running > 1;
}

/* ---------------------------------------------------------------------------------- healing -- */

/* These end the statements of a connection, and some its transaction. */
static bool ends_statements(int rc) {
    switch (rc & 0xff) {
    case SQLITE_NOMEM:
    case SQLITE_INTERRUPT:
    case SQLITE_IOERR:
    case SQLITE_FULL:
        return true;
    default:
        return false;
    }
}

static void log_trouble(const hx_view *view, const char *trouble) {
    const hx_shadow *const shadow = view->shadow;
    const char *const which = hx_columns_which(&shadow->columns, view->vector);
    sqlite3_log(SQLITE_WARNING, "hannoy: %s.%s%s%s: a search found no index and made none: %s",
                shadow->schema, shadow->name, which[0] ? "." : "", which, trouble);
}

static int append_codes(hx_view *view) {
    hx_index_build build = {.needs_hold = true};
    const int rc = hx_index_build_run(view, &build);
    const int status = rc == SQLITE_OK ? build.status : HNY_OK;
    const char *const trouble = rc ? sqlite3_errstr(rc) : status ? hny_strerror(status) : NULL;
    if (note_attempt(view, trouble, status == HNY_BUSY) && trouble && status != HNY_BUSY) {
        log_trouble(view, trouble);
    }
    if (status == HNY_INTERRUPT) {
        return hx_fail_status(view->shadow, status);
    }
    if (ends_statements(rc)) {
        return rc;
    }
    hx_forgive(view->shadow);
    return SQLITE_OK;
}

/* Rows are unlinked whose process has ended; once for each state of the index. */
static void continue_linking(hx_view *view) {
    const hx_snapshot *const s = &view->snapshot;
    if (!s->indexed || view->woken == s->version || !hny_linking_due(&s->stats) ||
        !may_write(view)) {
        return;
    }
    view->woken = s->version;
    hx_index_build_link(view);
}

int hx_heal(hx_view *view) {
    const hx_snapshot *const s = &view->snapshot;
    if (!s->known) {
        return SQLITE_OK;
    }
    continue_linking(view);
    if (count_lacking(&s->delta) < hx_view_options(view)->autobuild || !is_curable(view) ||
        !may_write(view)) {
        return SQLITE_OK;
    }
    const bool ahead = is_index_ahead(view);
    if (ahead && is_snapshot_old(view->shadow)) {
        return SQLITE_OK;
    }
    const bool is_private = !hny_sidecar_path(view->sidecar);
    return take_turn(view, ahead || is_private) ? append_codes(view) : SQLITE_OK;
}
