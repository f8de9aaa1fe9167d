/* How to find the rows that the connection sees now.  The contract is in snapshot.h. */
#include "query/snapshot.h"

#include "query/index_view.h"
#include "shadow/error.h"

static void forget_snapshot(hx_snapshot *snapshot) {
    hx_delta_free(&snapshot->delta);
    snapshot->known = false;
    snapshot->indexed = false;
    snapshot->serial++;
}

void hx_snapshot_free(hx_snapshot *snapshot) {
    forget_snapshot(snapshot);
}

/* --------------------------------------------------------------------------------- computing -- */

/* Makes the delta the whole table. */
static int take_all_rows(hx_view *view, int status) {
    hx_snapshot *const s = &view->snapshot;
    if (status != HNY_OK) {
        s->base.status = status;
    }
    s->indexed = false;
    hx_delta_free(&s->delta);
    s->delta.whole = true;
    return hx_delta_keep(view->shadow, &s->delta);
}

/* Past half of the table, reading all rows in order costs less than this many point reads. */
static bool is_delta_too_large(const hx_snapshot *s, uint64_t changes) {
    return changes > s->stats.rows / 2;
}

/* Is the log so much longer than the table that its rows are not worth collecting? */
static bool is_log_too_long(const hx_snapshot *s) {
    const int64_t logged = s->log.tip.seq - s->base.boundary.seq;
    return logged > 4 * (int64_t)s->stats.rows + 65536;
}

/* After the delta was masked, with this status. */
static int note_mask(hx_view *view, int status) {
    if (status == HNY_NOMEM) {
        return SQLITE_NOMEM;
    }
    view->snapshot.indexed = status == HNY_OK;
    return status ? take_all_rows(view, status) : SQLITE_OK;
}

static int use_index(hx_view *view) {
    hx_snapshot *const s = &view->snapshot;
    int status = HNY_OK;
    int rc = hx_merge_base_delta(view->shadow, view->reader, &s->base, &s->delta.ids, &status);
    if (rc) {
        return rc;
    }
    if (status || is_delta_too_large(s, s->delta.ids.count)) {
        return take_all_rows(view, status);
    }
    rc = hx_delta_keep(view->shadow, &s->delta);
    const hx_ids *const ids = &s->delta.ids;
    return rc ? rc : note_mask(view, hny_reader_mask(view->reader, ids->items, ids->count));
}

static int compute_snapshot(hx_view *view, int status) {
    hx_snapshot *const s = &view->snapshot;
    hny_reader *const reader = status == HNY_OK ? view->reader : NULL;
    int rc = hx_merge_base_find(view->shadow, reader, status, &s->log, &s->base);
    if (rc == SQLITE_OK) {
        rc = hx_merge_base_check(view->shadow, &s->log, &s->base);
    }
    if (rc) {
        return rc;
    }
    if (s->base.kind != HX_MERGE_BASE_FOUND) {
        return take_all_rows(view, HNY_OK);
    }
    const int failed = hny_reader_stats(reader, 0, &s->stats);
    if (failed == HNY_NOMEM) {
        return SQLITE_NOMEM;
    }
    if (failed || is_log_too_long(s)) {
        return take_all_rows(view, failed);
    }
    return use_index(view);
}

/* -------------------------------------------------------------------------------- keeping up -- */

/*
** Some changes were logged, and the sidecar is the same: reads only the changed rows.  Without
** this, writing a row and querying in turn reads the whole delta for each query, and looks all of
** it up in the index: 3 ms for 1000 rows.
*/
static int extend_snapshot(hx_view *view, const hx_log *log, const hx_merge_base *base) {
    hx_snapshot *const s = &view->snapshot;
    hx_ids changed;
    int rc = hx_merge_base_logged(view->shadow, s->log.tip, &changed);
    if (rc) {
        return rc;
    }
    rc = hx_delta_extend(view->shadow, &s->delta, &changed);
    if (rc == SQLITE_OK) {
        s->log = *log;
        s->base = *base;
        s->serial++;
    }
    if (rc == SQLITE_OK && !s->delta.whole) {
        rc =
            is_delta_too_large(s, s->delta.ids.count)
                ? take_all_rows(view, HNY_OK)
                : note_mask(view, hny_reader_mask_more(view->reader, changed.items, changed.count));
    }
    hx_ids_free(&changed);
    return rc;
}

/* Is the present state the known one plus some changes, with the same base? */
static int can_extend_snapshot(hx_view *view, const hx_log *log, int status, hx_merge_base *base,
                               bool *out) {
    const hx_snapshot *const s = &view->snapshot;
    hny_reader *const reader = status == HNY_OK ? view->reader : NULL;
    *out = false;
    int rc = hx_log_has(view->shadow, log, s->log.tip, out);
    if (rc || !*out) {
        return rc;
    }
    rc = hx_merge_base_find(view->shadow, reader, status, log, base);
    *out = base->kind == s->base.kind && base->age == s->base.age &&
           base->status == s->base.status && hx_boundary_equal(base->boundary, s->base.boundary);
    return rc;
}

static int update_snapshot(hx_view *view, const hx_log *log, int status) {
    hx_snapshot *const s = &view->snapshot;
    const uint64_t version = status == HNY_OK ? hny_reader_version(view->reader) : 0;
    const bool same = s->known && s->status == status && s->version == version;
    if (same && hx_boundary_equal(s->log.trim, log->trim)) {
        hx_merge_base base;
        bool extends;
        if (hx_boundary_equal(s->log.tip, log->tip)) {
            return SQLITE_OK;
        }
        const int rc = can_extend_snapshot(view, log, status, &base, &extends);
        if (rc) {
            return rc;
        }
        if (extends) {
            const int extended = extend_snapshot(view, log, &base);
            return extended ? extended : hx_loss_update(view);
        }
    }
    forget_snapshot(s);
    s->log = *log;
    s->status = status;
    s->version = version;
    int rc = compute_snapshot(view, status);
    if (rc == SQLITE_OK) {
        rc = hx_loss_update(view);
    }
    s->known = rc == SQLITE_OK;
    return rc;
}

/* -------------------------------------------------------------------------------- begin, end -- */

int hx_snapshot_begin(hx_view *view) {
    hx_snapshot *const s = &view->snapshot;
    hx_log log;
    int rc = hx_log_read(view->shadow, &log);
    if (rc == SQLITE_OK) {
        rc = hx_view_reader(view);
    }
    if (rc) {
        return rc;
    }
    const int status = hny_reader_begin(view->reader);
    if (status == HNY_NOMEM) {
        return SQLITE_NOMEM;
    }
    s->pinned = status == HNY_OK;
    rc = update_snapshot(view, &log, status);
    if (rc) {
        forget_snapshot(s);
        hx_snapshot_end(view);
        return rc;
    }
    s->changes = sqlite3_total_changes(view->shadow->db);
    return SQLITE_OK;
}

void hx_snapshot_end(hx_view *view) {
    if (view->snapshot.pinned) {
        hny_reader_end(view->reader);
    }
    view->snapshot.pinned = false;
}

bool hx_snapshot_holds(const hx_view *view) {
    return !view->snapshot.pinned || hny_reader_intact(view->reader);
}

int hx_snapshot_discard(hx_view *view, int status) {
    hx_snapshot *const s = &view->snapshot;
    s->serial++;
    int rc = take_all_rows(view, status);
    if (rc == SQLITE_OK) {
        rc = hx_loss_update(view);
    }
    if (rc) {
        s->known = false;
    }
    return rc;
}
