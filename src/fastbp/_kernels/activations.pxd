"""Hidden activations: a = g(z) in place, and deltas through g.

Each is two inline scalar functions and a member of Activation. The branch on the member stands
outside the loops. The derivatives are written in terms of the activation a:

    identity  a = z              g' = 1
    logistic  a = 1/(1 + e^-z)   g' = a (1 - a)
    tanh      a = tanh z         g' = (1 - a)(1 + a)
    relu      a = max(z, 0)      g' = [a > 0], so g'(0) = 0
"""
from .types cimport IDENTITY, LOGISTIC, RELU, TANH, Activation, floating


cdef extern from "simd/vmath.h" nogil:
    double exp_f64(double x) noexcept
    float exp_f32(float x) noexcept
    double tanh_f64(double x) noexcept
    float tanh_f32(float x) noexcept
    double logistic_f64(double x) noexcept
    float logistic_f32(float x) noexcept


cdef inline floating exponential(floating z) noexcept nogil:
    if floating is float:
        return exp_f32(z)
    else:
        return exp_f64(z)


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
