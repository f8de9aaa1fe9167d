/* A query's search of the graph: descent, beam, and measuring the best of its pool. */
#include "read/graph_search.h"

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

static hny__source source_of_reader(hny_reader *reader) {
    hny__source source = {reader, reader_links, reader_prefetch_links, reader_upper, NULL};
    if (reader->matches) {
        source.hidden = is_hidden_or_unmatched;
    } else if (reader->filter) {
        source.hidden = is_hidden_or_filtered;
    } else if (reader->mask || reader->view.table.deleted > 0) {
        source.hidden = is_hidden;
    }
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

/*
** Measures the first `limit` nodes of the pool.  Ranks are float32: a node behind the limit-th by
** no more than a rounding may be nearer, or as near with a lower rowid, so those are measured too.
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
    for (; hny__beam_next(beam, &position, &next); measured++) {
        hny_hit hit;
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
        int rc = hny__reader_measure(reader, next.node, &hit);
        if (!rc) {
            rc = hny__reader_confirm(reader, next.node);
        }
        if (rc) {
            return rc;
        }
        hny__best_hits_add(&best, &hit);
    }
    hny__hits_sort(best.items, best.count);
    search->count = best.count;
    return HNY_OK;
}

int hny__graph_search(hny_reader *reader, hny_search *search, hny__effort effort, size_t limit,
                      uint64_t max_distances) {
    const hny__table_record *const table = &reader->view.table;
    const hny__entry entry = {table->entry_slot, table->entry_upper, table->entry_level};
    hny__beam *const beam = &reader->beam;
    hny__found start;
    beam->view = &reader->view;
    beam->source = source_of_reader(reader);
    beam->interrupt = search->interrupt;
    beam->distances = 0;
    beam->max_distances = max_distances;
    int rc = hny__beam_prepare(beam);
    if (rc) {
        return rc;
    }
    rc = hny__beam_descend(beam, &reader->scorer, &entry, 0, &start);
    if (!rc) {
        rc = hny__beam_search(beam, HNY__LINKS, &reader->scorer, start, effort);
    }
    if (!rc && table->unlinked) {
        rc = hny__beam_scan_unlinked(beam, &reader->scorer, effort);
    }
    reader->work.distances += beam->distances;
    if (rc == HNY_CORRUPT) {
        hny__env_set_damaged(reader->env);
    }
    if (rc || hny__beam_gave_up(beam)) {
        return rc;
    }
    return measure_pool(reader, limit, search);
}
