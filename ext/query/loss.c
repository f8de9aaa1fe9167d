/* An index that searches cannot use; the contract is in loss.h. */
#include "query/loss.h"

#include <time.h>

#include "query/index_view.h"
#include "shadow/error.h"

static char *reason_of_base(const hx_merge_base *base) {
    if (base->forked) {
        return sqlite3_mprintf("the log has the changes of two copies of the database: queries "
                               "look at every row, and the next build starts over");
    }
    if (base->status == HNY_MISSING) {
        return sqlite3_mprintf("no index yet: queries look at every row");
    }
    if (base->status) {
        return sqlite3_mprintf("no index: %s; until then queries look at every row",
                               hny_strerror(base->status));
    }
    return sqlite3_mprintf("the index is of another state of the database: queries look at every "
                           "row, and the next build starts over");
}

int hx_loss_reason(const hx_view *view, char **out) {
    const hx_merge_base *const base = &view->snapshot.base;
    *out = NULL;
    if (!hx_schema_state_followed(view->shadow)) {
        *out = sqlite3_mprintf("the triggers on %s are missing, changed or were disabled: queries "
                               "look at every row, and the next build creates them again",
                               view->shadow->columns.source.table);
    } else if (!hx_merge_base_usable(base)) {
        *out = reason_of_base(base);
    } else {
        return SQLITE_OK;
    }
    return *out ? SQLITE_OK : SQLITE_NOMEM;
}

/* Was there an index?  The sidecar says so if it is there, and else the last build on record. */
static int had_index(hx_view *view, bool *out) {
    const hx_merge_base *const base = &view->snapshot.base;
    int64_t built = 0;
    *out = base->status != HNY_MISSING && base->kind != HX_MERGE_BASE_EMPTY;
    const int rc = *out ? SQLITE_OK : hx_config_read_built(view->shadow, &built);
    *out |= built > 0;
    return rc;
}

static int log_loss(hx_view *view) {
    const hx_shadow *const shadow = view->shadow;
    const char *const which = hx_columns_which(&shadow->columns, view->vector);
    char *reason;
    const int rc = hx_loss_reason(view, &reason);
    if (rc || !reason) {
        return rc;
    }
    sqlite3_log(SQLITE_WARNING, "hannoy: %s.%s%s%s: %s", shadow->schema, shadow->name,
                which[0] ? "." : "", which, reason);
    sqlite3_free(reason);
    view->loss.logged = true;
    return SQLITE_OK;
}

int hx_loss_update(hx_view *view) {
    bool lost;
    if (view->snapshot.indexed) {
        view->loss = (hx_loss){0, false};
        return SQLITE_OK;
    }
    if (view->loss.since == 0) {
        view->loss.since = time(NULL);
    }
    if (view->loss.logged || hx_merge_base_usable(&view->snapshot.base)) {
        return SQLITE_OK;
    }
    const int rc = had_index(view, &lost);
    return rc || !lost ? rc : log_loss(view);
}
