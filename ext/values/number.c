/*
** Writes a number in the fewest digits that read back as the same one; contract in number.h.
*/
#include "values/number.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>

#include "sqlite_api.h"
#include "values/json.h"
#include "values/power_of_ten.h"

/*
** The shortest digits are found by trial: 1, 2, … 9 digits, each the nearest to the number, until
** the JSON reader gets the number back.  Nine are enough for a float32 (24 * log10(2) + 1 < 9), and
** the rounding of a double is too small to matter.  Most trials end at the comparison with the
** distance to the next number; one or two readings of some 20 ns remain.
*/
enum { MOST_DIGITS = 9 };

typedef struct trial {
    uint64_t digits;
    int exponent; /* of ten, for the first digit */
    int count;    /* of digits */
} trial;

/* The exponent of ten of a number's first digit. */
static int first_exponent(double number) {
    int exponent = (int)floor(log10(number));
    if (hx_scale_by_ten(number, -exponent) >= 10) {
        exponent++;
    }
    if (hx_scale_by_ten(number, -exponent) < 1) {
        exponent--;
    }
    return exponent;
}

/* The distance from a positive number to the next greater one of its type. */
static double gap_above(uint8_t type, double number) {
    if (type == HNY_FLOAT16) {
        return number < 0x1p-14 ? 0x1p-24 : ldexp(1, ilogb(number) - 10);
    }
    return number < 0x1p-126 ? 0x1p-149 : ldexp(1, ilogb(number) - 23);
}

/* Digits, with a point among, before or behind them. */
static char *write_plain(char *out, const char *digits, int count, int exponent) {
    if (exponent < 0) {
        *out++ = '0';
        *out++ = '.';
        for (int i = exponent + 1; i < 0; i++) {
            *out++ = '0';
        }
    }
    for (int i = 0; i < count || i <= exponent; i++) {
        *out++ = i < count ? digits[i] : '0';
        if (i == exponent && i + 1 < count) {
            *out++ = '.';
        }
    }
    return out;
}

static char *write_scientific(char *out, const char *digits, int count, int exponent) {
    *out++ = digits[0];
    if (count > 1) {
        *out++ = '.';
    }
    for (int i = 1; i < count; i++) {
        *out++ = digits[i];
    }
    *out++ = 'e';
    if (exponent < 0) {
        *out++ = '-';
    }
    const int size = exponent < 0 ? -exponent : exponent;
    if (size >= 10) {
        *out++ = (char)('0' + size / 10);
    }
    *out++ = (char)('0' + size % 10);
    return out;
}

static size_t write_trial(trial t, bool negative, char *out) {
    char digits[MOST_DIGITS + 1];
    char *end = out;
    while (t.count > 1 && t.digits % 10 == 0) {
        t.digits /= 10;
        t.count--;
    }
    for (int i = t.count; i > 0; t.digits /= 10) {
        digits[--i] = (char)('0' + t.digits % 10);
    }
    if (negative) {
        *end++ = '-';
    }
    end = t.exponent < -4 || t.exponent >= MOST_DIGITS
              ? write_scientific(end, digits, t.count, t.exponent)
              : write_plain(end, digits, t.count, t.exponent);
    *end = '\0';
    return (size_t)(end - out);
}

/* Whether the text reads back as this number of this type. */
static bool reads_as(uint8_t type, double number, const char *text, size_t length) {
    char array[HX_NUMBER_BYTES + 2] = "[";
    float back = 0;
    size_t count;
    hx_json_fault fault;
    memcpy(array + 1, text, length);
    array[length + 1] = ']';
    if (hx_json_floats(array, length + 2, &back, 1, &count, &fault)) {
        return false;
    }
    if (type == HNY_FLOAT16) {
        back = hny_float_from_half(hny_half_from_float(back));
    }
    return (double)back == number;
}

size_t hx_number_write(uint8_t type, double number, char out[HX_NUMBER_BYTES]) {
    const bool negative = signbit(number) != 0;
    if (number == 0) {
        return write_trial((trial){0, 0, 1}, negative, out);
    }
    const double size = fabs(number), half_gap = gap_above(type, size) / 2;
    const int exponent = first_exponent(size);
    size_t length = 0;
    for (int count = 1; count <= MOST_DIGITS; count++) {
        const int shift = count - 1 - exponent;
        const double wanted = hx_scale_by_ten(size, shift);
        trial t = {(uint64_t)(wanted + 0.5), exponent, count};
        if (count < MOST_DIGITS &&
            fabs((double)t.digits - wanted) > hx_scale_by_ten(half_gap, shift) * 1.01) {
            continue;
        }
        if ((double)t.digits >= hx_scale_by_ten(1, count)) { /* 9.99 became 10.0 */
            t.digits /= 10;
            t.exponent++;
        }
        length = write_trial(t, negative, out);
        if (reads_as(type, number, out, length)) {
            break;
        }
    }
    return length;
}
