/* The shadow table v_log: reading its ends, appending, trimming.  The contract is in log.h. */
#include "shadow/log.h"

#include "shadow/error.h"
#include "shadow/shadow.h"

/* The newest row; *found false: the log is empty. */
static int newest(hx_shadow *shadow, hny_boundary *tip, bool *found) {
    sqlite3_stmt *stmt;
    int rc = hx_sql_get(shadow, HX_SQL_LOG_TIP, &stmt);
    if (rc) {
        return rc;
    }
    rc = hx_sql_step(shadow, stmt);
    *found = rc == SQLITE_ROW;
    if (*found) {
        *tip = (hny_boundary){sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1)};
        hx_sql_done(stmt);
    }
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/*
** The pager's data version, which every COMMIT of any connection changes, and the number of rows
** that this connection has changed.  Equal stamps mean an unchanged log.  In a write transaction
** a ROLLBACK TO changes neither, so the stamp is not usable there.  A stamp costs 50 ns; reading
** both ends of the log costs 1.5 us.
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

/*
** A boundary that no log and no sidecar has, so that queries look at all rows: the rows of a
** content table without triggers change without a log row.
*/
static hny_boundary unlogged(hx_log log) {
    hny_boundary boundary = {log.tip.seq + 1, 0};
    sqlite3_randomness(sizeof boundary.chain, &boundary.chain);
    return boundary;
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
    if (rc) {
        return rc;
    }
    out->tip = out->trim;
    rc = newest(shadow, &out->tip, &found);
    if (rc == SQLITE_OK && hx_columns_external(&shadow->columns)) {
        rc = hx_schema_state_read(shadow);
        if (rc == SQLITE_OK && !hx_schema_state_followed(shadow)) {
            out->trim = out->tip = unlogged(*out);
        }
    }
    if (rc == SQLITE_OK) {
        shadow->seen = (hx_log_seen){*out, now};
    }
    return rc;
}

int hx_log_refresh_config(hx_shadow *shadow) {
    hx_log log;
    return hx_log_read(shadow, &log);
}

int hx_log_tip(hx_shadow *shadow, hny_boundary *tip) {
    bool found;
    int rc = newest(shadow, tip, &found);
    if (rc == SQLITE_OK && !found) {
        rc = hx_config_read(shadow, tip);
    }
    if (rc == SQLITE_OK) {
        rc = hx_schema_state_check(shadow);
    }
    if (rc) {
        return rc;
    }
    if (tip->seq > INT64_MAX - 2) {
        return hx_fail(shadow, SQLITE_FULL, "hannoy: %s_log has no number left for another change",
                       shadow->name);
    }
    return SQLITE_OK;
}

int hx_log_append(hx_shadow *shadow, hny_boundary *tip, int64_t id, const void *const *vectors,
                  const hny_attribute *attributes) {
    sqlite3_stmt *stmt;
    int rc = hx_sql_get(shadow, HX_SQL_LOG_APPEND, &stmt);
    if (rc) {
        return rc;
    }
    const hny_boundary next = hx_boundary_next(shadow, *tip, id, vectors, attributes);
    sqlite3_bind_int64(stmt, 1, next.seq);
    sqlite3_bind_int64(stmt, 2, id);
    sqlite3_bind_int64(stmt, 3, next.chain);
    rc = hx_sql_run(shadow, stmt);
    if (rc == SQLITE_OK) {
        *tip = next;
    }
    return rc;
}

int hx_log_has(hx_shadow *shadow, const hx_log *log, hny_boundary at, bool *out) {
    sqlite3_stmt *stmt;
    *out = hx_boundary_equal(at, log->trim) || hx_boundary_equal(at, log->tip);
    if (*out || at.seq < log->trim.seq || at.seq > log->tip.seq) {
        return SQLITE_OK;
    }
    int rc = hx_sql_get(shadow, HX_SQL_LOG_CHAIN, &stmt);
    if (rc) {
        return rc;
    }
    sqlite3_bind_int64(stmt, 1, at.seq);
    rc = hx_sql_step(shadow, stmt);
    if (rc == SQLITE_ROW) {
        *out = sqlite3_column_int64(stmt, 0) == at.chain;
        hx_sql_done(stmt);
    }
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int hx_log_restart(hx_shadow *shadow) {
    sqlite3_stmt *stmt;
    hny_boundary tip;
    int rc = hx_log_tip(shadow, &tip);
    if (rc) {
        return rc;
    }
    tip.seq++;
    sqlite3_randomness(sizeof tip.chain, &tip.chain);
    rc = hx_config_write_trim(shadow, tip);
    if (rc == SQLITE_OK) {
        rc = hx_sql_get(shadow, HX_SQL_LOG_TRIM, &stmt);
    }
    if (rc) {
        return rc;
    }
    sqlite3_bind_int64(stmt, 1, tip.seq);
    return hx_sql_run(shadow, stmt);
}

/* Keeps the row at the boundary: if it is the newest, the next number follows from it. */
int hx_log_trim(hx_shadow *shadow, hny_boundary at) {
    sqlite3_stmt *stmt;
    int rc = hx_config_write_trim(shadow, at);
    if (rc == SQLITE_OK) {
        rc = hx_sql_get(shadow, HX_SQL_LOG_TRIM, &stmt);
    }
    if (rc) {
        return rc;
    }
    sqlite3_bind_int64(stmt, 1, at.seq);
    return hx_sql_run(shadow, stmt);
}
