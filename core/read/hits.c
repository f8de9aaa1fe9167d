/* Orders of hits, and a bounded heap of the best of them. */
#include "read/hits.h"

#include "base/heap.h"
#include "base/sort.h"

static int compare_rowids(const hny_hit *a, const hny_hit *b) {
    return hny__compare_int64(&a->rowid, &b->rowid);
}

int hny_hit_compare(const void *a, const void *b) {
    const hny_hit *const x = a, *const y = b;
    if (x->distance != y->distance) {
        return x->distance < y->distance ? -1 : 1;
    }
    return compare_rowids(x, y);
}

int hny_hit_compare_lower_bound(const void *a, const void *b) {
    const hny_hit *const x = a, *const y = b;
    const double left = hny_hit_lower_bound(x), right = hny_hit_lower_bound(y);
    if (left != right) {
        return left < right ? -1 : 1;
    }
    return compare_rowids(x, y);
}

static bool hit_is_worse(const hny_hit *a, const hny_hit *b) {
    return hny_hit_compare_lower_bound(a, b) > 0;
}

HNY__DEFINE_HEAP(worst_hit, hny_hit, hit_is_worse)

bool hny__best_hits_wants(const hny__best_hits *best, const hny_hit *hit) {
    return best->count < best->limit || hit_is_worse(&best->items[0], hit);
}

void hny__best_hits_add(hny__best_hits *best, const hny_hit *hit) {
    if (best->count < best->limit) {
        best->items[best->count++] = *hit;
        if (best->count == best->limit) {
            worst_hit_make(best->items, best->count);
        }
    } else if (hit_is_worse(&best->items[0], hit)) {
        best->items[0] = *hit;
        worst_hit_sift_down(best->items, best->count, 0);
    }
}

static bool hit_precedes(const hny_hit *a, const hny_hit *b) {
    return hny_hit_compare(a, b) < 0;
}

HNY__DEFINE_SORT(sort_hits, hny_hit, hit_precedes)

void hny__hits_sort(hny_hit *hits, size_t count) {
    sort_hits(hits, count);
}
