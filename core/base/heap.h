/* Binary heaps in arrays. */
#ifndef HNY_HEAP_H
#define HNY_HEAP_H

#include <stddef.h>

/*
** Defines three static functions for heaps of TYPE, with the item on top that is above all others
** by ABOVE(const TYPE *, const TYPE *), a strict order:
**
**   NAME_sift_down(heap, count, place)  restores the heap after heap[place] was replaced by an item
**                                       that is not above the old one
**   NAME_make(heap, count)              makes a heap of an array in any order
**   NAME_push(heap, count, item)        adds an item to a heap of `count`, which has space for it
*/
#define HNY__DEFINE_HEAP(name, type, above)                                                        \
    __attribute__((unused)) static void name##_sift_down(type *heap, size_t count, size_t place) { \
        const type moved = heap[place];                                                            \
        for (size_t child = 2 * place + 1; child < count; child = 2 * place + 1) {                 \
            if (child + 1 < count && above(&heap[child + 1], &heap[child])) {                      \
                child++;                                                                           \
            }                                                                                      \
            if (!above(&heap[child], &moved)) {                                                    \
                break;                                                                             \
            }                                                                                      \
            heap[place] = heap[child];                                                             \
            place = child;                                                                         \
        }                                                                                          \
        heap[place] = moved;                                                                       \
    }                                                                                              \
                                                                                                   \
    __attribute__((unused)) static void name##_make(type *heap, size_t count) {                    \
        for (size_t i = count / 2; i-- > 0;) {                                                     \
            name##_sift_down(heap, count, i);                                                      \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    __attribute__((unused)) static void name##_push(type *heap, size_t count, type item) {         \
        size_t place = count;                                                                      \
        for (; place > 0 && above(&item, &heap[(place - 1) / 2]); place = (place - 1) / 2) {       \
            heap[place] = heap[(place - 1) / 2];                                                   \
        }                                                                                          \
        heap[place] = item;                                                                        \
    }

#endif
