#include "vector/quantizer.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/align.h"
#include "simd/half.h"
#include "simd/kernel.h"
#include "vector/exact_distance.h"

/* What follows the numbers of a fine code. */
typedef struct residual_trailer {
    float step; /* of decode_i8, or the fine one of decode_i4 */
    float error;
} residual_trailer;

/* Below this a number is as good as none: the inverse of a step must be a float. */
#define SMALLEST 0x1p-100f

static float float_at(const void *bytes, uint32_t at) {
    float number;
    memcpy(&number, (const uint8_t *)bytes + at, sizeof number);
    return number;
}

/* ------------------------------------------------------------------------------------ ranks -- */

static float cosine(const hny__row_format *code, const void *a, const void *b, int32_t dot) {
    const float scale = float_at(a, code->norm) * float_at(b, code->norm);
    const float rank = 1 - (float)dot * scale;
    return rank > 0 ? rank : 0;
}

static float cosine_i8(const hny__row_format *code, const void *a, const void *b) {
    return cosine(code, a, b, hny__kernels_get()->dot_i8(a, b, code->bytes));
}

static float cosine_i4(const hny__row_format *code, const void *a, const void *b) {
    return cosine(code, a, b, hny__kernels_get()->dot_i4(a, b, code->bytes));
}

/* The comparison is false for NaN too, which infinite squares give. */
static float bounded(float rank) {
    return rank <= FLT_MAX ? rank : FLT_MAX;
}

static float euclidean(const hny__row_format *code, const void *a, const void *b, int32_t dot) {
    const hny__trailer x = hny__trailer_of(code, a), y = hny__trailer_of(code, b);
    const float rank = (x.square + y.square) - 2 * (x.scale * y.scale) * (float)dot;
    return rank < 0 ? 0 : bounded(rank);
}

static float euclidean_i8(const hny__row_format *code, const void *a, const void *b) {
    return euclidean(code, a, b, hny__kernels_get()->dot_i8(a, b, code->bytes));
}

static float euclidean_i4(const hny__row_format *code, const void *a, const void *b) {
    return euclidean(code, a, b, hny__kernels_get()->dot_i4(a, b, code->bytes));
}

static float manhattan_i8(const hny__row_format *code, const void *a, const void *b) {
    const float x = float_at(a, code->norm), y = float_at(b, code->norm);
    return bounded(hny__kernels_get()->l1_scaled_i8(a, x, b, y, code->bytes));
}

/* ---------------------------------------------------------------------------------- codings -- */

static hny_codes resolve(hny_shape shape, hny_codes codes) {
    if (shape.metric == HNY_HAMMING || shape.type == HNY_BIT) {
        return HNY_CODES_BIT;
    }
    if (shape.type == HNY_INT8) {
        return codes == HNY_CODES_BIT ? codes : HNY_CODES_INT8;
    }
    if (shape.type == HNY_FLOAT16 && codes == HNY_CODES_FLOAT32) {
        return HNY_CODES_FLOAT16;
    }
    if (shape.metric == HNY_MANHATTAN && codes == HNY_CODES_INT4) {
        return HNY_CODES_INT8;
    }
    return codes;
}

static int is_exact(hny_shape shape, hny_codes codes) {
    static const hny_codes own[] = {HNY_CODES_FLOAT32, HNY_CODES_FLOAT16, HNY_CODES_INT8,
                                    HNY_CODES_BIT};
    return shape.metric == HNY_HAMMING || codes == own[shape.type - HNY_FLOAT32];
}

static void init_integers(hny__quantizer *coding) {
    typedef float ranking(const hny__row_format *code, const void *a, const void *b);
    static ranking *const rankings[2][3] = {{cosine_i8, euclidean_i8, manhattan_i8},
                                            {cosine_i4, euclidean_i4}};
    const uint32_t dim = coding->shape.dim;
    const int small = coding->codes == HNY_CODES_INT4;
    const uint32_t bytes = small ? (dim + 1) / 2 : dim;
    coding->code = (hny__row_format){
        .shape = {dim, coding->shape.metric, HNY_INT8},
        .bytes = bytes,
        .norm = hny__align4(bytes),
        .stride = hny__align4(bytes) + (uint32_t)sizeof(hny__trailer),
        .rank = rankings[small][coding->shape.metric - HNY_COSINE],
    };
    coding->error_offset = coding->code.norm + (uint32_t)offsetof(hny__trailer, error);
}

static void init_float16(hny__quantizer *coding) {
    const hny_shape shape = {coding->shape.dim, coding->shape.metric, HNY_FLOAT16};
    hny__row_format_init(&coding->code, shape);
    coding->error_offset = coding->code.stride;
    coding->code.stride += 4;
}

static void init_bit(hny__quantizer *coding) {
    hny__row_format_init(&coding->code,
                         (hny_shape){coding->shape.dim, HNY_HAMMING, coding->shape.type});
}

void hny__quantizer_init(hny__quantizer *coding, hny_shape shape, hny_codes codes) {
    const hny_codes resolved = resolve(shape, codes);
    *coding =
        (hny__quantizer){.shape = shape, .codes = resolved, .exact = is_exact(shape, resolved)};
    if (coding->exact) {
        hny__row_format_init(&coding->code, shape);
        return;
    }
    if (resolved == HNY_CODES_FLOAT16) {
        init_float16(coding);
        return;
    }
    if (resolved == HNY_CODES_BIT) {
        init_bit(coding);
    } else {
        init_integers(coding);
    }
    coding->residual = hny__align4(shape.dim) + (uint32_t)sizeof(residual_trailer);
}

/*
** Measured on WordNet and GloVe vectors: codes of int8 and 4 bits are off by a few places, half
** precision by fewer, and bits by so many that all that was found is worth a look.
*/
size_t hny__quantizer_rerank(const hny__quantizer *coding, size_t limit, size_t ef) {
    if (coding->exact) {
        return limit;
    }
    if (coding->codes == HNY_CODES_BIT) {
        const size_t all = ef ? ef : HNY__MAX_KEPT;
        return all > limit ? all : limit;
    }
    return limit + limit / 2 + 8;
}

/* --------------------------------------------------------------------------------- encoding -- */

int hny__encoder_init(hny__encoder *encoder, const hny__quantizer *coding) {
    memset(encoder, 0, sizeof *encoder);
    encoder->coding = *coding;
    if (coding->exact) {
        return HNY_OK;
    }
    encoder->numbers = malloc(coding->shape.dim * sizeof *encoder->numbers);
    encoder->decoded = malloc(coding->shape.dim * sizeof *encoder->decoded);
    if (coding->codes == HNY_CODES_INT4) {
        encoder->whole = malloc(coding->shape.dim);
    }
    const int lacks = coding->codes == HNY_CODES_INT4 && !encoder->whole;
    if (encoder->numbers && encoder->decoded && !lacks) {
        return HNY_OK;
    }
    hny__encoder_free(encoder);
    return HNY_NOMEM;
}

void hny__encoder_free(hny__encoder *encoder) {
    free(encoder->numbers);
    free(encoder->decoded);
    free(encoder->whole);
    encoder->numbers = encoder->decoded = NULL;
    encoder->whole = NULL;
}

static void read_halves(const uint8_t *bytes, size_t n, float *out) {
    for (size_t i = 0; i < n; i++) {
        uint16_t half;
        memcpy(&half, bytes + 2 * i, sizeof half);
        out[i] = hny__half_widen(half);
    }
}

static void read_numbers(hny_shape shape, const void *vector, float *out) {
    switch (shape.type) {
    case HNY_FLOAT32:
        memcpy(out, vector, shape.dim * sizeof *out);
        break;
    case HNY_FLOAT16:
        read_halves(vector, shape.dim, out);
        break;
    default:
        hny__kernels_get()->decode_i8(vector, NULL, 1, out, shape.dim);
        break;
    }
}

/* To unit length; a vector that has none (infinities, tampered with) counts as zero, and says so. */
static void normalise(hny_shape shape, const void *vector, float *numbers) {
    const double square = hny__exact_square(shape, vector);
    const double inverse = square > 0 ? 1 / sqrt(square) : 0;
    for (uint32_t i = 0; i < shape.dim; i++) {
        numbers[i] = (float)((double)numbers[i] * inverse);
    }
}

/* The largest of the numbers; where one is not finite, all are made zero and -1 is returned. */
static float tame(float *numbers, size_t n) {
    const float largest = hny__kernels_get()->largest_f32(numbers, n);
    if (largest <= FLT_MAX) {
        return largest;
    }
    memset(numbers, 0, n * sizeof *numbers);
    return -1;
}

static float upwards(double number) {
    const float rounded = (float)number;
    return (double)rounded < number ? nextafterf(rounded, INFINITY) : rounded;
}

/*
** How far the numbers are from what was decoded.  The second term: what a host that flushes
** subnormal numbers to zero may hide, and under cosine what was rounded on the way to unit length.
*/
static float error_of(const hny__encoder *encoder) {
    const hny_shape shape = encoder->coding.shape;
    const hny__kernels *const kernels = hny__kernels_get();
    const double least = (double)FLT_MIN * shape.dim;
    if (shape.metric == HNY_MANHATTAN) {
        return upwards(kernels->l1_exact_f32(encoder->numbers, encoder->decoded, shape.dim) +
                       least);
    }
    return upwards(sqrt(kernels->l2_exact_f32(encoder->numbers, encoder->decoded, shape.dim)) +
                   least + (shape.metric == HNY_COSINE ? 0x1p-23 : 0));
}

/* The inverse of a step, and the step, of numbers of which this one is the largest. */
static float steps_of(float largest, float *step) {
    const int any = largest >= SMALLEST;
    *step = any ? (float)((double)largest / 127) : 0;
    return any ? (float)(127 / (double)largest) : 0;
}

static void finish_int8(hny__encoder *encoder, float step, float largest, uint8_t *code) {
    const hny__quantizer *const coding = &encoder->coding;
    const hny__kernels *const kernels = hny__kernels_get();
    const uint32_t dim = coding->shape.dim;
    const double square = kernels->dot_i8((int8_t *)code, (int8_t *)code, dim);
    hny__trailer t = {step, (float)((double)step * step * square), INFINITY};
    if (coding->shape.metric == HNY_COSINE) {
        t.scale = square > 0 ? (float)(1 / sqrt(square)) : 0;
        t.square = 0;
    }
    kernels->decode_i8((int8_t *)code, NULL, t.scale, encoder->decoded, dim);
    if (largest >= 0) {
        t.error = error_of(encoder);
    }
    memset(code + dim, 0, coding->code.norm - dim);
    memcpy(code + coding->code.norm, &t, sizeof t);
}

static void finish_residual(hny__encoder *encoder, const uint8_t *code, float step, float largest,
                            uint8_t *residual) {
    const hny__quantizer *const coding = &encoder->coding;
    const uint32_t dim = coding->shape.dim;
    residual_trailer t = {step, INFINITY};
    if (coding->codes == HNY_CODES_INT8) {
        t.step = step / HNY__RESIDUAL_STEPS;
        hny__kernels_get()->decode_i8((const int8_t *)code, (int8_t *)residual, t.step,
                                      encoder->decoded, dim);
    } else {
        hny__kernels_get()->decode_i8((int8_t *)residual, NULL, t.step, encoder->decoded, dim);
    }
    if (largest >= 0) {
        t.error = error_of(encoder);
    }
    memset(residual + dim, 0, hny__align4(dim) - dim);
    memcpy(residual + hny__align4(dim), &t, sizeof t);
}

static void encode_int8(hny__encoder *encoder, float largest, uint8_t *code, uint8_t *residual) {
    const hny__quantizer *const coding = &encoder->coding;
    const uint32_t dim = coding->shape.dim;
    float step;
    const float inverse = steps_of(largest, &step);
    hny__kernels_get()->quantise_f32(encoder->numbers, inverse, (int8_t *)code, (int8_t *)residual,
                                     dim);
    finish_int8(encoder, step, largest, code);
    if (!residual) {
        return;
    }
    finish_residual(encoder, code, step, largest, residual);
    /* Of numbers that the code has exactly, the fine code's roundings may be the larger ones. */
    const float error =
        float_at(residual, hny__align4(dim) + (uint32_t)offsetof(residual_trailer, error));
    if (error > float_at(code, coding->error_offset)) {
        memcpy(code + coding->error_offset, &error, sizeof error);
    }
}

/* As int8, which are off by half a step each. */
static void quantise_whole(hny__encoder *encoder, float largest) {
    const hny__kernels *const kernels = hny__kernels_get();
    const size_t dim = encoder->coding.shape.dim;
    int8_t *const whole = encoder->whole;
    kernels->quantise_f32(encoder->numbers, steps_of(largest, &encoder->step), whole, NULL, dim);
    const double step = (double)encoder->step;
    encoder->whole_square = step * step * kernels->dot_i8(whole, whole, dim);
    encoder->whole_error = largest < 0 ? INFINITY : 0.501 * step * sqrt((double)dim);
}

/*
** What lies in one step of 4 bits to either side of it is told apart, but not all that lies beyond
** the seventh: the largest few numbers are cut off, so that steps are smaller for all others.  By how
** much is tried out: of the numbers as int8, which are integers, so that every processor comes to the
** same, that share of the length counts which lies in the code's direction.  For the normal
** distribution the best is 2.5 deviations, and 0.8 of the largest of 400 numbers.
*/
static void quantise_i4(hny__encoder *encoder, float largest, int8_t *best, float *scale) {
    static const float cuts[] = {1, 0.84f, 0.71f, 0.6f, 0.5f, 0.42f, 0.35f, 0.3f, 0.25f};
    const hny__kernels *const kernels = hny__kernels_get();
    const size_t dim = encoder->coding.shape.dim;
    int8_t *const whole = encoder->whole, *const tried = best + dim;
    quantise_whole(encoder, largest);
    const double step = (double)encoder->step;
    double most = -1;
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        const double inverse = step > 0 ? 7 / ((double)largest * (double)cuts[i]) : 0;
        kernels->quantise_i4(encoder->numbers, (float)inverse, tried, dim);
        const double dot = kernels->dot_i8(whole, tried, dim);
        const double square = kernels->dot_i8(tried, tried, dim);
        const double share = square > 0 ? dot * dot / square : 0;
        if (share <= most) {
            break;
        }
        most = share;
        memcpy(best, tried, dim);
        *scale = square > 0 ? (float)(dot / square * step) : 0;
    }
}

static void pack_i4(const int8_t *numbers, uint32_t dim, uint8_t *code) {
    const uint32_t half = (dim + 1) / 2;
    for (uint32_t i = 0; i < dim / 2; i++) {
        code[i] = (uint8_t)((numbers[i] & 15) | (uint32_t)numbers[half + i] << 4);
    }
    if (dim % 2) {
        code[half - 1] = numbers[half - 1] & 15;
    }
    memset(code + half, 0, hny__align4(half) - half);
}

/* The fine code is of what the code leaves of the numbers, which `decoded` is on entry. */
static float encode_rest_i4(hny__encoder *encoder, const uint8_t *code, float scale, float largest,
                            uint8_t *residual) {
    const hny__kernels *const kernels = hny__kernels_get();
    const uint32_t dim = encoder->coding.shape.dim;
    residual_trailer t = {0, INFINITY};
    for (uint32_t i = 0; i < dim; i++) {
        encoder->decoded[i] = encoder->numbers[i] - encoder->decoded[i];
    }
    const float inverse = steps_of(kernels->largest_f32(encoder->decoded, dim), &t.step);
    kernels->quantise_f32(encoder->decoded, inverse, (int8_t *)residual, NULL, dim);
    kernels->decode_i4(code, scale, (int8_t *)residual, t.step, encoder->decoded, dim);
    if (largest >= 0) {
        t.error = error_of(encoder);
    }
    memset(residual + dim, 0, hny__align4(dim) - dim);
    memcpy(residual + hny__align4(dim), &t, sizeof t);
    return t.error;
}

static void encode_i4(hny__encoder *encoder, float largest, uint8_t *code, uint8_t *residual) {
    const hny__quantizer *const coding = &encoder->coding;
    const hny__kernels *const kernels = hny__kernels_get();
    int8_t *const numbers = (int8_t *)encoder->decoded;
    hny__trailer t = {0, 0, INFINITY};
    quantise_i4(encoder, largest, numbers, &t.scale);
    pack_i4(numbers, coding->shape.dim, code);
    const double square = kernels->dot_i4(code, code, coding->code.bytes);
    if (coding->shape.metric == HNY_COSINE) {
        t.scale = square > 0 ? (float)(1 / sqrt(square)) : 0;
    } else {
        t.square = (float)((double)t.scale * t.scale * square);
    }
    kernels->decode_i4(code, t.scale, NULL, 0, encoder->decoded, coding->shape.dim);
    if (largest >= 0) {
        t.error = error_of(encoder);
    }
    if (residual) {
        const float error = encode_rest_i4(encoder, code, t.scale, largest, residual);
        if (t.error < HNY__RESIDUAL_GAIN_I4 * error) {
            t.error = HNY__RESIDUAL_GAIN_I4 * error;
        }
    }
    memcpy(code + coding->code.norm, &t, sizeof t);
}

static void encode_bit(hny__encoder *encoder, const void *vector, float largest, uint8_t *code,
                       uint8_t *residual) {
    float step;
    const float inverse = steps_of(largest, &step);
    hny__row_encode(&encoder->coding.code, vector, code);
    if (!residual) {
        return;
    }
    hny__kernels_get()->quantise_f32(encoder->numbers, inverse, (int8_t *)residual, NULL,
                                     encoder->coding.shape.dim);
    finish_residual(encoder, code, step, largest, residual);
}

static uint16_t half_of(float number) {
    const float most = 65504; /* the largest half */
    if (number > most) {
        return hny_half_from_float(most);
    }
    return hny_half_from_float(number < -most ? -most : number);
}

static void encode_float16(hny__encoder *encoder, float largest, uint8_t *code) {
    const hny__quantizer *const coding = &encoder->coding;
    const uint32_t dim = coding->shape.dim;
    hny__row_format as_row = coding->code;
    as_row.stride = coding->error_offset;
    /* Halves in the place of floats, front to back: a half never overtakes the float it is of. */
    uint8_t *const halves = (uint8_t *)encoder->decoded;
    for (uint32_t i = 0; i < dim; i++) {
        const uint16_t half = half_of(encoder->numbers[i]);
        memcpy(halves + 2 * (size_t)i, &half, sizeof half);
    }
    hny__row_encode(&as_row, halves, code);
    read_halves(code, dim, encoder->decoded);
    const float error = largest >= 0 ? error_of(encoder) : INFINITY;
    memcpy(code + coding->error_offset, &error, sizeof error);
}

/* The numbers to encode; returns the largest, or -1. */
static float take(hny__encoder *encoder, const void *vector) {
    const hny_shape shape = encoder->coding.shape;
    read_numbers(shape, vector, encoder->numbers);
    if (shape.metric == HNY_COSINE) {
        normalise(shape, vector, encoder->numbers);
    }
    return tame(encoder->numbers, shape.dim);
}

void hny__encode(hny__encoder *encoder, const void *vector, void *code, void *residual) {
    const hny__quantizer *const coding = &encoder->coding;
    if (coding->exact) {
        hny__row_encode(&coding->code, vector, code);
        return;
    }
    const float largest = take(encoder, vector);
    if (coding->codes == HNY_CODES_INT8) {
        encode_int8(encoder, largest, code, residual);
    } else if (coding->codes == HNY_CODES_INT4) {
        encode_i4(encoder, largest, code, residual);
    } else if (coding->codes == HNY_CODES_FLOAT16) {
        encode_float16(encoder, largest, code);
    } else {
        encode_bit(encoder, vector, largest, code, residual);
    }
}

void hny__encode_query(hny__encoder *encoder, const void *vector, void *code) {
    if (encoder->coding.codes == HNY_CODES_INT4) {
        quantise_whole(encoder, take(encoder, vector));
    } else {
        hny__encode(encoder, vector, code, NULL);
    }
}

/* -------------------------------------------------------------------------------- measuring -- */

static float decode_i4(hny__encoder *encoder, const uint8_t *code, const uint8_t *residual) {
    const uint32_t dim = encoder->coding.shape.dim;
    residual_trailer t;
    memcpy(&t, residual + hny__align4(dim), sizeof t);
    hny__kernels_get()->decode_i4(code, float_at(code, encoder->coding.code.norm),
                                  (const int8_t *)residual, t.step, encoder->decoded, dim);
    return t.error;
}

/* The numbers that a code and its fine code stand for; returns their error. */
static float decode(hny__encoder *encoder, const uint8_t *code, const uint8_t *residual) {
    const hny__quantizer *const coding = &encoder->coding;
    const uint32_t dim = coding->shape.dim;
    if (coding->codes == HNY_CODES_FLOAT16) {
        read_halves(code, dim, encoder->decoded);
        return float_at(code, coding->error_offset);
    }
    if (coding->codes == HNY_CODES_INT4) {
        return decode_i4(encoder, code, residual);
    }
    const int8_t *const first = (const int8_t *)(coding->codes == HNY_CODES_INT8 ? code : residual);
    const int8_t *const second = coding->codes == HNY_CODES_INT8 ? (const int8_t *)residual : NULL;
    residual_trailer t;
    memcpy(&t, residual + hny__align4(dim), sizeof t);
    hny__kernels_get()->decode_i8(first, second, t.step, encoder->decoded, dim);
    return t.error;
}

void hny__encoder_decode(hny__encoder *encoder, const void *code, const void *residual) {
    if (encoder->coding.exact) {
        return;
    }
    decode(encoder, code, residual);
    float *const numbers = encoder->decoded;
    encoder->decoded = encoder->numbers;
    encoder->numbers = numbers;
    if (encoder->coding.codes == HNY_CODES_INT4) {
        quantise_whole(encoder,
                       hny__kernels_get()->largest_f32(numbers, encoder->coding.shape.dim));
    }
}

double hny__quantizer_rounding(const hny__quantizer *coding) {
    const double lanes = hny__kernels_get()->lanes;
    return 1.02 * (16 + HNY__KERNEL_STEPS + coding->shape.dim / lanes) * 0x1p-24;
}

/*
** From the vector encoded last to what was decoded, off from the vector behind that by at most *error.
** The triangle inequality, and under cosine, where lengths are 1, Cauchy and Schwarz's: the distance
** is off by no more than the code is, which is `known`.
*/
static double to_decoded(const hny__encoder *encoder, double known, double *error) {
    const hny__quantizer *const coding = &encoder->coding;
    const hny__kernels *const kernels = hny__kernels_get();
    const uint32_t dim = coding->shape.dim;
    double distance, least = 3.0 * dim * (double)FLT_MIN;
    if (coding->shape.metric == HNY_COSINE) {
        distance = 1 - (double)kernels->dot_f32(encoder->numbers, encoder->decoded, dim);
        *error = known + 1.01 * hny__quantizer_rounding(coding);
    } else if (coding->shape.metric == HNY_EUCLIDEAN) {
        distance = sqrt((double)kernels->l2_f32(encoder->numbers, encoder->decoded, dim));
        *error = known + distance * hny__quantizer_rounding(coding) + sqrt(least);
    } else {
        distance = (double)kernels->l1_f32(encoder->numbers, encoder->decoded, dim);
        *error = known + distance * hny__quantizer_rounding(coding) + least;
    }
    if (!(distance <= DBL_MAX)) { /* a sum of floats overflowed */
        *error = INFINITY;
        return FLT_MAX;
    }
    return distance > 0 ? distance : 0;
}

double hny__encoder_distance(hny__encoder *encoder, const void *query, const void *code,
                             const void *residual, double *error) {
    const hny__quantizer *const coding = &encoder->coding;
    *error = 0;
    if (coding->exact) {
        return hny__row_distance(&coding->code, query, code);
    }
    return to_decoded(encoder, decode(encoder, code, residual), error);
}
