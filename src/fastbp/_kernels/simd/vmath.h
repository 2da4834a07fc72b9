/* exp, expm1, tanh, the logistic sigmoid, log(1 + e^z), the normal distribution, sine and cosine, for
 * float and double, without branches or table look-ups, so that the compiler turns a plain loop over them into
 * vector code for whatever instruction set it compiles for.
 *
 * exp:   x = n ln 2 + r with |r| <= ln 2 / 2 (Cody and Waite's two-part ln 2), then
 *        exp(x) = 2^n p(r), p the Taylor polynomial of degree 13 (double) or 7 (float).
 * tanh:  tanh |x| = e / (e + 2) with e = expm1(2|x|) = 2^n q(r) + (2^n - 1), q(r) = p(r) - 1,
 *        which keeps full relative accuracy near zero.
 * softplus: log(1 + e^z) = max(z, 0) + log1p(t) with t = e^-|z| in [0, 1], since for large z the 1
 *        would be lost in e^z, and e^z overflows; log1p(t) = 2 artanh(s), s = t / (2 + t) <= 1/3,
 *        by the series s + s^3/3 + s^5/5 + ..., whose rest after s^31/31 is below 2^-55 log1p(t).
 * normal_cdf: 1 - Phi(z) = e^(-z^2/2) t P(2t - 1) with t = c / (c + z), z >= 0, c = 3.75 sqrt 2, P the
 *        Chebyshev interpolant of e^(z^2/2) (1 - Phi(z)) / t, to 2e-15 (double) or 2e-8 (float).
 * cos, sin of t turns: t = n + r with |r| <= 1/2, which is exact; cos(2 pi r) = sin(2 pi (1/4 - |r|)),
 *        and sin(2 pi q) = q P(q^2) for |q| <= 1/4, P the Chebyshev interpolant of degree 8 (double) or
 *        4 (float), to 2e-19 or 6e-9 of the value.
 * All propagate NaN. exp gives inf above and 0 below the range of normal numbers.
 *
 * n is rounded by adding 1.5 * 2^52 (2^23): the sum's low bits are then the integer n. A compiler
 * option that reassociates (-ffast-math) would break this and must not be used. */
#ifndef FASTBP_VMATH_H
#define FASTBP_VMATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Always inlined: a loop that calls a function is no vector code, and what a compiler inlines by
 * itself changes with the size of everything around it. */
#if defined(_MSC_VER)
#define ALWAYS_INLINE static __forceinline
#else
#define ALWAYS_INLINE static inline __attribute__((always_inline))
#endif

/* A product that is rounded before it is added to something. Without this, the compiler may or may
 * not make the two one multiply-add, and a result would depend on where it is computed. */
#if defined(__has_builtin)
#if __has_builtin(__builtin_assoc_barrier)
#define ROUNDED(x) __builtin_assoc_barrier(x)
#endif
#endif
#ifndef ROUNDED
#define ROUNDED(x) (x)
#endif

/* Asks for a loop to be unrolled that is longer than what the compiler unrolls by itself: a loop over
 * one that is not unrolled is no vector code. */
#if defined(__clang__)
#define UNROLL_ALL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define UNROLL_ALL _Pragma("GCC unroll 32")
#else
#define UNROLL_ALL
#endif

#define CONSTANT(NAME, DOUBLE, FLOAT)                                                          \
    static const double NAME##_f64 = DOUBLE;                                                   \
    static const float NAME##_f32 = FLOAT;
#define INTEGER(NAME, DOUBLE, FLOAT) enum { NAME##_f64 = DOUBLE, NAME##_f32 = FLOAT };

/*       name           double                     float */
INTEGER (MANTISSA_BITS, 52,                        23)
INTEGER (EXPONENT_BIAS, 1023,                      127)
CONSTANT(SHIFT,         6755399441055744.0,        12582912.0f)    /* 1.5 * 2^MANTISSA_BITS */
CONSTANT(LOG2_E,        1.4426950408889634,        1.44269504f)
CONSTANT(LN2_HIGH,      6.93147180369123816490e-1, 0.693359375f)   /* its low 21, 15 bits are zero */
CONSTANT(LN2_LOW,       1.90821492927058770002e-10, -2.12194440e-4f)
CONSTANT(HIGHEST,       709.78271289338397,        88.7228317f)    /* above it exp is inf, */
CONSTANT(LOWEST,        -708.0,                    -86.6f)         /* below this one 0 */
CONSTANT(SATURATED,     40.0,                      20.0f)          /* e^-x is lost beside 1 */
INTEGER (EXP_DEGREE,    13,                        7)
INTEGER (LOG1P_DEGREE,  31,                        15)
CONSTANT(TAIL_SCALE,    5.303300858899106,         5.30330086f)    /* c of normal_cdf */

#undef CONSTANT
#undef INTEGER

/* P of normal_cdf, the coefficient of degree 0 first. */
static const double TAIL_f64[] = {
    0.14558972127503854, 0.12783221022038761, 0.098175856696233819, 0.065396038827720107,
    0.037208273204491364, 0.017594053489695604, 0.0065491704822941411, 0.0016714506815059459,
    0.00013151174135276358, -0.00010597647604735462, -4.6486232095686327e-5,
    -1.4122754849641725e-6, 4.9961747550818636e-6, 1.1865223365152414e-6,
    -4.3847612781240868e-7, -2.1966826600778473e-7, 3.71542962424777e-8, 3.3913639228180492e-8,
    -3.4563791117313303e-9, -4.5168205319084202e-9, 3.6997926654971841e-10,
    3.781501115269069e-10, -3.0654854086769839e-11};
static const float TAIL_f32[] = {
    0.145589719f, 0.127832222f, 0.0981759908f, 0.0653958159f, 0.0372066918f, 0.0175951532f,
    0.00655603111f, 0.00166953703f, 0.000117906734f, -0.000105368631f, -3.37027119e-5f};

/* P of sine_of_quarter, the coefficient of degree 0 first. */
static const double SINE_f64[] = {
    6.283185307179586, -41.341702240399755, 81.60524927607362, -76.70585975282492,
    42.058693925428685, -15.0946416761179, 3.8199280942271643, -0.7177337921413454,
    0.10089695501646812};
static const float SINE_f32[] = {
    6.28318528f, -41.3416806f, 81.6024764f, -76.5811726f, 39.7598271f};

#define REAL double
#define BITS uint64_t
#define NAME(x) x##_f64
#define MATH(x) x /* the C library's function for this type */
#include "vmath_template.h"
#undef REAL
#undef BITS
#undef NAME
#undef MATH

#define REAL float
#define BITS uint32_t
#define NAME(x) x##_f32
#define MATH(x) x##f
#include "vmath_template.h"
#undef REAL
#undef BITS
#undef NAME
#undef MATH

/* a (1 - a) and 1 - a^2, the derivatives of the logistic function and of tanh by their own value a. For
 * float, computed in double and rounded. A fused multiply-add gives the same bits for every float of
 * [0, 1], all of which were tried, and takes half the vectors. */
ALWAYS_INLINE double logistic_slope_f64(double a) { return a * (1 - a); }
ALWAYS_INLINE double tanh_slope_f64(double a) { return (1 - a) * (1 + a); }
#if defined(__FMA__)
ALWAYS_INLINE float logistic_slope_f32(float a) { return fmaf(-a, a, a); }
ALWAYS_INLINE float tanh_slope_f32(float a) { return fmaf(-a, a, 1); }
#else
ALWAYS_INLINE float logistic_slope_f32(float a) { return (float)logistic_slope_f64(a); }
ALWAYS_INLINE float tanh_slope_f32(float a) { return (float)tanh_slope_f64(a); }
#endif

/* log p for p = 1 / (1 + e^-z) */
static double log_of_logistic(double z) { return -softplus_f64(-z); }

/* -y log p - (1 - y) log(1 - p) for p = 1 / (1 + e^-z), which is softplus(z) - y z, without inf - inf
 * at y = 1. */
ALWAYS_INLINE double logistic_log_loss(double z, double y)
{
    return (y != 0 ? softplus_f64(-z) * y : 0) + (y != 1 ? softplus_f64(z) * (1 - y) : 0);
}

#endif
