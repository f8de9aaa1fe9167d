/*
** The float kernels of a file that includes this text: its sum_floats with each of its adders.  The
** including file also defines LOAD_F32 and LOAD_F16, the arguments by which its sum_floats reads
** numbers.
*/
static float dot_f32(const float *a, const float *b, size_t n) {
    return sum_floats((const uint8_t *)a, (const uint8_t *)b, n, 4, LOAD_F32, add_product);
}

static float l2_f32(const float *a, const float *b, size_t n) {
    return sum_floats((const uint8_t *)a, (const uint8_t *)b, n, 4, LOAD_F32, add_square);
}

static float l1_f32(const float *a, const float *b, size_t n) {
    return sum_floats((const uint8_t *)a, (const uint8_t *)b, n, 4, LOAD_F32, add_abs);
}

static float dot_f16(const uint16_t *a, const uint16_t *b, size_t n) {
    return sum_floats((const uint8_t *)a, (const uint8_t *)b, n, 2, LOAD_F16, add_product);
}

static float l2_f16(const uint16_t *a, const uint16_t *b, size_t n) {
    return sum_floats((const uint8_t *)a, (const uint8_t *)b, n, 2, LOAD_F16, add_square);
}

static float l1_f16(const uint16_t *a, const uint16_t *b, size_t n) {
    return sum_floats((const uint8_t *)a, (const uint8_t *)b, n, 2, LOAD_F16, add_abs);
}
