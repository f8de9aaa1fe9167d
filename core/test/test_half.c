/* Half precision, each of its numbers, and the sentences of statuses. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hannoy.h"
#include "test/vectors.h"

static void test_half_values(void **unused) {
    (void)unused;
    for (uint32_t h = 0; h < 65536; h++) {
        const uint16_t half = (uint16_t)h;
        const float value = hny_float_from_half(half);
        if ((half & 0x7fff) > 0x7c00) {
            assert_true(isnan(value));
            assert_int_equal(hny_half_from_float(value), half | 0x0200);
            continue;
        }
        if ((half & 0x7fff) == 0x7c00) {
            assert_true(isinf(value) && (value < 0) == half >> 15);
        } else {
            assert_true(value == half_value(half));
        }
        assert_int_equal(hny_half_from_float(value), half);
    }
}

/* Between two halves: rounded down below the middle, up above it, to even in the middle. */
static void test_half_rounding(void **unused) {
    (void)unused;
    for (uint32_t h = 0; h < 0x7c00; h++) {
        const double low = (double)half_value((uint16_t)h);
        const double high = h == 0x7bff ? 65536 : (double)half_value((uint16_t)(h + 1));
        const float middle = (float)((low + high) / 2);
        const uint16_t even = (uint16_t)(h + (h & 1));
        for (uint32_t sign = 0; sign <= 0x8000; sign += 0x8000) {
            const float s = sign ? -1 : 1;
            assert_int_equal(hny_half_from_float(s * middle), sign | even);
            assert_int_equal(hny_half_from_float(s * nextafterf(middle, 0)), sign | h);
            assert_int_equal(hny_half_from_float(s * nextafterf(middle, INFINITY)), sign | (h + 1));
            assert_int_equal(hny_half_from_float(s * nextafterf((float)low, INFINITY)), sign | h);
        }
    }
    assert_int_equal(hny_half_from_float(0x1p-149f), 0);
    assert_int_equal(hny_half_from_float(-0x1p-149f), 0x8000);
    assert_int_equal(hny_half_from_float(0x1p-126f), 0);
    assert_int_equal(hny_half_from_float(65536), 0x7c00);
    assert_int_equal(hny_half_from_float(-FLT_MAX), 0xfc00);
    assert_int_equal(hny_half_from_float(INFINITY), 0x7c00);
    assert_int_equal(hny_half_from_float(NAN) & 0x7fff, 0x7e00);
}

static void test_strerror(void **unused) {
    (void)unused;
#define CHECK(name, code, text)                                                                    \
    assert_int_equal(HNY_##name, code);                                                            \
    assert_string_equal(hny_strerror(HNY_##name), text);
    HNY_STATUS_MAP(CHECK)
#undef CHECK
    assert_string_equal(hny_strerror(1), "unknown error");
    assert_string_equal(hny_strerror(-1000), "unknown error");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_half_values),
        cmocka_unit_test(test_half_rounding),
        cmocka_unit_test(test_strerror),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
