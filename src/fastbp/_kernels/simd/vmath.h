/* exp, expm1, tanh, the logistic sigmoid, log(1 + e^z) and the tail of the normal distribution, without
 * branches or table look-ups, so that the compiler turns a plain loop over them into vector code for
 * whatever instruction set it compiles for.
 *
 * exp:   x = n ln 2 + r with |r| <= ln 2 / 2 (Cody and Waite's two-part ln 2), then
 *        exp(x) = 2^n p(r), p the Taylor polynomial of degree 13 (double) or 7 (float).
 * tanh:  tanh |x| = e / (e + 2) with e = expm1(2|x|) = 2^n q(r) + (2^n - 1), q(r) = p(r) - 1,
 *        which keeps full relative accuracy near zero.
 * softplus: log(1 + e^z) = max(z, 0) + log1p(t) with t = e^-|z| in [0, 1], since for large z the 1
 *        would be lost in e^z, and e^z overflows; log1p(t) = 2 artanh(s), s = t / (2 + t) <= 1/3,
 *        by the series s + s^3/3 + s^5/5 + ..., whose rest after s^31/31 is below 2^-55 log1p(t).
 * normal_tail: 1 - Phi(z) = e^(-z^2/2) t P(2t - 1) with t = c / (c + z), z >= 0, c = 3.75 sqrt 2, P the
 *        Chebyshev interpolant of e^(z^2/2) (1 - Phi(z)) / t, to 2e-15 (double) or 2e-8 (float).
 * All propagate NaN. exp gives inf above and 0 below the range of normal numbers.
 *
 * n is rounded by adding 1.5 * 2^52 (2^23): the sum's low bits are then the integer n. A compiler
 * option that reassociates (-ffast-math) would break this and must not be used. */
#ifndef FASTBP_VMATH_H
#define FASTBP_VMATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* 2^n for the n that sits in the low bits of `shifted` = n + 1.5 * 2^52. */
static inline double exp2_of_shifted_f64(double shifted)
{
    uint64_t bits;
    double power;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 1023) << 52;
    memcpy(&power, &bits, sizeof power);
    return power;
}

static inline float exp2_of_shifted_f32(float shifted)
{
    uint32_t bits;
    float power;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 127) << 23;
    memcpy(&power, &bits, sizeof power);
    return power;
}

/* expm1(r) for |r| <= ln 2 / 2. Even and odd powers are summed apart: twice as short a chain of
 * additions, each waiting for the one before. */
static inline double expm1_reduced_f64(double r)
{
    const double square = r * r;
    double even = 1.0 / 479001600.0, odd = 1.0 / 6227020800.0;
    even = even * square + 1.0 / 3628800.0;
    odd = odd * square + 1.0 / 39916800.0;
    even = even * square + 1.0 / 40320.0;
    odd = odd * square + 1.0 / 362880.0;
    even = even * square + 1.0 / 720.0;
    odd = odd * square + 1.0 / 5040.0;
    even = even * square + 1.0 / 24.0;
    odd = odd * square + 1.0 / 120.0;
    even = even * square + 0.5;
    odd = odd * square + 1.0 / 6.0;
    return (odd * r + even) * square + r;
}

static inline float expm1_reduced_f32(float r)
{
    const float square = r * r;
    float even = 1.0f / 720.0f, odd = 1.0f / 5040.0f;
    even = even * square + 1.0f / 24.0f;
    odd = odd * square + 1.0f / 120.0f;
    even = even * square + 0.5f;
    odd = odd * square + 1.0f / 6.0f;
    return (odd * r + even) * square + r;
}

static const double SHIFT_F64 = 6755399441055744.0;         /* 1.5 * 2^52 */
static const double LOG2_E_F64 = 1.4426950408889634;
static const double LN2_HIGH_F64 = 6.93147180369123816490e-01; /* its low 21 bits are zero */
static const double LN2_LOW_F64 = 1.90821492927058770002e-10;

static const float SHIFT_F32 = 12582912.0f;                  /* 1.5 * 2^23 */
static const float LOG2_E_F32 = 1.44269504f;
static const float LN2_HIGH_F32 = 0.693359375f;              /* its low 15 bits are zero */
static const float LN2_LOW_F32 = -2.12194440e-4f;

static inline double exp_f64(double x)
{
    const double highest = 709.78271289338397, lowest = -708.0;
    double clamped = x > highest ? highest : x;
    clamped = clamped < lowest ? lowest : clamped;
    const double shifted = clamped * LOG2_E_F64 + SHIFT_F64;
    const double n = shifted - SHIFT_F64;
    const double r = (clamped - n * LN2_HIGH_F64) - n * LN2_LOW_F64;
    /* 2^n is made as 2^(n-1) * 2, since 2^1024 is not a number. */
    const double y = (1.0 + expm1_reduced_f64(r)) * exp2_of_shifted_f64(shifted - 1.0) * 2.0;
    return x > highest ? (double)INFINITY : x < lowest ? 0.0 : y;
}

static inline float exp_f32(float x)
{
    const float highest = 88.7228317f, lowest = -86.6f;
    float clamped = x > highest ? highest : x;
    clamped = clamped < lowest ? lowest : clamped;
    const float shifted = clamped * LOG2_E_F32 + SHIFT_F32;
    const float n = shifted - SHIFT_F32;
    const float r = (clamped - n * LN2_HIGH_F32) - n * LN2_LOW_F32;
    const float y = (1.0f + expm1_reduced_f32(r)) * exp2_of_shifted_f32(shifted - 1.0f) * 2.0f;
    return x > highest ? INFINITY : x < lowest ? 0.0f : y;
}

static inline double tanh_f64(double x)
{
    const double saturated = 40.0; /* tanh(20) rounds to 1 */
    double doubled = 2.0 * fabs(x);
    doubled = doubled > saturated ? saturated : doubled;
    const double shifted = doubled * LOG2_E_F64 + SHIFT_F64;
    const double n = shifted - SHIFT_F64;
    const double r = (doubled - n * LN2_HIGH_F64) - n * LN2_LOW_F64;
    const double power = exp2_of_shifted_f64(shifted);
    const double e = power * expm1_reduced_f64(r) + (power - 1.0);
    return copysign(e / (e + 2.0), x);
}

static inline float tanh_f32(float x)
{
    const float saturated = 20.0f;
    float doubled = 2.0f * fabsf(x);
    doubled = doubled > saturated ? saturated : doubled;
    const float shifted = doubled * LOG2_E_F32 + SHIFT_F32;
    const float n = shifted - SHIFT_F32;
    const float r = (doubled - n * LN2_HIGH_F32) - n * LN2_LOW_F32;
    const float power = exp2_of_shifted_f32(shifted);
    const float e = power * expm1_reduced_f32(r) + (power - 1.0f);
    return copysignf(e / (e + 2.0f), x);
}

/* e^x - 1 for x <= 0, with full relative accuracy near zero */
static inline double expm1_negative_f64(double x)
{
    const double lowest = -40.0; /* there it rounds to -1 */
    const double clamped = x < lowest ? lowest : x;
    const double shifted = clamped * LOG2_E_F64 + SHIFT_F64;
    const double n = shifted - SHIFT_F64;
    const double r = (clamped - n * LN2_HIGH_F64) - n * LN2_LOW_F64;
    const double power = exp2_of_shifted_f64(shifted);
    return power * expm1_reduced_f64(r) + (power - 1.0);
}

static inline float expm1_negative_f32(float x)
{
    const float lowest = -20.0f;
    const float clamped = x < lowest ? lowest : x;
    const float shifted = clamped * LOG2_E_F32 + SHIFT_F32;
    const float n = shifted - SHIFT_F32;
    const float r = (clamped - n * LN2_HIGH_F32) - n * LN2_LOW_F32;
    const float power = exp2_of_shifted_f32(shifted);
    return power * expm1_reduced_f32(r) + (power - 1.0f);
}

/* log(1 + t) for 0 <= t <= 1 */
static inline double log1p_unit_f64(double t)
{
    const double s = t / (2.0 + t), square = s * s;
    double series = 1.0 / 31.0;
    for (int odd = 29; odd >= 1; odd -= 2)
        series = series * square + 1.0 / odd;
    return 2.0 * s * series;
}

static inline float log1p_unit_f32(float t)
{
    const float s = t / (2.0f + t), square = s * s;
    float series = 1.0f / 15.0f;
    for (int odd = 13; odd >= 1; odd -= 2)
        series = series * square + 1.0f / (float)odd;
    return 2.0f * s * series;
}

static inline double softplus_f64(double z)
{
    return (z < 0.0 ? 0.0 : z) + log1p_unit_f64(exp_f64(-fabs(z)));
}

static inline float softplus_f32(float z)
{
    return (z < 0.0f ? 0.0f : z) + log1p_unit_f32(exp_f32(-fabsf(z)));
}

static const double TAIL_F64[] = {
    0.14558972127503854, 0.12783221022038761, 0.098175856696233819, 0.065396038827720107,
    0.037208273204491364, 0.017594053489695604, 0.0065491704822941411, 0.0016714506815059459,
    0.00013151174135276358, -0.00010597647604735462, -4.6486232095686327e-5,
    -1.4122754849641725e-6, 4.9961747550818636e-6, 1.1865223365152414e-6,
    -4.3847612781240868e-7, -2.1966826600778473e-7, 3.71542962424777e-8, 3.3913639228180492e-8,
    -3.4563791117313303e-9, -4.5168205319084202e-9, 3.6997926654971841e-10,
    3.781501115269069e-10, -3.0654854086769839e-11};
static const float TAIL_F32[] = {
    0.145589719f, 0.127832222f, 0.0981759908f, 0.0653958159f, 0.0372066918f, 0.0175951532f,
    0.00655603111f, 0.00166953703f, 0.000117906734f, -0.000105368631f, -3.37027119e-5f};

/* 1 - Phi(z) for z >= 0, given gauss = e^(-z^2 / 2) */
static inline double normal_tail_f64(double z, double gauss)
{
    const double c = 5.303300858899106, t = c / (c + z), u = 2.0 * t - 1.0;
    double p = TAIL_F64[22];
    for (int i = 21; i >= 0; i--)
        p = p * u + TAIL_F64[i];
    return gauss * t * p;
}

static inline float normal_tail_f32(float z, float gauss)
{
    const float c = 5.30330086f, t = c / (c + z), u = 2.0f * t - 1.0f;
    float p = TAIL_F32[10];
    for (int i = 9; i >= 0; i--)
        p = p * u + TAIL_F32[i];
    return gauss * t * p;
}

static inline double logistic_f64(double x) { return 1.0 / (1.0 + exp_f64(-x)); }
static inline float logistic_f32(float x) { return 1.0f / (1.0f + exp_f32(-x)); }

#endif
