/* HNSW's search of one level and the descent to it; the contract is in beam_search.h. */
#include "graph/beam_search.h"

#include <math.h>
#include <stdlib.h>

#include "base/heap.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "graph/look_ahead.h"
#include "simd/prefetch_line.h"

/* Flag of a pooled node: its links were followed. */
#define EXPANDED   (1u << 31)
#define NODE(word) ((word) & ~EXPANDED)

/* Flag of a collected neighbour: no search of this view has visited it, so it is not verified. */
#define UNVERIFIED (1u << 31)

#define POLL_STEPS 256 /* a step expands BEAM_WIDTH nodes: some 256 steps a millisecond */

int hny__beam_prepare(hny__beam *beam) {
    beam->status = HNY_OK;
    return hny__view_make_marks(beam->view);
}

void hny__beam_free(hny__beam *beam) {
    free(beam->pool);
    free(beam->hidden);
    free(beam->rest);
    memset(beam, 0, sizeof *beam);
}

/* ----------------------------------------------------------------------------------- visited -- */

/* Every epoch becomes HNY__VERIFIED: these sums set the highest bit of each byte that is not 0. */
static void forget_epochs(hny__view *view) {
    const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f);
    for (size_t i = 0; i < view->marks_capacity; i += 8) {
        uint64_t word;
        memcpy(&word, view->marks + i, 8);
        word = ((((word & low) + low) | word) & ~low) >> 7;
        memcpy(view->marks + i, &word, 8);
    }
    view->epoch = HNY__VERIFIED;
}

static void begin_epoch(hny__view *view) {
    if (view->epoch == UINT8_MAX) {
        forget_epochs(view);
    }
    view->epoch++;
}

static void mark_visited(hny__view *view, hny__family family, uint32_t node) {
    hny__view_marks(view, family)[node] = view->epoch;
}

/* -------------------------------------------------------------------------------------- pool -- */

static int pool_reserve(hny__beam *beam, size_t count) {
    if (count <= beam->capacity) {
        return HNY_OK;
    }
    const size_t capacity = count + count / 2;
    hny__found *const pool = realloc(beam->pool, capacity * sizeof *pool);
    if (!pool) {
        return HNY_NOMEM;
    }
    beam->pool = pool;
    beam->capacity = capacity;
    return HNY_OK;
}

/* Where a rank belongs among the first `count` nodes: behind its equals. */
static size_t pool_position(const hny__beam *beam, size_t count, float rank) {
    const hny__found *first = beam->pool;
    for (size_t left = count; left > 0;) { /* halves are chosen without a branch */
        const size_t half = (left + 1) / 2;
        first += first[half - 1].rank <= rank ? half : 0;
        left -= half;
    }
    return (size_t)(first - beam->pool);
}

/* The number of nodes that an adaptive beam keeps at most. */
static size_t max_kept(hny__effort effort) {
    return effort.ef > HNY__MAX_KEPT ? effort.ef : HNY__MAX_KEPT;
}

/* A rank, farther by a factor.  Under dot, near ranks are negative. */
static float farther_rank(float rank, float factor) {
    return rank >= 0 ? rank * factor : rank / factor;
}

/*
** Nodes of this rank or a larger one are not kept.  Returns NAN while fewer than ef are pooled:
** `rank >= NAN` is false, so nothing is rejected.  That includes infinite and NaN ranks, of vectors
** whose squares overflow.
*/
static float cutoff_rank(const hny__beam *beam, hny__effort effort) {
    if (beam->count < effort.ef) {
        return NAN;
    }
    const float last = beam->pool[beam->count - 1].rank;
    if (effort.stretch == 0 || beam->count >= max_kept(effort)) {
        return last;
    }
    const float stretched = farther_rank(beam->pool[effort.near - 1].rank, effort.stretch);
    return last > stretched ? last : stretched;
}

/*
** Makes space in `rest` for so many more nodes that are met.  A node is in the pool or in the rest:
** with space for both, there is space for all that the pool drops.
*/
static bool rest_reserve(hny__beam *beam, size_t met) {
    const size_t all = beam->rest_count + beam->count + met;
    if (!beam->keeps_rest || all <= beam->rest_capacity) {
        return true;
    }
    const size_t capacity = all + all / 2 + 512;
    hny__found *const rest = realloc(beam->rest, capacity * sizeof *rest);
    if (!rest) {
        beam->status = HNY_NOMEM;
        return false;
    }
    beam->rest = rest;
    beam->rest_capacity = capacity;
    return true;
}

/* Drops the nodes of the pool from the count-th on. */
static void pool_cut(hny__beam *beam, size_t count) {
    if (beam->keeps_rest) {
        memcpy(beam->rest + beam->rest_count, beam->pool + count,
               (beam->count - count) * sizeof *beam->pool);
        beam->rest_count += beam->count - count;
    }
    beam->count = count;
}

/* Cuts the pool behind what the effort keeps. */
static void pool_trim(hny__beam *beam, hny__effort effort) {
    const size_t max = effort.stretch > 0 ? max_kept(effort) : effort.ef;
    size_t count = beam->count < max ? beam->count : max;
    if (effort.stretch > 0 && count > effort.ef) {
        const float kept = farther_rank(beam->pool[effort.near - 1].rank, effort.stretch);
        while (count > effort.ef && beam->pool[count - 1].rank > kept) {
            count--;
        }
    }
    if (count < beam->count) {
        pool_cut(beam, count);
    }
}

/*
** Merges sorted nodes into the pool, so that each pooled node moves at most once.  One insertion
** at a time took a quarter of a build, where most visited nodes are kept.  Returns the position of
** the first of them, or SIZE_MAX if memory ran out.
*/
static size_t pool_merge(hny__beam *beam, const hny__found *sorted, size_t count,
                         hny__effort effort) {
    if (beam->count + count > beam->capacity && pool_reserve(beam, beam->count + count)) {
        beam->status = HNY_NOMEM;
        return SIZE_MAX;
    }
    size_t position = beam->count;
    beam->count += count;
    for (size_t left = count; left > 0; left--) {
        const size_t end = position;
        position = pool_position(beam, end, sorted[left - 1].rank);
        memmove(&beam->pool[position + left], &beam->pool[position],
                (end - position) * sizeof *beam->pool);
        beam->pool[position + left - 1] = sorted[left - 1];
    }
    pool_trim(beam, effort);
    return position;
}

/* ------------------------------------------------------------------------------ hidden nodes -- */

static bool is_nearer_node(const hny__found *a, const hny__found *b) {
    return a->rank < b->rank;
}

HNY__DEFINE_HEAP(nearest_hidden, hny__found, is_nearer_node)

static void push_hidden(hny__beam *beam, hny__found found) {
    if (hny__grow((void **)&beam->hidden, &beam->hidden_capacity, beam->hidden_count,
                  sizeof *beam->hidden)) {
        beam->status = HNY_NOMEM;
        return;
    }
    beam->hidden_met++;
    nearest_hidden_push(beam->hidden, beam->hidden_count++, found);
    if (beam->nearest_hidden.node == HNY__NONE || found.rank < beam->nearest_hidden.rank) {
        beam->nearest_hidden = found;
    }
}

static uint32_t pop_hidden(hny__beam *beam) {
    const uint32_t node = beam->hidden[0].node;
    beam->hidden[0] = beam->hidden[--beam->hidden_count];
    if (beam->hidden_count) {
        nearest_hidden_sift_down(beam->hidden, beam->hidden_count, 0);
    }
    return node;
}

/* ---------------------------------------------------------------------------------- results -- */

bool hny__beam_next(const hny__beam *beam, size_t *position, hny__found *out) {
    if (*position >= beam->count) {
        return false;
    }
    const hny__found found = beam->pool[(*position)++];
    *out = (hny__found){found.rank, NODE(found.node)};
    return true;
}

bool hny__beam_nearest(const hny__beam *beam, hny__found *out) {
    const hny__found hidden = beam->nearest_hidden;
    size_t first = 0;
    if (!hny__beam_next(beam, &first, out) ||
        (hidden.node != HNY__NONE && hidden.rank < out->rank)) {
        *out = hidden;
    }
    return out->node != HNY__NONE;
}

/* -------------------------------------------------------------------------------- neighbours -- */

/*
** Nodes that are expanded at once, so that their cache misses overlap.  Two take 5 % more distances
** where few candidates are kept and find as much more with them; a query of 340,000 GloVe vectors
** takes 10 % less time.  Three cost more than they gain.
*/
#define BEAM_WIDTH 2

/*
** The same where pages are asked for: a step waits for the disk twice.  Of 818,650 vectors in a
** third of their memory, a query took 20.7 ms with 2, 17.5 with 4, 10.6 with 8 and 13.9 with 12,
** and read as many pages with 2 as by faults, 12 % more with 8.
*/
#define ASKING_WIDTH 8

/* One search of a level. */
typedef struct level_search {
    hny__family family;
    const hny__scorer *scorer;
    hny__effort effort;
} level_search;

/* Neighbours that were unvisited, and their ranks. */
typedef struct batch {
    size_t count;
    uint32_t nodes[BEAM_WIDTH * HNY__MAX_LINKS], slots[BEAM_WIDTH * HNY__MAX_LINKS];
    const uint8_t *rows[BEAM_WIDTH * HNY__MAX_LINKS];
    float ranks[BEAM_WIDTH * HNY__MAX_LINKS];
    uint32_t unverified[BEAM_WIDTH * HNY__MAX_LINKS]; /* indexes of rows never digested yet */
    size_t unverified_count;
} batch;

static void batch_clear(batch *b) {
    b->count = b->unverified_count = 0;
}

/* The slot of a node, or HNY__NONE with the beam's status set. */
static uint32_t slot_of_node(hny__beam *beam, hny__family family, uint32_t node) {
    uint32_t owner = 0, down;
    uint8_t level;
    if (family != HNY__UPPER) {
        return node;
    }
    if (beam->source.upper(beam->source.arg, node, &owner, &down, &level) || level == 0) {
        if (!beam->status) {
            beam->status = HNY_CORRUPT;
        }
        return HNY__NONE;
    }
    return owner;
}

/*
** The codes of all neighbours are prefetched before the first rank is computed.  Beyond 1 KiB a row
** the line-fill buffers saturate, and the hardware's streamer fetches the rest: of rows of 6 KiB,
** 305 ns a row with the first lines prefetched against 510 with all of them and 627 with none.
*/
static void prefetch_code(const uint8_t *row, uint32_t bytes) {
    hny__prefetch_lines(row, bytes <= 1024 ? bytes : 256);
}

/*
** Writes the unvisited neighbours of a node to `nodes` and marks them as visited; those that no
** search of this view has visited carry UNVERIFIED.  Returns their number.  There is no branch on
** whether a neighbour is new, since that is unpredictable.
*/
static uint32_t collect_unvisited(hny__beam *beam, hny__family family, uint32_t node,
                                  uint32_t *nodes) {
    uint32_t buffer[HNY__MAX_LINKS], count, fresh = 0;
    const uint32_t *const links =
        beam->source.links(beam->source.arg, family, node, buffer, &count);
    const uint32_t rows = hny__view_rows(beam->view, family);
    uint8_t *const marks = hny__view_marks(beam->view, family);
    const uint8_t epoch = beam->view->epoch;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t next = HNY__NODE(links[i]);
        if (next >= rows) {
            beam->status = HNY_CORRUPT;
            return 0;
        }
        const uint8_t mark = marks[next];
        marks[next] = epoch;
        nodes[fresh] = next | (mark == 0 ? UNVERIFIED : 0);
        fresh += mark != epoch;
    }
    return fresh;
}

/* Adds the unvisited neighbours of a node to the batch and prefetches their codes. */
static void batch_gather(hny__beam *beam, hny__family family, uint32_t node, batch *b) {
    uint32_t *const nodes = b->nodes + b->count;
    const uint32_t count = collect_unvisited(beam, family, node, nodes);
    const hny__layout *const layout = &beam->view->geometry.layout[HNY__CODES];
    const uint32_t code_bytes = layout->row_bytes, digested_bytes = layout->pitch;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t next = nodes[i] & ~UNVERIFIED, slot = slot_of_node(beam, family, next);
        const uint8_t *const row =
            slot == HNY__NONE ? NULL : hny__view_vector(beam->view, HNY__CODES, slot);
        if (!row) {
            continue;
        }
        prefetch_code(row, nodes[i] & UNVERIFIED ? digested_bytes : code_bytes);
        b->unverified[b->unverified_count] = (uint32_t)b->count;
        b->unverified_count += nodes[i] / UNVERIFIED;
        b->nodes[b->count] = next;
        b->slots[b->count] = slot;
        b->rows[b->count++] = row;
    }
}

/* Computes the ranks of the batch.  Verifies new rows first; false: a digest does not match. */
static bool batch_rank(hny__beam *beam, const hny__scorer *scorer, batch *b) {
    for (size_t i = 0; i < b->unverified_count; i++) {
        const uint32_t index = b->unverified[i];
        if (!hny__view_verify(beam->view, b->slots[index], b->rows[index])) {
            return false;
        }
    }
    beam->distances += b->count;
    hny__scorer_ranks(scorer, b->rows, b->count, b->ranks);
    return true;
}

/*
** Ranks the batch, sorts its near nodes and merges them into the pool, or into the heap of hidden
** ones.  Returns the first position of the pool that changed.
*/
static size_t pool_batch(hny__beam *beam, const level_search *search, batch *b) {
    hny__found sorted[BEAM_WIDTH * HNY__MAX_LINKS];
    size_t count = 0;
    if (!batch_rank(beam, search->scorer, b) || !rest_reserve(beam, b->count)) {
        return SIZE_MAX;
    }
    const float cutoff = cutoff_rank(beam, search->effort);
    for (size_t i = 0; i < b->count; i++) {
        const float rank = b->ranks[i];
        size_t position = count;
        if (rank >= cutoff) {
            if (beam->keeps_rest) {
                beam->rest[beam->rest_count++] = (hny__found){rank, b->nodes[i]};
            }
            continue;
        }
        if (beam->source.hidden && beam->source.hidden(beam->source.arg, b->slots[i])) {
            push_hidden(beam, (hny__found){rank, b->nodes[i]});
            continue;
        }
        for (; position > 0 && rank < sorted[position - 1].rank; position--) {
            sorted[position] = sorted[position - 1];
        }
        sorted[position] = (hny__found){rank, b->nodes[i]};
        count++;
    }
    return count ? pool_merge(beam, sorted, count, search->effort) : SIZE_MAX;
}

/* ------------------------------------------------------------------------------------ search -- */

/* The position of the next node that is not expanded; beam->count: there is none. */
static size_t next_unexpanded(const hny__beam *beam, size_t position) {
    while (position < beam->count && beam->pool[position].node & EXPANDED) {
        position++;
    }
    return position;
}

/* Prefetches the links of the nodes that are expanded next unless nearer ones turn up. */
static void prefetch_next_links(const hny__beam *beam, hny__family family, size_t position) {
    for (int i = 0; i < BEAM_WIDTH; i++, position++) {
        position = next_unexpanded(beam, position);
        if (position == beam->count) {
            return;
        }
        beam->source.prefetch(beam->source.arg, family, NODE(beam->pool[position].node));
    }
}

/* Polls the interrupt every POLL_STEPS calls; true also after a failure. */
static bool must_stop(hny__beam *beam) {
    if (beam->status || beam->view->status) {
        return true;
    }
    if (++beam->steps % POLL_STEPS == 0 && hny__interrupted(beam->interrupt)) {
        beam->status = HNY_INTERRUPT;
    }
    return beam->status != HNY_OK;
}

static int beam_status(const hny__beam *beam) {
    return beam->status ? beam->status : beam->view->status;
}

/*
** Takes the nearest node that is not expanded: of the pool, from *position on, or of the hidden
** ones.  False: there is none that the effort keeps.
*/
static bool take_nearest(hny__beam *beam, hny__effort effort, size_t *position, uint32_t *node) {
    *position = next_unexpanded(beam, *position);
    hny__found *const visible = *position < beam->count ? &beam->pool[*position] : NULL;
    if (beam->hidden_count && !(visible && visible->rank <= beam->hidden[0].rank)) {
        if (!(beam->hidden[0].rank >= cutoff_rank(beam, effort))) {
            *node = pop_hidden(beam);
            return true;
        }
        if (!beam->keeps_rest) {
            beam->hidden_count = 0;
        }
    }
    if (!visible) {
        return false;
    }
    *node = NODE(visible->node);
    visible->node |= EXPANDED;
    return true;
}

/* Expands these nodes.  Returns the first position of the pool that changed. */
static size_t expand_nodes(hny__beam *beam, const level_search *search, const uint32_t *nodes,
                           int count, size_t position) {
    batch b;
    batch_clear(&b);
    for (int i = 0; i < count; i++) {
        batch_gather(beam, search->family, nodes[i], &b);
    }
    prefetch_next_links(beam, search->family, position);
    return pool_batch(beam, search, &b);
}

/* Expands the nearest nodes, and moves *position to where to go on; false: there are none. */
static bool expand_nearest(hny__beam *beam, const level_search *search, size_t *position) {
    uint32_t nodes[ASKING_WIDTH];
    const int width = beam->asks ? ASKING_WIDTH : BEAM_WIDTH;
    int taken = 0;
    while (taken < width && take_nearest(beam, search->effort, position, &nodes[taken])) {
        taken++;
    }
    if (taken == 0) {
        return false;
    }
    if (beam->asks) {
        hny__look_ahead(beam, search->family, nodes, (size_t)taken);
    }
    size_t first = *position;
    for (int i = 0; i < taken; i += BEAM_WIDTH) {
        const int count = taken - i < BEAM_WIDTH ? taken - i : BEAM_WIDTH;
        const size_t changed = expand_nodes(beam, search, nodes + i, count, *position);
        first = changed < first ? changed : first;
    }
    *position = first;
    return true;
}

/* Adds a node that is met outside a batch. */
static void add_node(hny__beam *beam, hny__found found, uint32_t slot, hny__effort effort) {
    if (beam->source.hidden && beam->source.hidden(beam->source.arg, slot)) {
        push_hidden(beam, found);
    } else {
        pool_merge(beam, &found, 1, effort);
    }
}

/* Expands nodes, nearest first, until there is none left that the effort keeps. */
static int expand_all(hny__beam *beam, const level_search *search) {
    size_t position = 0;
    while (!must_stop(beam) && !hny__beam_gave_up(beam)) {
        if (!expand_nearest(beam, search, &position)) {
            break;
        }
    }
    return beam_status(beam);
}

static int search_from(hny__beam *beam, const level_search *search, hny__found start) {
    const uint32_t slot = slot_of_node(beam, search->family, start.node);
    if (beam_status(beam)) {
        return beam_status(beam);
    }
    begin_epoch(beam->view);
    beam->count = beam->hidden_count = beam->hidden_met = beam->rest_count = 0;
    beam->nearest_hidden.node = HNY__NONE;
    mark_visited(beam->view, search->family, start.node);
    add_node(beam, start, slot, search->effort);
    return expand_all(beam, search);
}

int hny__beam_search(hny__beam *beam, hny__family family, const hny__scorer *scorer,
                     hny__found start, hny__effort effort) {
    const level_search search = {family, scorer, effort};
    beam->keeps_rest = false;
    return search_from(beam, &search, start);
}

/* ---------------------------------------------------------------------------------- crowding -- */

/*
** The number of visible nodes met within reach of the near-th nearest.  Of the rest it is not known
** which are hidden: as large a share is assumed as of the others.
*/
static float count_crowd(const hny__beam *beam, hny__effort effort, float reach) {
    if (beam->count < effort.near) {
        return 0;
    }
    const float limit = farther_rank(beam->pool[effort.near - 1].rank, reach);
    const size_t pooled = pool_position(beam, beam->count, limit);
    size_t others = 0;
    for (size_t i = 0; i < beam->rest_count; i++) {
        others += beam->rest[i].rank <= limit;
    }
    const double visible = (double)beam->count / (double)(beam->count + beam->hidden_met);
    return (float)((double)pooled + (double)others * visible);
}

/* Moves the nodes of the rest that a larger effort keeps to the pool, or to the hidden ones. */
static int widen_pool(hny__beam *beam, hny__effort effort) {
    beam->keeps_rest = false; /* a search is widened once */
    for (size_t i = 0; i < beam->rest_count && !beam->status; i++) {
        if (!(beam->rest[i].rank >= cutoff_rank(beam, effort))) {
            add_node(beam, beam->rest[i], NODE(beam->rest[i].node), effort);
        }
    }
    return beam_status(beam);
}

int hny__beam_measure_crowding(hny__beam *beam, const hny__scorer *scorer, hny__found start,
                               hny__effort effort, float reach, float *out) {
    const level_search search = {HNY__LINKS, scorer, effort};
    beam->keeps_rest = true;
    const int rc = search_from(beam, &search, start);
    *out = rc ? 0 : count_crowd(beam, effort, reach);
    return rc;
}

int hny__beam_search_by_plan(hny__beam *beam, const hny__scorer *scorer, hny__found start,
                             const hny__effort_plan *plan, hny__effort *effort) {
    float crowding;
    int crowd = 0;
    *effort = plan->first;
    if (plan->reach == 0) {
        return hny__beam_search(beam, HNY__LINKS, scorer, start, plan->first);
    }
    int rc = hny__beam_measure_crowding(beam, scorer, start, plan->first, plan->reach, &crowding);
    if (rc || hny__beam_gave_up(beam)) {
        return rc;
    }
    while (crowd < HNY__PLAN_CLASSES - 1 && crowding > plan->crowding[crowd]) {
        crowd++;
    }
    *effort = plan->efforts[crowd];
    rc = widen_pool(beam, *effort);
    const level_search search = {HNY__LINKS, scorer, *effort};
    return rc ? rc : expand_all(beam, &search);
}

#define UNLINKED_BATCH 32 /* rows that are ranked at once */

static int pool_unlinked_rows(hny__beam *beam, const level_search *search, uint32_t first,
                              uint32_t count) {
    const uint8_t *rows[UNLINKED_BATCH];
    float ranks[UNLINKED_BATCH];
    for (uint32_t i = 0; i < count; i++) {
        rows[i] = hny__view_code(beam->view, first + i);
        if (!rows[i]) {
            return beam_status(beam);
        }
    }
    hny__scorer_ranks(search->scorer, rows, count, ranks);
    float cutoff = cutoff_rank(beam, search->effort);
    for (uint32_t i = 0; i < count; i++) {
        if (ranks[i] >= cutoff) {
            continue;
        }
        if (beam->source.hidden && beam->source.hidden(beam->source.arg, first + i)) {
            continue;
        }
        const hny__found found = {ranks[i], first + i};
        pool_merge(beam, &found, 1, search->effort);
        cutoff = cutoff_rank(beam, search->effort);
    }
    return beam_status(beam);
}

int hny__beam_scan_unlinked(hny__beam *beam, const hny__scorer *scorer, hny__effort effort) {
    const level_search search = {HNY__LINKS, scorer, effort};
    const uint32_t slots = beam->view->table.slots;
    int rc = HNY_OK;
    for (uint32_t slot = hny__linked(&beam->view->table); slot < slots && !rc && !must_stop(beam);
         slot += UNLINKED_BATCH) {
        const uint32_t left = slots - slot;
        rc = pool_unlinked_rows(beam, &search, slot, left < UNLINKED_BATCH ? left : UNLINKED_BATCH);
    }
    return rc ? rc : beam_status(beam);
}

/* ----------------------------------------------------------------------------------- descent -- */

/* Moves *best to the nearest neighbour until no neighbour is nearer: SEARCH-LAYER with ef = 1. */
static int descend_on_level(hny__beam *beam, const hny__scorer *scorer, hny__found *best) {
    batch b;
    mark_visited(beam->view, HNY__UPPER, best->node);
    for (bool better = true; better && !must_stop(beam);) {
        batch_clear(&b);
        if (beam->asks) {
            hny__look_ahead(beam, HNY__UPPER, &best->node, 1);
        }
        batch_gather(beam, HNY__UPPER, best->node, &b);
        if (!batch_rank(beam, scorer, &b)) {
            break;
        }
        better = false;
        for (size_t i = 0; i < b.count; i++) {
            if (b.ranks[i] >= best->rank) {
                continue;
            }
            *best = (hny__found){b.ranks[i], b.nodes[i]};
            better = true;
        }
    }
    return beam_status(beam);
}

int hny__beam_descend(hny__beam *beam, const hny__scorer *scorer, const hny__entry *entry,
                      uint32_t level, hny__found *out) {
    const uint8_t *const row = hny__view_code(beam->view, entry->slot);
    if (!row) {
        return beam_status(beam);
    }
    hny__found best = {hny__scorer_rank(scorer, row), entry->level ? entry->upper : entry->slot};
    for (uint32_t current = entry->level; current > level; current--) {
        uint32_t owner, down;
        uint8_t stored_level;
        int rc = descend_on_level(beam, scorer, &best);
        if (!rc) {
            rc = beam->source.upper(beam->source.arg, best.node, &owner, &down, &stored_level);
        }
        if (!rc && stored_level != current) {
            rc = HNY_CORRUPT;
        }
        if (rc) {
            return rc;
        }
        best.node = current == 1 ? owner : down;
    }
    *out = best;
    return HNY_OK;
}
