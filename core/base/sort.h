/* Sorting: a comparison and a sort for short arrays. */
#ifndef HNY_SORT_H
#define HNY_SORT_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* For qsort(), of int64_t. */
static inline int hny__compare_int64(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Up to so many items are sorted by insertion. */
#define HNY__INSERTION_MAX 64

/*
** Defines static void NAME(TYPE *items, size_t count), for arrays that are short and nearly sorted
** as a rule: few items are sorted by insertion, more with qsort().  BEFORE(const TYPE *,
** const TYPE *) is the strict order.
*/
#define HNY__DEFINE_SORT(name, type, before)                                                       \
    static int name##_compare(const void *a, const void *b) {                                      \
        const type *const x = a, *const y = b;                                                     \
        return before(x, y) ? -1 : before(y, x);                                                   \
    }                                                                                              \
                                                                                                   \
    static void name(type *items, size_t count) {                                                  \
        if (count > HNY__INSERTION_MAX) {                                                          \
            qsort(items, count, sizeof *items, name##_compare);                                    \
            return;                                                                                \
        }                                                                                          \
        for (size_t i = 1; i < count; i++) {                                                       \
            const type moved = items[i];                                                           \
            size_t place = i;                                                                      \
            for (; place > 0 && before(&moved, &items[place - 1]); place--) {                      \
                items[place] = items[place - 1];                                                   \
            }                                                                                      \
            items[place] = moved;                                                                  \
        }                                                                                          \
    }

#endif
