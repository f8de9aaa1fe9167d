/*
** Dot products of one vector with many by AVX2, four at a time; included by kernel_avx2.c.  The
** bytes of the one vector are read and widened once for four, and the bias of 4-bit codes is
** subtracted once.
*/
#define FOUR 4

/* Named one by one: in an array gcc 12 keeps them in memory. */
typedef struct four {
    __m256i s0, s1, s2, s3;
} four;

/* The factors of 32 bytes of each of the many: of their low and high halves. */
typedef struct factors {
    __m256i low, high;
} factors;

typedef __m256i four_adder(__m256i sums, factors a, __m256i b);

INLINE __m256i add_widened_i8(__m256i sums, factors a, __m256i b) {
    const __m256i low = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(b));
    const __m256i high = _mm256_cvtepi8_epi16(_mm256_extracti128_si256(b, 1));
    sums = _mm256_add_epi32(sums, _mm256_madd_epi16(a.low, low));
    return _mm256_add_epi32(sums, _mm256_madd_epi16(a.high, high));
}

/* Two pairs add up to 4 * 15 * 128 at most. */
INLINE __m256i add_biased_i4(__m256i sums, factors a, __m256i b) {
    const __m256i low = _mm256_maddubs_epi16(low_i4(b), a.low);
    const __m256i high = _mm256_maddubs_epi16(low_i4(_mm256_srli_epi16(b, 4)), a.high);
    const __m256i words = _mm256_add_epi16(low, high);
    return _mm256_add_epi32(sums, _mm256_madd_epi16(words, _mm256_set1_epi16(1)));
}

INLINE factors widened(__m256i bytes) {
    return (factors){_mm256_cvtepi8_epi16(_mm256_castsi256_si128(bytes)),
                     _mm256_cvtepi8_epi16(_mm256_extracti128_si256(bytes, 1))};
}

/* The factors of the bytes from i on; the numbers of high halves begin at `half`. */
typedef factors factors_loader(const int8_t *a, size_t half, size_t i);

INLINE factors load_i8_32(const int8_t *a, size_t half, size_t i) {
    (void)half;
    return widened(_mm256_loadu_si256((const __m256i *)(a + i)));
}

INLINE factors load_i8_halves(const int8_t *a, size_t half, size_t i) {
    return (factors){_mm256_loadu_si256((const __m256i *)(a + i)),
                     _mm256_loadu_si256((const __m256i *)(a + half + i))};
}

/* The one vector. */
typedef struct operand {
    const int8_t *a;
    size_t half;  /* where the numbers of high halves begin */
    size_t bytes; /* of each of the many */
    size_t whole; /* of these, the ones that are read 32 at a time */
    factors last; /* of the last 32 bytes, zero for those that were read before; of all if fewer */
    int32_t bias; /* to be subtracted from each sum */
} operand;

/* At most 32 numbers as the last of 32 bytes; as the first if there are fewer than 32 in all. */
INLINE __m256i last_bytes(const int8_t *from, size_t count, size_t places, size_t all) {
    uint8_t few[32] = {0};
    if (count) {
        memcpy(few + (all < 32 ? 0 : 32 - places), from, count);
    }
    return _mm256_loadu_si256((const __m256i *)few);
}

INLINE __m128i totals(const four *sums) {
    const __m256i x = _mm256_hadd_epi32(_mm256_hadd_epi32(sums->s0, sums->s1),
                                        _mm256_hadd_epi32(sums->s2, sums->s3));
    return _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
}

INLINE __m256i last_of(const operand *o, const uint8_t *b) {
    if (o->bytes < 32) {
        return few_bytes(b, o->bytes);
    }
    return _mm256_loadu_si256((const __m256i *)(b + o->bytes - 32));
}

INLINE __m256i load_32(const uint8_t *from) {
    return _mm256_loadu_si256((const __m256i *)from);
}

INLINE __m128i sum_four(const operand *o, const uint8_t *const b[FOUR], factors_loader *load,
                        four_adder *add) {
    four sums = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                 _mm256_setzero_si256()};
    for (size_t i = 0; i < o->whole; i += 32) {
        const factors a = load(o->a, o->half, i);
        sums.s0 = add(sums.s0, a, load_32(b[0] + i));
        sums.s1 = add(sums.s1, a, load_32(b[1] + i));
        sums.s2 = add(sums.s2, a, load_32(b[2] + i));
        sums.s3 = add(sums.s3, a, load_32(b[3] + i));
    }
    if (o->whole < o->bytes) {
        sums.s0 = add(sums.s0, o->last, last_of(o, b[0]));
        sums.s1 = add(sums.s1, o->last, last_of(o, b[1]));
        sums.s2 = add(sums.s2, o->last, last_of(o, b[2]));
        sums.s3 = add(sums.s3, o->last, last_of(o, b[3]));
    }
    return _mm_sub_epi32(totals(&sums), _mm_set1_epi32(o->bias));
}

/* If fewer than four are left, the first one stands in for the missing ones. */
INLINE void dots_by_four(const operand *o, const uint8_t *const *b, size_t count,
                         factors_loader *load, four_adder *add, int32_t *dots) {
    for (; count >= FOUR; count -= FOUR, b += FOUR, dots += FOUR) {
        _mm_storeu_si128((__m128i *)dots, sum_four(o, b, load, add));
    }
    if (count == 0) {
        return;
    }
    const uint8_t *const last[FOUR] = {b[0], b[count > 1 ? 1 : 0], b[count > 2 ? 2 : 0], b[0]};
    int32_t all[FOUR];
    _mm_storeu_si128((__m128i *)all, sum_four(o, last, load, add));
    memcpy(dots, all, count * sizeof *dots);
}

static void dots_i8(const int8_t *a, const uint8_t *const *b, size_t count, size_t n,
                    int32_t *dots) {
    operand o = {.a = a, .whole = n / 32 * 32, .bytes = n};
    o.last = widened(last_bytes(a + o.whole, n - o.whole, n - o.whole, n));
    dots_by_four(&o, b, count, load_i8_32, add_widened_i8, dots);
}

/* Eight times the sum of the numbers of a, which are summed as unsigned bytes biased by 128. */
static int32_t bias_i4(const int8_t *a, size_t n) {
    const __m256i bias = _mm256_set1_epi8((char)0x80), zero = _mm256_setzero_si256();
    __m256i sums = zero;
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        const __m256i bytes = _mm256_loadu_si256((const __m256i *)(a + i));
        sums = _mm256_add_epi64(sums, _mm256_sad_epu8(_mm256_xor_si256(bytes, bias), zero));
    }
    int32_t sum = (int32_t)total_epi32(sums) - 128 * (int32_t)i;
    for (; i < n; i++) {
        sum += a[i];
    }
    return 8 * sum;
}

static void dots_i8_i4(const int8_t *a, const uint8_t *const *b, size_t count, size_t n,
                       int32_t *dots) {
    const size_t half = (n + 1) / 2, rest = n - half, whole = rest / 32 * 32;
    operand o = {.a = a, .half = half, .whole = whole, .bytes = half, .bias = bias_i4(a, n)};
    o.last.low = last_bytes(a + whole, half - whole, half - whole, half);
    o.last.high = last_bytes(a + half + whole, rest - whole, half - whole, half);
    dots_by_four(&o, b, count, load_i8_halves, add_biased_i4, dots);
}
