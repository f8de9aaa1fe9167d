#include "query/snapshot.h"

#include "shadow/error.h"
#include "table.h"

static void forget(hx_snapshot *snapshot) {
    hx_delta_free(&snapshot->delta);
    snapshot->known = false;
    snapshot->indexed = false;
    snapshot->serial++;
}

void hx_snapshot_free(hx_snapshot *snapshot) {
    forget(snapshot);
}

/* ------------------------------------------------------------------------------ the reckoning -- */

static int look_at_all(hx_table *table, int status) {
    hx_snapshot *const s = &table->snapshot;
    if (status != HNY_OK) s->base.status = status;
    s->indexed = false;
    hx_delta_free(&s->delta);
    s->delta.whole = true;
    return hx_delta_keep(table, &s->delta);
}

/*
** Past half of the table, reading all of it in order costs less than so many point reads.  The
** number of log rows is asked first, so that a long log is not even collected.
*/
static bool too_many(const hx_snapshot *s, uint64_t changes) {
    return changes > s->stats.rows / 2;
}

static bool too_long(const hx_snapshot *s) {
    const int64_t logged = s->log.tip.seq - s->base.at.seq;
    return logged > 4 * (int64_t)s->stats.rows + 65536;
}

static int mask_delta(hx_table *table) {
    hx_snapshot *const s = &table->snapshot;
    const int status = hny_reader_mask(table->reader, s->delta.ids.at, s->delta.ids.count);
    if (status == HNY_NOMEM) return SQLITE_NOMEM;
    s->indexed = status == HNY_OK;
    return status ? look_at_all(table, status) : SQLITE_OK;
}

static int use_index(hx_table *table) {
    hx_snapshot *const s = &table->snapshot;
    int status = HNY_OK;
    int rc = hx_merge_base_delta(table, table->reader, &s->base, &s->delta.ids, &status);
    if (rc) return rc;
    if (status || too_many(s, s->delta.ids.count)) return look_at_all(table, status);
    rc = hx_delta_keep(table, &s->delta);
    return rc ? rc : mask_delta(table);
}

static int reckon(hx_table *table, int status) {
    hx_snapshot *const s = &table->snapshot;
    hny_reader *const reader = status == HNY_OK ? table->reader : NULL;
    const int rc = hx_merge_base_find(table, reader, status, &s->log, &s->base);
    if (rc) return rc;
    if (s->base.kind != HX_MERGE_BASE_FOUND) return look_at_all(table, HNY_OK);
    const int failed = hny_reader_stats(reader, 0, &s->stats);
    if (failed == HNY_NOMEM) return SQLITE_NOMEM;
    if (failed || too_long(s)) return look_at_all(table, failed);
    return use_index(table);
}

/* -------------------------------------------------------------------------------- keeping up -- */

/*
** A few changes more, on the same state of the sidecar: only they are read.  Writing a row and
** querying in turn would read the whole delta for each query otherwise, 3 ms for 1000 rows.
*/
static int extend(hx_table *table, const hx_log *log, const hx_merge_base *base) {
    hx_snapshot *const s = &table->snapshot;
    hx_ids changed;
    bool grown = false;
    int rc = hx_merge_base_logged(table, s->log.tip, &changed);
    if (rc) return rc;
    rc = hx_delta_extend(table, &s->delta, &changed, &grown);
    hx_ids_free(&changed);
    if (rc) return rc;
    s->log = *log;
    s->base = *base;
    s->serial++;
    if (s->delta.whole) return SQLITE_OK;
    if (too_many(s, s->delta.ids.count)) return look_at_all(table, HNY_OK);
    return grown ? mask_delta(table) : SQLITE_OK;
}

/* Is the present state the known one and some changes more, seen from the same base? */
static int can_extend(hx_table *table, const hx_log *log, int status, hx_merge_base *base,
                      bool *out) {
    const hx_snapshot *const s = &table->snapshot;
    hny_reader *const reader = status == HNY_OK ? table->reader : NULL;
    *out = false;
    int rc = hx_log_has(table, log, s->log.tip, out);
    if (rc || !*out) return rc;
    rc = hx_merge_base_find(table, reader, status, log, base);
    *out = base->kind == s->base.kind && base->age == s->base.age &&
           base->status == s->base.status && hx_boundary_equal(base->at, s->base.at);
    return rc;
}

static int bring_up(hx_table *table, const hx_log *log, int status) {
    hx_snapshot *const s = &table->snapshot;
    const uint64_t version = status == HNY_OK ? hny_reader_version(table->reader) : 0;
    const bool same = s->known && s->status == status && s->version == version;
    if (same && hx_boundary_equal(s->log.trim, log->trim)) {
        hx_merge_base base;
        bool more;
        if (hx_boundary_equal(s->log.tip, log->tip)) return SQLITE_OK;
        const int rc = can_extend(table, log, status, &base, &more);
        if (rc) return rc;
        if (more) return extend(table, log, &base);
    }
    forget(s);
    s->log = *log;
    s->status = status;
    s->version = version;
    const int rc = reckon(table, status);
    s->known = rc == SQLITE_OK;
    return rc;
}

/* ------------------------------------------------------------------------------- begin, end -- */

int hx_snapshot_begin(hx_table *table) {
    hx_snapshot *const s = &table->snapshot;
    hx_log log;
    int rc = hx_log_read(table, &log);
    if (rc == SQLITE_OK) rc = hx_table_reader(table);
    if (rc) return rc;
    const int status = hny_reader_begin(table->reader);
    if (status == HNY_NOMEM) return SQLITE_NOMEM;
    s->pinned = status == HNY_OK;
    rc = bring_up(table, &log, status);
    if (rc) {
        forget(s);
        hx_snapshot_end(table);
        return rc;
    }
    s->changes = sqlite3_total_changes(table->db);
    return SQLITE_OK;
}

void hx_snapshot_end(hx_table *table) {
    if (table->snapshot.pinned) hny_reader_end(table->reader);
    table->snapshot.pinned = false;
}

bool hx_snapshot_holds(const hx_table *table) {
    return !table->snapshot.pinned || hny_reader_intact(table->reader);
}

int hx_snapshot_discard(hx_table *table, int status) {
    hx_snapshot *const s = &table->snapshot;
    s->serial++;
    const int rc = look_at_all(table, status);
    if (rc) s->known = false;
    return rc;
}
