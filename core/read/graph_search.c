/* A query's search of the graph: descent, beam, and measuring the best of its pool. */
#include "read/graph_search.h"

#include "graph/look_ahead.h"
#include "read/hits.h"

/* ------------------------------------------------------------------------- the beam's source -- */

static const uint32_t *reader_links(void *arg, hny__family family, uint32_t row, uint32_t *buffer,
                                    uint32_t *count) {
    (void)buffer;
    return hny__view_list(&((hny_reader *)arg)->view, family, row, count);
}

static void reader_prefetch_links(void *arg, hny__family family, uint32_t row) {
    hny__view_prefetch_links(&((hny_reader *)arg)->view, family, row);
}

static int reader_upper(void *arg, uint32_t row, uint32_t *owner, uint32_t *down, uint8_t *level) {
    return hny__view_upper(&((hny_reader *)arg)->view, row, owner, down, level);
}

static bool is_hidden(void *arg, uint32_t slot) {
    return hny__reader_hidden(arg, slot);
}

/* The same where the bitmap of the filter is known. */
static bool is_hidden_or_unmatched(void *arg, uint32_t slot) {
    hny_reader *const reader = arg;
    return !hny__filter_bitmap_has(reader->matches, slot) || hny__reader_hidden(reader, slot);
}

/* The same where each visited row is tested. */
static bool is_hidden_or_filtered(void *arg, uint32_t slot) {
    hny_reader *const reader = arg;
    return !hny__filter_passes_slot(reader->filter, &reader->view, slot) ||
           hny__reader_hidden(reader, slot);
}

/*
** The next row of a node's ring; HNY__NONE: it is complete, or damaged.  *left is how many rows a
** ring can have at most.
*/
static uint32_t next_of_ring(hny__view *view, uint32_t node, uint32_t slot, uint32_t *left) {
    const uint32_t next = hny__view_next_copy(view, slot);
    if (next == node || next == HNY__NONE) {
        return HNY__NONE;
    }
    if ((*left)-- == 0) {
        hny__view_fail(view, HNY_CORRUPT);
        return HNY__NONE;
    }
    return next;
}

/* Are all rows that share a node hidden? */
static bool is_ring_hidden(void *arg, uint32_t node) {
    hny_reader *const reader = arg;
    uint32_t left = reader->view.table.copies;
    for (uint32_t slot = node; slot != HNY__NONE;
         slot = next_of_ring(&reader->view, node, slot, &left)) {
        if (!reader->row_hidden(reader, slot)) {
            return false;
        }
    }
    return true;
}

static hny__source source_of_reader(hny_reader *reader) {
    hny__source source = {reader, reader_links, reader_prefetch_links, reader_upper, NULL};
    reader->row_hidden = NULL;
    if (reader->matches) {
        reader->row_hidden = is_hidden_or_unmatched;
    } else if (reader->filter) {
        reader->row_hidden = is_hidden_or_filtered;
    } else if (reader->mask || reader->view.table.deleted > 0) {
        reader->row_hidden = is_hidden;
    }
    source.hidden =
        reader->row_hidden && reader->view.table.copies ? is_ring_hidden : reader->row_hidden;
    return source;
}

/* --------------------------------------------------------------------------------- measuring -- */

#define MEASURE_AHEAD 4 /* a row's residual code and rowid lie far apart: prefetched for so many */
#define CONFIRM_AHEAD 2 /* by its rowid, where the map of rowids has it */

static void prefetch_row_parts(hny_reader *reader, uint32_t slot) {
    const uint8_t *const residual = hny__view_residual(&reader->view, slot);
    if (residual) {
        hny__prefetch_lines(residual, reader->view.geometry.quantizer.residual_bytes);
    }
    hny__view_prefetch_rowid(&reader->view, slot);
}

static int measure_row(hny_reader *reader, uint32_t slot, hny__best_hits *best) {
    hny_hit hit;
    int rc = hny__reader_measure(reader, slot, &hit);
    if (rc || !hny__best_hits_wants(best, &hit)) {
        return rc;
    }
    rc = hny__reader_confirm(reader, slot);
    if (!rc) {
        hny__best_hits_add(best, &hit);
    }
    return rc;
}

/* Of the rows of a node so many more than could be returned are measured, for the least rowids. */
#define RING_ROWS 64

/*
** Measures a node's rows, which have the same codes; *measured counts them.  A copy that was met
** before is in two rings, or is linked: only a damaged sidecar has that.
*/
static int measure_ring(hny_reader *reader, uint32_t node, hny__best_hits *best, size_t *measured) {
    hny__view *const view = &reader->view;
    uint32_t left = view->table.copies;
    size_t found = 0;
    int rc = HNY_OK;
    for (uint32_t slot = node; slot != HNY__NONE && found < best->limit + RING_ROWS && !rc;
         slot = next_of_ring(view, node, slot, &left)) {
        if (slot != node && view->marks[slot] == view->epoch) {
            hny__view_fail(view, HNY_CORRUPT);
            break;
        }
        if (reader->row_hidden && reader->row_hidden(reader, slot)) {
            continue;
        }
        rc = measure_row(reader, slot, best);
        if (!rc) {
            view->marks[slot] = view->epoch;
            found++;
        }
    }
    *measured += found;
    return rc ? rc : view->status;
}

/*
** Measures the rows of the first nodes of the pool, `limit` rows together.  Ranks are float32: a
** node behind the limit-th row by no more than a rounding may be nearer, or as near with a lower
** rowid, so those are measured too.
*/
static int measure_pool(hny_reader *reader, size_t limit, hny_search *search) {
    const hny__row_format *const format = &reader->view.geometry.quantizer.format;
    const hny__beam *const beam = &reader->beam;
    hny__best_hits best = {search->hits, 0, limit};
    size_t position = 0, ahead = 0, confirm_ahead = 0, measured = 0;
    float last_rank = 0;
    hny__found next, later;
    for (int i = 0; i < MEASURE_AHEAD && hny__beam_next(beam, &ahead, &next); i++) {
        prefetch_row_parts(reader, next.node);
    }
    for (int i = 0; i < CONFIRM_AHEAD && hny__beam_next(beam, &confirm_ahead, &next); i++) {
        hny__view_prefetch_confirm(&reader->view, next.node);
    }
    while (hny__beam_next(beam, &position, &next)) {
        if (measured >= limit && next.rank > last_rank) {
            break;
        }
        if (measured < limit) {
            last_rank = next.rank + 2 * hny__rank_slack(format, next.rank);
        }
        if (hny__beam_next(beam, &ahead, &later)) {
            prefetch_row_parts(reader, later.node);
        }
        if (hny__beam_next(beam, &confirm_ahead, &later)) {
            hny__view_prefetch_confirm(&reader->view, later.node);
        }
        int rc;
        if (reader->view.table.copies) {
            rc = measure_ring(reader, next.node, &best, &measured);
        } else {
            rc = measure_row(reader, next.node, &best);
            measured++;
        }
        if (rc) {
            return rc;
        }
    }
    hny__hits_sort(best.items, best.count);
    search->count = best.count;
    return HNY_OK;
}

/* ------------------------------------------------------------------------------------ search -- */

static void prepare_beam(hny_reader *reader, const hny_search *search, uint64_t max_distances) {
    hny__beam *const beam = &reader->beam;
    beam->view = &reader->view;
    beam->source = source_of_reader(reader);
    beam->asks = NULL;
    beam->asks_attributes = reader->filter && !reader->matches;
    beam->interrupt = search->interrupt;
    beam->distances = 0;
    beam->max_distances = max_distances;
}

/* Lets the beam ask for pages from here on, if the search is to. */
static void set_asking(hny_reader *reader, bool asks) {
    hny__beam *const beam = &reader->beam;
    if (asks && !beam->asks) {
        hny__asks_begin(&reader->asks, &reader->view);
        beam->asks = &reader->asks;
    }
}

static int walk_graph(hny_reader *reader, const hny__effort_plan *plan) {
    const hny__table_record *const table = &reader->view.table;
    const hny__entry entry = {table->entry_slot, table->entry_upper, table->entry_level};
    hny__beam *const beam = &reader->beam;
    hny__effort effort;
    hny__found start;
    int rc = hny__beam_descend(beam, &reader->scorer, &entry, 0, &start);
    set_asking(reader, hny__paging_check(&reader->paging));
    if (!rc) {
        rc = hny__beam_search_by_plan(beam, &reader->scorer, start, plan, &effort);
    }
    if (!rc && table->unlinked) {
        rc = hny__beam_scan_unlinked(beam, &reader->scorer, effort);
    }
    reader->work.distances += beam->distances;
    if (rc == HNY_CORRUPT) {
        hny__env_set_damaged(reader->env);
    }
    return rc;
}

int hny__graph_search(hny_reader *reader, hny_search *search, const hny__effort_plan *plan,
                      size_t limit, uint64_t max_distances) {
    hny__beam *const beam = &reader->beam;
    prepare_beam(reader, search, max_distances);
    int rc = hny__beam_prepare(beam);
    if (rc) {
        return rc;
    }
    set_asking(reader, hny__paging_begin(&reader->paging));
    rc = walk_graph(reader, plan);
    if (!rc && !hny__beam_gave_up(beam)) {
        set_asking(reader, hny__paging_check(&reader->paging));
        if (beam->asks) {
            hny__look_ahead_hits(beam, limit + MEASURE_AHEAD);
        }
        rc = measure_pool(reader, limit, search);
    }
    hny__paging_end(&reader->paging);
    if (beam->asks) {
        hny__read_ahead_step(&reader->ahead, &reader->view);
    }
    return rc;
}
