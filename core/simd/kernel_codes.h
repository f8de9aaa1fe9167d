/*
** Conversion between floats and codes of int8 or 4 bits: this text is included by each kernel file
** and compiled there for its instruction set.  Every number is computed by itself, with one
** rounding an operation, so that all tables encode and decode the same, bit for bit; only the sum
** of l1_scaled_i8 depends on the order of its terms.
**
** The including file defines CODES_WIDTH, the floats of one register; CODES_INTS, the type of as
** many int32; and before it
**
**     static inline CODES_INTS widen_i8(const int8_t *from);
**     static inline void narrow_i8(int8_t *to, CODES_INTS x);    each fits an int8
**
** (For __builtin_convertvector gcc 12 takes registers apart: 430 ns for the 768 numbers of a code
** and its residual code, instead of 26.)
*/
#include <string.h>

typedef float codes_floats __attribute__((vector_size(4 * CODES_WIDTH)));
typedef int32_t codes_ints __attribute__((vector_size(4 * CODES_WIDTH)));

#define CODES_INLINE static inline __attribute__((always_inline))

/* `count` numbers at any address, then zeros. */
CODES_INLINE codes_floats codes_load(const float *from, size_t count) {
    codes_floats x = {0};
    memcpy(&x, from, count * sizeof *from);
    return x;
}

CODES_INLINE codes_ints codes_load_i8(const int8_t *from, size_t count) {
    int8_t few[CODES_WIDTH] = {0};
    if (count == CODES_WIDTH) {
        return (codes_ints)widen_i8(from);
    }
    memcpy(few, from, count);
    return (codes_ints)widen_i8(few);
}

CODES_INLINE codes_floats codes_widen_i8(const int8_t *from, size_t count) {
    return __builtin_convertvector(codes_load_i8(from, count), codes_floats);
}

CODES_INLINE void codes_store_i8(int8_t *to, codes_ints x, size_t count) {
    int8_t few[CODES_WIDTH];
    if (count == CODES_WIDTH) {
        narrow_i8(to, (CODES_INTS)x);
        return;
    }
    narrow_i8(few, (CODES_INTS)x);
    memcpy(to, few, count);
}

/* |x|: the sign bit cleared. */
CODES_INLINE codes_floats codes_abs(codes_floats x) {
    return (codes_floats)((codes_ints)x & INT32_MAX);
}

/* To the nearest integer, ties away from zero. */
CODES_INLINE codes_ints codes_round(codes_floats x) {
    const codes_ints half = ((codes_ints)x & INT32_MIN) | 0x3f000000; /* 0.5 with the sign of x */
    return __builtin_convertvector(x + (codes_floats)half, codes_ints);
}

/*
** STEP(i, count) for n numbers, a register at a time.  The last ones are processed together with
** some before them, which are then processed twice, so STEP must be idempotent.  `count` is
** constant unless n is less than a register, so that nearly all copies are single instructions.
*/
#define CODES_EACH(n, STEP)                                                                        \
    do {                                                                                           \
        size_t i = 0;                                                                              \
        for (; i + CODES_WIDTH <= (n); i += CODES_WIDTH) STEP(i, CODES_WIDTH);                     \
        if (i == (n)) break;                                                                       \
        if ((n) >= CODES_WIDTH)                                                                    \
            STEP((n)-CODES_WIDTH, CODES_WIDTH);                                                    \
        else                                                                                       \
            STEP(0, n);                                                                            \
    } while (0)

/* Absolute values of floats are ordered as their bits. */
static float largest_f32(const float *x, size_t n) {
    codes_ints max = {0};
#define STEP(i, count)                                                                             \
    do {                                                                                           \
        const codes_ints magnitude = (codes_ints)codes_abs(codes_load(x + (i), count));            \
        const codes_ints more = magnitude > max;                                                   \
        max = (magnitude & more) | (max & ~more);                                                  \
    } while (0)
    CODES_EACH(n, STEP);
#undef STEP
    int32_t largest = 0;
    for (int i = 0; i < CODES_WIDTH; i++) {
        largest = max[i] > largest ? max[i] : largest;
    }
    float out;
    memcpy(&out, &largest, sizeof out);
    return out;
}

CODES_INLINE void quantise_step(const float *x, float inverse, int8_t *code, int8_t *residual,
                                size_t count) {
    const codes_floats steps = codes_load(x, count) * inverse;
    const codes_ints whole = codes_round(steps);
    codes_store_i8(code, whole, count);
    if (!residual) {
        return;
    }
    const codes_floats rest = steps - __builtin_convertvector(whole, codes_floats);
    codes_store_i8(residual, codes_round(rest * HNY__RESIDUAL_STEPS), count);
}

static void quantise_f32(const float *x, float inverse, int8_t *code, int8_t *residual, size_t n) {
#define STEP(i, count)                                                                             \
    quantise_step(x + (i), inverse, code + (i), residual ? residual + (i) : NULL, count)
    CODES_EACH(n, STEP);
#undef STEP
}

CODES_INLINE void decode_step(const int8_t *code, const int8_t *residual, float step, float *out,
                              size_t count) {
    codes_ints whole = codes_load_i8(code, count);
    if (residual) {
        whole = whole * HNY__RESIDUAL_STEPS + codes_load_i8(residual, count);
    }
    const codes_floats x = __builtin_convertvector(whole, codes_floats) * step;
    memcpy(out, &x, count * sizeof *out);
}

static void decode_i8(const int8_t *code, const int8_t *residual, float step, float *out,
                      size_t n) {
#define STEP(i, count)                                                                             \
    decode_step(code + (i), residual ? residual + (i) : NULL, step, out + (i), count)
    CODES_EACH(n, STEP);
#undef STEP
}

/* The smaller of each two. */
CODES_INLINE codes_ints codes_min(codes_ints x, codes_ints y) {
    const codes_ints first = x < y;
    return (x & first) | (y & ~first);
}

CODES_INLINE void quantise_step_i4(const float *x, float inverse, int8_t *code, size_t count) {
    const codes_ints max = (codes_ints){0} + 7;
    const codes_ints whole = codes_min(codes_round(codes_load(x, count) * inverse), max);
    codes_store_i8(code, -codes_min(-whole, max), count);
}

static void quantise_i4(const float *x, float inverse, int8_t *code, size_t n) {
#define STEP(i, count) quantise_step_i4(x + (i), inverse, code + (i), count)
    CODES_EACH(n, STEP);
#undef STEP
}

/* The numbers that 4-bit codes and their residuals stand for. */
CODES_INLINE void decode_step_i4(codes_ints whole, float step, const int8_t *residual,
                                 float residual_step, float *out, size_t count) {
    codes_floats x = __builtin_convertvector(whole, codes_floats) * step;
    if (residual) {
        x += codes_widen_i8(residual, count) * residual_step;
    }
    memcpy(out, &x, count * sizeof *out);
}

static void decode_i4(const uint8_t *code, float step, const int8_t *residual, float residual_step,
                      float *out, size_t n) {
    const int8_t *const bytes = (const int8_t *)code;
    const size_t half = (n + 1) / 2;
#define STEP(i, count)                                                                             \
    decode_step_i4(((codes_load_i8(bytes + (i), count) & 15) ^ 8) - 8, step,                       \
                   residual ? residual + (i) : NULL, residual_step, out + (i), count)
    CODES_EACH(half, STEP);
#undef STEP
#define STEP(i, count)                                                                             \
    decode_step_i4(codes_load_i8(bytes + (i), count) >> 4, step,                                   \
                   residual ? residual + half + (i) : NULL, residual_step, out + half + (i),       \
                   count)
    CODES_EACH(n - half, STEP);
#undef STEP
}

/* |a - b| of the numbers that decode_i8 reads from both codes. */
CODES_INLINE codes_floats codes_abs_differences(const int8_t *a, float scale_a, const int8_t *b,
                                                float scale_b, size_t count) {
    return codes_abs(codes_widen_i8(a, count) * scale_a - codes_widen_i8(b, count) * scale_b);
}

/* x with zeros in all places before the last `count`. */
CODES_INLINE codes_floats codes_last(codes_floats x, size_t count) {
    static const int32_t numbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    codes_ints places;
    memcpy(&places, numbers, sizeof places);
    return (codes_floats)((codes_ints)x & (places >= CODES_WIDTH - (int32_t)count));
}

/* Four registers of sums, as `lanes` says of the float kernels. */
static float l1_scaled_i8(const int8_t *a, float x, const int8_t *b, float y, size_t n) {
    enum { WIDTH = CODES_WIDTH };
    const size_t all = n;
    codes_floats s0 = {0}, s1 = s0, s2 = s0, s3 = s0;
    for (; n >= 4 * WIDTH; n -= 4 * WIDTH, a += 4 * WIDTH, b += 4 * WIDTH) {
        s0 += codes_abs_differences(a, x, b, y, WIDTH);
        s1 += codes_abs_differences(a + WIDTH, x, b + WIDTH, y, WIDTH);
        s2 += codes_abs_differences(a + 2 * WIDTH, x, b + 2 * WIDTH, y, WIDTH);
        s3 += codes_abs_differences(a + 3 * WIDTH, x, b + 3 * WIDTH, y, WIDTH);
    }
    for (; n >= WIDTH; n -= WIDTH, a += WIDTH, b += WIDTH) {
        s0 += codes_abs_differences(a, x, b, y, WIDTH);
    }
    if (n && all < WIDTH) {
        s1 += codes_abs_differences(a, x, b, y, n);
    } else if (n) {
        const size_t again = WIDTH - n;
        s1 += codes_last(codes_abs_differences(a - again, x, b - again, y, WIDTH), n);
    }
    const codes_floats sums = (s0 + s1) + (s2 + s3);
    float left[WIDTH];
    memcpy(left, &sums, sizeof left);
    for (int half = WIDTH / 2; half; half /= 2) {
        for (int i = 0; i < half; i++) {
            left[i] += left[i + half];
        }
    }
    return left[0];
}
