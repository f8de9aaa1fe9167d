#include <stdlib.h>
#include <string.h>

#include "simd/kernel.h"
#include "vector/exact_distance.h"
#include "vector/row.h"

struct hny_distance_computer {
    hny_shape shape;
    uint8_t row[]; /* the vector, of hamming its signs */
};

int hny_distance_computer_new(hny_shape shape, const void *vector, hny_distance_computer **out) {
    hny__row_format code;
    hny__row_format_init(&code, shape);
    hny_distance_computer *const probe = malloc(sizeof *probe + code.stride);
    if (!probe) return HNY_NOMEM;
    probe->shape = shape;
    if (code.norm) {
        memcpy(probe->row, vector, code.bytes); /* its length is not asked for */
    } else {
        hny__row_encode(&code, vector, probe->row);
    }
    *out = probe;
    return HNY_OK;
}

void hny_distance_computer_free(hny_distance_computer *probe) {
    free(probe);
}

/* Of numbers, a chunk at a time: a row has room for a multiple of 4 bytes, zeros at its end. */
static uint32_t differing_signs(const hny_distance_computer *probe, const uint8_t *vector) {
    enum { CHUNK = 512 };
    const hny_shape shape = probe->shape;
    const size_t size = hny_vector_bytes(shape) / shape.dim;
    uint32_t sum = 0;
    for (uint32_t i = 0; i < shape.dim; i += CHUNK) {
        const uint32_t count = shape.dim - i < CHUNK ? shape.dim - i : CHUNK;
        uint8_t signs[CHUNK / 8] = {0};
        hny__exact_signs(shape.type, vector + i * size, count, signs);
        sum += hny__kernels_get()->hamming(probe->row + i / 8, signs, (count + 31) / 32 * 4);
    }
    return sum;
}

double hny_distance_computer_distance(const hny_distance_computer *probe, const void *vector) {
    const hny_shape shape = probe->shape;
    if (shape.metric == HNY_HAMMING && shape.type != HNY_BIT) {
        return hny__exact_of_bits(shape, differing_signs(probe, vector));
    }
    return hny__exact_distance(shape, probe->row, vector);
}
