/* HNSW's choice of neighbours by heuristic; the contract is in select_neighbors.h. */
#include "graph/select_neighbors.h"

#include <assert.h>

#include "base/sort.h"
#include "graph/beam_search.h"
#include "sidecar/format.h"

static bool candidate_precedes(const hny__candidate *a, const hny__candidate *b) {
    if (a->rank != b->rank) {
        return a->rank < b->rank;
    }
    return HNY__NODE(a->link) < HNY__NODE(b->link);
}

/* Lists are short and nearly sorted as a rule; the long ones come from consolidation. */
HNY__DEFINE_SORT(sort_candidates, hny__candidate, candidate_precedes)

void hny__candidates_sort(hny__candidate *candidates, size_t count) {
    sort_candidates(candidates, count);
}

static size_t count_tree_candidates(const hny__candidate *candidates, size_t count) {
    size_t trees = 0;
    for (size_t i = 0; i < count; i++) {
        trees += (candidates[i].link & HNY__TREE) != 0;
    }
    return trees;
}

/* Is the node nearer to the candidate than every neighbour that was kept before it? */
static bool is_diverse(const hny__row_format *format, const hny__candidate *kept, size_t count,
                       const hny__candidate *candidate) {
    for (size_t i = 0; i < count; i++) {
        if (hny__row_rank(format, kept[i].row, candidate->row) < candidate->rank) {
            return false;
        }
    }
    return true;
}

size_t hny__select_neighbors(const hny__row_format *format, const hny__candidate *candidates,
                             size_t count, size_t max, bool fill, hny__candidate *out) {
    const hny__candidate *dropped[HNY__MAX_LINKS];
    size_t trees = count_tree_candidates(candidates, count);
    assert(max <= HNY__MAX_LINKS);
    if (trees > max) {
        return HNY__TOO_MANY_TREE_LINKS;
    }
    size_t kept = 0, dropped_count = 0, free_places = max - trees;
    for (size_t i = 0; i < count && (trees > 0 || free_places > 0); i++) {
        const hny__candidate *const candidate = &candidates[i];
        if (candidate->link & HNY__TREE) {
            out[kept++] = *candidate;
            trees--;
        } else if (free_places == 0) {
            continue;
        } else if (is_diverse(format, out, kept, candidate)) {
            out[kept++] = *candidate;
            free_places--;
        } else if (dropped_count < max) {
            dropped[dropped_count++] = candidate;
        }
    }
    for (size_t i = 0; fill && i < dropped_count && free_places > 0; i++, free_places--) {
        out[kept++] = *dropped[i];
    }
    return kept;
}
