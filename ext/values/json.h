/*
** Interface to json.c: a strict reader of a JSON array of numbers (RFC 8259), into float32.
**
** Nothing but the array, with blanks where the grammar has them: no leading '+', no bare '.', no
** NaN, no trailing comma, no nested array.  Each number is rounded once, from all the digits that
** are written, to the nearest float32, ties to even.  Neither the host's locale nor its rounding
** mode has a say in it: no function of the C library is asked to read a number.
**
** HX_JSON_BARE_POINT takes '.5' and '-.5' beside: sqlite-vec's manual writes its vectors so.
*/
#ifndef HX_JSON_H
#define HX_JSON_H

#include <stddef.h>

typedef enum hx_json_dialect { HX_JSON_STRICT, HX_JSON_BARE_POINT } hx_json_dialect;

/* The first thing that is wrong with a text. */
typedef struct hx_json_fault {
    const char *expected; /* what belongs there, "a number"; NULL: the number overflows float32 */
    size_t position; /* the byte at fault, counted from 1; length + 1: the text ends too soon */
    size_t element;  /* of an overflow: the element, counted from 1 */
    size_t width;    /* of an overflow: the number's bytes, from position on */
} hx_json_fault;

/*
** Reads text[0 .. length).  *count is the number of elements, of which the first `capacity` are
** stored in `out`: a caller learns how long an array is that is too long for it.  0, or -1 with
** *fault filled in; then `out` and *count hold nothing of use.  What is nearer to zero than the
** smallest float32 becomes zero, as everywhere; only what rounds to infinity is refused.
*/
int hx_json_floats(const char *text, size_t length, hx_json_dialect dialect, float *out,
                   size_t capacity, size_t *count, hx_json_fault *fault);

#endif
