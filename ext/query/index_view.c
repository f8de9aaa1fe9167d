/* The index of a table as one connection reads it.  The contract is in index_view.h. */
#include "query/index_view.h"

#include "shadow/error.h"

void hx_view_init(hx_view *view, hx_shadow *shadow, hny_sidecar *sidecar, hx_last *last,
                  int vector) {
    view->shadow = shadow;
    view->last = last;
    view->sidecar = sidecar;
    view->vector = vector;
    view->snapshot.delta.vector = vector;
}

void hx_view_free(hx_view *view) {
    hx_snapshot_free(&view->snapshot);
    hx_vector_cache_free(&view->cache);
    hx_presence_free(&view->presence);
    hny_reader_free(view->reader);
    view->reader = NULL;
}

int hx_view_reader(hx_view *view) {
    hx_shadow *const shadow = view->shadow;
    const hx_vector_config *const config = hx_view_config(view);
    if (view->reader && view->identity == config->identity) {
        return SQLITE_OK;
    }
    hx_view_free(view);
    const int status = hny_reader_new(view->sidecar, config->number, config->options.shape,
                                      (uint32_t)shadow->columns.attributes,
                                      shadow->config.attribute_set, &view->reader);
    view->identity = config->identity;
    return status ? hx_fail_status(shadow, status) : SQLITE_OK;
}
