/*
** Multiplication by a power of ten in double precision, for json.c and number.c.
*/
#ifndef HX_POWER_OF_TEN_H
#define HX_POWER_OF_TEN_H

/* The largest power of ten that a double holds exactly: 5^22 has 52 bits. */
#define HX_MAX_POWER 22

/* number * 10^exponent, with one rounding for every HX_MAX_POWER of the exponent. */
static inline double hx_scale_by_ten(double number, int exponent) {
    static const double powers[HX_MAX_POWER + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    for (; exponent < -HX_MAX_POWER; exponent += HX_MAX_POWER) {
        number /= powers[HX_MAX_POWER];
    }
    for (; exponent > HX_MAX_POWER; exponent -= HX_MAX_POWER) {
        number *= powers[HX_MAX_POWER];
    }
    return exponent < 0 ? number / powers[-exponent] : number * powers[exponent];
}

#endif
