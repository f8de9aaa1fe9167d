/* Quantizers: codes of vectors, and distances from codes with a bound on their error. */
#include "vector/quantizer.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/align.h"
#include "simd/half.h"
#include "simd/kernel.h"
#include "vector/exact_distance.h"

/* What follows the numbers of a residual code. */
typedef struct residual_trailer {
    float step;  /* the argument `step` of decode_i8, `residual_step` of decode_i4 (kernel.h) */
    float error; /* an upper bound of the distance between the vector and what is decoded */
} residual_trailer;

/* A vector whose largest number is smaller is encoded as zeros: its inverse step is no float. */
#define SMALLEST 0x1p-100f

static float float_at(const void *bytes, uint32_t offset) {
    float number;
    memcpy(&number, (const uint8_t *)bytes + offset, sizeof number);
    return number;
}

/* ---------------------------------------------------------------------------- ranks of codes -- */

static float rank_of_cosine_dot(const hny__row_format *format, const void *a, const void *b,
                                int32_t dot) {
    const float scale = float_at(a, format->scale_offset) * float_at(b, format->scale_offset);
    const float rank = 1 - (float)dot * scale;
    return rank > 0 ? rank : 0;
}

static float code_cosine_i8(const hny__row_format *format, const void *a, const void *b) {
    const int32_t dot = hny__kernels_get()->dot_i8(a, b, format->vector_bytes);
    return rank_of_cosine_dot(format, a, b, dot);
}

static float code_cosine_i4(const hny__row_format *format, const void *a, const void *b) {
    const int32_t dot = hny__kernels_get()->dot_i4(a, b, format->vector_bytes);
    return rank_of_cosine_dot(format, a, b, dot);
}

/* The comparison is false also for NaN, which infinite squares result in. */
static float at_most_max(float rank) {
    return rank <= FLT_MAX ? rank : FLT_MAX;
}

static float rank_of_euclidean_dot(const hny__row_format *format, const void *a, const void *b,
                                   int32_t dot) {
    const hny__trailer x = hny__trailer_of(format, a), y = hny__trailer_of(format, b);
    const float rank = (x.square + y.square) - 2 * (x.scale * y.scale) * (float)dot;
    return rank < 0 ? 0 : at_most_max(rank);
}

static float code_euclidean_i8(const hny__row_format *format, const void *a, const void *b) {
    const int32_t dot = hny__kernels_get()->dot_i8(a, b, format->vector_bytes);
    return rank_of_euclidean_dot(format, a, b, dot);
}

static float code_euclidean_i4(const hny__row_format *format, const void *a, const void *b) {
    const int32_t dot = hny__kernels_get()->dot_i4(a, b, format->vector_bytes);
    return rank_of_euclidean_dot(format, a, b, dot);
}

static float rank_of_code_dot(const hny__row_format *format, const void *a, const void *b,
                              int32_t dot) {
    const float scale = float_at(a, format->scale_offset) * float_at(b, format->scale_offset);
    const float rank = 0 - (float)dot * scale;
    return rank < -FLT_MAX ? -FLT_MAX : at_most_max(rank);
}

static float code_dot_i8(const hny__row_format *format, const void *a, const void *b) {
    const int32_t dot = hny__kernels_get()->dot_i8(a, b, format->vector_bytes);
    return rank_of_code_dot(format, a, b, dot);
}

static float code_dot_i4(const hny__row_format *format, const void *a, const void *b) {
    const int32_t dot = hny__kernels_get()->dot_i4(a, b, format->vector_bytes);
    return rank_of_code_dot(format, a, b, dot);
}

static float code_manhattan_i8(const hny__row_format *format, const void *a, const void *b) {
    const float x = float_at(a, format->scale_offset), y = float_at(b, format->scale_offset);
    return at_most_max(hny__kernels_get()->l1_scaled_i8(a, x, b, y, format->vector_bytes));
}

/* -------------------------------------------------------------------------------- quantizers -- */

static hny_codes resolve_codes(hny_shape shape, hny_codes codes) {
    if (shape.metric == HNY_HAMMING || shape.type == HNY_BIT) {
        return HNY_CODES_BIT;
    }
    if (shape.type == HNY_INT8) {
        return codes == HNY_CODES_BIT && shape.metric != HNY_DOT ? codes : HNY_CODES_INT8;
    }
    if (shape.type == HNY_FLOAT16 && codes == HNY_CODES_FLOAT32) {
        return HNY_CODES_FLOAT16;
    }
    if (shape.metric == HNY_MANHATTAN && codes == HNY_CODES_INT4) {
        return HNY_CODES_INT8;
    }
    if (shape.metric == HNY_DOT && codes == HNY_CODES_BIT) {
        return HNY_CODES_INT8; /* signs tell nothing of lengths */
    }
    return codes;
}

static bool is_exact(hny_shape shape, hny_codes codes) {
    static const hny_codes own[] = {HNY_CODES_FLOAT32, HNY_CODES_FLOAT16, HNY_CODES_INT8,
                                    HNY_CODES_BIT};
    return shape.metric == HNY_HAMMING || codes == own[shape.type - HNY_FLOAT32];
}

static void init_integers(hny__quantizer *quantizer) {
    typedef float ranking(const hny__row_format *format, const void *a, const void *b);
    static ranking *const rankings[][2] = {
        [HNY_COSINE] = {code_cosine_i8, code_cosine_i4},
        [HNY_EUCLIDEAN] = {code_euclidean_i8, code_euclidean_i4},
        [HNY_MANHATTAN] = {code_manhattan_i8, NULL},
        [HNY_DOT] = {code_dot_i8, code_dot_i4},
    };
    const uint32_t dim = quantizer->shape.dim;
    const bool is_i4 = quantizer->codes == HNY_CODES_INT4;
    const uint32_t bytes = is_i4 ? (dim + 1) / 2 : dim;
    quantizer->format = (hny__row_format){
        .shape = {dim, quantizer->shape.metric, HNY_INT8},
        .vector_bytes = bytes,
        .row_bytes = hny__align4(bytes) + (uint32_t)sizeof(hny__trailer),
        .scale_offset = hny__align4(bytes),
        .rank = rankings[quantizer->shape.metric][is_i4],
    };
    quantizer->error_offset =
        quantizer->format.scale_offset + (uint32_t)offsetof(hny__trailer, error);
}

static void init_float16(hny__quantizer *quantizer) {
    const hny_shape shape = {quantizer->shape.dim, quantizer->shape.metric, HNY_FLOAT16};
    hny__row_format_init(&quantizer->format, shape);
    quantizer->error_offset = quantizer->format.row_bytes;
    quantizer->format.row_bytes += 4;
}

static void init_bit(hny__quantizer *quantizer) {
    hny__row_format_init(&quantizer->format,
                         (hny_shape){quantizer->shape.dim, HNY_HAMMING, quantizer->shape.type});
}

void hny__quantizer_init(hny__quantizer *quantizer, hny_shape shape, hny_codes codes) {
    const hny_codes resolved = resolve_codes(shape, codes);
    *quantizer =
        (hny__quantizer){.shape = shape, .codes = resolved, .exact = is_exact(shape, resolved)};
    if (quantizer->exact) {
        hny__row_format_init(&quantizer->format, shape);
        return;
    }
    if (resolved == HNY_CODES_FLOAT16) {
        init_float16(quantizer);
        return;
    }
    if (resolved == HNY_CODES_BIT) {
        init_bit(quantizer);
    } else {
        init_integers(quantizer);
    }
    quantizer->residual_bytes = hny__align4(shape.dim) + (uint32_t)sizeof(residual_trailer);
}

/*
** Measured on WordNet and GloVe vectors: int8 and 4-bit codes rank rows off by a few places, half
** precision by fewer, and bits by so many that everything found is measured again.
*/
size_t hny__quantizer_rerank(const hny__quantizer *quantizer, size_t limit, size_t ef) {
    if (quantizer->exact) {
        return limit;
    }
    if (quantizer->codes == HNY_CODES_BIT) {
        const size_t all = ef ? ef : HNY__MAX_KEPT;
        return all > limit ? all : limit;
    }
    return limit + limit / 2 + 8;
}

/* ---------------------------------------------------------------------------------- encoding -- */

int hny__encoder_init(hny__encoder *encoder, const hny__quantizer *quantizer) {
    memset(encoder, 0, sizeof *encoder);
    encoder->quantizer = *quantizer;
    if (quantizer->exact) {
        return HNY_OK;
    }
    encoder->numbers = malloc(quantizer->shape.dim * sizeof *encoder->numbers);
    encoder->decoded = malloc(quantizer->shape.dim * sizeof *encoder->decoded);
    if (quantizer->codes == HNY_CODES_INT4) {
        encoder->whole = malloc(quantizer->shape.dim);
    }
    const bool lacks_whole = quantizer->codes == HNY_CODES_INT4 && !encoder->whole;
    if (encoder->numbers && encoder->decoded && !lacks_whole) {
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

/* Scales to unit length.  A vector without a finite length (which is damaged) becomes zero. */
static void normalise(hny_shape shape, const void *vector, float *numbers) {
    const double square = hny__exact_square(shape, vector);
    const double inverse = square > 0 ? 1 / sqrt(square) : 0;
    for (uint32_t i = 0; i < shape.dim; i++) {
        numbers[i] = (float)((double)numbers[i] * inverse);
    }
}

/* The largest absolute value; -1 if a number is not finite, and then all are set to zero. */
static float largest_or_zeroed(float *numbers, size_t n) {
    const float largest = hny__kernels_get()->largest_f32(numbers, n);
    if (largest <= FLT_MAX) {
        return largest;
    }
    memset(numbers, 0, n * sizeof *numbers);
    return -1;
}

static float round_up(double number) {
    const float rounded = (float)number;
    return (double)rounded < number ? nextafterf(rounded, INFINITY) : rounded;
}

/*
** An upper bound of the distance between the numbers and `decoded`.  `underflow` bounds the part
** that the sum loses if the host's floating-point mode flushes subnormals to zero.  Under cosine
** the scaling to unit length was rounded, too.
*/
static float encoding_error(const hny__encoder *encoder) {
    const hny_shape shape = encoder->quantizer.shape;
    const hny__kernels *const kernels = hny__kernels_get();
    const double underflow = (double)FLT_MIN * shape.dim;
    if (shape.metric == HNY_MANHATTAN) {
        return round_up(kernels->l1_exact_f32(encoder->numbers, encoder->decoded, shape.dim) +
                        underflow);
    }
    return round_up(sqrt(kernels->l2_exact_f32(encoder->numbers, encoder->decoded, shape.dim)) +
                    underflow + (shape.metric == HNY_COSINE ? 0x1p-23 : 0));
}

/* The inverse of a step, and the step, for numbers with this largest absolute value. */
static float inverse_step(float largest, float *step) {
    const bool is_nonzero = largest >= SMALLEST;
    *step = is_nonzero ? (float)((double)largest / 127) : 0;
    return is_nonzero ? (float)(127 / (double)largest) : 0;
}

static void write_trailer_i8(hny__encoder *encoder, float step, float largest, uint8_t *code) {
    const hny__quantizer *const quantizer = &encoder->quantizer;
    const hny__kernels *const kernels = hny__kernels_get();
    const uint32_t dim = quantizer->shape.dim;
    const double square = kernels->dot_i8((int8_t *)code, (int8_t *)code, dim);
    hny__trailer t = {step, (float)((double)step * step * square), INFINITY};
    if (quantizer->shape.metric == HNY_COSINE) {
        t.scale = square > 0 ? (float)(1 / sqrt(square)) : 0;
        t.square = 0;
    }
    kernels->decode_i8((int8_t *)code, NULL, t.scale, encoder->decoded, dim);
    if (largest >= 0) {
        t.error = encoding_error(encoder);
    }
    memset(code + dim, 0, quantizer->format.scale_offset - dim);
    memcpy(code + quantizer->format.scale_offset, &t, sizeof t);
}

static void write_residual_trailer(hny__encoder *encoder, const uint8_t *code, float step,
                                   float largest, uint8_t *residual) {
    const hny__quantizer *const quantizer = &encoder->quantizer;
    const uint32_t dim = quantizer->shape.dim;
    residual_trailer t = {step, INFINITY};
    if (quantizer->codes == HNY_CODES_INT8) {
        t.step = step / HNY__RESIDUAL_STEPS;
        hny__kernels_get()->decode_i8((const int8_t *)code, (int8_t *)residual, t.step,
                                      encoder->decoded, dim);
    } else {
        hny__kernels_get()->decode_i8((int8_t *)residual, NULL, t.step, encoder->decoded, dim);
    }
    if (largest >= 0) {
        t.error = encoding_error(encoder);
    }
    memset(residual + dim, 0, hny__align4(dim) - dim);
    memcpy(residual + hny__align4(dim), &t, sizeof t);
}

static void encode_int8(hny__encoder *encoder, float largest, uint8_t *code, uint8_t *residual) {
    const hny__quantizer *const quantizer = &encoder->quantizer;
    const uint32_t dim = quantizer->shape.dim;
    float step;
    const float inverse = inverse_step(largest, &step);
    hny__kernels_get()->quantise_f32(encoder->numbers, inverse, (int8_t *)code, (int8_t *)residual,
                                     dim);
    write_trailer_i8(encoder, step, largest, code);
    if (!residual) {
        return;
    }
    write_residual_trailer(encoder, code, step, largest, residual);
    /* Where the int8 code has no error, the rounding of the residual code may be larger. */
    const float error =
        float_at(residual, hny__align4(dim) + (uint32_t)offsetof(residual_trailer, error));
    if (error > float_at(code, quantizer->error_offset)) {
        memcpy(code + quantizer->error_offset, &error, sizeof error);
    }
}

/* Encodes the numbers as int8; the error of each is at most half a step. */
static void quantise_query_i4(hny__encoder *encoder, float largest) {
    const hny__kernels *const kernels = hny__kernels_get();
    const size_t dim = encoder->quantizer.shape.dim;
    int8_t *const whole = encoder->whole;
    kernels->quantise_f32(encoder->numbers, inverse_step(largest, &encoder->step), whole, NULL,
                          dim);
    const double step = (double)encoder->step;
    encoder->whole_square = step * step * kernels->dot_i8(whole, whole, dim);
    encoder->whole_error = largest < 0 ? INFINITY : 0.501 * step * sqrt((double)dim);
}

/*
** With 4 bits it is better to clip the few largest numbers at 7 steps, so that the steps of all
** others are smaller.  Clips are tried from the largest on, as long as the cosine of the code and
** the vector rises.  The numbers are taken as int8, so that all
** sums are integers and every processor has the same result.  For the normal distribution the best
** clip is 2.5 deviations, or 0.8 of the largest of 400 numbers.
*/
static void quantise_i4(hny__encoder *encoder, float largest, int8_t *best, float *scale) {
    static const float clips[] = {1, 0.84f, 0.71f, 0.6f, 0.5f, 0.42f, 0.35f, 0.3f, 0.25f};
    const hny__kernels *const kernels = hny__kernels_get();
    const size_t dim = encoder->quantizer.shape.dim;
    int8_t *const whole = encoder->whole, *const tried = best + dim;
    quantise_query_i4(encoder, largest);
    const double step = (double)encoder->step;
    double best_share = -1;
    for (size_t i = 0; i < sizeof clips / sizeof *clips; i++) {
        const double inverse = step > 0 ? 7 / ((double)largest * (double)clips[i]) : 0;
        kernels->quantise_i4(encoder->numbers, (float)inverse, tried, dim);
        const double dot = kernels->dot_i8(whole, tried, dim);
        const double square = kernels->dot_i8(tried, tried, dim);
        const double share = square > 0 ? dot * dot / square : 0;
        if (share <= best_share) {
            break;
        }
        best_share = share;
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

/* Encodes what the code leaves of the numbers; `decoded` is what the code stands for. */
static float encode_residual_i4(hny__encoder *encoder, const uint8_t *code, float scale,
                                float largest, uint8_t *residual) {
    const hny__kernels *const kernels = hny__kernels_get();
    const uint32_t dim = encoder->quantizer.shape.dim;
    residual_trailer t = {0, INFINITY};
    for (uint32_t i = 0; i < dim; i++) {
        encoder->decoded[i] = encoder->numbers[i] - encoder->decoded[i];
    }
    const float inverse = inverse_step(kernels->largest_f32(encoder->decoded, dim), &t.step);
    kernels->quantise_f32(encoder->decoded, inverse, (int8_t *)residual, NULL, dim);
    kernels->decode_i4(code, scale, (int8_t *)residual, t.step, encoder->decoded, dim);
    if (largest >= 0) {
        t.error = encoding_error(encoder);
    }
    memset(residual + dim, 0, hny__align4(dim) - dim);
    memcpy(residual + hny__align4(dim), &t, sizeof t);
    return t.error;
}

static void encode_i4(hny__encoder *encoder, float largest, uint8_t *code, uint8_t *residual) {
    const hny__quantizer *const quantizer = &encoder->quantizer;
    const hny__kernels *const kernels = hny__kernels_get();
    int8_t *const numbers = (int8_t *)encoder->decoded;
    hny__trailer t = {0, 0, INFINITY};
    quantise_i4(encoder, largest, numbers, &t.scale);
    pack_i4(numbers, quantizer->shape.dim, code);
    const double square = kernels->dot_i4(code, code, quantizer->format.vector_bytes);
    if (quantizer->shape.metric == HNY_COSINE) {
        t.scale = square > 0 ? (float)(1 / sqrt(square)) : 0;
    } else {
        t.square = (float)((double)t.scale * t.scale * square);
    }
    kernels->decode_i4(code, t.scale, NULL, 0, encoder->decoded, quantizer->shape.dim);
    if (largest >= 0) {
        t.error = encoding_error(encoder);
    }
    if (residual) {
        const float error = encode_residual_i4(encoder, code, t.scale, largest, residual);
        if (t.error < HNY__RESIDUAL_GAIN_I4 * error) {
            t.error = HNY__RESIDUAL_GAIN_I4 * error;
        }
    }
    memcpy(code + quantizer->format.scale_offset, &t, sizeof t);
}

static void encode_bit(hny__encoder *encoder, const void *vector, float largest, uint8_t *code,
                       uint8_t *residual) {
    float step;
    const float inverse = inverse_step(largest, &step);
    hny__row_encode(&encoder->quantizer.format, vector, code);
    if (!residual) {
        return;
    }
    hny__kernels_get()->quantise_f32(encoder->numbers, inverse, (int8_t *)residual, NULL,
                                     encoder->quantizer.shape.dim);
    write_residual_trailer(encoder, code, step, largest, residual);
}

static uint16_t clipped_half(float number) {
    const float max = 65504; /* the largest half */
    if (number > max) {
        return hny_half_from_float(max);
    }
    return hny_half_from_float(number < -max ? -max : number);
}

static void encode_float16(hny__encoder *encoder, float largest, uint8_t *code) {
    const hny__quantizer *const quantizer = &encoder->quantizer;
    const uint32_t dim = quantizer->shape.dim;
    hny__row_format as_row = quantizer->format;
    as_row.row_bytes = quantizer->error_offset;
    /* `decoded` holds the halves until it is written below. */
    uint8_t *const halves = (uint8_t *)encoder->decoded;
    for (uint32_t i = 0; i < dim; i++) {
        const uint16_t half = clipped_half(encoder->numbers[i]);
        memcpy(halves + 2 * (size_t)i, &half, sizeof half);
    }
    hny__row_encode(&as_row, halves, code);
    read_halves(code, dim, encoder->decoded);
    const float error = largest >= 0 ? encoding_error(encoder) : INFINITY;
    memcpy(code + quantizer->error_offset, &error, sizeof error);
}

/* Reads the numbers to encode.  Returns the largest absolute value, or -1. */
static float read_vector(hny__encoder *encoder, const void *vector) {
    const hny_shape shape = encoder->quantizer.shape;
    read_numbers(shape, vector, encoder->numbers);
    if (shape.metric == HNY_COSINE) {
        normalise(shape, vector, encoder->numbers);
    }
    encoder->length = shape.metric == HNY_DOT ? sqrt(hny__exact_square(shape, vector)) : 0;
    const float largest = largest_or_zeroed(encoder->numbers, shape.dim);
    encoder->is_zero = largest <= 0;
    return largest;
}

void hny__encode(hny__encoder *encoder, const void *vector, void *code, void *residual) {
    const hny__quantizer *const quantizer = &encoder->quantizer;
    if (quantizer->exact) {
        hny__row_encode(&quantizer->format, vector, code);
        return;
    }
    const float largest = read_vector(encoder, vector);
    if (quantizer->codes == HNY_CODES_INT8) {
        encode_int8(encoder, largest, code, residual);
    } else if (quantizer->codes == HNY_CODES_INT4) {
        encode_i4(encoder, largest, code, residual);
    } else if (quantizer->codes == HNY_CODES_FLOAT16) {
        encode_float16(encoder, largest, code);
    } else {
        encode_bit(encoder, vector, largest, code, residual);
    }
}

void hny__encode_query(hny__encoder *encoder, const void *vector, void *code) {
    if (encoder->quantizer.codes == HNY_CODES_INT4) {
        quantise_query_i4(encoder, read_vector(encoder, vector));
    } else {
        hny__encode(encoder, vector, code, NULL);
    }
}

/* --------------------------------------------------------------------------------- distances -- */

static float decode_numbers_i4(hny__encoder *encoder, const uint8_t *code,
                               const uint8_t *residual) {
    const uint32_t dim = encoder->quantizer.shape.dim;
    residual_trailer t;
    memcpy(&t, residual + hny__align4(dim), sizeof t);
    hny__kernels_get()->decode_i4(code, float_at(code, encoder->quantizer.format.scale_offset),
                                  (const int8_t *)residual, t.step, encoder->decoded, dim);
    return t.error;
}

/* Decodes a code and its residual code.  Returns their error. */
static float decode_numbers(hny__encoder *encoder, const uint8_t *code, const uint8_t *residual) {
    const hny__quantizer *const quantizer = &encoder->quantizer;
    const uint32_t dim = quantizer->shape.dim;
    if (quantizer->codes == HNY_CODES_FLOAT16) {
        read_halves(code, dim, encoder->decoded);
        return float_at(code, quantizer->error_offset);
    }
    if (quantizer->codes == HNY_CODES_INT4) {
        return decode_numbers_i4(encoder, code, residual);
    }
    const int8_t *const first =
        (const int8_t *)(quantizer->codes == HNY_CODES_INT8 ? code : residual);
    const int8_t *const second =
        quantizer->codes == HNY_CODES_INT8 ? (const int8_t *)residual : NULL;
    residual_trailer t;
    memcpy(&t, residual + hny__align4(dim), sizeof t);
    hny__kernels_get()->decode_i8(first, second, t.step, encoder->decoded, dim);
    return t.error;
}

void hny__encoder_decode(hny__encoder *encoder, const void *code, const void *residual) {
    if (encoder->quantizer.exact) {
        return;
    }
    decode_numbers(encoder, code, residual);
    float *const numbers = encoder->decoded;
    encoder->decoded = encoder->numbers;
    encoder->numbers = numbers;
    encoder->is_zero = false;
    if (encoder->quantizer.shape.metric == HNY_DOT) {
        const hny_shape decoded = {encoder->quantizer.shape.dim, HNY_DOT, HNY_FLOAT32};
        encoder->length = sqrt(hny__exact_square(decoded, numbers));
    }
    if (encoder->quantizer.codes == HNY_CODES_INT4) {
        quantise_query_i4(encoder,
                          hny__kernels_get()->largest_f32(numbers, encoder->quantizer.shape.dim));
    }
}

double hny__quantizer_rounding(const hny__quantizer *quantizer) {
    const double lanes = hny__kernels_get()->lanes;
    return 1.02 * (16 + HNY__KERNEL_STEPS + quantizer->shape.dim / lanes) * 0x1p-24;
}

/*
** Under cosine the distance of unit vectors is half of their squared euclidean distance d, which
** the errors e of the codes change by at most d e + e^2 / 2.  So of near vectors it is known far
** better than from a dot product, which is off by e whatever the distance: codes of near-duplicates
** had distances of 0.  False: the vectors are not near, or the query is zero.
*/
static bool near_cosine_distance(const hny__encoder *encoder, double code_error, double *distance,
                                 double *error) {
    const uint32_t dim = encoder->quantizer.shape.dim;
    const float square = hny__kernels_get()->l2_f32(encoder->numbers, encoder->decoded, dim);
    const double d = sqrt((double)square), e = code_error + 0x1p-23;
    if (encoder->is_zero || !(d + e / 2 < 0.9)) {
        return false;
    }
    *distance = (double)square / 2;
    *error = d * e + e * e / 2 + *distance * hny__quantizer_rounding(&encoder->quantizer) +
             3.0 * dim * (double)FLT_MIN;
    return true;
}

/*
** The distance of the encoder's vector (the query) to `decoded`.  *error bounds its difference from
** the distance to the row's own vector, of which `decoded` is an approximation: by the triangle
** inequality, or under cosine, where lengths are 1, by Cauchy-Schwarz, that is the error of the
** code plus rounding.  Under dot the error of the code is multiplied by the length of the query.
*/
static double distance_to_decoded(const hny__encoder *encoder, double code_error, double *error) {
    const hny__quantizer *const quantizer = &encoder->quantizer;
    const hny__kernels *const kernels = hny__kernels_get();
    const uint32_t dim = quantizer->shape.dim;
    double distance, underflow = 3.0 * dim * (double)FLT_MIN;
    if (quantizer->shape.metric == HNY_COSINE) {
        if (near_cosine_distance(encoder, code_error, &distance, error)) {
            return distance;
        }
        distance = 1 - (double)kernels->dot_f32(encoder->numbers, encoder->decoded, dim);
        *error = code_error + 1.01 * hny__quantizer_rounding(quantizer);
    } else if (quantizer->shape.metric == HNY_DOT) {
        const hny_shape shape = {dim, HNY_DOT, HNY_FLOAT32};
        const double length = sqrt(hny__exact_square(shape, encoder->decoded));
        distance = 0 - (double)kernels->dot_f32(encoder->numbers, encoder->decoded, dim);
        *error = encoder->length * (code_error + length * hny__quantizer_rounding(quantizer)) +
                 underflow;
        if (fabs(distance) <= (double)FLT_MAX) {
            return distance;
        }
    } else if (quantizer->shape.metric == HNY_EUCLIDEAN) {
        distance = sqrt((double)kernels->l2_f32(encoder->numbers, encoder->decoded, dim));
        *error = code_error + distance * hny__quantizer_rounding(quantizer) + sqrt(underflow);
    } else {
        distance = (double)kernels->l1_f32(encoder->numbers, encoder->decoded, dim);
        *error = code_error + distance * hny__quantizer_rounding(quantizer) + underflow;
    }
    if (!(fabs(distance) <= (double)FLT_MAX)) { /* a sum of floats overflowed */
        *error = INFINITY;
        return FLT_MAX;
    }
    return distance > 0 ? distance : 0;
}

double hny__encoder_distance(hny__encoder *encoder, const void *query, const void *code,
                             const void *residual, double *error) {
    const hny__quantizer *const quantizer = &encoder->quantizer;
    *error = 0;
    if (quantizer->exact) {
        return hny__row_distance(&quantizer->format, query, code);
    }
    return distance_to_decoded(encoder, decode_numbers(encoder, code, residual), error);
}
