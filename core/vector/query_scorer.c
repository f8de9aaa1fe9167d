#include "vector/query_scorer.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "simd/kernel.h"

/* So many dot products are on the stack at a time. */
#define TOGETHER 64

/* ------------------------------------------------------------------------------------ ranks -- */

static void dots(const hny__scorer *query, const uint8_t *const *rows, size_t count, int32_t *out) {
    const hny__quantizer *const coding = query->coding;
    const hny__kernels *const kernels = hny__kernels_get();
    if (coding->codes == HNY_CODES_INT4) {
        kernels->dots_i8_i4(query->numbers, rows, count, coding->shape.dim, out);
    } else {
        kernels->dots_i8(query->numbers, rows, count, coding->shape.dim, out);
    }
}

static void ranks_cosine(const hny__scorer *query, const uint8_t *const *rows, size_t count,
                         float *ranks) {
    const uint32_t norm = query->coding->code.norm;
    int32_t products[TOGETHER];
    for (size_t first = 0; first < count; first += TOGETHER) {
        const size_t some = count - first < TOGETHER ? count - first : TOGETHER;
        dots(query, rows + first, some, products);
        for (size_t i = 0; i < some; i++) {
            float scale;
            memcpy(&scale, rows[first + i] + norm, sizeof scale);
            const float rank = 1 - (float)products[i] * (query->scale * scale);
            ranks[first + i] = rank > 0 ? rank : 0;
        }
    }
}

static void ranks_euclidean(const hny__scorer *query, const uint8_t *const *rows, size_t count,
                            float *ranks) {
    int32_t products[TOGETHER];
    for (size_t first = 0; first < count; first += TOGETHER) {
        const size_t some = count - first < TOGETHER ? count - first : TOGETHER;
        dots(query, rows + first, some, products);
        for (size_t i = 0; i < some; i++) {
            const hny__trailer t = hny__trailer_of(&query->coding->code, rows[first + i]);
            const float rank =
                (query->square + t.square) - 2 * (query->scale * t.scale) * (float)products[i];
            ranks[first + i] = rank < 0 ? 0 : rank <= FLT_MAX ? rank : FLT_MAX;
        }
    }
}

static void ranks_each(const hny__scorer *query, const uint8_t *const *rows, size_t count,
                       float *ranks) {
    const hny__row_format *const code = &query->coding->code;
    for (size_t i = 0; i < count; i++) {
        ranks[i] = hny__row_rank(code, query->row, rows[i]);
    }
}

/* ------------------------------------------------------------------------------------ making -- */

/* Do dot products of integers make the ranks? */
static int by_dots(const hny__quantizer *coding) {
    if (coding->codes != HNY_CODES_INT8 && coding->codes != HNY_CODES_INT4) {
        return 0;
    }
    return coding->shape.metric == HNY_COSINE ||
           (coding->shape.metric == HNY_EUCLIDEAN && !coding->exact);
}

static void use_numbers(hny__scorer *query, const int8_t *numbers, float scale, float square) {
    query->numbers = numbers;
    query->scale = scale;
    query->square = square;
    query->ranks = query->coding->shape.metric == HNY_COSINE ? ranks_cosine : ranks_euclidean;
}

static void begin(hny__scorer *query, const hny__quantizer *coding, const uint8_t *row) {
    *query = (hny__scorer){.coding = coding, .row = row, .ranks = ranks_each};
    query->slack = 3 * hny__quantizer_rounding(coding);
}

/* A code's own numbers; the rows of exact int8 vectors have but their scale under cosine. */
static void use_code(hny__scorer *query, const uint8_t *row, const int8_t *numbers) {
    const hny__row_format *const code = &query->coding->code;
    if (query->coding->exact) {
        float inverse;
        memcpy(&inverse, row + code->norm, sizeof inverse);
        use_numbers(query, numbers, inverse, 0);
        return;
    }
    const hny__trailer t = hny__trailer_of(code, row);
    use_numbers(query, numbers, t.scale, t.square);
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

void hny__scorer_of_row(hny__scorer *query, const hny__quantizer *coding, const uint8_t *row,
                        int8_t *room) {
    begin(query, coding, row);
    if (!by_dots(coding)) {
        return;
    }
    if (coding->codes == HNY_CODES_INT4) {
        unpack_i4(row, coding->shape.dim, room);
        use_code(query, row, room);
    } else {
        use_code(query, row, (const int8_t *)row);
    }
}

void hny__scorer_of_vector(hny__scorer *query, const hny__encoder *encoder, const uint8_t *row) {
    const hny__quantizer *const coding = &encoder->coding;
    begin(query, coding, row);
    if (coding->codes == HNY_CODES_INT4) {
        query->row = NULL;
        query->error = encoder->whole_error;
        use_numbers(query, encoder->whole, encoder->step, (float)encoder->whole_square);
        return;
    }
    if (coding->error_offset) {
        float error;
        memcpy(&error, row + coding->error_offset, sizeof error);
        query->error = (double)error;
    }
    if (by_dots(coding)) {
        use_code(query, row, (const int8_t *)row);
    }
}

/* --------------------------------------------------------------------------------- how near -- */

/*
** First what the distance cannot fall below, by the errors of both sides; then what hny__encoder_distance may
** take from that, whose error is that of the fine code, on either side: no larger than the code's, or
** a part of it (coding.c sees to that).
*/
double hny__distance_lower_bound(const hny__scorer *query, const uint8_t *row, float rank) {
    const hny__quantizer *const coding = query->coding;
    if (coding->codes == HNY_CODES_BIT) {
        return -(double)INFINITY;
    }
    float at_row;
    memcpy(&at_row, row + coding->error_offset, sizeof at_row);
    const double own = (double)at_row;
    const double sides = coding->codes == HNY_CODES_INT4 ? 2.0 / HNY__RESIDUAL_GAIN_I4 : 2;
    const double error = query->error + (1 + sides) * own;
    /* Squares of such sizes overflow in float32, and then hny__encoder_distance knows nothing. */
    if (rank > 0x1p120f || !(error < 0x1p50)) {
        return -(double)INFINITY;
    }
    const double slack = query->slack;
    const double least = 3.0 * coding->shape.dim * (double)FLT_MIN;
    if (coding->shape.metric == HNY_COSINE) {
        /* A half-precision code is not of unit length itself; its rank is of the one that is. */
        return rank - (coding->codes == HNY_CODES_FLOAT16 ? 2.04 : 1.02) * error - 1.02 * slack;
    }
    if (coding->shape.metric == HNY_MANHATTAN) {
        return rank * (1 - slack) - error - 3 * least;
    }
    double square = rank;
    if (coding->codes == HNY_CODES_INT8 || coding->codes == HNY_CODES_INT4) {
        /* A difference of large squares: what they were rounded by stays. */
        square -=
            0x1p-20 * ((double)query->square + (double)hny__trailer_of(&coding->code, row).square);
    }
    return (square > 0 ? sqrt(square) * (1 - slack) : 0) - error - 3 * sqrt(least);
}
