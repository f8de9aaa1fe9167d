/* Filters: terms on attributes and sets of rowids, and the test of one row. */
#include "read/filter.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/memory.h"
#include "base/sort.h"

int hny_filter_new(hny_filter **out) {
    *out = calloc(1, sizeof **out);
    return *out ? HNY_OK : HNY_NOMEM;
}

static void rowids_free(hny__rowids *set) {
    for (size_t i = 0; i < set->count; i++) {
        if (set->parts[i].low) {
            roaring_bitmap_free(set->parts[i].low);
        }
    }
    free(set->parts);
}

void hny_filter_free(hny_filter *filter) {
    if (!filter) {
        return;
    }
    for (size_t i = 0; i < filter->terms_count; i++) {
        free(filter->terms[i].operands);
    }
    for (size_t i = 0; i < filter->sets_count; i++) {
        rowids_free(&filter->sets[i]);
    }
    free(filter->terms);
    free(filter->sets);
    free(filter);
}

/* Adds a term or a set, told apart by `tag`, to the digest. */
static void extend_digest(hny_filter *filter, uint64_t tag, const void *bytes, size_t size) {
    const uint64_t head[3] = {filter->digest[0], filter->digest[1], tag};
    const XXH128_hash_t before = XXH3_128bits(head, sizeof head);
    const XXH128_hash_t after = XXH3_128bits_withSeed(size ? bytes : "", size, before.low64);
    filter->digest[0] = after.low64 ^ before.high64;
    filter->digest[1] = after.high64;
}

/* -------------------------------------------------------------------------------- attributes -- */

/* Equal numbers are equal attributes, so a search for equal bits is a search for equal values. */
static int compare_bits(const void *a, const void *b) {
    const hny_attribute *const x = a, *const y = b;
    if (x->word != y->word) {
        return x->word < y->word ? -1 : 1;
    }
    return (x->detail > y->detail) - (x->detail < y->detail);
}

int hny_filter_where(hny_filter *filter, uint32_t attribute, hny_op op,
                     const hny_attribute *attributes, size_t count) {
    if (hny__grow((void **)&filter->terms, &filter->terms_capacity, filter->terms_count,
                  sizeof *filter->terms)) {
        return HNY_NOMEM;
    }
    hny_attribute *const operands = malloc((count + 1) * sizeof *operands);
    if (!operands) {
        return HNY_NOMEM;
    }
    if (count) {
        memcpy(operands, attributes, count * sizeof *operands);
    }
    if (op == HNY_IN) {
        qsort(operands, count, sizeof *operands, compare_bits);
    }
    filter->terms[filter->terms_count++] = (hny__term){attribute, op, operands, count};
    extend_digest(filter, (uint64_t)attribute << 8 | op, operands, count * sizeof *operands);
    return HNY_OK;
}

static hny_answer answer_of(bool passes) {
    return passes ? HNY_YES : HNY_NO;
}

/* From how a row's attribute compares with the term's operand. */
static hny_answer test_order(hny_op op, hny__order order) {
    if (op == HNY_EQ) {
        return answer_of(order == HNY__SAME);
    }
    if (op == HNY_NE) {
        return answer_of(order != HNY__SAME);
    }
    if (order == HNY__UNSURE) {
        return HNY_MAYBE;
    }
    if (order == HNY__SAME) {
        return answer_of(op == HNY_LE || op == HNY_GE);
    }
    return answer_of((order == HNY__BEFORE) == (op == HNY_LT || op == HNY_LE));
}

static hny_answer test_term(const hny__term *term, hny_attribute attribute) {
    const bool null = hny__attribute_class_of(attribute) == HNY__NULL;
    if (term->op == HNY_IS_NULL || null) {
        return answer_of(null && term->op == HNY_IS_NULL);
    }
    if (term->op == HNY_NOT_NULL) {
        return HNY_YES;
    }
    if (term->op == HNY_IN) {
        return answer_of(bsearch(&attribute, term->operands, term->count, sizeof attribute,
                                 compare_bits) != NULL);
    }
    if (hny__attribute_class_of(term->operands[0]) == HNY__NULL) {
        return HNY_NO;
    }
    return test_order(term->op, hny__attribute_compare(attribute, term->operands[0]));
}

hny_answer hny__filter_test_attributes(const hny_filter *filter, const hny_attribute *attributes) {
    hny_answer all = HNY_YES;
    for (size_t i = 0; i < filter->terms_count; i++) {
        const hny__term *const term = &filter->terms[i];
        const hny_answer answer = test_term(term, attributes[term->attribute]);
        if (answer == HNY_NO) {
            return HNY_NO;
        }
        if (answer < all) {
            all = answer;
        }
    }
    return all;
}

bool hny_filter_unsure(const hny_filter *filter) {
    for (size_t i = 0; i < filter->terms_count; i++) {
        const hny__term *const term = &filter->terms[i];
        if (term->op < HNY_LT || term->op > HNY_GE) {
            continue;
        }
        if (hny__attribute_class_of(term->operands[0]) >= HNY__TEXT) {
            return true;
        }
    }
    return false;
}

/* ------------------------------------------------------------------------------------ rowids -- */

static int32_t high_word(int64_t rowid) {
    return (int32_t)((uint64_t)rowid >> 32);
}

static const struct hny__rowids_part *find_part(const hny__rowids *set, int32_t high) {
    size_t first = 0, end = set->count;
    while (first < end) {
        const size_t middle = (first + end) / 2;
        if (set->parts[middle].high == high) {
            return &set->parts[middle];
        }
        if (set->parts[middle].high < high) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    return NULL;
}

/* Adds ascending rowids of one high word. */
static int add_part(hny__rowids *set, const int64_t *rowids, size_t count) {
    if (hny__grow((void **)&set->parts, &set->capacity, set->count, sizeof *set->parts)) {
        return HNY_NOMEM;
    }
    roaring_bitmap_t *const low = roaring_bitmap_create();
    set->parts[set->count++] = (struct hny__rowids_part){high_word(rowids[0]), low};
    if (!low) {
        return HNY_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        roaring_bitmap_add(low, (uint32_t)rowids[i]);
    }
    set->size += roaring_bitmap_get_cardinality(low);
    return HNY_OK;
}

static int add_sorted_rowids(hny__rowids *set, const int64_t *rowids, size_t count) {
    for (size_t first = 0, end = 0; first < count; first = end) {
        while (end < count && high_word(rowids[end]) == high_word(rowids[first])) {
            end++;
        }
        const int rc = add_part(set, rowids + first, end - first);
        if (rc) {
            return rc;
        }
    }
    return HNY_OK;
}

/* SQLite passes the values of a set in order, as a rule. */
static bool rowids_are_sorted(const int64_t *rowids, size_t count) {
    for (size_t i = 1; i < count; i++) {
        if (rowids[i] < rowids[i - 1]) {
            return false;
        }
    }
    return true;
}

int hny_filter_rowids(hny_filter *filter, const int64_t *rowids, size_t count) {
    int64_t *sorted = NULL;
    if (hny__grow((void **)&filter->sets, &filter->sets_capacity, filter->sets_count,
                  sizeof *filter->sets)) {
        return HNY_NOMEM;
    }
    if (!rowids_are_sorted(rowids, count)) {
        sorted = malloc(count * sizeof *sorted);
        if (!sorted) {
            return HNY_NOMEM;
        }
        memcpy(sorted, rowids, count * sizeof *sorted);
        qsort(sorted, count, sizeof *sorted, hny__compare_int64);
        rowids = sorted;
    }
    hny__rowids *const set = &filter->sets[filter->sets_count++];
    *set = (hny__rowids){0};
    const int rc = add_sorted_rowids(set, rowids, count);
    extend_digest(filter, 1u << 31, rowids, count * sizeof *rowids);
    free(sorted);
    return rc;
}

bool hny__filter_passes_rowid(const hny_filter *filter, int64_t rowid) {
    for (size_t i = 0; i < filter->sets_count; i++) {
        const struct hny__rowids_part *const part = find_part(&filter->sets[i], high_word(rowid));
        if (!part || !roaring_bitmap_contains(part->low, (uint32_t)rowid)) {
            return false;
        }
    }
    return true;
}

int hny__rowids_each(const hny__rowids *set, int (*visit)(void *arg, int64_t rowid), void *arg) {
    int rc = 0;
    for (size_t i = 0; i < set->count && !rc; i++) {
        const uint64_t high = (uint64_t)(uint32_t)set->parts[i].high << 32;
        roaring_uint32_iterator_t low;
        roaring_init_iterator(set->parts[i].low, &low);
        for (; low.has_value && !rc; roaring_advance_uint32_iterator(&low)) {
            rc = visit(arg, (int64_t)(high | low.current_value));
        }
    }
    return rc;
}

const hny__rowids *hny__filter_smallest_set(const hny_filter *filter) {
    const hny__rowids *smallest = NULL;
    for (size_t i = 0; i < filter->sets_count; i++) {
        if (!smallest || filter->sets[i].size < smallest->size) {
            smallest = &filter->sets[i];
        }
    }
    return smallest;
}

bool hny_filter_has_terms(const hny_filter *filter) {
    return filter->terms_count > 0;
}

hny_answer hny_filter_test(const hny_filter *filter, int64_t rowid,
                           const hny_attribute *attributes) {
    if (!hny__filter_passes_rowid(filter, rowid)) {
        return HNY_NO;
    }
    return hny__filter_test_attributes(filter, attributes);
}
