#include "graph/select_neighbors.h"

#include <assert.h>

#include "base/sort.h"
#include "graph/beam_search.h"
#include "sidecar/format.h"

static int before(const hny__candidate *a, const hny__candidate *b) {
    if (a->rank != b->rank) return a->rank < b->rank;
    return HNY__NODE(a->link) < HNY__NODE(b->link);
}

/* Lists are short and nearly sorted as a rule; the long ones come from consolidation. */
HNY__DEFINE_SORT(sort_candidates, hny__candidate, before)

void hny__candidates_sort(hny__candidate *candidates, size_t count) {
    sort_candidates(candidates, count);
}

static size_t count_tree(const hny__candidate *candidates, size_t count) {
    size_t trees = 0;
    for (size_t i = 0; i < count; i++) trees += (candidates[i].link & HNY__TREE) != 0;
    return trees;
}

static int diverse(const hny__row_format *code, const hny__candidate *kept, size_t count,
                   const hny__candidate *candidate) {
    for (size_t i = 0; i < count; i++) {
        if (hny__row_rank(code, kept[i].row, candidate->row) < candidate->rank) return 0;
    }
    return 1;
}

size_t hny__select_neighbors(const hny__row_format *code, const hny__candidate *candidates,
                             size_t count, size_t max, int fill, hny__candidate *out) {
    const hny__candidate *dropped[HNY__MAX_LINKS];
    size_t trees = count_tree(candidates, count);
    assert(trees <= max && max <= HNY__MAX_LINKS);
    size_t kept = 0, left = 0, room = max - trees;
    for (size_t i = 0; i < count && (trees > 0 || room > 0); i++) {
        const hny__candidate *const candidate = &candidates[i];
        if (candidate->link & HNY__TREE) {
            out[kept++] = *candidate;
            trees--;
        } else if (room == 0) {
            continue;
        } else if (diverse(code, out, kept, candidate)) {
            out[kept++] = *candidate;
            room--;
        } else if (left < max) {
            dropped[left++] = candidate;
        }
    }
    for (size_t i = 0; fill && i < left && room > 0; i++, room--) out[kept++] = *dropped[i];
    return kept;
}
