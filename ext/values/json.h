/*
** Interface to json.c: a strict reader of a JSON array of numbers (RFC 8259), into float32.
**
** The text is one array, with blanks where the grammar allows them: no leading '+', no
** NaN, no trailing comma, no nested array.  Each number is rounded once, from all its digits, to
** the nearest float32, ties to even.  The result does not depend on the locale or the rounding
** mode, since no function of the C library reads a number.
**
** Beyond the grammar it accepts '.5' and '-.5', which sqlite-vec's documentation uses.
*/
#ifndef HX_JSON_H
#define HX_JSON_H

#include <stddef.h>

/* The first error in a text. */
typedef struct hx_json_fault {
    const char *expected; /* what was expected, "a number"; NULL: the number overflows float32 */
    size_t position; /* the byte of the error, counted from 1; length + 1: the text ends too soon */
    size_t element;  /* of an overflow: the element, counted from 1 */
    size_t width;    /* of an overflow: the number's bytes, from position on */
} hx_json_fault;

/*
** Reads text[0 .. length).  *count is the number of elements, of which the first `capacity` are
** stored in `out`, so that a caller learns the length of an array that is too long.  Returns 0, or
** -1 with *fault filled in; then `out` and *count are undefined.  A number that is nearer to zero
** than to the smallest float32 becomes zero; a number that rounds to infinity is refused.
*/
int hx_json_floats(const char *text, size_t length, float *out, size_t capacity, size_t *count,
                   hx_json_fault *fault);

#endif
