/* The merge base of a snapshot and the sidecar, and the delta.  The contract is in merge_base.h. */
#include "query/merge_base.h"

#include <stdlib.h>
#include <string.h>

#include "shadow/error.h"
#include "shadow/log_pack.h"
#include "shadow/shadow.h"
#include "values/array.h"

static void find_without_reader(const hx_shadow *shadow, int status, const hx_log *log,
                                hx_merge_base *out) {
    const hny_boundary start = hx_boundary_start(shadow);
    const bool whole = hx_boundary_equal(log->trim, start);
    *out =
        (hx_merge_base){whole ? HX_MERGE_BASE_EMPTY : HX_MERGE_BASE_NONE, start, 0, status, false};
}

int hx_merge_base_find(hx_shadow *shadow, hny_reader *reader, int status, const hx_log *log,
                       hx_merge_base *out) {
    if (!reader) {
        find_without_reader(shadow, status, log, out);
        return SQLITE_OK;
    }
    *out = (hx_merge_base){HX_MERGE_BASE_NONE, {0, 0}, 0, HNY_OK, false};
    for (;; out->age++) {
        bool found;
        out->status = hny_reader_boundary(reader, out->age, &out->boundary);
        if (out->status == HNY_NOMEM) {
            return SQLITE_NOMEM;
        }
        if (out->status == HNY_MISSING) {
            out->status = HNY_OK;
        } else if (out->status == HNY_OK) {
            const int rc = hx_log_has(shadow, log, out->boundary, &found);
            if (rc) {
                return rc;
            }
            if (!found) {
                continue;
            }
            out->kind = HX_MERGE_BASE_FOUND;
        }
        return SQLITE_OK;
    }
}

int hx_merge_base_check(hx_shadow *shadow, const hx_log *log, hx_merge_base *base) {
    bool whole;
    const int rc = hx_log_whole(shadow, log, &whole);
    if (rc == SQLITE_OK && !whole) {
        base->kind = HX_MERGE_BASE_NONE;
        base->forked = true;
    }
    return rc;
}

/* ------------------------------------------------------------------------------------- delta -- */

void hx_ids_free(hx_ids *ids) {
    sqlite3_free(ids->items);
    *ids = (hx_ids){NULL, 0, 0};
}

static int add_ids(hx_ids *ids, const int64_t *more, size_t count) {
    if (count == 0) {
        return SQLITE_OK;
    }
    int64_t *const items =
        hx_array_grow(ids->items, &ids->capacity, ids->count + count, sizeof *items);
    if (!items) {
        return SQLITE_NOMEM;
    }
    ids->items = items;
    memcpy(ids->items + ids->count, more, count * sizeof *more);
    ids->count += count;
    return SQLITE_OK;
}

static int compare_ids(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Sorts and drops repeats. */
static void sort_ids(hx_ids *ids) {
    size_t kept = 0;
    if (ids->count) {
        qsort(ids->items, ids->count, sizeof *ids->items, compare_ids);
    }
    for (size_t i = 0; i < ids->count; i++) {
        if (kept == 0 || ids->items[kept - 1] != ids->items[i]) {
            ids->items[kept++] = ids->items[i];
        }
    }
    ids->count = kept;
}

/* Merges from the end, so that what lies before the first new id does not move. */
int hx_ids_merge(hx_ids *ids, const hx_ids *more) {
    size_t left = ids->count, added = more->count, end;
    const int rc = add_ids(ids, more->items, more->count);
    if (rc || added == 0) {
        return rc;
    }
    for (end = ids->count; added > 0; end--) {
        const int64_t id = more->items[added - 1];
        if (left > 0 && ids->items[left - 1] >= id) {
            added -= ids->items[left - 1] == id;
            ids->items[end - 1] = ids->items[--left];
        } else {
            ids->items[end - 1] = more->items[--added];
        }
    }
    /* As many places are free as ids were in both. */
    memmove(ids->items + left, ids->items + end, (ids->count - end) * sizeof *ids->items);
    ids->count -= end - left;
    return SQLITE_OK;
}

/* Of a row of the log, which may be a pack that began before. */
static int add_row_ids(sqlite3_stmt *row, int64_t since, hx_ids *ids) {
    hx_pack pack;
    int rc = hx_pack_read(row, &pack);
    size_t i = since >= pack.first ? (size_t)(since - pack.first) + 1 : 0;
    for (; i < pack.count && rc == SQLITE_OK; i++) {
        const int64_t id = hx_pack_at(&pack, i).id;
        rc = add_ids(ids, &id, 1);
    }
    return rc;
}

static int add_logged_ids(hx_shadow *shadow, int64_t since, hx_ids *ids) {
    sqlite3_stmt *stmt;
    int rc = hx_sql_get(shadow, HX_SQL_LOG_SINCE, &stmt);
    if (rc) {
        return rc;
    }
    sqlite3_bind_int64(stmt, 1, since);
    while ((rc = hx_sql_step(shadow, stmt)) == SQLITE_ROW) {
        rc = add_row_ids(stmt, since, ids);
        if (rc == SQLITE_OK) {
            continue;
        }
        hx_sql_done(stmt);
        return rc;
    }
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* What the sidecar touched in the steps to its boundaries of age 0 to `ages` - 1. */
static int add_touched_ids(hny_reader *reader, uint32_t ages, hx_ids *ids, int *status) {
    for (uint32_t age = 0; age < ages; age++) {
        int64_t *touched;
        size_t count;
        *status = hny_reader_touched(reader, age, &touched, &count);
        if (*status) {
            return *status == HNY_NOMEM ? SQLITE_NOMEM : SQLITE_OK;
        }
        const int rc = add_ids(ids, touched, count);
        free(touched);
        if (rc) {
            return rc;
        }
    }
    return SQLITE_OK;
}

int hx_merge_base_delta(hx_shadow *shadow, hny_reader *reader, const hx_merge_base *base,
                        hx_ids *out, int *status) {
    *out = (hx_ids){NULL, 0, 0};
    *status = HNY_OK;
    int rc = add_logged_ids(shadow, base->boundary.seq, out);
    if (rc == SQLITE_OK && reader) {
        rc = add_touched_ids(reader, base->age, out, status);
    }
    if (rc || *status) {
        hx_ids_free(out);
    } else {
        sort_ids(out);
    }
    return rc;
}

int hx_merge_base_logged(hx_shadow *shadow, hny_boundary since, hx_ids *out) {
    *out = (hx_ids){NULL, 0, 0};
    const int rc = add_logged_ids(shadow, since.seq, out);
    if (rc) {
        hx_ids_free(out);
    } else {
        sort_ids(out);
    }
    return rc;
}
