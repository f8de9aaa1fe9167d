/* Numbers as text: they come back as they were, and no shorter text does. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "values/number.h"

static float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void writes(uint8_t type, double number, const char *wanted) {
    char text[HX_NUMBER_BYTES];
    const size_t length = hx_number_write(type, number, text);
    assert_string_equal(text, wanted);
    assert_int_equal(length, strlen(wanted));
}

static void known_numbers(void **state) {
    (void)state;
    writes(HNY_FLOAT32, 0, "0");
    writes(HNY_FLOAT32, -0.0, "-0");
    writes(HNY_FLOAT32, 1, "1");
    writes(HNY_FLOAT32, -2.5, "-2.5");
    writes(HNY_FLOAT32, (double)0.1f, "0.1");
    writes(HNY_FLOAT32, (double)0.3f, "0.3");
    writes(HNY_FLOAT32, (double)(0.1f + 0.2f), "0.3");
    writes(HNY_FLOAT32, (double)9.9999f, "9.9999");
    writes(HNY_FLOAT32, 10, "10");
    writes(HNY_FLOAT32, 100, "100");
    writes(HNY_FLOAT32, 16777216, "16777216");
    writes(HNY_FLOAT32, 123456792, "123456790");
    writes(HNY_FLOAT32, 999999936, "999999940"); /* the next one is 1e9 */
    writes(HNY_FLOAT32, 1e9, "1e9");
    writes(HNY_FLOAT32, 1234567936, "1.234568e9");
    writes(HNY_FLOAT32, (double)0.0001f, "0.0001");
    writes(HNY_FLOAT32, (double)0.00012345679f, "0.00012345679");
    writes(HNY_FLOAT32, (double)0.00001f, "1e-5");
    writes(HNY_FLOAT32, (double)FLT_MAX, "3.4028235e38");
    writes(HNY_FLOAT32, -(double)FLT_MAX, "-3.4028235e38");
    writes(HNY_FLOAT32, (double)FLT_MIN, "1.1754944e-38");
    writes(HNY_FLOAT32, 0x1p-149, "1e-45");
    writes(HNY_FLOAT16, (double)hny_float_from_half(hny_half_from_float(0.1f)), "0.1");
    writes(HNY_FLOAT16, 65504, "65500");
    writes(HNY_FLOAT16, 0x1p-24, "6e-8");
    writes(HNY_INT8, -128, "-128");
    writes(HNY_INT8, 127, "127");
    writes(HNY_BIT, 1, "1");
}

/* A text of printf's with fewer digits than ours reads as another number. */
static void check_float(float value) {
    char text[HX_NUMBER_BYTES], other[40];
    const size_t length = hx_number_write(HNY_FLOAT32, (double)value, text);
    assert_in_range(length, 1, HX_NUMBER_BYTES - 1);
    if (strtof(text, NULL) != value) {
        fail_msg("%a became %s", (double)value, text);
    }
    int digits = 0, zeros = 0;
    for (const char *p = text; *p && *p != 'e'; p++) {
        if (*p < '0' || *p > '9' || (*p == '0' && !digits)) {
            continue;
        }
        digits++;
        zeros = *p == '0' ? zeros + 1 : 0;
    }
    if (strchr(text, '.')) {
        zeros = 0;
    }
    if (digits - zeros < 2) {
        return;
    }
    snprintf(other, sizeof other, "%.*e", digits - zeros - 2, (double)value);
    if (strtof(other, NULL) == value) {
        fail_msg("%s is no shorter than %s", text, other);
    }
}

static void any_float(void **state) {
    (void)state;
    const uint32_t seed = 20251123;
    uint64_t random = seed;
    for (uint32_t field = 0; field < 255; field++) {
        check_float(float_of(field << 23));
        check_float(float_of(field << 23 | 1));
        check_float(float_of(field << 23 | 0x7fffff));
        for (int i = 0; i < 1000; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            check_float(float_of(field << 23 | (uint32_t)(random >> 40) >> 1));
        }
    }
    for (int i = 1; i < 2000; i++) {
        check_float((float)i);
        check_float((float)i / 1000);
        check_float(float_of((uint32_t)i)); /* subnormal */
    }
}

static void every_half(void **state) {
    (void)state;
    for (uint32_t half = 0; half < 0x10000; half++) {
        char text[HX_NUMBER_BYTES];
        if ((half & 0x7c00) == 0x7c00) {
            continue;
        }
        const double value = (double)hny_float_from_half((uint16_t)half);
        const size_t length = hx_number_write(HNY_FLOAT16, value, text);
        assert_int_equal(hny_half_from_float(strtof(text, NULL)), half);
        assert_in_range(length, 1, 12);
    }
}

static void numbers_of_bytes(void **state) {
    (void)state;
    const unsigned char bytes[] = {0, 0, 0x80, 0xbf, 0x00, 0x3c, 0x80, 0x05};
    assert_true(hx_number_at(HNY_FLOAT32, bytes, 0) == -1);
    assert_true(hx_number_at(HNY_FLOAT16, bytes + 4, 0) == 1);
    assert_true(hx_number_at(HNY_INT8, bytes, 6) == -128);
    for (size_t i = 0; i < 16; i++) {
        assert_true(hx_number_at(HNY_BIT, bytes + 6, i) == (i == 7 || i == 8 || i == 10));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_numbers),
        cmocka_unit_test(any_float),
        cmocka_unit_test(every_half),
        cmocka_unit_test(numbers_of_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
