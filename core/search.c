/*
** From a query to hits: the graph search and the scan.  Both rank by the codes' float32, and measure
** the best on the fine codes, with a bound on the error (coding.h).
*/
#include <stdlib.h>

#include "calibrate.h"
#include "reader.h"

int hny_hit_compare(const void *a, const void *b) {
    const hny_hit *const x = a, *const y = b;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return (x->rowid > y->rowid) - (x->rowid < y->rowid);
}

int hny_hit_compare_least(const void *a, const void *b) {
    const hny_hit *const x = a, *const y = b;
    const double left = hny_hit_least(x), right = hny_hit_least(y);
    if (left != right) return left < right ? -1 : 1;
    return (x->rowid > y->rowid) - (x->rowid < y->rowid);
}

static int nearer(const hny_hit *a, const hny_hit *b) {
    return hny_hit_compare_least(a, b) < 0;
}

/* The best `limit` hits so far: a heap with the worst one on top once it is full. */
typedef struct best {
    hny_hit *hits;
    size_t count, limit;
} best;

static void sift_down(hny_hit *heap, size_t count, size_t at) {
    const hny_hit moved = heap[at];
    for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && nearer(&heap[child], &heap[child + 1])) child++;
        if (!nearer(&moved, &heap[child])) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

static void best_add(best *b, const hny_hit *hit) {
    if (b->count < b->limit) {
        b->hits[b->count++] = *hit;
        if (b->count == b->limit) {
            for (size_t i = b->count / 2; i-- > 0;) sift_down(b->hits, b->count, i);
        }
    } else if (nearer(hit, &b->hits[0])) {
        b->hits[0] = *hit;
        sift_down(b->hits, b->count, 0);
    }
}

/* Nearly sorted as a rule, and few. */
static void hits_sort(hny_hit *hits, size_t count) {
    if (count > 64) {
        qsort(hits, count, sizeof *hits, hny_hit_compare);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        const hny_hit moved = hits[i];
        size_t at = i;
        for (; at > 0 && hny_hit_compare(&moved, &hits[at - 1]) < 0; at--) hits[at] = hits[at - 1];
        hits[at] = moved;
    }
}

static int make_hit(hny_reader *reader, uint32_t slot, hny_hit *out) {
    hny__view *const view = &reader->view;
    const uint8_t *const code = hny__view_code(view, slot), *const fine =
                                                                hny__view_fine(view, slot);
    if (!code || (view->geometry.coding.fine && !fine)) return view->status;
    out->distance = hny__measure(&reader->encoder, reader->query, code, fine, &out->error);
    out->rowid = hny__view_rowid(view, slot);
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

static int prepare_walk(hny_reader *reader, hny_interrupt interrupt) {
    const hny__table_record *const table = &reader->view.table;
    const int hiding = reader->mask || table->dead > 0;
    reader->walk.view = &reader->view;
    reader->walk.interrupt = interrupt;
    reader->walk.source = (hny__source){reader, source_links, source_ahead, source_upper,
                                        hiding ? source_hidden : NULL};
    return hny__walk_prepare(&reader->walk,
                             table->slots > table->uppers ? table->slots : table->uppers);
}

/* Fine codes are far apart: a few are asked for ahead. */
#define AHEAD 4

static void prefetch_fine(hny_reader *reader, uint32_t slot) {
    const uint8_t *const fine = hny__view_fine(&reader->view, slot);
    if (fine) hny__fetch_all(fine, reader->view.geometry.coding.fine);
}

/*
** The first `limit` of the pool, measured and in order.  Ranks are of float32, so what lies behind the
** limit-th by no more than a rounding may be nearer, or as near with a lower rowid.
*/
static int collect(hny_reader *reader, size_t limit, hny_hit *hits, size_t *count) {
    const hny__code *const code = &reader->view.geometry.coding.code;
    const hny__walk *const walk = &reader->walk;
    best b = {hits, 0, limit};
    size_t at = 0, ahead = 0, measured = 0;
    float last = 0;
    hny__found next, later;
    for (int i = 0; i < AHEAD && hny__walk_next(walk, &ahead, &next); i++) {
        prefetch_fine(reader, next.node);
    }
    for (; hny__walk_next(walk, &at, &next); measured++) {
        hny_hit hit;
        if (measured >= limit && next.rank > last) break;
        if (measured < limit) last = next.rank + 2 * hny__code_slack(code, next.rank);
        if (hny__walk_next(walk, &ahead, &later)) prefetch_fine(reader, later.node);
        const int rc = make_hit(reader, next.node, &hit);
        if (rc) return rc;
        best_add(&b, &hit);
    }
    hits_sort(hits, b.count);
    *count = b.count;
    return HNY_OK;
}

size_t hny_reader_ask(const hny_reader *reader, const hny_search *search) {
    return hny__coding_rerank(&reader->view.geometry.coding, search->k, search->ef);
}

static hny__effort effort_of(const hny__table_record *table, const hny_search *search) {
    if (search->k) return hny__effort_for(table, search->k, search->ef, search->recall);
    return (hny__effort){search->ef ? search->ef : 1, 0};
}

int hny_reader_search(hny_reader *reader, const void *vector, const hny_search *search,
                      size_t limit, hny_interrupt interrupt, hny_hit *hits, size_t *count) {
    const hny__table_record *const table = &reader->view.table;
    const hny__entry entry = {table->entry_slot, table->entry_upper, table->entry_level};
    const hny__effort effort = effort_of(table, search);
    hny__found start;
    *count = 0;
    if (table->live == 0 || limit == 0) return HNY_OK;
    int rc = hny__reader_ready(reader);
    if (!rc) rc = prepare_walk(reader, interrupt);
    if (rc) return rc;
    hny__encode(&reader->encoder, vector, reader->query, NULL);
    rc = hny__walk_descend(&reader->walk, reader->query, &entry, 0, &start);
    if (!rc) rc = hny__walk_beam(&reader->walk, HNY__LINKS, reader->query, start, effort);
    if (!rc && table->flat) rc = hny__walk_flat(&reader->walk, reader->query, effort);
    if (rc == HNY_CORRUPT) atomic_store(&reader->env->damaged, 1);
    return rc ? rc : collect(reader, limit, hits, count);
}

/* ---------------------------------------------------------------------------------------- scan -- */

#define SCAN_POLL_ROWS 8192

typedef struct scan {
    hny_reader *reader;
    const hny_hit *after;
    best best;
    float low, high; /* of exact codes: the ranks between which a row may matter */
    double most;     /* of others: what a row's distance must be able to fall below */
} scan;

/* May the code's row matter, judged by its rank alone? */
static int may_matter(const scan *s, const uint8_t *code, float rank) {
    const hny__coding *const coding = &s->reader->view.geometry.coding;
    if (coding->exact) return rank >= s->low && rank <= s->high;
    return s->best.count < s->best.limit ||
           hny__at_least(coding, s->reader->query, code, rank) <= s->most;
}

static void start_at(scan *s) {
    const hny__code *const code = &s->reader->view.geometry.coding.code;
    if (!s->after || !s->reader->view.geometry.coding.exact) return;
    const float rank = hny__code_rank_of(code, s->after->distance);
    s->low = rank - hny__code_slack(code, rank);
}

static void narrow(scan *s) {
    const hny__coding *const coding = &s->reader->view.geometry.coding;
    if (s->best.count < s->best.limit) return;
    s->most = hny_hit_least(&s->best.hits[0]);
    if (!coding->exact) return;
    const float rank = hny__code_rank_of(&coding->code, s->most);
    s->high = rank + hny__code_slack(&coding->code, rank);
}

static int scan_block(scan *s, uint32_t number) {
    hny__view *const view = &s->reader->view;
    const hny__code *const code = &view->geometry.coding.code;
    const hny__layout *const layout = &view->geometry.layout[HNY__CODES];
    const uint8_t *const block = hny__view_block(view, HNY__CODES, number);
    if (!block) return view->status;
    const uint32_t first = number * layout->per_block;
    const uint32_t left = view->table.slots - first;
    const uint32_t rows = left < layout->per_block ? left : layout->per_block;
    for (uint32_t i = 0; i < rows; i++) {
        const uint8_t *const at = hny__row_at(layout, block, i);
        const float rank = hny__code_rank(code, s->reader->query, at);
        if (!may_matter(s, at, rank) || hny__reader_hidden(s->reader, first + i)) continue;
        hny_hit hit;
        const int rc = make_hit(s->reader, first + i, &hit);
        if (rc) return rc;
        if (s->after && !nearer(s->after, &hit)) continue;
        best_add(&s->best, &hit);
        narrow(s);
    }
    return view->status;
}

int hny_reader_scan(hny_reader *reader, const void *vector, const hny_hit *after, size_t limit,
                    hny_interrupt interrupt, hny_hit *hits, size_t *count) {
    hny__view *const view = &reader->view;
    scan s = {reader, after, {hits, 0, limit}, -__FLT_MAX__, __FLT_MAX__, 0};
    uint32_t since = 0;
    *count = 0;
    if (view->table.live == 0 || limit == 0) return HNY_OK;
    const int ready = hny__reader_ready(reader);
    if (ready) return ready;
    hny__encode(&reader->encoder, vector, reader->query, NULL);
    start_at(&s);
    for (uint32_t number = 0; number < view->blocks[HNY__CODES].count; number++) {
        const int rc = scan_block(&s, number);
        if (rc) return rc;
        since += view->geometry.layout[HNY__CODES].per_block;
        if (since < SCAN_POLL_ROWS) continue;
        since = 0;
        if (interrupt.check && interrupt.check(interrupt.arg)) return HNY_INTERRUPT;
    }
    qsort(hits, s.best.count, sizeof *hits, hny_hit_compare_least);
    *count = s.best.count;
    return HNY_OK;
}
