/* The products of one vector and many where they are no cheaper together: included by a table's file. */
static void dots_i8(const int8_t *a, const uint8_t *const *b, size_t count, size_t n,
                    int32_t *dots) {
    for (size_t i = 0; i < count; i++) {
        dots[i] = dot_i8(a, (const int8_t *)b[i], n);
    }
}

static void dots_i8_i4(const int8_t *a, const uint8_t *const *b, size_t count, size_t n,
                       int32_t *dots) {
    for (size_t i = 0; i < count; i++) {
        dots[i] = dot_i8_i4(a, b[i], n);
    }
}
