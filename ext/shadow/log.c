/* The shadow table v_log: reading its ends, appending, trimming.  The contract is in log.h. */
#include "shadow/log.h"

#include "shadow/content.h"
#include "shadow/error.h"
#include "shadow/log_pack.h"
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

bool hx_log_stamp_equal(const hx_log_stamp *a, const hx_log_stamp *b) {
    return a->usable && b->usable && a->version == b->version && a->changes == b->changes;
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
    if (hx_log_stamp_equal(&shadow->seen.stamp, &now)) {
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

int hx_log_whole(hx_shadow *shadow, const hx_log *log, bool *out) {
    sqlite3_stmt *stmt;
    bool packed;
    *out = true;
    int rc = hx_config_read_packed(shadow, &packed);
    if (rc == SQLITE_OK) {
        /* To look at each row takes 50 ns, and count(*) 1. */
        rc = hx_sql_get(shadow, packed ? HX_SQL_LOG_PACKED_SPAN : HX_SQL_LOG_SPAN, &stmt);
    }
    if (rc) {
        return rc;
    }
    rc = hx_sql_step(shadow, stmt);
    if (rc != SQLITE_ROW) {
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
    }
    const int64_t changes = sqlite3_column_int64(stmt, 0);
    const int64_t first = sqlite3_column_int64(stmt, 1), last = sqlite3_column_int64(stmt, 2);
    hx_sql_done(stmt);
    /* The first row, which may be a pack, has the trim boundary or the change after it. */
    const bool begins = first >= 0 && first - 1 <= log->trim.seq && last >= log->trim.seq;
    *out = begins && changes - 1 == log->tip.seq - first;
    return SQLITE_OK;
}

int hx_log_pending(hx_shadow *shadow, const hx_log *log, int64_t *out) {
    int64_t built;
    const int rc = hx_config_read_built(shadow, &built);
    const bool usable = built > log->trim.seq && built <= log->tip.seq;
    *out = log->tip.seq - (usable ? built : log->trim.seq);
    return rc;
}

/* Is a boundary inside a pack?  In a whole log that is the next row. */
static int is_packed(hx_shadow *shadow, hny_boundary at, bool *out) {
    sqlite3_stmt *stmt;
    hx_pack pack;
    *out = false;
    int rc = hx_sql_get(shadow, HX_SQL_LOG_SINCE, &stmt);
    if (rc) {
        return rc;
    }
    sqlite3_bind_int64(stmt, 1, at.seq);
    rc = hx_sql_step(shadow, stmt);
    if (rc != SQLITE_ROW) {
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
    }
    rc = hx_pack_read(stmt, &pack);
    if (rc == SQLITE_OK && at.seq >= pack.first && pack.count) {
        *out = hx_pack_at(&pack, (size_t)(at.seq - pack.first)).chain == at.chain;
    }
    hx_sql_done(stmt);
    return rc;
}

int hx_log_has(hx_shadow *shadow, const hx_log *log, hny_boundary at, bool *out) {
    sqlite3_stmt *stmt;
    *out = hx_boundary_equal(at, log->trim) || hx_boundary_equal(at, log->tip);
    if (*out || at.seq < log->trim.seq || at.seq > log->tip.seq) {
        return SQLITE_OK;
    }
    int rc = hx_sql_get(shadow, HX_SQL_LOG_HAS, &stmt);
    if (rc) {
        return rc;
    }
    sqlite3_bind_int64(stmt, 1, at.seq);
    sqlite3_bind_int64(stmt, 2, at.chain);
    rc = hx_sql_step(shadow, stmt);
    *out = rc == SQLITE_ROW;
    if (*out) {
        hx_sql_done(stmt);
    }
    return rc == SQLITE_ROW ? SQLITE_OK : rc == SQLITE_DONE ? is_packed(shadow, at, out) : rc;
}

/* Deletes the rows before a boundary.  Its own stays: the next number follows from the newest. */
static int delete_before(hx_shadow *shadow, hny_boundary at) {
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

/*
** The boundary of a table whose rows are there without log rows.  Equal rows of a content table
** have the same one on every machine, and rows that another table or another copy had when an
** index was built have not: a digest of its options alone would let it take over that index.
*/
static int boundary_of_rows(hx_shadow *shadow, int64_t seq, hny_boundary *out) {
    uint64_t digest = (uint64_t)hx_boundary_start(shadow).chain;
    *out = (hny_boundary){seq, 0};
    if (!hx_columns_external(&shadow->columns)) {
        sqlite3_randomness(sizeof out->chain, &out->chain);
        return SQLITE_OK;
    }
    const int rc = hx_content_digest(shadow, &digest);
    out->chain = (int64_t)digest;
    return rc;
}

int hx_log_start(hx_shadow *shadow) {
    hny_boundary at;
    const int rc = boundary_of_rows(shadow, 1, &at);
    return rc ? rc : hx_config_write_trim(shadow, at);
}

int hx_log_restart(hx_shadow *shadow) {
    hny_boundary tip;
    int rc = hx_log_tip(shadow, &tip);
    if (rc == SQLITE_OK) {
        rc = boundary_of_rows(shadow, tip.seq + 1, &tip);
    }
    return rc ? rc : delete_before(shadow, tip);
}

int hx_log_repair(hx_shadow *shadow, hx_log *log) {
    bool whole;
    int rc = hx_log_whole(shadow, log, &whole);
    if (rc || whole) {
        return rc;
    }
    rc = hx_log_restart(shadow);
    return rc ? rc : hx_log_read(shadow, log);
}

/*
** The boundary of this number, or of the row before it if that is inside a pack.  *found false: the
** log has none, or two.
*/
static int find_boundary(hx_shadow *shadow, int64_t seq, hny_boundary *out, bool *found) {
    sqlite3_stmt *stmt;
    int rc = hx_sql_get(shadow, HX_SQL_LOG_UP_TO, &stmt);
    *found = false;
    if (rc) {
        return rc;
    }
    sqlite3_bind_int64(stmt, 1, seq);
    rc = hx_sql_step(shadow, stmt);
    if (rc == SQLITE_ROW) {
        *out = (hny_boundary){sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1)};
        rc = hx_sql_step(shadow, stmt);
        *found =
            rc == SQLITE_DONE || (rc == SQLITE_ROW && sqlite3_column_int64(stmt, 0) != out->seq);
        if (rc == SQLITE_ROW) {
            hx_sql_done(stmt);
        }
    }
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int hx_log_trim(hx_shadow *shadow, const hx_log *log, hny_boundary at, int64_t keep) {
    const int64_t last = log->tip.seq - keep;
    hny_boundary trim = at;
    bool found = true;
    int64_t built;
    int rc = hx_config_read_built(shadow, &built);
    if (rc == SQLITE_OK && built != at.seq) {
        rc = hx_config_write_built(shadow, at.seq);
    }
    if (rc == SQLITE_OK && last < at.seq) {
        rc = find_boundary(shadow, last, &trim, &found);
    }
    if (!found || trim.seq <= log->trim.seq) {
        trim = log->trim;
    } else if (rc == SQLITE_OK) {
        rc = delete_before(shadow, trim);
    }
    return rc ? rc : hx_pack_log(shadow, trim.seq, at.seq);
}
