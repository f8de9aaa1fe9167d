/*
** A piece of a string that does not end in a NUL.
*/
#ifndef HX_SPAN_H
#define HX_SPAN_H

#include <stddef.h>

typedef struct hx_span {
    const char *begin;
    size_t length;
} hx_span;

/* For "%.*s": how many bytes of a span are shown, at most 40 and whole UTF-8 characters. */
static inline int hx_span_shown(hx_span text) {
    enum { MAX_SHOWN = 40 };
    if (text.length <= MAX_SHOWN) {
        return (int)text.length;
    }
    size_t length = MAX_SHOWN;
    while (length > 0 && ((unsigned char)text.begin[length] & 0xc0) == 0x80) {
        length--;
    }
    return (int)length;
}

#endif
