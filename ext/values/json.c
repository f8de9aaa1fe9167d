/*
** Converts a JSON array of numbers to float32 with correct rounding; contract in json.h.
**
** A number is converted in double precision from its first 19 digits by a few multiplications or
** divisions by exact powers of ten.  The error is bounded by a few units in the last place of the
** double, so the float32 nearest to the double is also the nearest to the number, unless the
** double lies within that error of the midpoint of two float32 values.  Then, and for subnormal
** results, big integers decide.  Numbers printed from a float32 or a float64 embedding need that
** once in some 25 million.  (Rounding the double unconditionally would round twice.)
**
** strtof is not used: it reads the locale's decimal point, takes a lock or is slow in some C
** libraries, and needs a terminated copy.  768 elements of 17 digits take 11 us here, 52 with it.
*/
#include "values/json.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "values/power_of_ten.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "eight digits are read at once as a little-endian word"
#endif

/* A number as written.  Its absolute value is digits * 10^exponent, plus digits left out. */
typedef struct decimal {
    const char *begin; /* the first digit */
    const char *end;   /* one past the last digit of the significand */
    uint64_t digits;   /* the first 19 significant digits, or all if there are fewer */
    int64_t exponent;  /* of ten, for `digits` */
    int64_t written;   /* the exponent after the 'e', 0 without one */
    bool negative;
} decimal;

enum { EXACT_DIGITS = 19 }; /* the most that always fit a uint64_t */

static inline bool is_digit(char c) {
    return (unsigned)(c - '0') < 10;
}

/* ------------------------------------------------------------------------ the exact decision -- */

enum {
    /*
    ** The midpoint of two float32 values has at most 113 significant digits, so a longer number
    ** compares like its first 120 digits followed by a 1.
    */
    KEPT_DIGITS = 120,
    /* At most 25 bits for the midpoint, 386 for 5^166 and 269 for a power of two beside it. */
    LIMBS = 24
};

typedef struct big {
    uint32_t limb[LIMBS]; /* the lowest first */
    int count;            /* limbs in use; the highest one is not zero */
} big;

/* x = x * factor + addend */
static void big_multiply(big *x, uint32_t factor, uint32_t addend) {
    uint64_t carry = addend;
    for (int i = 0; i < x->count; i++) {
        carry += (uint64_t)x->limb[i] * factor;
        x->limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry) {
        assert(x->count < LIMBS);
        x->limb[x->count++] = (uint32_t)carry;
    }
}

/* x = x * base^exponent */
static void big_multiply_power(big *x, uint32_t base, int64_t exponent) {
    uint32_t factor = 1; /* powers are gathered to a limb's width first */
    for (; exponent > 0; exponent--) {
        if (factor > UINT32_MAX / base) {
            big_multiply(x, factor, 0);
            factor = 1;
        }
        factor *= base;
    }
    big_multiply(x, factor, 0);
}

static int big_compare(const big *a, const big *b) {
    if (a->count != b->count) {
        return a->count < b->count ? -1 : 1;
    }
    for (int i = a->count - 1; i >= 0; i--) {
        if (a->limb[i] != b->limb[i]) {
            return a->limb[i] < b->limb[i] ? -1 : 1;
        }
    }
    return 0;
}

/* The significand as an integer of at most KEPT_DIGITS + 1 digits times 10^*exponent. */
static int read_significand(const decimal *number, big *out, int64_t *exponent) {
    int kept = 0;
    int64_t dropped = 0, fraction = 0;
    bool in_fraction = false, rest = false;
    *out = (big){.count = 0};
    for (const char *p = number->begin; p < number->end; p++) {
        if (*p == '.') {
            in_fraction = true;
            continue;
        }
        fraction += in_fraction;
        if (kept == 0 && *p == '0') {
            continue;
        }
        if (kept < KEPT_DIGITS) {
            big_multiply(out, 10, (uint32_t)(*p - '0'));
            kept++;
        } else {
            dropped++;
            rest |= *p != '0';
        }
    }
    *exponent = number->written - fraction + dropped;
    if (rest) {
        big_multiply(out, 10, 1);
        kept++;
        --*exponent;
    }
    return kept;
}

/*
** Compares the number with the midpoint of the positive float32 with these bits and the next one:
** significand * 10^exponent against M * 2^k, both sides made integers.
*/
static int compare_to_midpoint(const big *significand, int64_t exponent, uint32_t bits) {
    const uint32_t field = bits >> 23, fraction = bits & 0x7fffff;
    const uint32_t m = field ? fraction | 0x800000 : fraction;
    const int64_t k = (field ? (int64_t)field : 1) - 150 - 1;
    big left = *significand, right = {.limb = {2 * m + 1}, .count = 1};
    const int64_t twos = exponent - k; /* 10^exponent / 2^k = 5^exponent * 2^(exponent - k) */
    big_multiply_power(exponent >= 0 ? &left : &right, 5, exponent >= 0 ? exponent : -exponent);
    big_multiply_power(twos >= 0 ? &left : &right, 2, twos >= 0 ? twos : -twos);
    return big_compare(&left, &right);
}

#define INFINITY_BITS 0x7f800000u

/* The bits of the nearest float32.  Each step that `guess` is off costs one comparison. */
static uint32_t round_exactly(const decimal *number, uint32_t guess) {
    big significand;
    int64_t exponent;
    const int kept = read_significand(number, &significand, &exponent);
    if (kept == 0 || kept + exponent < -45) {
        return 0; /* below 1e-46; half the smallest is 7e-46 */
    }
    if (kept + exponent > 39) {
        return INFINITY_BITS; /* 1e39 or more */
    }
    uint32_t bits = guess < INFINITY_BITS ? guess : INFINITY_BITS - 1;
    /* Up while beyond the midpoint above, or on it with an odd last bit; then down likewise. */
    while (bits < INFINITY_BITS) {
        const int order = compare_to_midpoint(&significand, exponent, bits);
        if (order < 0 || (order == 0 && !(bits & 1))) {
            break;
        }
        bits++;
    }
    while (bits > 0) {
        const int order = compare_to_midpoint(&significand, exponent, bits - 1);
        if (order > 0 || (order == 0 && !(bits & 1))) {
            break;
        }
        bits--;
    }
    return bits;
}

/* --------------------------------------------------------------------------- the common case -- */

enum { MAX_STEPS = 3 * HX_MAX_POWER }; /* of the exponent, either way */

/*
** Converts a double's bits to those of the float32 below it, within float32's normal range.  The
** low 29 bits are cut off; the midpoint of two float32 values is at HALF of them.
*/
#define CUT_BITS 29
#define HALF     ((uint64_t)1 << (CUT_BITS - 1))
#define REBIAS   ((uint64_t)(1023 - 127) << 23)

/*
** In units of the double's last place: 1 for digits that a double cannot hold, 1 for those that
** were left out, and 1 for each of at most three steps, in any rounding mode; doubled, since a
** significand near 1 doubles the weight of each.
*/
#define MAX_ERROR 10

static uint32_t round_to_float(const decimal *number) {
    if (number->digits == 0) {
        return 0;
    }
    uint32_t guess = number->exponent < 0 ? 0 : INFINITY_BITS;
    if (number->exponent >= -MAX_STEPS && number->exponent <= MAX_STEPS) {
        const double value = hx_scale_by_ten((double)number->digits, (int)number->exponent);
        uint64_t bits;
        memcpy(&bits, &value, sizeof bits);
        if (value < 0x1p-126) {
            guess = (uint32_t)(value * 0x1p149); /* a subnormal's bits count steps of 2^-149 */
        } else if (value < 0x1p128) {
            const uint64_t cut = bits & (2 * HALF - 1);
            const uint32_t below = (uint32_t)((bits >> CUT_BITS) - REBIAS);
            if (cut - (HALF - MAX_ERROR) > 2 * MAX_ERROR) {
                return below + (cut > HALF);
            }
            guess = below;
        }
    }
    return round_exactly(number, guess);
}

/* ---------------------------------------------------------------------------------- the text -- */

typedef struct reader {
    const char *at;
    const char *end;
    const char *expected; /* set at the first error, which is at `at` */
} reader;

static bool fail_reading(reader *text, const char *expected) {
    text->expected = expected;
    return false;
}

static inline char peek(const reader *text) {
    return text->at < text->end ? *text->at : '\0';
}

static inline void skip_blanks(reader *text) {
    while (text->at < text->end &&
           (*text->at == ' ' || *text->at == '\t' || *text->at == '\n' || *text->at == '\r')) {
        text->at++;
    }
}

/* Whether these eight bytes are digits, and the number they make (Lemire's trick in one word). */
static inline bool eight_digits(const char *p, uint32_t *out) {
    uint64_t word;
    memcpy(&word, p, sizeof word);
    if (((word & 0xf0f0f0f0f0f0f0f0u) |
         (((word + 0x0606060606060606u) & 0xf0f0f0f0f0f0f0f0u) >> 4)) != 0x3333333333333333u) {
        return false;
    }
    word = (word & 0x0f0f0f0f0f0f0f0fu) * 2561 >> 8;
    word = (word & 0x00ff00ff00ff00ffu) * 6553601 >> 16;
    *out = (uint32_t)((word & 0x0000ffff0000ffffu) * 42949672960001u >> 32);
    return true;
}

/* Appends digits to *digits.  It wraps past 19 of them; cut_digits() repairs that. */
static inline bool read_digits(reader *text, uint64_t *digits) {
    if (!is_digit(peek(text))) {
        return fail_reading(text, "a digit");
    }
    uint64_t value = *digits;
    uint32_t eight;
    while (text->end - text->at >= 8 && eight_digits(text->at, &eight)) {
        value = value * 100000000 + eight;
        text->at += 8;
    }
    for (; is_digit(peek(text)); text->at++) {
        value = value * 10 + (uint64_t)(*text->at - '0');
    }
    *digits = value;
    return true;
}

/* The first 19 significant digits of a number that has more. */
static void cut_digits(decimal *number) {
    int kept = 0;
    bool in_fraction = false;
    number->digits = 0;
    number->exponent = number->written;
    for (const char *p = number->begin; p < number->end; p++) {
        if (*p == '.') {
            in_fraction = true;
        } else if (kept < EXACT_DIGITS) {
            number->digits = number->digits * 10 + (uint64_t)(*p - '0');
            number->exponent -= in_fraction;
            kept += number->digits != 0;
        } else {
            number->exponent += !in_fraction;
        }
    }
}

static bool read_exponent(reader *text, int64_t *out) {
    text->at++;
    const bool negative = peek(text) == '-';
    if (negative || peek(text) == '+') {
        text->at++;
    }
    if (!is_digit(peek(text))) {
        return fail_reading(text, "a digit");
    }
    int64_t value = 0;
    for (; is_digit(peek(text)); text->at++) {
        /* The limit is far beyond any text's length, so no run of zeros can compensate. */
        if (value < INT64_C(100000000000000)) {
            value = value * 10 + (*text->at - '0');
        }
    }
    *out = negative ? -value : value;
    return true;
}

static bool read_decimal(reader *text, decimal *out) {
    *out = (decimal){.negative = peek(text) == '-'};
    text->at += out->negative;
    out->begin = text->at;
    const bool is_bare = peek(text) == '.';
    if (!is_bare && !is_digit(peek(text))) {
        return fail_reading(text, out->negative ? "a digit" : "a number");
    }
    int64_t fraction = 0;
    if (*text->at == '0') {
        text->at++;
    } else if (!is_bare && !read_digits(text, &out->digits)) {
        return false;
    }
    if (peek(text) == '.') {
        const char *const point = text->at++;
        if (!read_digits(text, &out->digits)) {
            return false;
        }
        fraction = text->at - point - 1;
    }
    out->end = text->at;
    if ((peek(text) | 0x20) == 'e' && !read_exponent(text, &out->written)) {
        return false;
    }
    out->exponent = out->written - fraction;
    if (out->end - out->begin > EXACT_DIGITS) {
        const char *first = out->begin;
        while (first < out->end && (*first == '0' || *first == '.')) {
            first++;
        }
        if (out->end - first > EXACT_DIGITS) {
            cut_digits(out);
        }
    }
    return true;
}

/* Reads one element.  False with text->expected NULL: the number overflows. */
static bool read_float(reader *text, float *out) {
    decimal number;
    if (!read_decimal(text, &number)) {
        return false;
    }
    uint32_t bits = round_to_float(&number);
    if (bits == INFINITY_BITS) {
        return false;
    }
    bits |= (uint32_t)number.negative << 31;
    memcpy(out, &bits, sizeof bits);
    return true;
}

/* Reads from the first element to the ']'; *begin is the start of the last element read. */
static bool read_elements(reader *text, float *out, size_t capacity, size_t *count,
                          const char **begin) {
    for (;;) {
        float value;
        skip_blanks(text);
        *begin = text->at;
        if (!read_float(text, &value)) {
            return false;
        }
        if (*count < capacity) {
            out[*count] = value;
        }
        ++*count;
        skip_blanks(text);
        const char next = peek(text);
        if (next != ',' && next != ']') {
            return fail_reading(text, "a ',' or ']'");
        }
        text->at++;
        if (next == ']') {
            return true;
        }
    }
}

static bool read_array(reader *text, float *out, size_t capacity, size_t *count,
                       const char **begin) {
    skip_blanks(text);
    if (peek(text) != '[') {
        return fail_reading(text, "a '['");
    }
    text->at++;
    skip_blanks(text);
    if (peek(text) == ']') {
        text->at++;
    } else if (!read_elements(text, out, capacity, count, begin)) {
        return false;
    }
    skip_blanks(text);
    return text->at == text->end || fail_reading(text, "nothing more");
}

int hx_json_floats(const char *text, size_t length, float *out, size_t capacity, size_t *count,
                   hx_json_fault *fault) {
    reader in = {.at = text, .end = text + length};
    const char *begin = text;
    *count = 0;
    if (read_array(&in, out, capacity, count, &begin)) {
        return 0;
    }
    *fault = (hx_json_fault){.expected = in.expected, .position = (size_t)(in.at - text) + 1};
    if (!in.expected) {
        fault->position = (size_t)(begin - text) + 1;
        fault->element = *count + 1;
        fault->width = (size_t)(in.at - begin);
    }
    return -1;
}
