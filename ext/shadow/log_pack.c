/* Old changes, many in one row of v_log.  The contract is in log_pack.h. */
#include "shadow/log_pack.h"

#include <string.h>

#include "shadow/error.h"
#include "shadow/shadow.h"

#define GROUP_BYTES (HX_PACK_CHANGES * sizeof(hx_change))

int hx_pack_read(sqlite3_stmt *row, hx_pack *out) {
    const int64_t seq = sqlite3_column_int64(row, 0);
    *out = (hx_pack){seq, 1, NULL, {sqlite3_column_int64(row, 1), sqlite3_column_int64(row, 2)}};
    if (sqlite3_column_type(row, 1) != SQLITE_BLOB) {
        return SQLITE_OK;
    }
    out->changes = sqlite3_column_blob(row, 1);
    out->count = (size_t)sqlite3_column_bytes(row, 1) / sizeof(hx_change);
    if (out->count && !out->changes) {
        return SQLITE_NOMEM;
    }
    if ((int64_t)out->count > seq) {
        out->count = 0;
        return SQLITE_OK;
    }
    out->first = seq - (int64_t)out->count + 1;
    return SQLITE_OK;
}

hx_change hx_pack_at(const hx_pack *pack, size_t i) {
    hx_change change = pack->only;
    if (pack->changes) {
        memcpy(&change, (const uint8_t *)pack->changes + i * sizeof change, sizeof change);
    }
    return change;
}

/* --------------------------------------------------------------------------------- packing -- */

/* Reads the group that ends at `end`; *whole false: it is packed, or not all of it is there. */
static int read_group(hx_shadow *shadow, int64_t end, hx_change *group, bool *whole) {
    sqlite3_stmt *stmt;
    size_t count = 0;
    int rc = hx_sql_get(shadow, HX_SQL_LOG_SINCE, &stmt);
    *whole = false;
    if (rc) {
        return rc;
    }
    sqlite3_bind_int64(stmt, 1, end - HX_PACK_CHANGES);
    while (count < HX_PACK_CHANGES && (rc = hx_sql_step(shadow, stmt)) == SQLITE_ROW) {
        const int64_t seq = sqlite3_column_int64(stmt, 0);
        if (seq != end - HX_PACK_CHANGES + 1 + (int64_t)count ||
            sqlite3_column_type(stmt, 1) == SQLITE_BLOB) {
            break;
        }
        group[count++] = (hx_change){sqlite3_column_int64(stmt, 1), sqlite3_column_int64(stmt, 2)};
    }
    if (rc == SQLITE_ROW) {
        hx_sql_done(stmt);
    }
    *whole = count == HX_PACK_CHANGES;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* The row of the last change becomes the pack.  What fails between both leaves a gap to be seen. */
static int write_group(hx_shadow *shadow, int64_t end, const hx_change *group) {
    sqlite3_stmt *stmt;
    int rc = hx_sql_get(shadow, HX_SQL_LOG_DROP, &stmt);
    if (rc) {
        return rc;
    }
    sqlite3_bind_int64(stmt, 1, end - HX_PACK_CHANGES);
    sqlite3_bind_int64(stmt, 2, end);
    rc = hx_sql_run(shadow, stmt);
    if (rc == SQLITE_OK) {
        rc = hx_sql_get(shadow, HX_SQL_LOG_PACK, &stmt);
    }
    if (rc) {
        return rc;
    }
    sqlite3_bind_int64(stmt, 1, end);
    sqlite3_bind_blob(stmt, 2, group, (int)GROUP_BYTES, SQLITE_STATIC);
    return hx_sql_run(shadow, stmt);
}

static int pack_groups(hx_shadow *shadow, int64_t trimmed, int64_t end, hx_change *group) {
    for (; end - HX_PACK_CHANGES >= trimmed; end -= HX_PACK_CHANGES) {
        bool whole;
        int rc = read_group(shadow, end, group, &whole);
        if (rc == SQLITE_OK && whole) {
            rc = hx_config_note_packs(shadow);
        }
        if (rc == SQLITE_OK && whole) {
            rc = write_group(shadow, end, group);
        }
        if (rc || !whole) {
            return rc;
        }
    }
    return SQLITE_OK;
}

int hx_pack_log(hx_shadow *shadow, int64_t trimmed, int64_t built) {
    const int64_t end = built - built % HX_PACK_CHANGES;
    if (end - HX_PACK_CHANGES < trimmed) {
        return SQLITE_OK;
    }
    hx_change *const group = sqlite3_malloc64(GROUP_BYTES);
    if (!group) {
        return SQLITE_NOMEM;
    }
    const int rc = pack_groups(shadow, trimmed, end, group);
    sqlite3_free(group);
    return rc;
}
