"""Hidden activations: a = g(z) in place, and deltas through g.

Each is two inline scalar functions and a member of Activation. The branch on the member stands
outside the loops. The derivatives are written in terms of the activation a:

    identity    a = z                        g' = 1
    logistic    a = s(z) = 1/(1 + e^-z)      g' = a (1 - a)
    tanh        a = tanh z                   g' = (1 - a)(1 + a)
    relu        a = max(z, 0)                g' = [a > 0], so g'(0) = 0
    leaky_relu  a = z or, below 0, z/100     g' = 1 or 1/100
    elu         a = z or e^z - 1             g' = 1 or a + 1
    selu        a = c z or c d (e^z - 1)     g' = c or a + c d
    softplus    a = log(1 + e^z)             g' = 1 - e^-a

or, where a does not determine it, from z together with a (activate_with_slope):

    silu        a = z s(z)                   g' = s + z s (1 - s)
    gelu        a = z Phi(z)                 g' = Phi(z) + z phi(z)
    mish        a = z t, t = tanh softplus z g' = t + z s (1 - t^2)

elu: Clevert et al. (2016); selu and its c, d: Klambauer et al. (2017); silu, gelu: Hendrycks and
Gimpel (2016); mish: Misra (2019). Phi and phi are the normal distribution and its density.
"""
from .types cimport (
    ELU, GELU, LEAKY_RELU, LOGISTIC, MISH, RELU, SELU, SILU, SOFTPLUS, TANH, Activation, floating,
)


cdef extern from "simd/vmath.h" nogil:
    double exp_f64(double x) noexcept
    float exp_f32(float x) noexcept
    double expm1_negative_f64(double x) noexcept
    float expm1_negative_f32(float x) noexcept
    double tanh_f64(double x) noexcept
    float tanh_f32(float x) noexcept
    double logistic_f64(double x) noexcept
    float logistic_f32(float x) noexcept
    double softplus_f64(double x) noexcept
    float softplus_f32(float x) noexcept
    double normal_tail_f64(double z, double gauss) noexcept
    float normal_tail_f32(float z, float gauss) noexcept

cdef extern from *:
    """
    #define FASTBP_LEAK 0.01
    #define FASTBP_SELU_SCALE 1.0507009873554805
    #define FASTBP_SELU_LOWER (1.0507009873554805 * 1.6732632423543772)
    #define FASTBP_ROOT_OF_2_PI 2.5066282746310002
    """
    const double LEAK "FASTBP_LEAK"
    const double SELU_SCALE "FASTBP_SELU_SCALE"
    const double SELU_LOWER "FASTBP_SELU_LOWER"
    const double ROOT_OF_2_PI "FASTBP_ROOT_OF_2_PI"


cdef inline floating exponential(floating z) noexcept nogil:
    if floating is float:
        return exp_f32(z)
    else:
        return exp_f64(z)


cdef inline floating expm1_negative(floating z) noexcept nogil:
    """e^z - 1 where z <= 0."""
    if floating is float:
        return expm1_negative_f32(z)
    else:
        return expm1_negative_f64(z)


cdef inline floating logistic(floating z) noexcept nogil:
    if floating is float:
        return logistic_f32(z)
    else:
        return logistic_f64(z)


cdef inline floating logistic_derivative(floating a) noexcept nogil:
    return a * (1 - a)


cdef inline floating hyperbolic_tangent(floating z) noexcept nogil:
    if floating is float:
        return tanh_f32(z)
    else:
        return tanh_f64(z)


cdef inline floating hyperbolic_tangent_derivative(floating a) noexcept nogil:
    return (1 - a) * (1 + a)


cdef inline floating relu(floating z) noexcept nogil:
    # Written so that NaN goes through: a diverged network must not look like a dead one.
    return 0 if z < 0 else z


cdef inline floating relu_derivative(floating a) noexcept nogil:
    return 1 if a > 0 else 0


cdef inline floating leaky_relu(floating z) noexcept nogil:
    return z if z > 0 else <floating> LEAK * z


cdef inline floating leaky_relu_derivative(floating a) noexcept nogil:
    return <floating> 1 if a > 0 else <floating> LEAK


cdef inline floating elu(floating z) noexcept nogil:
    cdef floating below = expm1_negative[floating](0 if z > 0 else z)
    return z if z > 0 else below


cdef inline floating elu_derivative(floating a) noexcept nogil:
    return 1 if a > 0 else a + 1


cdef inline floating selu(floating z) noexcept nogil:
    cdef floating below = <floating> SELU_LOWER * expm1_negative[floating](0 if z > 0 else z)
    return <floating> SELU_SCALE * z if z > 0 else below


cdef inline floating selu_derivative(floating a) noexcept nogil:
    return <floating> SELU_SCALE if a > 0 else a + <floating> SELU_LOWER


cdef inline floating softplus(floating z) noexcept nogil:
    if floating is float:
        return softplus_f32(z)
    else:
        return softplus_f64(z)


cdef inline floating softplus_derivative(floating a) noexcept nogil:
    return -expm1_negative[floating](-a)


cdef inline floating normal_cdf(floating z, floating gauss) noexcept nogil:
    """Phi(z), given e^(-z^2 / 2)."""
    cdef floating tail
    if floating is float:
        tail = normal_tail_f32(-z if z < 0 else z, gauss)
    else:
        tail = normal_tail_f64(-z if z < 0 else z, gauss)
    return tail if z < 0 else 1 - tail


cdef inline floating tanh_of_softplus(floating z) noexcept nogil:
    # (e^2z + 2 e^z) / (e^2z + 2 e^z + 2); beyond 30 it rounds to 1
    cdef floating e = exponential[floating](30 if z > 30 else z)
    cdef floating n = e * (e + 2)
    return n / (n + 2)


cdef inline bint needs_slope(Activation kind) noexcept nogil:
    """Whether g' is not a function of a."""
    return kind == SILU or kind == GELU or kind == MISH


cdef inline void activate(Activation kind, floating* a, Py_ssize_t n) noexcept nogil:
    """a[:n] holds z on entry, g(z) on return."""
    cdef Py_ssize_t i
    if kind == RELU:
        for i in range(n):
            a[i] = relu(a[i])
    elif kind == LOGISTIC:
        for i in range(n):
            a[i] = logistic(a[i])
    elif kind == TANH:
        for i in range(n):
            a[i] = hyperbolic_tangent(a[i])
    elif kind == LEAKY_RELU:
        for i in range(n):
            a[i] = leaky_relu(a[i])
    elif kind == ELU:
        for i in range(n):
            a[i] = elu(a[i])
    elif kind == SELU:
        for i in range(n):
            a[i] = selu(a[i])
    elif kind == SOFTPLUS:
        for i in range(n):
            a[i] = softplus(a[i])
    elif kind == SILU:
        for i in range(n):
            a[i] *= logistic(a[i])
    elif kind == GELU:
        for i in range(n):
            a[i] *= normal_cdf[floating](a[i], exponential[floating](-a[i] * a[i] / 2))
    elif kind == MISH:
        for i in range(n):
            a[i] *= tanh_of_softplus(a[i])


cdef inline void activate_with_slope(
    Activation kind, floating* a, floating* slope, Py_ssize_t n
) noexcept nogil:
    """activate, and slope[:n] = g'(z)."""
    cdef Py_ssize_t i
    cdef floating z, s, gauss
    if kind == SILU:
        for i in range(n):
            z, s = a[i], logistic(a[i])
            a[i] = z * s
            slope[i] = s + z * s * (1 - s)
    elif kind == GELU:
        for i in range(n):
            z, gauss = a[i], exponential[floating](-a[i] * a[i] / 2)
            s = normal_cdf[floating](z, gauss)
            a[i] = z * s
            slope[i] = s + z * gauss / <floating> ROOT_OF_2_PI
    elif kind == MISH:
        for i in range(n):
            z, s = a[i], tanh_of_softplus(a[i])
            a[i] = z * s
            slope[i] = s + z * logistic(z) * (1 - s) * (1 + s)
    else:
        activate(kind, a, n)
        for i in range(n):
            slope[i] = 1
        multiply_by_derivative(kind, <const floating*> a, slope, n)


cdef inline void multiply_by_derivative(
    Activation kind, const floating* a, floating* delta, Py_ssize_t n
) noexcept nogil:
    """delta[:n] *= g'(z), from the activations a = g(z)."""
    cdef Py_ssize_t i
    if kind == RELU:
        for i in range(n):
            delta[i] *= relu_derivative(a[i])
    elif kind == LOGISTIC:
        for i in range(n):
            delta[i] *= logistic_derivative(a[i])
    elif kind == TANH:
        for i in range(n):
            delta[i] *= hyperbolic_tangent_derivative(a[i])
    elif kind == LEAKY_RELU:
        for i in range(n):
            delta[i] *= leaky_relu_derivative(a[i])
    elif kind == ELU:
        for i in range(n):
            delta[i] *= elu_derivative(a[i])
    elif kind == SELU:
        for i in range(n):
            delta[i] *= selu_derivative(a[i])
    elif kind == SOFTPLUS:
        for i in range(n):
            delta[i] *= softplus_derivative(a[i])
