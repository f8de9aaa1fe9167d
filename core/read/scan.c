/*
** A query's scan of the codes: ranks of all rows, and measuring those that may be among the best.
*/
#include "read/scan.h"

#include <float.h>
#include <stdlib.h>

#include "base/interrupt.h"
#include "read/hits.h"

#define POLL_ROWS  8192
#define BATCH_ROWS 64 /* rows that are ranked at once */

typedef struct code_scan {
    hny_reader *reader;
    const hny_hit *after;
    hny_interrupt interrupt;
    uint32_t unpolled; /* rows since the last poll */
    hny__best_hits best;
    /* Rows outside these limits are not among the best. */
    float min_rank, max_rank; /* of ranks that decide (hny__ranks_decide) */
    double max_bound; /* of other codes, once `best` is full: the lower bound of a distance */
} code_scan;

/* Can the row be among the best, judged by its rank? */
static bool may_be_among_best(const code_scan *s, const uint8_t *code, float rank) {
    if (hny__ranks_decide(&s->reader->view.geometry.quantizer)) {
        return rank >= s->min_rank && rank <= s->max_rank;
    }
    return s->best.count < s->best.limit ||
           hny__distance_lower_bound(&s->reader->scorer, code, rank) <= s->max_bound;
}

static void set_min_rank(code_scan *s) {
    const hny__quantizer *const quantizer = &s->reader->view.geometry.quantizer;
    if (!s->after || !hny__ranks_decide(quantizer)) {
        return;
    }
    const float rank = hny__rank_of_distance(&quantizer->format, s->after->distance);
    s->min_rank = rank - hny__rank_slack(&quantizer->format, rank);
}

/* The worst of the best hits, items[0] of the heap, gives the new limits. */
static void narrow_limits(code_scan *s) {
    const hny__quantizer *const quantizer = &s->reader->view.geometry.quantizer;
    if (s->best.count < s->best.limit) {
        return;
    }
    s->max_bound = hny_hit_lower_bound(&s->best.items[0]);
    if (!hny__ranks_decide(quantizer)) {
        return;
    }
    const float rank = hny__rank_of_distance(&quantizer->format, s->max_bound);
    s->max_rank = rank + hny__rank_slack(&quantizer->format, rank);
}

static int scan_row(code_scan *s, uint32_t slot, const uint8_t *code, float rank) {
    hny_hit hit;
    if (!may_be_among_best(s, code, rank) || hny__reader_hidden(s->reader, slot)) {
        return HNY_OK;
    }
    int rc = hny__reader_measure(s->reader, slot, &hit);
    if (rc || (s->after && hny_hit_compare_lower_bound(&hit, s->after) <= 0) ||
        !hny__best_hits_wants(&s->best, &hit)) {
        return rc;
    }
    rc = hny__reader_confirm(s->reader, slot);
    if (!rc) {
        hny__best_hits_add(&s->best, &hit);
        narrow_limits(s);
    }
    return rc;
}

static int scan_batch(code_scan *s, const uint32_t *slots, const uint8_t *const *codes,
                      uint32_t count) {
    float ranks[BATCH_ROWS];
    int rc = HNY_OK;
    hny__scorer_ranks(&s->reader->scorer, codes, count, ranks);
    for (uint32_t i = 0; i < count && !rc; i++) {
        rc = scan_row(s, slots[i], codes[i], ranks[i]);
    }
    s->reader->work.distances += count;
    return rc;
}

/* Counts scanned rows and polls after every POLL_ROWS. */
static int poll_scan(code_scan *s, uint32_t rows) {
    s->unpolled += rows;
    if (s->unpolled < POLL_ROWS) {
        return HNY_OK;
    }
    s->unpolled = 0;
    return hny__interrupted(s->interrupt) ? HNY_INTERRUPT : HNY_OK;
}

/* ---------------------------------------------------------------------------------- all rows -- */

static int scan_code_block(code_scan *s, uint32_t number) {
    hny__view *const view = &s->reader->view;
    const hny__layout *const layout = &view->geometry.layout[HNY__CODES];
    const uint8_t *const block = hny__view_block(view, HNY__CODES, number);
    if (!block) {
        return view->status;
    }
    const uint32_t first = number * layout->per_block;
    const uint32_t left = view->table.slots - first;
    const uint32_t rows = left < layout->per_block ? left : layout->per_block;
    uint32_t slots[BATCH_ROWS];
    const uint8_t *codes[BATCH_ROWS];
    int rc = HNY_OK;
    for (uint32_t i = 0; i < rows && !rc;) {
        uint32_t count = 0;
        for (; count < BATCH_ROWS && i < rows; count++, i++) {
            slots[count] = first + i;
            codes[count] = hny__view_verified(view, first + i, hny__row_at(layout, block, i));
            if (!codes[count]) {
                return view->status;
            }
        }
        rc = scan_batch(s, slots, codes, count);
    }
    return rc ? rc : view->status;
}

static int scan_all_rows(code_scan *s) {
    const hny__view *const view = &s->reader->view;
    int rc = HNY_OK;
    for (uint32_t number = 0; number < view->blocks[HNY__CODES].count && !rc; number++) {
        rc = scan_code_block(s, number);
        if (!rc) {
            rc = poll_scan(s, view->geometry.layout[HNY__CODES].per_block);
        }
    }
    return rc;
}

/* ----------------------------------------------------------------------------- matching rows -- */

/* The matching rows of 64 slots, whose codes are prefetched; 0 also after a failure of the view. */
static uint32_t gather_matches(code_scan *s, uint32_t word, uint32_t *slots,
                               const uint8_t **codes) {
    hny__view *const view = &s->reader->view;
    const uint32_t bytes = view->geometry.quantizer.format.row_bytes;
    uint32_t count = 0;
    for (uint64_t bits = s->reader->matches->bits[word]; bits; bits &= bits - 1) {
        slots[count] = word * 64 + (uint32_t)__builtin_ctzll(bits);
        codes[count] = hny__view_code(view, slots[count]);
        if (!codes[count]) {
            return 0;
        }
        hny__prefetch_lines(codes[count], bytes <= 1024 ? bytes : 256);
        count++;
    }
    return count;
}

static int scan_matching_rows(code_scan *s) {
    uint32_t slots[BATCH_ROWS];
    const uint8_t *codes[BATCH_ROWS];
    int rc = HNY_OK;
    _Static_assert(BATCH_ROWS >= 64, "a batch has space for the matches of one word");
    for (uint32_t word = 0; word < s->reader->matches->words && !rc; word++) {
        const uint32_t count = gather_matches(s, word, slots, codes);
        rc = scan_batch(s, slots, codes, count);
        if (!rc) {
            rc = s->reader->view.status;
        }
        if (!rc) {
            rc = poll_scan(s, count);
        }
    }
    return rc;
}

int hny__scan_codes(hny_reader *reader, hny_search *search, const hny_hit *after, size_t limit) {
    code_scan s = {.reader = reader,
                   .after = after,
                   .interrupt = search->interrupt,
                   .best = {search->hits, 0, limit},
                   .min_rank = -FLT_MAX,
                   .max_rank = FLT_MAX};
    set_min_rank(&s);
    const int rc = reader->matches ? scan_matching_rows(&s) : scan_all_rows(&s);
    if (rc) {
        return rc;
    }
    qsort(search->hits, s.best.count, sizeof *search->hits, hny_hit_compare_lower_bound);
    search->count = s.best.count;
    return HNY_OK;
}
