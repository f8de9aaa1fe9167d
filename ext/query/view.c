/* The index of a table as one connection reads it.  The contract is in view.h. */
#include "query/view.h"

#include "shadow/error.h"

void hx_view_free(hx_view *view) {
    hx_snapshot_free(&view->snapshot);
    hx_vector_cache_free(&view->cache);
    hny_reader_free(view->reader);
    view->reader = NULL;
}

int hx_view_reader(hx_view *view) {
    hx_shadow *const shadow = view->shadow;
    if (view->reader && view->identity == shadow->config.identity) return SQLITE_OK;
    hx_view_free(view);
    const int status =
        hny_reader_new(view->sidecar, shadow->config.number, shadow->config.options.shape,
                       (uint32_t)shadow->columns.attributes, &view->reader);
    view->identity = shadow->config.identity;
    return status ? hx_fail_status(shadow, status) : SQLITE_OK;
}
