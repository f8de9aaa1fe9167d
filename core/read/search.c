/*
** From a query to hits: the graph search and the scan.  Both rank by the codes' float32, and measure
** the best on the fine codes, with a bound on the error (coding.h).
*/
#include <stdbool.h>
#include <stdlib.h>

#include "base/heap.h"
#include "base/interrupt.h"
#include "base/sort.h"
#include "build/calibrate.h"
#include "read/reader.h"

int hny_hit_compare(const void *a, const void *b) {
    const hny_hit *const x = a, *const y = b;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return (x->rowid > y->rowid) - (x->rowid < y->rowid);
}

int hny_hit_compare_lower_bound(const void *a, const void *b) {
    const hny_hit *const x = a, *const y = b;
    const double left = hny_hit_lower_bound(x), right = hny_hit_lower_bound(y);
    if (left != right) return left < right ? -1 : 1;
    return (x->rowid > y->rowid) - (x->rowid < y->rowid);
}

static bool farther(const hny_hit *a, const hny_hit *b) {
    return hny_hit_compare_lower_bound(a, b) > 0;
}

HNY__DEFINE_HEAP(hits, hny_hit, farther)

/* The best `limit` hits so far: a heap with the worst one on top once it is full. */
typedef struct best {
    hny_hit *hits;
    size_t count, limit;
} best;

static void best_add(best *b, const hny_hit *hit) {
    if (b->count < b->limit) {
        b->hits[b->count++] = *hit;
        if (b->count == b->limit) hits_make(b->hits, b->count);
    } else if (farther(&b->hits[0], hit)) {
        b->hits[0] = *hit;
        hits_sift_down(b->hits, b->count, 0);
    }
}

static bool hit_before(const hny_hit *a, const hny_hit *b) {
    return hny_hit_compare(a, b) < 0;
}

HNY__DEFINE_SORT(hits_sort, hny_hit, hit_before)

static int make_hit(hny_reader *reader, uint32_t slot, hny_hit *out) {
    hny__view *const view = &reader->view;
    const uint8_t *const code = hny__view_code(view, slot), *const residual =
                                                                hny__view_residual(view, slot);
    if (!code || (view->geometry.coding.residual && !residual)) return view->status;
    out->distance =
        hny__encoder_distance(&reader->encoder, reader->code, code, residual, &out->error);
    out->rowid = hny__rowid_of(&view->geometry.layout[HNY__CODES], code);
    return view->status;
}

/* ------------------------------------------------------------------------------- graph search -- */

static const uint32_t *source_links(void *arg, hny__family family, uint32_t row, uint32_t *room,
                                    uint32_t *count) {
    (void)room;
    return hny__view_list(&((hny_reader *)arg)->view, family, row, count);
}

static void source_ahead(void *arg, hny__family family, uint32_t row) {
    hny__view_ahead(&((hny_reader *)arg)->view, family, row);
}

static int source_upper(void *arg, uint32_t row, uint32_t *owner, uint32_t *down, uint8_t *level) {
    return hny__view_upper(&((hny_reader *)arg)->view, row, owner, down, level);
}

static int source_hidden(void *arg, uint32_t slot) {
    return hny__reader_hidden(arg, slot);
}

/* Of a search whose filter's matches are known. */
static int source_unmatched(void *arg, uint32_t slot) {
    hny_reader *const reader = arg;
    return !hny__filter_bitmap_has(reader->passing, slot) || hny__reader_hidden(reader, slot);
}

/* Of one that tests each row that it meets. */
static int source_untested(void *arg, uint32_t slot) {
    hny_reader *const reader = arg;
    return !hny__filter_bitmap_slot(reader, reader->filter, slot) ||
           hny__reader_hidden(reader, slot);
}

typedef int (*hiding)(void *arg, uint32_t slot);

static hiding hiding_of(const hny_reader *reader) {
    if (reader->passing) return source_unmatched;
    if (reader->filter) return source_untested;
    return reader->mask || reader->view.table.dead > 0 ? source_hidden : NULL;
}

static int prepare_walk(hny_reader *reader, hny_interrupt interrupt) {
    reader->walk.view = &reader->view;
    reader->walk.interrupt = interrupt;
    reader->walk.distances = reader->walk.most = 0;
    reader->walk.source =
        (hny__source){reader, source_links, source_ahead, source_upper, hiding_of(reader)};
    return hny__beam_prepare(&reader->walk);
}

/* What a hit is made of is far apart: a few are asked for ahead. */
#define AHEAD 4

static void prefetch_hit(hny_reader *reader, uint32_t slot) {
    const uint8_t *const residual = hny__view_residual(&reader->view, slot);
    if (residual) hny__prefetch_lines(residual, reader->view.geometry.coding.residual);
    hny__view_rowid_ahead(&reader->view, slot);
}

/*
** The first `limit` of the pool, measured and in order.  Ranks are of float32, so what lies behind the
** limit-th by no more than a rounding may be nearer, or as near with a lower rowid.
*/
static int collect(hny_reader *reader, size_t limit, hny_hit *hits, size_t *count) {
    const hny__row_format *const code = &reader->view.geometry.coding.code;
    const hny__beam *const walk = &reader->walk;
    best b = {hits, 0, limit};
    size_t at = 0, ahead = 0, measured = 0;
    float last = 0;
    hny__found next, later;
    for (int i = 0; i < AHEAD && hny__beam_next(walk, &ahead, &next); i++) {
        prefetch_hit(reader, next.node);
    }
    for (; hny__beam_next(walk, &at, &next); measured++) {
        hny_hit hit;
        if (measured >= limit && next.rank > last) break;
        if (measured < limit) last = next.rank + 2 * hny__rank_slack(code, next.rank);
        if (hny__beam_next(walk, &ahead, &later)) prefetch_hit(reader, later.node);
        const int rc = make_hit(reader, next.node, &hit);
        if (rc) return rc;
        best_add(&b, &hit);
    }
    hits_sort(hits, b.count);
    *count = b.count;
    return HNY_OK;
}

size_t hny_reader_ask(const hny_reader *reader, const hny_search *search) {
    return hny__quantizer_rerank(&reader->view.geometry.coding, search->k, search->ef);
}

static hny__effort effort_of(const hny__table_record *table, const hny_search *search) {
    if (search->k) return hny__effort_for(table, search->k, search->ef, search->recall);
    return (hny__effort){search->ef ? search->ef : 1, 0};
}

/* The graph search; `most` as in walk.h. */
static int walk(hny_reader *reader, const hny_search *search, uint64_t most,
                hny_interrupt interrupt) {
    const hny__table_record *const table = &reader->view.table;
    const hny__entry entry = {table->entry_slot, table->entry_upper, table->entry_level};
    const hny__effort effort = effort_of(table, search);
    hny__found start;
    int rc = prepare_walk(reader, interrupt);
    if (rc) return rc;
    reader->walk.most = most;
    rc = hny__beam_descend(&reader->walk, &reader->query, &entry, 0, &start);
    if (!rc) rc = hny__beam_search(&reader->walk, HNY__LINKS, &reader->query, start, effort);
    if (!rc && table->unlinked) rc = hny__beam_scan_unlinked(&reader->walk, &reader->query, effort);
    if (rc == HNY_CORRUPT) hny__env_set_damaged(reader->env);
    reader->work.distances += reader->walk.distances;
    return rc;
}

/* Makes what a search needs, and encodes its query. */
static int prepare(hny_reader *reader, const void *vector) {
    const int rc = hny__reader_ready(reader);
    reader->filter = NULL;
    reader->passing = NULL;
    reader->work = (hny_work){HNY_WALK, 0, 0};
    if (rc) return rc;
    hny__encode_query(&reader->encoder, vector, reader->code);
    hny__scorer_of_vector(&reader->query, &reader->encoder, reader->code);
    return HNY_OK;
}

const hny_work *hny_reader_work(const hny_reader *reader) {
    return &reader->work;
}

/* ---------------------------------------------------------------------------------------- scan -- */

#define SCAN_POLL_ROWS 8192
#define SCAN_TOGETHER  64

typedef struct scan {
    hny_reader *reader;
    const hny__filter_bitmap *matches; /* NULL: all rows */
    const hny_hit *after;
    best best;
    float low, high; /* of exact codes: the ranks between which a row may matter */
    double most;     /* of others: what a row's distance must be able to fall below */
} scan;

/* May the code's row matter, judged by its rank alone? */
static int may_matter(const scan *s, const uint8_t *code, float rank) {
    if (s->reader->view.geometry.coding.exact) return rank >= s->low && rank <= s->high;
    return s->best.count < s->best.limit ||
           hny__distance_lower_bound(&s->reader->query, code, rank) <= s->most;
}

static void start_at(scan *s) {
    const hny__row_format *const code = &s->reader->view.geometry.coding.code;
    if (!s->after || !s->reader->view.geometry.coding.exact) return;
    const float rank = hny__rank_of_distance(code, s->after->distance);
    s->low = rank - hny__rank_slack(code, rank);
}

static void narrow(scan *s) {
    const hny__quantizer *const coding = &s->reader->view.geometry.coding;
    if (s->best.count < s->best.limit) return;
    s->most = hny_hit_lower_bound(&s->best.hits[0]);
    if (!coding->exact) return;
    const float rank = hny__rank_of_distance(&coding->code, s->most);
    s->high = rank + hny__rank_slack(&coding->code, rank);
}

/* Takes a row into the best, if it is one of them. */
static int scan_row(scan *s, uint32_t slot, const uint8_t *code, float rank) {
    hny_hit hit;
    if (!may_matter(s, code, rank) || hny__reader_hidden(s->reader, slot)) return HNY_OK;
    const int rc = make_hit(s->reader, slot, &hit);
    if (rc || (s->after && !farther(&hit, s->after))) return rc;
    best_add(&s->best, &hit);
    narrow(s);
    return HNY_OK;
}

/* Of some rows, whose codes lie at `codes`. */
static int scan_rows(scan *s, const uint32_t *slots, const uint8_t *const *codes, uint32_t count) {
    float ranks[SCAN_TOGETHER];
    int rc = HNY_OK;
    hny__scorer_ranks(&s->reader->query, codes, count, ranks);
    for (uint32_t i = 0; i < count && !rc; i++) rc = scan_row(s, slots[i], codes[i], ranks[i]);
    s->reader->work.distances += count;
    return rc;
}

static int poll(hny_interrupt interrupt) {
    return hny__interrupted(interrupt) ? HNY_INTERRUPT : HNY_OK;
}

static int scan_block(scan *s, uint32_t number) {
    hny__view *const view = &s->reader->view;
    const hny__layout *const layout = &view->geometry.layout[HNY__CODES];
    const uint8_t *const block = hny__view_block(view, HNY__CODES, number);
    if (!block) return view->status;
    const uint32_t first = number * layout->per_block;
    const uint32_t left = view->table.slots - first;
    const uint32_t rows = left < layout->per_block ? left : layout->per_block;
    uint32_t slots[SCAN_TOGETHER];
    const uint8_t *codes[SCAN_TOGETHER];
    int rc = HNY_OK;
    for (uint32_t i = 0; i < rows && !rc;) {
        uint32_t some = 0;
        for (; some < SCAN_TOGETHER && i < rows; some++, i++) {
            slots[some] = first + i;
            codes[some] = hny__view_verified(view, first + i, hny__row_at(layout, block, i));
            if (!codes[some]) return view->status;
        }
        rc = scan_rows(s, slots, codes, some);
    }
    return rc ? rc : view->status;
}

static int scan_all(scan *s, hny_interrupt interrupt) {
    const hny__view *const view = &s->reader->view;
    uint32_t since = 0;
    int rc = HNY_OK;
    for (uint32_t number = 0; number < view->blocks[HNY__CODES].count && !rc; number++) {
        rc = scan_block(s, number);
        since += view->geometry.layout[HNY__CODES].per_block;
        if (rc || since < SCAN_POLL_ROWS) continue;
        since = 0;
        rc = poll(interrupt);
    }
    return rc;
}

/* Matches of a stretch of 64 slots, their codes on their way into the cache. */
static uint32_t gather_word(scan *s, uint32_t word, uint32_t *slots, const uint8_t **codes) {
    hny__view *const view = &s->reader->view;
    const uint32_t bytes = view->geometry.coding.code.stride;
    uint32_t count = 0;
    for (uint64_t bits = s->matches->bits[word]; bits; bits &= bits - 1) {
        slots[count] = word * 64 + (uint32_t)__builtin_ctzll(bits);
        codes[count] = hny__view_code(view, slots[count]);
        if (!codes[count]) return 0;
        hny__prefetch_lines(codes[count], bytes <= 1024 ? bytes : 256);
        count++;
    }
    return count;
}

static int scan_matches(scan *s, hny_interrupt interrupt) {
    uint32_t slots[SCAN_TOGETHER], since = 0;
    const uint8_t *codes[SCAN_TOGETHER];
    int rc = HNY_OK;
    for (uint32_t word = 0; word < s->matches->words && !rc; word++) {
        const uint32_t count = gather_word(s, word, slots, codes);
        rc = scan_rows(s, slots, codes, count);
        since += count;
        if (!rc) rc = s->reader->view.status;
        if (rc || since < SCAN_POLL_ROWS) continue;
        since = 0;
        rc = poll(interrupt);
    }
    return rc;
}

/* Of a prepared reader.  The hits come by hny_hit_compare_lower_bound. */
static int scan_for(hny_reader *reader, const hny_hit *after, size_t limit, hny_interrupt interrupt,
                    hny_hit *hits, size_t *count) {
    scan s = {reader, reader->passing, after, {hits, 0, limit}, -__FLT_MAX__, __FLT_MAX__, 0};
    start_at(&s);
    const int rc = s.matches ? scan_matches(&s, interrupt) : scan_all(&s, interrupt);
    if (rc) return rc;
    qsort(hits, s.best.count, sizeof *hits, hny_hit_compare_lower_bound);
    *count = s.best.count;
    return HNY_OK;
}

static int use_matches(hny_reader *reader, const hny_filter *filter, hny_interrupt interrupt) {
    const int rc = hny__filter_bitmap_find(reader, filter, interrupt, &reader->passing);
    if (!rc) reader->work.matches = reader->passing->count;
    return rc;
}

int hny_reader_scan(hny_reader *reader, const void *vector, const hny_filter *filter,
                    const hny_hit *after, size_t limit, hny_interrupt interrupt, hny_hit *hits,
                    size_t *count) {
    *count = 0;
    reader->work = (hny_work){HNY_SCAN, 0, 0};
    if (reader->view.table.live == 0 || limit == 0) return HNY_OK;
    int rc = prepare(reader, vector);
    reader->work.strategy = HNY_SCAN;
    if (!rc && filter) rc = use_matches(reader, filter, interrupt);
    return rc ? rc : scan_for(reader, after, limit, interrupt, hits, count);
}

/* ------------------------------------------------------------------------------------ planning -- */

/*
** A filtered walk goes through everything and keeps what passes: if one row in n does, it computes up to
** n times the distances of an unfiltered one, and each of those costs COST times what one of a scan
** does, whose rows lie in order.  A scan computes one for each match; of 4-bit codes, which bound it less
** sharply, it looks at the fine codes of more.
*/
#define USUAL 500 /* distances of an unfiltered walk, and for each candidate beyond ten some more */
#define EACH  12
#define COST  2.5
#define COST4 1.3

/* Where so many rows pass, walking is better in any case; they need not be counted. */
#define MOST_PASS 0.3

static double usual_distances(const hny_reader *reader, const hny_search *search) {
    const hny__effort effort = effort_of(&reader->view.table, search);
    return USUAL + EACH * (double)(effort.ef > 10 ? effort.ef - 10 : 0);
}

/* Is a walk better where so many rows match? */
static int worth_walking(const hny_reader *reader, const hny_search *search, double matches) {
    const double share = matches / reader->view.table.live;
    const double cost = reader->view.geometry.coding.codes == HNY_CODES_INT4 ? COST4 : COST;
    return matches > 0 && cost * usual_distances(reader, search) / share < matches;
}

/*
** Decides by the matches, or by a sample of them where that is enough; then `passing` stays NULL.  *most
** is when a walk is to give up: after as many distances as the scan that it is instead of computes,
** so that both together cost no more than twice the scan.
*/
static int plan(hny_reader *reader, const hny_search *search, hny_interrupt interrupt, int *walks,
                uint64_t *most) {
    double share = 0;
    int rc = HNY_OK;
    reader->filter = search->filter;
    if (!hny__filter_bitmap_cached(reader, search->filter)) {
        rc = hny__filter_bitmap_estimate(reader, search->filter, &share);
    }
    const double guess = share * reader->view.table.live;
    *walks = share > MOST_PASS && worth_walking(reader, search, guess);
    *most = (uint64_t)guess;
    if (rc || *walks) return rc;
    rc = use_matches(reader, search->filter, interrupt);
    if (rc) return rc;
    *walks = worth_walking(reader, search, reader->passing->count);
    *most = reader->passing->count;
    return HNY_OK;
}

/* Are there as many as were asked for, or as there can be? */
static int is_enough(const hny_reader *reader, size_t count, size_t limit) {
    return count >= limit || (reader->passing && count >= reader->passing->count);
}

/* A calibration knows nothing of filters: a fifth of what may be missed is kept in hand. */
static hny_search with_margin(const hny_search *search) {
    hny_search harder = *search;
    harder.recall += (1 - harder.recall) / 5;
    return harder;
}

static int search_filtered(hny_reader *reader, const hny_search *asked, size_t limit,
                           hny_interrupt interrupt, hny_hit *hits, size_t *count) {
    const hny_search harder = with_margin(asked), *const search = &harder;
    const size_t wanted = search->k && search->k < limit ? (size_t)search->k : limit;
    uint64_t most;
    int walks;
    int rc = plan(reader, search, interrupt, &walks, &most);
    reader->work.strategy = walks ? HNY_WALK : HNY_SCAN;
    if (!rc && walks) rc = walk(reader, search, most, interrupt);
    if (!rc && walks && !hny__beam_gave_up(&reader->walk)) rc = collect(reader, limit, hits, count);
    if (rc || (walks && is_enough(reader, *count, wanted))) return rc;
    if (walks) reader->work.strategy = HNY_WALK_THEN_SCAN;
    if (!reader->passing) rc = use_matches(reader, search->filter, interrupt);
    if (!rc) rc = scan_for(reader, NULL, limit, interrupt, hits, count);
    if (!rc) hits_sort(hits, *count);
    return rc;
}

int hny_reader_search(hny_reader *reader, const void *vector, const hny_search *search,
                      size_t limit, hny_interrupt interrupt, hny_hit *hits, size_t *count) {
    *count = 0;
    reader->work = (hny_work){HNY_SCAN, 0, 0};
    if (reader->view.table.live == 0 || limit == 0) return HNY_OK;
    int rc = prepare(reader, vector);
    if (rc) return rc;
    if (search->filter) return search_filtered(reader, search, limit, interrupt, hits, count);
    rc = walk(reader, search, 0, interrupt);
    return rc ? rc : collect(reader, limit, hits, count);
}
