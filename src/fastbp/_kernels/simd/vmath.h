/* exp, tanh, the logistic sigmoid and log(1 + e^z) without branches or table look-ups, so that the compiler
 * turns a plain loop over them into vector code for whatever instruction set it compiles for.
 *
 * exp:   x = n ln 2 + r with |r| <= ln 2 / 2 (Cody and Waite's two-part ln 2), then
 *        exp(x) = 2^n p(r), p the Taylor polynomial of degree 13 (double) or 7 (float).
 * tanh:  tanh |x| = e / (e + 2) with e = expm1(2|x|) = 2^n q(r) + (2^n - 1), q(r) = p(r) - 1,
 *        which keeps full relative accuracy near zero.
 * softplus: log(1 + e^z) = max(z, 0) + log1p(t) with t = e^-|z| in [0, 1], since for large z the 1
 *        would be lost in e^z, and e^z overflows; log1p(t) = 2 artanh(s), s = t / (2 + t) <= 1/3,
 *        by the series s + s^3/3 + s^5/5 + ..., whose rest after s^31/31 is below 2^-55 log1p(t).
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

/* log(1 + t) for 0 <= t <= 1 */
static inline double log1p_unit_f64(double t)
{
    const double s = t / (2.0 + t), square = s * s;
    double series = 1.0 / 31.0;
    for (int odd = 29; odd >= 1; odd -= 2)
        series = series * square + 1.0 / odd;
    return 2.0 * s * series;
}

static inline double softplus_f64(double z)
{
    return (z < 0.0 ? 0.0 : z) + log1p_unit_f64(exp_f64(-fabs(z)));
}

static inline double logistic_f64(double x) { return 1.0 / (1.0 + exp_f64(-x)); }
static inline float logistic_f32(float x) { return 1.0f / (1.0f + exp_f32(-x)); }

#endif
