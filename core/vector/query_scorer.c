/* Query scorers: ranks of many rows at once, and bounds of their distances. */
#include "vector/query_scorer.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "simd/kernel.h"

/* Dot products that are on the stack at a time. */
#define DOTS_MAX 64

/* ------------------------------------------------------------------------------------- ranks -- */

static void dot_products(const hny__scorer *scorer, const uint8_t *const *rows, size_t count,
                         int32_t *out) {
    const hny__quantizer *const quantizer = scorer->quantizer;
    const hny__kernels *const kernels = hny__kernels_get();
    if (quantizer->codes == HNY_CODES_INT4) {
        kernels->dots_i8_i4(scorer->numbers, rows, count, quantizer->shape.dim, out);
    } else {
        kernels->dots_i8(scorer->numbers, rows, count, quantizer->shape.dim, out);
    }
}

static void ranks_cosine(const hny__scorer *scorer, const uint8_t *const *rows, size_t count,
                         float *ranks) {
    const uint32_t scale_offset = scorer->quantizer->format.scale_offset;
    int32_t products[DOTS_MAX];
    for (size_t first = 0; first < count; first += DOTS_MAX) {
        const size_t chunk = count - first < DOTS_MAX ? count - first : DOTS_MAX;
        dot_products(scorer, rows + first, chunk, products);
        for (size_t i = 0; i < chunk; i++) {
            float scale;
            memcpy(&scale, rows[first + i] + scale_offset, sizeof scale);
            const float rank = 1 - (float)products[i] * (scorer->scale * scale);
            ranks[first + i] = rank > 0 ? rank : 0;
        }
    }
}

static void ranks_euclidean(const hny__scorer *scorer, const uint8_t *const *rows, size_t count,
                            float *ranks) {
    int32_t products[DOTS_MAX];
    for (size_t first = 0; first < count; first += DOTS_MAX) {
        const size_t chunk = count - first < DOTS_MAX ? count - first : DOTS_MAX;
        dot_products(scorer, rows + first, chunk, products);
        for (size_t i = 0; i < chunk; i++) {
            const hny__trailer t = hny__trailer_of(&scorer->quantizer->format, rows[first + i]);
            const float rank =
                (scorer->square + t.square) - 2 * (scorer->scale * t.scale) * (float)products[i];
            ranks[first + i] = rank < 0 ? 0 : rank <= FLT_MAX ? rank : FLT_MAX;
        }
    }
}

/* The numbers of exact int8 vectors have no scale. */
static void ranks_dot(const hny__scorer *scorer, const uint8_t *const *rows, size_t count,
                      float *ranks) {
    const bool is_exact = scorer->quantizer->exact;
    const uint32_t scale_offset = scorer->quantizer->format.scale_offset;
    int32_t products[DOTS_MAX];
    for (size_t first = 0; first < count; first += DOTS_MAX) {
        const size_t chunk = count - first < DOTS_MAX ? count - first : DOTS_MAX;
        dot_products(scorer, rows + first, chunk, products);
        for (size_t i = 0; i < chunk; i++) {
            float scale = 1;
            if (!is_exact) {
                memcpy(&scale, rows[first + i] + scale_offset, sizeof scale);
            }
            const float rank = 0 - (float)products[i] * (scorer->scale * scale);
            ranks[first + i] = rank < -FLT_MAX ? -FLT_MAX : rank <= FLT_MAX ? rank : FLT_MAX;
        }
    }
}

static void ranks_each(const hny__scorer *scorer, const uint8_t *const *rows, size_t count,
                       float *ranks) {
    const hny__row_format *const format = &scorer->quantizer->format;
    for (size_t i = 0; i < count; i++) {
        ranks[i] = hny__row_rank(format, scorer->row, rows[i]);
    }
}

/* ------------------------------------------------------------------------------------ making -- */

/* Are ranks computed from dot products of integers? */
static bool uses_dots(const hny__quantizer *quantizer) {
    if (quantizer->codes != HNY_CODES_INT8 && quantizer->codes != HNY_CODES_INT4) {
        return false;
    }
    return quantizer->shape.metric == HNY_COSINE || quantizer->shape.metric == HNY_DOT ||
           (quantizer->shape.metric == HNY_EUCLIDEAN && !quantizer->exact);
}

static void set_numbers(hny__scorer *scorer, const int8_t *numbers, float scale, float square) {
    scorer->numbers = numbers;
    scorer->scale = scale;
    scorer->square = square;
    switch (scorer->quantizer->shape.metric) {
    case HNY_COSINE:
        scorer->ranks = ranks_cosine;
        break;
    case HNY_DOT:
        scorer->ranks = ranks_dot;
        scorer->length = sqrt((double)square) * (1 + 0x1p-20);
        break;
    default:
        scorer->ranks = ranks_euclidean;
    }
}

static void init_scorer(hny__scorer *scorer, const hny__quantizer *quantizer, const uint8_t *row) {
    *scorer = (hny__scorer){.quantizer = quantizer, .row = row, .ranks = ranks_each};
    if (quantizer->shape.metric == HNY_DOT && !uses_dots(quantizer) &&
        quantizer->codes != HNY_CODES_BIT) {
        float length;
        memcpy(&length, row + quantizer->format.scale_offset, sizeof length);
        scorer->length = (double)length;
    }
    scorer->slack = 3 * hny__quantizer_rounding(quantizer);
}

/* Uses the numbers of a code.  Behind exact int8 vectors stands only a scale, and that under
** cosine; under dot it is the length. */
static void set_code(hny__scorer *scorer, const uint8_t *row, const int8_t *numbers) {
    const hny__row_format *const format = &scorer->quantizer->format;
    if (scorer->quantizer->exact) {
        float scale;
        memcpy(&scale, row + format->scale_offset, sizeof scale);
        if (format->shape.metric == HNY_COSINE) {
            set_numbers(scorer, numbers, scale, 0);
        } else {
            set_numbers(scorer, numbers, 1, scale * scale);
        }
        return;
    }
    const hny__trailer t = hny__trailer_of(format, row);
    set_numbers(scorer, numbers, t.scale, t.square);
}

static void unpack_i4(const uint8_t *row, uint32_t dim, int8_t *numbers) {
    const uint32_t half = (dim + 1) / 2;
    for (uint32_t i = 0; i < half; i++) {
        numbers[i] = (int8_t)(((row[i] & 15) ^ 8) - 8);
    }
    for (uint32_t i = half; i < dim; i++) {
        numbers[i] = (int8_t)((int8_t)row[i - half] >> 4);
    }
}

void hny__scorer_of_row(hny__scorer *scorer, const hny__quantizer *quantizer, const uint8_t *row,
                        int8_t *numbers) {
    init_scorer(scorer, quantizer, row);
    if (!uses_dots(quantizer)) {
        return;
    }
    if (quantizer->codes == HNY_CODES_INT4) {
        unpack_i4(row, quantizer->shape.dim, numbers);
        set_code(scorer, row, numbers);
    } else {
        set_code(scorer, row, (const int8_t *)row);
    }
}

void hny__scorer_of_vector(hny__scorer *scorer, const hny__encoder *encoder, const uint8_t *row) {
    const hny__quantizer *const quantizer = &encoder->quantizer;
    init_scorer(scorer, quantizer, row);
    if (quantizer->codes == HNY_CODES_INT4) {
        scorer->row = NULL;
        scorer->error = encoder->whole_error;
        set_numbers(scorer, encoder->whole, encoder->step, (float)encoder->whole_square);
        return;
    }
    if (quantizer->error_offset) {
        float error;
        memcpy(&error, row + quantizer->error_offset, sizeof error);
        scorer->error = (double)error;
    }
    if (uses_dots(quantizer)) {
        set_code(scorer, row, (const int8_t *)row);
    }
}

/* ------------------------------------------------------------------------------------ bounds -- */

/*
** With the query q off by e and long at most l, and the row x off by f and long at most m, both as
** coded, the dot product is off by at most l f + e m + e f (Cauchy-Schwarz).
*/
static double dot_lower_bound(const hny__scorer *scorer, const uint8_t *row, float rank,
                              double row_error, double residuals) {
    const hny__quantizer *const quantizer = scorer->quantizer;
    const bool has_trailer = !quantizer->exact && quantizer->codes != HNY_CODES_FLOAT16;
    float number;
    double row_length;
    if (has_trailer) {
        const hny__trailer t = hny__trailer_of(&quantizer->format, row);
        row_length = sqrt((double)t.square) * (1 + 0x1p-20);
    } else {
        memcpy(&number, row + quantizer->format.scale_offset, sizeof number);
        row_length = (double)number;
    }
    const double query_end = scorer->length + scorer->error, row_end = row_length + row_error;
    /* Such products overflow in float32, and hny__encoder_distance then has no bound either. */
    if (!(query_end * row_end < 0x1p120)) {
        return -(double)INFINITY;
    }
    const double error =
        scorer->length * row_error + scorer->error * row_end + residuals * query_end * row_error;
    const double underflow = 3.0 * quantizer->shape.dim * (double)FLT_MIN;
    return rank - 1.02 * (error + scorer->slack * query_end * row_end) - 3 * underflow;
}

/*
** The exact distance is at least the distance of the codes less the errors of both.
** hny__encoder_distance less its error may be lower by the error of the residual code, twice; that
** is at most the error of the code, or a known part of it (the encoder makes sure of that).
*/
double hny__distance_lower_bound(const hny__scorer *scorer, const uint8_t *row, float rank) {
    const hny__quantizer *const quantizer = scorer->quantizer;
    if (quantizer->codes == HNY_CODES_BIT) {
        return -(double)INFINITY;
    }
    float code_error = 0;
    if (quantizer->error_offset) {
        memcpy(&code_error, row + quantizer->error_offset, sizeof code_error);
    }
    const double row_error = (double)code_error;
    const double residuals = quantizer->codes == HNY_CODES_INT4 ? 2.0 / HNY__RESIDUAL_GAIN_I4 : 2;
    if (quantizer->shape.metric == HNY_DOT) {
        return dot_lower_bound(scorer, row, rank, row_error, residuals);
    }
    const double error = scorer->error + (1 + residuals) * row_error;
    /* Such squares overflow in float32, and hny__encoder_distance then has no bound either. */
    if (rank > 0x1p120f || !(error < 0x1p50)) {
        return -(double)INFINITY;
    }
    const double slack = scorer->slack;
    const double underflow = 3.0 * quantizer->shape.dim * (double)FLT_MIN;
    if (quantizer->shape.metric == HNY_COSINE) {
        /* A half-precision code is not of unit length; its rank is of the code scaled to that. */
        return rank - (quantizer->codes == HNY_CODES_FLOAT16 ? 2.04 : 1.02) * error - 1.02 * slack;
    }
    if (quantizer->shape.metric == HNY_MANHATTAN) {
        return rank * (1 - slack) - error - 3 * underflow;
    }
    double square = rank;
    if (quantizer->codes == HNY_CODES_INT8 || quantizer->codes == HNY_CODES_INT4) {
        /* A difference of large squares keeps their rounding errors. */
        square -= 0x1p-20 * ((double)scorer->square +
                             (double)hny__trailer_of(&quantizer->format, row).square);
    }
    return (square > 0 ? sqrt(square) * (1 - slack) : 0) - error - 3 * sqrt(underflow);
}
