/*
** Interface to kernel*.c: the inner loops, one table of functions for each instruction set.
**
** The best table that the processor can run is chosen at the first use, once a process.  The
** environment variable HANNOY_KERNELS (scalar, avx2, avx512, avx512-vnni, neon, neon-dot) chooses
** another one, so that tests can compare each with the scalar one.  A value that is unknown, or
** that this processor cannot run, is ignored here and reported by hny_kernels_check.
**
** n counts numbers.  Pointers are aligned to the number they point to, no more; void pointers and
** bits need no alignment.  No kernel reads past n.  Swapping a and b changes no result.
*/
#ifndef HNY_KERNEL_H
#define HNY_KERNEL_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

typedef struct hny__kernels hny__kernels;
struct hny__kernels {
    const char *name;

    /*
    ** Float kernels keep `lanes` independent float sums, so that no term is rounded more than n /
    ** lanes + HNY__KERNEL_STEPS times; hny__rank_slack is derived from that.  Their results differ
    ** from table to table in the last bits, and are infinite or NaN if a sum of floats overflows.
    */
    unsigned lanes;
    float (*dot_f32)(const float *a, const float *b, size_t n);
    float (*l2_f32)(const float *a, const float *b, size_t n); /* sum of squared differences */
    float (*l1_f32)(const float *a, const float *b, size_t n); /* sum of absolute differences */
    float (*dot_f16)(const uint16_t *a, const uint16_t *b, size_t n); /* computed in float32 */
    float (*l2_f16)(const uint16_t *a, const uint16_t *b, size_t n);
    float (*l1_f16)(const uint16_t *a, const uint16_t *b, size_t n);

    /* Exact for n up to HNY_MAX_DIM: |dot| <= 2^30, l2 <= 255^2 * 2^16 < 2^32, l1 < 2^24. */
    int32_t (*dot_i8)(const int8_t *a, const int8_t *b, size_t n);
    uint32_t (*l2_i8)(const int8_t *a, const int8_t *b, size_t n);
    uint32_t (*l1_i8)(const int8_t *a, const int8_t *b, size_t n);
    uint32_t (*hamming)(const void *a, const void *b, size_t bytes); /* a multiple of 4 */

    /* Two numbers a byte, -8 .. 7 in two's complement.  Exact: |dot| <= 2^22 for HNY_MAX_DIM. */
    int32_t (*dot_i4)(const uint8_t *a, const uint8_t *b, size_t bytes);

    /* n numbers; b is packed as for decode_i4.  |dot| <= 2^26. */
    int32_t (*dot_i8_i4)(const int8_t *a, const uint8_t *b, size_t n);

    /* The same for one `a` and `count` vectors. */
    void (*dots_i8)(const int8_t *a, const uint8_t *const *b, size_t count, size_t n,
                    int32_t *dots);
    void (*dots_i8_i4)(const int8_t *a, const uint8_t *const *b, size_t count, size_t n,
                       int32_t *dots);

    /*
    ** Conversion between floats and int8 codes (kernel_codes.h); all but l1_scaled_i8 give the
    ** same bits in every table.
    **
    **   quantise  code = x * inverse, rounded; |x * inverse| <= 127.  residual (NULL: not wanted) =
    **             the remainder, in HNY__RESIDUAL_STEPS parts of a step.
    **   decode    out = code * step, or with a residual
    **             (code * HNY__RESIDUAL_STEPS + residual) * step.
    */
    float (*largest_f32)(const float *x, size_t n); /* of the absolute values */
    void (*quantise_f32)(const float *x, float inverse, int8_t *code, int8_t *residual, size_t n);
    void (*decode_i8)(const int8_t *code, const int8_t *residual, float step, float *out, size_t n);
    float (*l1_scaled_i8)(const int8_t *a, float scale_a, const int8_t *b, float scale_b, size_t n);

    /*
    ** The same for 4-bit codes.
    **
    **   quantise  code = x * inverse, which is below 2^31, rounded and clipped to -7 .. 7; one
    **             int8 a number.
    **   decode    out = code * step (+ residual * residual_step, unless residual is NULL).  The
    **             code is packed: the first (n + 1) / 2 numbers lie in the low halves of its
    **             bytes, the others in the high halves.
    */
    void (*quantise_i4)(const float *x, float inverse, int8_t *code, size_t n);
    void (*decode_i4)(const uint8_t *code, float step, const int8_t *residual, float residual_step,
                      float *out, size_t n);

    /* Sums in double, equal bit for bit in every table (exact_sums.h): { a.b, a.a, b.b }. */
    void (*cosine_exact_f32)(const void *a, const void *b, size_t n, double sums[3]);
    double (*dot_exact_f32)(const void *a, const void *b, size_t n);
    double (*l2_exact_f32)(const void *a, const void *b, size_t n);
    double (*l1_exact_f32)(const void *a, const void *b, size_t n);
    void (*cosine_exact_f16)(const void *a, const void *b, size_t n, double sums[3]);
    double (*dot_exact_f16)(const void *a, const void *b, size_t n);
    double (*l2_exact_f16)(const void *a, const void *b, size_t n);
    double (*l1_exact_f16)(const void *a, const void *b, size_t n);

    /* XXH3-64. */
    uint64_t (*digest)(const void *bytes, size_t size, uint64_t seed);
};

/*
** Roundings of a term beside those of its lane's main loop: up to 3 of its own (that of a
** difference counts twice when it is squared), 4 steps of a tail, 6 of the tree that adds up the
** lanes; 16 is a safe bound.
*/
#define HNY__KERNEL_STEPS 16

/* Parts of a step of an int8 code that its residual code tells apart: half a step is 127. */
#define HNY__RESIDUAL_STEPS 254

/* The initializers of a table: each kernel file names its functions as the table does. */
#define HNY__KERNEL_FUNCTIONS                                                                      \
    .dot_f32 = dot_f32, .l2_f32 = l2_f32, .l1_f32 = l1_f32, .dot_f16 = dot_f16, .l2_f16 = l2_f16,  \
    .l1_f16 = l1_f16, .dot_i8 = dot_i8, .l2_i8 = l2_i8, .l1_i8 = l1_i8, .hamming = hamming,        \
    .dot_i4 = dot_i4, .dot_i8_i4 = dot_i8_i4, .dots_i8 = dots_i8, .dots_i8_i4 = dots_i8_i4,        \
    .largest_f32 = largest_f32, .quantise_f32 = quantise_f32, .decode_i8 = decode_i8,              \
    .l1_scaled_i8 = l1_scaled_i8, .quantise_i4 = quantise_i4, .decode_i4 = decode_i4,              \
    .dot_exact_f32 = dot_exact_f32, .dot_exact_f16 = dot_exact_f16,                                \
    .cosine_exact_f32 = cosine_exact_f32, .l2_exact_f32 = l2_exact_f32,                            \
    .l1_exact_f32 = l1_exact_f32, .cosine_exact_f16 = cosine_exact_f16,                            \
    .l2_exact_f16 = l2_exact_f16, .l1_exact_f16 = l1_exact_f16, .digest = digest

extern const hny__kernels hny__kernels_scalar;
#if defined(__x86_64__)
extern const hny__kernels hny__kernels_avx2, hny__kernels_avx512, hny__kernels_avx512_vnni;
#elif defined(__aarch64__)
extern const hny__kernels hny__kernels_neon, hny__kernels_neon_dot;
#endif

/* The table in use; NULL before the first use.  Only kernel.c writes it, once. */
extern _Atomic(const hny__kernels *) hny__kernels_chosen;

/* Chooses the table, unless another thread has done so.  Never NULL. */
const hny__kernels *hny__kernels_choose(void);

/* Relaxed order suffices: the tables are constant data. */
static inline const hny__kernels *hny__kernels_get(void) {
    const hny__kernels *const table =
        atomic_load_explicit(&hny__kernels_chosen, memory_order_relaxed);
    return table ? table : hny__kernels_choose();
}

/* The tables that this processor can run, best first; NULL past the last. */
const hny__kernels *hny__kernels_at(size_t place);

/* The table of that name, or NULL if there is none or this processor cannot run it. */
const hny__kernels *hny__kernels_named(const char *name);

#endif
