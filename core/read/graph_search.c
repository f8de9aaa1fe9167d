/* A query's search of the graph: descent, beam, and measuring the best of its pool. */
#include "read/graph_search.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/sort.h"
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
#define CONFIRM_AHEAD 4 /* by its rowid, where the map of rowids has it */

static void prefetch_row_parts(hny_reader *reader, uint32_t slot) {
    const uint8_t *const residual = hny__view_residual(&reader->view, slot);
    if (residual) {
        hny__prefetch_lines(residual, reader->view.geometry.quantizer.residual_bytes);
    }
    hny__view_prefetch_rowid(&reader->view, slot);
}

static int append_measured(hny_reader *reader, uint32_t slot, hny_hit hit) {
    if (hny__grow((void **)&reader->measured, &reader->measured_capacity, reader->measured_count,
                  sizeof *reader->measured)) {
        return HNY_NOMEM;
    }
    reader->measured[reader->measured_count++] = (hny__measured){hit, slot};
    return HNY_OK;
}

static bool has_lower_rowid(const hny__measured *a, const hny__measured *b) {
    return a->hit.rowid < b->hit.rowid;
}

HNY__DEFINE_SORT(sort_by_rowid, hny__measured, has_lower_rowid)

/* Of the rows of a node so many more than could be returned are looked at, for the least rowids. */
#define RING_ROWS 64

/*
** Appends the rows of a node that are not hidden, all of which are as far as `hit`.  *found counts
** them.  Only a damaged sidecar has a copy in two rings, a linked one, or one with other codes.
*/
static int append_ring(hny_reader *reader, uint32_t node, hny_hit hit, size_t *found) {
    hny__view *const view = &reader->view;
    const size_t first = reader->measured_count, limit = reader->rerank.min;
    uint32_t left = view->table.copies;
    int rc = HNY_OK;
    *found = 0;
    for (uint32_t slot = node; slot != HNY__NONE && *found < limit + RING_ROWS && !rc;
         slot = next_of_ring(view, node, slot, &left)) {
        if (slot != node &&
            (view->marks[slot] == view->epoch || !hny__view_same_codes(view, node, slot))) {
            hny__view_fail(view, HNY_CORRUPT);
            break;
        }
        if (reader->row_hidden && reader->row_hidden(reader, slot)) {
            continue;
        }
        hit.rowid = hny__view_rowid(view, slot);
        rc = append_measured(reader, slot, hit);
        view->marks[slot] = view->epoch;
        (*found)++;
    }
    if (*found > limit) {
        sort_by_rowid(reader->measured + first, *found);
        reader->measured_count = first + limit;
    }
    return rc ? rc : view->status;
}

/* Measures a node, and appends its rows unless enough are nearer. */
static int measure_node(hny_reader *reader, hny__found node) {
    hny_hit hit;
    size_t rows = 1;
    int rc = hny__reader_measure(reader, node.node, &hit);
    if (!rc && hny__rerank_keeps(&reader->rerank, hny_hit_lower_bound(&hit))) {
        rc = reader->view.table.copies ? append_ring(reader, node.node, hit, &rows)
                                       : append_measured(reader, node.node, hit);
    }
    if (!rc) {
        hny__rerank_add(&reader->rerank, node.rank, hit.distance, hit.error, rows);
    }
    return rc;
}

/* Measures the nodes of the pool that may be among the nearest. */
static int measure_pool(hny_reader *reader) {
    const hny__beam *const beam = &reader->beam;
    size_t position = 0, ahead = 0;
    hny__found next, later;
    int rc = HNY_OK;
    for (int i = 0; i < MEASURE_AHEAD && hny__beam_next(beam, &ahead, &next); i++) {
        prefetch_row_parts(reader, next.node);
    }
    while (!rc && hny__beam_next(beam, &position, &next) &&
           hny__rerank_wants(&reader->rerank, next.rank)) {
        if (hny__beam_next(beam, &ahead, &later)) {
            prefetch_row_parts(reader, later.node);
        }
        rc = measure_node(reader, next);
    }
    return rc;
}

/* Drops the measured rows that came before nearer ones, but for a few. */
static void drop_far_rows(hny_reader *reader) {
    size_t kept = 0;
    for (size_t i = 0; i < reader->measured_count; i++) {
        const hny__measured row = reader->measured[i];
        if (i < reader->rerank.min ||
            hny__rerank_keeps(&reader->rerank, hny_hit_lower_bound(&row.hit))) {
            reader->measured[kept++] = row;
        }
    }
    reader->measured_count = kept;
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
        hny__asks_begin(&reader->asks, &reader->view, reader->paging.horizon);
        beam->asks = &reader->asks;
    }
}

/* A search of level 0, and the unlinked rows. */
static int search_nodes(hny_reader *reader, hny__found start, const hny__effort_plan *plan,
                        hny__effort *effort) {
    hny__beam *const beam = &reader->beam;
    int rc = hny__beam_search_by_plan(beam, &reader->scorer, start, plan, effort);
    if (!rc && reader->view.table.unlinked && !hny__beam_gave_up(beam)) {
        rc = hny__beam_scan_unlinked(beam, &reader->scorer, *effort);
        reader->work.distances += reader->view.table.unlinked;
    }
    return rc;
}

/* Measures the pool for the k nearest, and of bits what is within reach by chance. */
static int rank_pool(hny_reader *reader, const hny_search *search, float chance) {
    const uint64_t k = search->k ? search->k : search->ef, live = reader->view.table.live;
    reader->measured_count = 0;
    const int rc = hny__rerank_begin(&reader->rerank, &reader->view.geometry.quantizer,
                                     (size_t)(k < live ? k : live), search->ef);
    reader->rerank.chance = chance;
    if (!rc && reader->beam.asks) {
        hny__look_ahead_hits(&reader->beam, reader->rerank.min + MEASURE_AHEAD);
    }
    return rc ? rc : measure_pool(reader);
}

#define WIDENING 4

/* Of codes that are bits: the rank up to which nodes may be among the nearest by chance. */
static float reach_by_chance(const hny_reader *reader, hny__effort effort) {
    const hny__beam *const beam = &reader->beam;
    const hny__quantizer *const quantizer = &reader->view.geometry.quantizer;
    if (hny__rerank_compares(quantizer) || beam->count < effort.near) {
        return -INFINITY;
    }
    return hny__rerank_chance(quantizer, beam->pool[effort.near / 2].rank);
}

/*
** May nodes behind the pool be among the nearest, because codes do not tell them from those in it?
** The nearer half is left out of account: a row that is the query itself is nearer than its
** near-duplicates.  A pool of HNY__MAX_KEPT nodes was cut there.
*/
static bool is_pool_blind(const hny_reader *reader, hny__effort effort) {
    const hny__beam *const beam = &reader->beam;
    if (!hny__rerank_compares(&reader->view.geometry.quantizer)) {
        return beam->count && beam->pool[beam->count - 1].rank <= reader->rerank.chance;
    }
    if (beam->count < 2 || beam->count < effort.near) {
        return false;
    }
    const float last = beam->pool[beam->count - 1].rank;
    return last <= hny__rerank_reach(&reader->rerank) &&
           (beam->count >= HNY__MAX_KEPT ||
            hny__rerank_is_blind(&reader->rerank, last - beam->pool[effort.near / 2].rank));
}

/*
** Makes an effort reach the nodes that codes do not tell from those of the pool.  An adaptive beam
** keeps no more than HNY__MAX_KEPT nodes, and a classic one as many as it is told to.
*/
static void widen_effort(const hny_reader *reader, hny__effort *effort) {
    const hny__beam *const beam = &reader->beam;
    const float reach = hny__rerank_reach(&reader->rerank);
    const float near = beam->pool[effort->near - 1].rank;
    const float stretch = near > 0 ? reach / near : reach < 0 ? near / reach : 0;
    if (effort->stretch > 0 && stretch > effort->stretch && beam->count < HNY__MAX_KEPT) {
        effort->stretch = stretch;
        return;
    }
    const size_t kept = beam->count * WIDENING;
    *effort = hny__classic_effort(kept < HNY__MAX_SLOTS ? (uint32_t)kept : HNY__MAX_SLOTS);
}

/*
** Searches again, wider, as long as that finds nodes which may be among the nearest.  It gives up
** for a scan after as many distances as take the time of that.
*/
static int search_near_duplicates(hny_reader *reader, const hny_search *search, hny__found start,
                                  hny__effort effort) {
    hny__beam *const beam = &reader->beam;
    const float chance = reader->rerank.chance;
    size_t before = 0;
    int rc = HNY_OK;
    while (!rc && beam->count > before && beam->count >= effort.near &&
           beam->pool[beam->count - 1].rank <= hny__rerank_reach(&reader->rerank)) {
        widen_effort(reader, &effort);
        const hny__effort_plan plan = hny__uniform_plan(effort);
        before = beam->count;
        if (!beam->max_distances) {
            beam->max_distances = beam->distances + reader->view.table.slots / 2;
        }
        rc = search_nodes(reader, start, &plan, &effort);
        if (rc || hny__beam_gave_up(beam)) {
            reader->measured_count = 0;
            return rc;
        }
        rc = rank_pool(reader, search, chance);
    }
    return rc;
}

/* Searches the graph and measures what it finds. */
static int search_and_measure(hny_reader *reader, const hny_search *search,
                              const hny__effort_plan *plan) {
    const hny__table_record *const table = &reader->view.table;
    const hny__entry entry = {table->entry_slot, table->entry_upper, table->entry_level};
    hny__beam *const beam = &reader->beam;
    hny__effort effort;
    hny__found start;
    int rc = hny__beam_descend(beam, &reader->scorer, &entry, 0, &start);
    set_asking(reader, hny__paging_check(&reader->paging));
    if (!rc) {
        rc = search_nodes(reader, start, plan, &effort);
    }
    if (rc || hny__beam_gave_up(beam)) {
        return rc;
    }
    set_asking(reader, hny__paging_check(&reader->paging));
    rc = rank_pool(reader, search, search->ef ? -INFINITY : reach_by_chance(reader, effort));
    /* An ef says how far a search goes: with 10, widening took 682 distances a query, not 415. */
    if (!rc && search->k && search->ef == 0 && is_pool_blind(reader, effort)) {
        rc = search_near_duplicates(reader, search, start, effort);
    }
    return rc;
}

int hny__graph_search(hny_reader *reader, const hny_search *search, const hny__effort_plan *plan,
                      uint64_t max_distances) {
    hny__beam *const beam = &reader->beam;
    prepare_beam(reader, search, max_distances);
    reader->measured_count = 0;
    int rc = hny__beam_prepare(beam);
    if (rc) {
        return rc;
    }
    set_asking(reader, hny__paging_begin(&reader->paging));
    rc = search_and_measure(reader, search, plan);
    reader->work.distances += beam->distances;
    if (rc == HNY_CORRUPT) {
        hny__env_set_damaged(reader->env);
    }
    if (!rc) {
        drop_far_rows(reader);
    }
    hny__paging_end(&reader->paging);
    if (beam->asks) {
        hny__read_ahead_step(&reader->ahead, &reader->view);
    }
    return rc;
}

int hny__graph_hits(hny_reader *reader, hny_search *search) {
    const size_t count = reader->measured_count;
    int rc = HNY_OK;
    search->hits = count ? search->reserve(search->arg, count) : NULL;
    if (count && !search->hits) {
        return HNY_NOMEM;
    }
    for (size_t i = 0; i < CONFIRM_AHEAD && i < count; i++) {
        hny__view_prefetch_confirm(&reader->view, reader->measured[i].slot);
    }
    for (size_t i = 0; i < count && !rc; i++) {
        if (i + CONFIRM_AHEAD < count) {
            hny__view_prefetch_confirm(&reader->view, reader->measured[i + CONFIRM_AHEAD].slot);
        }
        rc = hny__reader_confirm(reader, reader->measured[i].slot);
        search->hits[i] = reader->measured[i].hit;
    }
    search->count = count;
    hny__hits_sort(search->hits, count);
    return rc;
}
