/*
** A JSON array of numbers into float32, exactly.
**
** A number is converted in double precision from its first 19 digits by a few multiplications or
** divisions by exact powers of ten.  The error of that is bounded by a few units in the last place
** of the double, so the float32 nearest to the double is also the nearest to the number, unless
** the double lies within that error of the middle between two float32 values.  Then, and for
** subnormal results, big integers decide.  Numbers printed from a float32 or a float64 embedding
** hit that once in some 25 million.  (Rounding the double unconditionally would round twice.)
**
** Why not strtof: it reads the host's decimal point, is locked or slow in some C libraries, and
** wants a terminated copy.  768 elements of 17 digits take 11 us here and 52 with it.
*/
#include "values/json.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "eight digits are read at once as a little-endian word"
#endif

/* A number as written.  Its absolute value is digits * 10^exponent, but for digits left out. */
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
    ** The middle of two float32 values has at most 113 significant digits, so a number cut off
    ** there with a mark that something followed compares as the whole number does.
    */
    KEPT_DIGITS = 120,
    /* At most 25 bits for the middle, 386 for 5^166 and 269 for a power of two beside it. */
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
    if (a->count != b->count) return a->count < b->count ? -1 : 1;
    for (int i = a->count - 1; i >= 0; i--)
        if (a->limb[i] != b->limb[i]) return a->limb[i] < b->limb[i] ? -1 : 1;
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
        if (kept == 0 && *p == '0') continue;
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
** The number against the middle between the positive float32 with these bits and the next one up:
** significand * 10^exponent against M * 2^k, both sides made integers.
*/
static int compare_to_middle(const big *significand, int64_t exponent, uint32_t bits) {
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

/* The bits of the nearest float32.  A `guess` that is off costs a comparison for each step. */
static uint32_t round_exactly(const decimal *number, uint32_t guess) {
    big significand;
    int64_t exponent;
    const int kept = read_significand(number, &significand, &exponent);
    if (kept == 0 || kept + exponent < -45) return 0; /* below 1e-46; half the smallest is 7e-46 */
    if (kept + exponent > 39) return INFINITY_BITS;   /* 1e39 or more */
    uint32_t bits = guess < INFINITY_BITS ? guess : INFINITY_BITS - 1;
    /* Upwards while past the middle above, or in it with an odd last bit; then downwards alike. */
    while (bits < INFINITY_BITS) {
        const int order = compare_to_middle(&significand, exponent, bits);
        if (order < 0 || (order == 0 && !(bits & 1))) break;
        bits++;
    }
    while (bits > 0) {
        const int order = compare_to_middle(&significand, exponent, bits - 1);
        if (order > 0 || (order == 0 && !(bits & 1))) break;
        bits--;
    }
    return bits;
}

/* --------------------------------------------------------------------------- the common case -- */

/* All exact in double precision: 5^22 has 52 bits. */
static const double powers_of_ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                       1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                       1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

enum { MAX_POWER = 22, MAX_STEPS = 3 * MAX_POWER };

/* digits * 10^exponent for exponents of at most MAX_STEPS either way. */
static double scale(uint64_t digits, int64_t exponent) {
    double value = (double)digits;
    for (; exponent < -MAX_POWER; exponent += MAX_POWER) value /= powers_of_ten[MAX_POWER];
    for (; exponent > MAX_POWER; exponent -= MAX_POWER) value *= powers_of_ten[MAX_POWER];
    return exponent < 0 ? value / powers_of_ten[-exponent] : value * powers_of_ten[exponent];
}

/*
** A double's bits -> those of the float32 below it, for doubles in float32's normal range.  What
** is cut off are the low 29 bits, the middle between two float32 values is at HALF of them.
*/
#define CUT_BITS 29
#define HALF     ((uint64_t)1 << (CUT_BITS - 1))
#define REBIAS   ((uint64_t)(1023 - 127) << 23)

/*
** In units of the double's last place: 1 for digits that a double cannot hold, 1 for those that
** were left out, and 1 for each of at most three steps, in whatever rounding mode; and again as
** much, since a significand near 1 makes each of them weigh double.
*/
#define MAX_ERROR 10

static uint32_t round_to_float(const decimal *number) {
    if (number->digits == 0) return 0;
    uint32_t guess = number->exponent < 0 ? 0 : INFINITY_BITS;
    if (number->exponent >= -MAX_STEPS && number->exponent <= MAX_STEPS) {
        const double value = scale(number->digits, number->exponent);
        uint64_t bits;
        memcpy(&bits, &value, sizeof bits);
        if (value < 0x1p-126) {
            guess = (uint32_t)(value * 0x1p149); /* a subnormal's bits count steps of 2^-149 */
        } else if (value < 0x1p128) {
            const uint64_t cut = bits & (2 * HALF - 1);
            const uint32_t below = (uint32_t)((bits >> CUT_BITS) - REBIAS);
            if (cut - (HALF - MAX_ERROR) > 2 * MAX_ERROR) return below + (cut > HALF);
            guess = below;
        }
    }
    return round_exactly(number, guess);
}

/* ---------------------------------------------------------------------------------- the text -- */

typedef struct reader {
    const char *at;
    const char *end;
    const char *expected; /* set at the first fault, which is at `at` */
    bool bare_point;      /* '.5' is a number, too */
} reader;

static bool fail(reader *text, const char *expected) {
    text->expected = expected;
    return false;
}

static inline char peek(const reader *text) {
    return text->at < text->end ? *text->at : '\0';
}

static inline void skip_blanks(reader *text) {
    while (text->at < text->end &&
           (*text->at == ' ' || *text->at == '\t' || *text->at == '\n' || *text->at == '\r'))
        text->at++;
}

/* Are these eight bytes all digits, and what number do they make?  (Lemire's trick in a word.) */
static inline bool eight_digits(const char *p, uint32_t *out) {
    uint64_t word;
    memcpy(&word, p, sizeof word);
    if (((word & 0xf0f0f0f0f0f0f0f0u) |
         (((word + 0x0606060606060606u) & 0xf0f0f0f0f0f0f0f0u) >> 4)) != 0x3333333333333333u)
        return false;
    word = (word & 0x0f0f0f0f0f0f0f0fu) * 2561 >> 8;
    word = (word & 0x00ff00ff00ff00ffu) * 6553601 >> 16;
    *out = (uint32_t)((word & 0x0000ffff0000ffffu) * 42949672960001u >> 32);
    return true;
}

/* Digits onto *digits; it wraps past 19 of them, which the caller looks after. */
static inline bool read_digits(reader *text, uint64_t *digits) {
    if (!is_digit(peek(text))) return fail(text, "a digit");
    uint64_t value = *digits;
    uint32_t eight;
    while (text->end - text->at >= 8 && eight_digits(text->at, &eight)) {
        value = value * 100000000 + eight;
        text->at += 8;
    }
    for (; is_digit(peek(text)); text->at++) value = value * 10 + (uint64_t)(*text->at - '0');
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
    if (negative || peek(text) == '+') text->at++;
    if (!is_digit(peek(text))) return fail(text, "a digit");
    int64_t value = 0;
    for (; is_digit(peek(text)); text->at++)
        /* Far beyond any text's length, so that no number of zeros before it makes up for it. */
        if (value < INT64_C(100000000000000)) value = value * 10 + (*text->at - '0');
    *out = negative ? -value : value;
    return true;
}

static bool read_number(reader *text, decimal *out) {
    *out = (decimal){.negative = peek(text) == '-'};
    text->at += out->negative;
    out->begin = text->at;
    const bool is_bare = text->bare_point && peek(text) == '.';
    if (!is_bare && !is_digit(peek(text)))
        return fail(text, out->negative ? "a digit" : "a number");
    int64_t fraction = 0;
    if (*text->at == '0')
        text->at++;
    else if (!is_bare && !read_digits(text, &out->digits))
        return false;
    if (peek(text) == '.') {
        const char *const point = text->at++;
        if (!read_digits(text, &out->digits)) return false;
        fraction = text->at - point - 1;
    }
    out->end = text->at;
    if ((peek(text) | 0x20) == 'e' && !read_exponent(text, &out->written)) return false;
    out->exponent = out->written - fraction;
    if (out->end - out->begin > EXACT_DIGITS) {
        const char *first = out->begin;
        while (first < out->end && (*first == '0' || *first == '.')) first++;
        if (out->end - first > EXACT_DIGITS) cut_digits(out);
    }
    return true;
}

/* One element.  False without text->expected: the number at *begin overflows. */
static bool read_float(reader *text, float *out) {
    decimal number;
    if (!read_number(text, &number)) return false;
    uint32_t bits = round_to_float(&number);
    if (bits == INFINITY_BITS) return false;
    bits |= (uint32_t)number.negative << 31;
    memcpy(out, &bits, sizeof bits);
    return true;
}

/* From the first element to the ']'; *begin is where the last one read begins. */
static bool read_elements(reader *text, float *out, size_t capacity, size_t *count,
                          const char **begin) {
    for (;;) {
        float value;
        skip_blanks(text);
        *begin = text->at;
        if (!read_float(text, &value)) return false;
        if (*count < capacity) out[*count] = value;
        ++*count;
        skip_blanks(text);
        const char next = peek(text);
        if (next != ',' && next != ']') return fail(text, "a ',' or ']'");
        text->at++;
        if (next == ']') return true;
    }
}

static bool read_array(reader *text, float *out, size_t capacity, size_t *count,
                       const char **begin) {
    skip_blanks(text);
    if (peek(text) != '[') return fail(text, "a '['");
    text->at++;
    skip_blanks(text);
    if (peek(text) == ']')
        text->at++;
    else if (!read_elements(text, out, capacity, count, begin))
        return false;
    skip_blanks(text);
    return text->at == text->end || fail(text, "nothing more");
}

int hx_json_floats(const char *text, size_t length, hx_json_dialect dialect, float *out,
                   size_t capacity, size_t *count, hx_json_fault *fault) {
    reader reader = {.at = text, .end = text + length, .bare_point = dialect == HX_JSON_BARE_POINT};
    const char *begin = text;
    *count = 0;
    if (read_array(&reader, out, capacity, count, &begin)) return 0;
    *fault =
        (hx_json_fault){.expected = reader.expected, .position = (size_t)(reader.at - text) + 1};
    if (!reader.expected) {
        fault->position = (size_t)(begin - text) + 1;
        fault->element = *count + 1;
        fault->width = (size_t)(reader.at - begin);
    }
    return -1;
}
