/* The functions of vmath.h for one type: REAL, the unsigned integer BITS of its size, NAME(x) and
 * MATH(x), which append the type to a name of ours and of the C library's. */

/* 2^n for the n that sits in the low bits of `shifted` = n + SHIFT. */
ALWAYS_INLINE REAL NAME(exp2_of_shifted)(REAL shifted)
{
    BITS bits;
    REAL power;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + NAME(EXPONENT_BIAS)) << NAME(MANTISSA_BITS);
    memcpy(&power, &bits, sizeof power);
    return power;
}

/* expm1(r) for |r| <= ln 2 / 2. Even and odd powers are summed apart: twice as short a chain of
 * additions, each waiting for the one before. */
ALWAYS_INLINE REAL NAME(expm1_reduced)(REAL r)
{
    const REAL one = 1, square = r * r;
    REAL even = one / 720, odd = one / 5040;
    if (NAME(EXP_DEGREE) == 13) {
        even = one / 479001600;
        odd = one / (REAL)6227020800.0;
        even = even * square + one / 3628800;
        odd = odd * square + one / 39916800;
        even = even * square + one / 40320;
        odd = odd * square + one / 362880;
        even = even * square + one / 720;
        odd = odd * square + one / 5040;
    }
    even = even * square + one / 24;
    odd = odd * square + one / 120;
    even = even * square + one / 2;
    odd = odd * square + one / 6;
    return (odd * r + even) * square + r;
}

/* Takes x between LOWEST and HIGHEST; returns r of x = n ln 2 + r, and `shifted` = n + SHIFT. */
ALWAYS_INLINE REAL NAME(reduce)(REAL x, REAL *shifted)
{
    *shifted = x * NAME(LOG2_E) + NAME(SHIFT);
    const REAL n = *shifted - NAME(SHIFT);
    return (x - n * NAME(LN2_HIGH)) - n * NAME(LN2_LOW);
}

ALWAYS_INLINE REAL NAME(exp)(REAL x)
{
    REAL clamped = x > NAME(HIGHEST) ? NAME(HIGHEST) : x, shifted;
    clamped = clamped < NAME(LOWEST) ? NAME(LOWEST) : clamped;
    const REAL r = NAME(reduce)(clamped, &shifted);
    /* 2^n is made as 2^(n-1) * 2, since 2^1024 (float: 2^128) is not a number. */
    const REAL y = (1 + NAME(expm1_reduced)(r)) * NAME(exp2_of_shifted)(shifted - 1) * 2;
    return x > NAME(HIGHEST) ? (REAL)INFINITY : x < NAME(LOWEST) ? 0 : y;
}

/* e^x - 1 for |x| <= SATURATED, with full relative accuracy near zero */
ALWAYS_INLINE REAL NAME(expm1_moderate)(REAL x)
{
    REAL shifted;
    const REAL r = NAME(reduce)(x, &shifted), power = NAME(exp2_of_shifted)(shifted);
    return power * NAME(expm1_reduced)(r) + (power - 1);
}

/* e^x - 1 for x <= 0, with full relative accuracy near zero */
ALWAYS_INLINE REAL NAME(expm1_negative)(REAL x)
{
    return NAME(expm1_moderate)(x < -NAME(SATURATED) ? -NAME(SATURATED) : x);
}

ALWAYS_INLINE REAL NAME(tanh)(REAL x)
{
    const REAL doubled = 2 * MATH(fabs)(x);
    const REAL e = NAME(expm1_moderate)(doubled > NAME(SATURATED) ? NAME(SATURATED) : doubled);
    return MATH(copysign)(e / (e + 2), x);
}

ALWAYS_INLINE REAL NAME(logistic)(REAL x) { return 1 / (1 + NAME(exp)(-x)); }

/* log(1 + t) for 0 <= t <= 1 */
ALWAYS_INLINE REAL NAME(log1p_unit)(REAL t)
{
    const REAL one = 1, s = t / (2 + t), square = s * s;
    REAL series = one / NAME(LOG1P_DEGREE);
    for (int odd = NAME(LOG1P_DEGREE) - 2; odd >= 1; odd -= 2)
        series = series * square + one / (REAL)odd;
    return 2 * s * series;
}

ALWAYS_INLINE REAL NAME(softplus)(REAL z)
{
    return (z < 0 ? 0 : z) + ROUNDED(NAME(log1p_unit)(NAME(exp)(-MATH(fabs)(z))));
}

/* tanh(log(1 + e^z)) = (e^2z + 2 e^z) / (e^2z + 2 e^z + 2), in double precision from e^z on; beyond
 * z = 30 it rounds to 1 */
ALWAYS_INLINE REAL NAME(tanh_of_softplus)(REAL z)
{
    const REAL e = NAME(exp)(z > 30 ? 30 : z), n = (REAL)(e * (e + 2.0));
    return (REAL)(n / (n + 2.0));
}

/* Phi(z), given gauss = e^(-z^2 / 2) */
ALWAYS_INLINE REAL NAME(normal_cdf)(REAL z, REAL gauss)
{
    const int degree = sizeof NAME(TAIL) / sizeof(REAL) - 1;
    const REAL t = NAME(TAIL_SCALE) / (NAME(TAIL_SCALE) + MATH(fabs)(z)), u = 2 * t - 1;
    REAL p = NAME(TAIL)[degree];
    UNROLL_ALL
    for (int i = degree - 1; i >= 0; i--)
        p = p * u + NAME(TAIL)[i];
    const REAL tail = ROUNDED(gauss * t * p);
    return z < 0 ? tail : 1 - tail;
}

/* t without its whole turns, in [-1/2, 1/2]; of a t so large that it has no fraction, something there */
ALWAYS_INLINE REAL NAME(fraction_of_turn)(REAL t)
{
    const REAL half = 0.5, r = t - ((t + NAME(SHIFT)) - NAME(SHIFT));
    return r > half ? half : r < -half ? -half : r;
}

/* sin(2 pi q) for |q| <= 1/4. Even and odd powers of q^2 are summed apart, as in expm1_reduced; the
 * first term, which is the largest, is added last. */
ALWAYS_INLINE REAL NAME(sine_of_quarter)(REAL q)
{
    const int degree = sizeof NAME(SINE) / sizeof(REAL) - 1;
    const REAL square = q * q, fourth = square * square;
    REAL even = NAME(SINE)[degree], odd = NAME(SINE)[degree - 1];
    UNROLL_ALL
    for (int i = degree - 2; i >= 2; i -= 2)
        even = even * fourth + NAME(SINE)[i];
    UNROLL_ALL
    for (int i = degree - 3; i >= 1; i -= 2)
        odd = odd * fourth + NAME(SINE)[i];
    return q * NAME(SINE)[0] + q * (square * (even * square + odd));
}

ALWAYS_INLINE REAL NAME(cos_of_turns)(REAL t)
{
    return NAME(sine_of_quarter)((REAL)0.25 - MATH(fabs)(NAME(fraction_of_turn)(t)));
}

ALWAYS_INLINE REAL NAME(sin_of_turns)(REAL t)
{
    const REAL r = NAME(fraction_of_turn)(t), distance = MATH(fabs)(r);
    return MATH(copysign)(NAME(sine_of_quarter)(
        distance > (REAL)0.25 ? (REAL)0.5 - distance : distance), r);
}
