#include "shadow/log.h"

#include <string.h>
#include <xxhash.h>

#include "shadow/error.h"
#include "shadow/shadow.h"

/* Integers are digested as little-endian bytes, so that all machines agree. */
static void put_le(unsigned char *out, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++) out[i] = (unsigned char)(value >> (8 * i));
}

hny_boundary hx_log_start(hny_shape shape, int attributes) {
    unsigned char bytes[7];
    put_le(bytes, shape.dim, 4);
    bytes[4] = shape.metric;
    bytes[5] = shape.type;
    bytes[6] = (unsigned char)attributes;
    return (hny_boundary){0, (int64_t)XXH64(bytes, attributes ? 7 : 6, 0)};
}

static int64_t next_chain(const hx_shadow *shadow, int64_t chain, int64_t id, const void *vector,
                          const hny_attribute *attributes) {
    unsigned char bytes[17];
    put_le(bytes, (uint64_t)chain, 8);
    put_le(bytes + 8, (uint64_t)id, 8);
    bytes[16] = vector != NULL;
    uint64_t digest = XXH64(bytes, sizeof bytes, 0);
    if (!vector) return (int64_t)digest;
    digest = XXH64(vector, shadow->vector_bytes, digest);
    for (int i = 0; i < shadow->columns.attributes; i++) {
        put_le(bytes, attributes[i].word, 8);
        put_le(bytes + 8, attributes[i].detail, 8);
        digest = XXH64(bytes, 16, digest);
    }
    return (int64_t)digest;
}

/* The newest row; *found false: the log is empty. */
static int newest(hx_shadow *shadow, hny_boundary *tip, bool *found) {
    sqlite3_stmt *stmt;
    int rc = hx_sql_get(shadow, HX_SQL_LOG_TIP, &stmt);
    if (rc) return rc;
    rc = hx_sql_step(shadow, stmt);
    *found = rc == SQLITE_ROW;
    if (*found) {
        *tip = (hny_boundary){sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1)};
        hx_sql_done(stmt);
    }
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/*
** What tells that nothing was written since: the pager's count of the states it has seen, which
** every COMMIT changes, ours or another connection's, and the rows that this connection changed
** since it was opened.  Within a write transaction neither tells of a ROLLBACK TO, so there it is
** not usable.  50 ns, where reading both ends takes 1.5 us.
*/
static hx_log_stamp stamp_now(const hx_shadow *shadow) {
    hx_log_stamp now = {false, 0, sqlite3_total_changes(shadow->db)};
    now.usable = sqlite3_txn_state(shadow->db, shadow->schema) == SQLITE_TXN_READ &&
                 sqlite3_file_control(shadow->db, shadow->schema, SQLITE_FCNTL_DATA_VERSION,
                                      &now.version) == SQLITE_OK;
    return now;
}

static bool is_current(const hx_log_stamp *then, const hx_log_stamp *now) {
    return then->usable && now->usable && then->version == now->version &&
           then->changes == now->changes;
}

int hx_log_read(hx_shadow *shadow, hx_log *out) {
    const hx_log_stamp now = stamp_now(shadow);
    bool found;
    if (is_current(&shadow->seen.stamp, &now)) {
        *out = shadow->seen.log;
        return SQLITE_OK;
    }
    shadow->seen.stamp.usable = false;
    int rc = hx_config_read(shadow, &out->trim);
    if (rc) return rc;
    out->tip = out->trim;
    rc = newest(shadow, &out->tip, &found);
    if (rc == SQLITE_OK) shadow->seen = (hx_log_seen){*out, now};
    return rc;
}

int hx_log_refresh_config(hx_shadow *shadow) {
    hx_log log;
    return hx_log_read(shadow, &log);
}

int hx_log_tip(hx_shadow *shadow, hny_boundary *tip) {
    bool found;
    int rc = newest(shadow, tip, &found);
    if (rc == SQLITE_OK && !found) rc = hx_config_read(shadow, tip);
    if (rc) return rc;
    if (tip->seq > INT64_MAX - 2)
        return hx_fail(shadow, SQLITE_FULL, "hannoy: %s_log has no number left for another change",
                       shadow->name);
    return SQLITE_OK;
}

int hx_log_append(hx_shadow *shadow, hny_boundary *tip, int64_t id, const void *vector,
                  const hny_attribute *attributes) {
    sqlite3_stmt *stmt;
    int rc = hx_sql_get(shadow, HX_SQL_LOG_APPEND, &stmt);
    if (rc) return rc;
    const hny_boundary next = {tip->seq + 1,
                               next_chain(shadow, tip->chain, id, vector, attributes)};
    sqlite3_bind_int64(stmt, 1, next.seq);
    sqlite3_bind_int64(stmt, 2, id);
    sqlite3_bind_int64(stmt, 3, next.chain);
    rc = hx_sql_run(shadow, stmt);
    if (rc == SQLITE_OK) *tip = next;
    return rc;
}

int hx_log_has(hx_shadow *shadow, const hx_log *log, hny_boundary at, bool *out) {
    sqlite3_stmt *stmt;
    *out = hx_boundary_equal(at, log->trim) || hx_boundary_equal(at, log->tip);
    if (*out || at.seq < log->trim.seq || at.seq > log->tip.seq) return SQLITE_OK;
    int rc = hx_sql_get(shadow, HX_SQL_LOG_CHAIN, &stmt);
    if (rc) return rc;
    sqlite3_bind_int64(stmt, 1, at.seq);
    rc = hx_sql_step(shadow, stmt);
    if (rc == SQLITE_ROW) {
        *out = sqlite3_column_int64(stmt, 0) == at.chain;
        hx_sql_done(stmt);
    }
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* The row at the boundary stays: it may be the newest, from which the numbers go on. */
int hx_log_trim(hx_shadow *shadow, hny_boundary at) {
    sqlite3_stmt *stmt;
    int rc = hx_config_write_trim(shadow, at);
    if (rc == SQLITE_OK) rc = hx_sql_get(shadow, HX_SQL_LOG_TRIM, &stmt);
    if (rc) return rc;
    sqlite3_bind_int64(stmt, 1, at.seq);
    return hx_sql_run(shadow, stmt);
}
