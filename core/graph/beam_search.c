#include "graph/beam_search.h"

#include <math.h>
#include <stdlib.h>

#include "base/interrupt.h"
#include "simd/prefetch_line.h"

#define CHECKED    (1u << 31) /* its links were followed */
#define HIDDEN     (1u << 30)
#define NODE(word) ((word) & ~(CHECKED | HIDDEN))

#define UNKNOWN (1u << 31) /* while it is being met */

#define POLL_STEPS 256 /* a step follows one node's links: some 256 steps a millisecond */

int hny__beam_prepare(hny__beam *walk) {
    walk->status = HNY_OK;
    return hny__view_make_marks(walk->view);
}

void hny__beam_free(hny__beam *walk) {
    free(walk->pool);
    memset(walk, 0, sizeof *walk);
}

/* Every epoch becomes HNY__VERIFIED: a byte that is not 0 has its highest bit set by these sums. */
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

static void next_epoch(hny__beam *walk) {
    if (walk->view->epoch == UINT8_MAX) forget_epochs(walk->view);
    walk->view->epoch++;
}

/* The marks of a family's nodes. */
static uint8_t *marks_of(const hny__view *view, hny__family family) {
    return view->marks + (family == HNY__UPPER ? view->table.slots : 0);
}

static void see(hny__beam *walk, hny__family family, uint32_t node) {
    marks_of(walk->view, family)[node] = walk->view->epoch;
}

/* -------------------------------------------------------------------------------------- pool -- */

static int pool_reserve(hny__beam *walk, size_t count) {
    if (count <= walk->room) return HNY_OK;
    const size_t room = count + count / 2;
    hny__found *const pool = realloc(walk->pool, room * sizeof *pool);
    if (!pool) return HNY_NOMEM;
    walk->pool = pool;
    walk->room = room;
    return HNY_OK;
}

/* Where a rank belongs among the first `count`: behind its equals. */
static size_t pool_position(const hny__beam *walk, size_t count, float rank) {
    const hny__found *at = walk->pool;
    for (size_t left = count; left > 0;) { /* halves are chosen without a branch */
        const size_t half = (left + 1) / 2;
        at += at[half - 1].rank <= rank ? half : 0;
        left -= half;
    }
    return (size_t)(at - walk->pool);
}

static int is_hidden(const hny__beam *walk, size_t at) {
    return (walk->pool[at].node & HIDDEN) != 0;
}

/*
** Keeps the place of the ef-th visible node after one was added at `at`.  Counting them anew each time
** took longer than the distances where a filter hides nine of ten.
*/
static void move_edge(hny__beam *walk, size_t at, int hidden, uint32_t ef) {
    if (walk->visible == ef && !hidden) { /* the last one that was lacking */
        walk->edge = walk->count - 1;
        while (is_hidden(walk, walk->edge)) walk->edge--;
    } else if (walk->visible >= ef && at <= walk->edge) {
        walk->edge++;
        if (hidden) return;
        do walk->edge--;
        while (is_hidden(walk, walk->edge));
    }
}

/* Nodes that an adaptive walk keeps, at most. */
static size_t most_kept(hny__effort effort) {
    return effort.ef > HNY__MAX_KEPT ? effort.ef : HNY__MAX_KEPT;
}

/*
** From this rank on a node is too far to be kept; NAN, which no rank is beyond, where none is.  Ranks of
** vectors whose squares overflow are infinite, or no numbers, and such nodes are measured all the same.
*/
static float horizon(const hny__beam *walk, hny__effort effort) {
    if (walk->visible < effort.ef) return NAN;
    const float last = walk->pool[walk->count - 1].rank;
    if (effort.stretch == 0) return last;
    const float stretched = walk->pool[walk->edge].rank * effort.stretch;
    return walk->visible >= most_kept(effort) && last < stretched ? last : stretched;
}

static void pool_drop(hny__beam *walk) {
    if (!(walk->pool[--walk->count].node & HIDDEN)) walk->visible--;
}

/* Cuts the pool behind what the effort keeps. */
static void pool_trim(hny__beam *walk, hny__effort effort) {
    if (effort.stretch > 0) {
        const float end = horizon(walk, effort);
        const size_t most = most_kept(effort);
        while (walk->visible > most || walk->pool[walk->count - 1].rank > end) pool_drop(walk);
        return;
    }
    if (walk->visible <= effort.ef) return;
    while (walk->visible > effort.ef || (walk->pool[walk->count - 1].node & HIDDEN)) {
        pool_drop(walk);
    }
}

/* Returns the position taken, or SIZE_MAX for want of memory. */
static size_t pool_add(hny__beam *walk, float rank, uint32_t node, int hidden, hny__effort effort) {
    if (walk->count == walk->room && pool_reserve(walk, walk->count + 1)) {
        walk->status = HNY_NOMEM;
        return SIZE_MAX;
    }
    const size_t at = pool_position(walk, walk->count, rank);
    memmove(&walk->pool[at + 1], &walk->pool[at], (walk->count - at) * sizeof *walk->pool);
    walk->pool[at] = (hny__found){rank, node | (hidden ? HIDDEN : 0)};
    walk->count++;
    if (!hidden) walk->visible++;
    move_edge(walk, at, hidden, effort.ef);
    pool_trim(walk, effort);
    return at;
}

/*
** Adds some, in order, none of which is hidden and nor is any in the pool: each of those moves once, to
** its last place.  One by one they took a quarter of a build's time where most of what is met is kept.
** Returns as above.
*/
static size_t pool_add_all(hny__beam *walk, const hny__found *fresh, size_t count,
                           hny__effort effort) {
    if (walk->count + count > walk->room && pool_reserve(walk, walk->count + count)) {
        walk->status = HNY_NOMEM;
        return SIZE_MAX;
    }
    size_t at = walk->count;
    walk->count = walk->visible = walk->count + count;
    for (size_t left = count; left > 0; left--) {
        const size_t end = at;
        at = pool_position(walk, end, fresh[left - 1].rank);
        memmove(&walk->pool[at + left], &walk->pool[at], (end - at) * sizeof *walk->pool);
        walk->pool[at + left - 1] = fresh[left - 1];
    }
    if (walk->visible >= effort.ef) walk->edge = effort.ef - 1;
    pool_trim(walk, effort);
    return at;
}

int hny__beam_next(const hny__beam *walk, size_t *at, hny__found *out) {
    while (*at < walk->count) {
        const hny__found found = walk->pool[(*at)++];
        if (found.node & HIDDEN) continue;
        *out = (hny__found){found.rank, NODE(found.node)};
        return 1;
    }
    return 0;
}

hny__found hny__beam_any(const hny__beam *walk, size_t at) {
    return (hny__found){walk->pool[at].rank, NODE(walk->pool[at].node)};
}

/* -------------------------------------------------------------------------------------- beam -- */

/*
** Nodes whose links are followed at once: what one waits for in memory, the other does not wait for
** again.  That takes 5 % more distances where few candidates are kept, finds as much more with them, and
** of 340,000 GloVe vectors 10 % less time; three at once take more than they give.
*/
#define TOGETHER 2

typedef struct beam {
    hny__family family;
    const hny__scorer *query;
    hny__effort effort;
} beam;

/* Nodes that a walk met for the first time, and their ranks. */
typedef struct meeting {
    size_t count;
    uint32_t nodes[TOGETHER * HNY__MAX_LINKS], slots[TOGETHER * HNY__MAX_LINKS];
    const uint8_t *rows[TOGETHER * HNY__MAX_LINKS];
    float ranks[TOGETHER * HNY__MAX_LINKS];
    uint32_t unknown[TOGETHER * HNY__MAX_LINKS]; /* which no walk of this view met before: */
    size_t unknown_count;
} meeting;

static void meeting_begin(meeting *m) {
    m->count = m->unknown_count = 0;
}

static uint32_t slot_of(hny__beam *walk, hny__family family, uint32_t node) {
    uint32_t owner = 0, down;
    uint8_t level;
    if (family != HNY__UPPER) return node;
    if (walk->source.upper(walk->source.arg, node, &owner, &down, &level) || level == 0) {
        if (!walk->status) walk->status = HNY_CORRUPT;
        return HNY__NONE;
    }
    return owner;
}

/*
** Memory, not arithmetic, is what a step costs: the rows of all neighbours are asked for before the
** first is computed.  Beyond 1 KiB a row the line-fill buffers saturate and the hardware's streamer
** does the rest (PERFORMANCE §2).
*/
static void prefetch_row(const uint8_t *row, uint32_t bytes) {
    hny__prefetch_lines(row, bytes <= 1024 ? bytes : 256);
}

/*
** The neighbours of a node that this walk has not met, those that none of the view's has with UNKNOWN.
** Whether one is new it takes no branch to tell, since nobody could predict that.
*/
static uint32_t meet(hny__beam *walk, hny__family family, uint32_t node, uint32_t *nodes) {
    uint32_t room[HNY__MAX_LINKS], count, fresh = 0;
    const uint32_t *const links = walk->source.links(walk->source.arg, family, node, room, &count);
    const uint32_t rows = hny__view_rows(walk->view, family);
    uint8_t *const marks = marks_of(walk->view, family);
    const uint8_t epoch = walk->view->epoch;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t next = HNY__NODE(links[i]);
        if (next >= rows) {
            walk->status = HNY_CORRUPT;
            return 0;
        }
        const uint8_t mark = marks[next];
        marks[next] = epoch;
        nodes[fresh] = next | (mark == 0 ? UNKNOWN : 0);
        fresh += mark != epoch;
    }
    return fresh;
}

/* The same with their slots and codes, which are on their way into the cache. */
static void gather(hny__beam *walk, const beam *b, uint32_t node, meeting *m) {
    uint32_t *const nodes = m->nodes + m->count;
    const uint32_t count = meet(walk, b->family, node, nodes);
    const hny__layout *const layout = &walk->view->geometry.layout[HNY__CODES];
    const uint32_t bytes = layout->stride, whole = layout->pitch;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t next = nodes[i] & ~UNKNOWN, slot = slot_of(walk, b->family, next);
        const uint8_t *const row =
            slot == HNY__NONE ? NULL : hny__view_vector(walk->view, HNY__CODES, slot);
        if (!row) continue;
        prefetch_row(row, nodes[i] & UNKNOWN ? whole : bytes);
        m->unknown[m->unknown_count] = (uint32_t)m->count;
        m->unknown_count += nodes[i] / UNKNOWN;
        m->nodes[m->count] = next;
        m->slots[m->count] = slot;
        m->rows[m->count++] = row;
    }
}

/* Their ranks, of rows that are what they should be; 0: some are not. */
static int rank_all(hny__beam *walk, const hny__scorer *query, meeting *m) {
    for (size_t i = 0; i < m->unknown_count; i++) {
        const uint32_t at = m->unknown[i];
        if (!hny__view_verify(walk->view, m->slots[at], m->rows[at])) return 0;
    }
    walk->distances += m->count;
    hny__scorer_ranks(query, m->rows, m->count, m->ranks);
    return 1;
}

/* Where nobody is hidden: takes those that matter into the pool, together. */
static size_t take_together(hny__beam *walk, const beam *b, const meeting *m) {
    hny__found fresh[TOGETHER * HNY__MAX_LINKS];
    const float end = horizon(walk, b->effort);
    size_t count = 0;
    for (size_t i = 0; i < m->count; i++) {
        const float rank = m->ranks[i];
        size_t at = count;
        if (rank >= end) continue;
        for (; at > 0 && rank < fresh[at - 1].rank; at--) fresh[at] = fresh[at - 1];
        fresh[at] = (hny__found){rank, m->nodes[i]};
        count++;
    }
    return count ? pool_add_all(walk, fresh, count, b->effort) : SIZE_MAX;
}

/* Computes their ranks and takes those that matter into the pool; the first position that one took. */
static size_t take(hny__beam *walk, const beam *b, meeting *m) {
    size_t first = SIZE_MAX;
    if (!rank_all(walk, b->query, m)) return first;
    if (!walk->source.hidden) return take_together(walk, b, m);
    float end = horizon(walk, b->effort);
    for (size_t i = 0; i < m->count; i++) {
        if (m->ranks[i] >= end) continue;
        const int hidden = walk->source.hidden(walk->source.arg, m->slots[i]);
        const size_t at = pool_add(walk, m->ranks[i], m->nodes[i], hidden, b->effort);
        if (at < first) first = at;
        end = horizon(walk, b->effort);
    }
    return first;
}

/* The next node from `at` on whose links were not followed; walk->count: there is none. */
static size_t next_unchecked(const hny__beam *walk, size_t at) {
    while (at < walk->count && walk->pool[at].node & CHECKED) at++;
    return at;
}

/* Those that are expanded after these unless something nearer turns up. */
static void look_ahead(const hny__beam *walk, const beam *b, size_t at) {
    for (int i = 0; i < TOGETHER; i++, at++) {
        at = next_unchecked(walk, at);
        if (at == walk->count) return;
        walk->source.ahead(walk->source.arg, b->family, NODE(walk->pool[at].node));
    }
}

static int stopped(hny__beam *walk) {
    if (walk->status || walk->view->status) return 1;
    if (++walk->steps % POLL_STEPS == 0 && hny__interrupted(walk->interrupt)) {
        walk->status = HNY_INTERRUPT;
    }
    return walk->status != HNY_OK;
}

static int outcome(const hny__beam *walk) {
    return walk->status ? walk->status : walk->view->status;
}

/* Follows the links of the nearest nodes from `at` on; where to go on. */
static size_t expand(hny__beam *walk, const beam *b, size_t at) {
    meeting m;
    meeting_begin(&m);
    for (int i = 0; i < TOGETHER && at < walk->count; i++) {
        walk->pool[at].node |= CHECKED;
        gather(walk, b, NODE(walk->pool[at].node), &m);
        at = next_unchecked(walk, at + 1);
    }
    look_ahead(walk, b, at);
    const size_t first = take(walk, b, &m);
    return next_unchecked(walk, first < at ? first : at);
}

int hny__beam_search(hny__beam *walk, hny__family family, const hny__scorer *query,
                     hny__found start, hny__effort effort) {
    const beam b = {family, query, effort};
    const uint32_t slot = slot_of(walk, family, start.node);
    if (outcome(walk)) return outcome(walk);
    next_epoch(walk);
    walk->count = walk->visible = 0;
    see(walk, family, start.node);
    pool_add(walk, start.rank, start.node,
             walk->source.hidden && walk->source.hidden(walk->source.arg, slot), effort);
    for (size_t at = 0; at < walk->count && !stopped(walk) && !hny__beam_gave_up(walk);) {
        at = expand(walk, &b, at);
    }
    return outcome(walk);
}

/* Rows of the flat tail that are ranked at once. */
#define SOME 32

static int flat_rows(hny__beam *walk, const beam *b, uint32_t first, uint32_t count) {
    const uint8_t *rows[SOME];
    float ranks[SOME];
    for (uint32_t i = 0; i < count; i++) {
        rows[i] = hny__view_code(walk->view, first + i);
        if (!rows[i]) return outcome(walk);
    }
    hny__scorer_ranks(b->query, rows, count, ranks);
    float end = horizon(walk, b->effort);
    for (uint32_t i = 0; i < count; i++) {
        if (ranks[i] >= end) continue;
        if (walk->source.hidden && walk->source.hidden(walk->source.arg, first + i)) continue;
        pool_add(walk, ranks[i], first + i, 0, b->effort);
        end = horizon(walk, b->effort);
    }
    return outcome(walk);
}

int hny__beam_scan_unlinked(hny__beam *walk, const hny__scorer *query, hny__effort effort) {
    const beam b = {HNY__LINKS, query, effort};
    const uint32_t slots = walk->view->table.slots;
    int rc = HNY_OK;
    walk->distances += walk->view->table.unlinked;
    for (uint32_t slot = hny__linked(&walk->view->table); slot < slots && !rc; slot += SOME) {
        rc = flat_rows(walk, &b, slot, slots - slot < SOME ? slots - slot : SOME);
    }
    return rc;
}

/* ----------------------------------------------------------------------------------- descent -- */

/* The best node that is reached by always going to the nearest neighbour. */
static int greedy(hny__beam *walk, const hny__scorer *query, hny__found *best) {
    const beam b = {HNY__UPPER, query, {1, 0}};
    meeting m;
    see(walk, HNY__UPPER, best->node);
    for (int better = 1; better && !stopped(walk);) {
        meeting_begin(&m);
        gather(walk, &b, best->node, &m);
        if (!rank_all(walk, query, &m)) break;
        better = 0;
        for (size_t i = 0; i < m.count; i++) {
            if (m.ranks[i] >= best->rank) continue;
            *best = (hny__found){m.ranks[i], m.nodes[i]};
            better = 1;
        }
    }
    return outcome(walk);
}

int hny__beam_descend(hny__beam *walk, const hny__scorer *query, const hny__entry *entry,
                      uint32_t level, hny__found *out) {
    const uint8_t *const row = hny__view_code(walk->view, entry->slot);
    if (!row) return outcome(walk);
    hny__found best = {hny__scorer_rank(query, row), entry->level ? entry->upper : entry->slot};
    for (uint32_t at = entry->level; at > level; at--) {
        uint32_t owner, down;
        uint8_t said;
        int rc = greedy(walk, query, &best);
        if (!rc) rc = walk->source.upper(walk->source.arg, best.node, &owner, &down, &said);
        if (!rc && said != at) rc = HNY_CORRUPT;
        if (rc) return rc;
        best.node = at == 1 ? owner : down;
    }
    *out = best;
    return HNY_OK;
}
