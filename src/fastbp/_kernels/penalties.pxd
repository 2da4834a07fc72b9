"""The penalties of the coefficient prefix: l2 ||W||^2, and l1 |W|, whose derivative at 0 is 0."""
from libc.math cimport fabs

from .types cimport floating


cdef inline double l2_penalty(
    double l2, const floating* coefs, Py_ssize_t n_coefs
) noexcept nogil:
    # The compiler may not reorder a sum: eight of them side by side become vector code.
    cdef double[8] sums
    cdef double total = 0
    cdef Py_ssize_t i, lane, n_even = n_coefs - n_coefs % 8
    for lane in range(8):
        sums[lane] = 0
    for i in range(0, n_even, 8):
        for lane in range(8):
            sums[lane] += <double> coefs[i + lane] * <double> coefs[i + lane]
    for i in range(n_even, n_coefs):
        total += <double> coefs[i] * <double> coefs[i]
    for lane in range(8):
        total += sums[lane]
    return l2 * total


cdef inline void add_l2_gradient(
    double l2, const floating* coefs, floating* coef_grads, Py_ssize_t n_coefs
) noexcept nogil:
    cdef Py_ssize_t i
    cdef floating factor = <floating> (2 * l2)
    for i in range(n_coefs):
        coef_grads[i] += factor * coefs[i]


cdef inline double l1_norm(const floating* coefs, Py_ssize_t n_coefs) noexcept nogil:
    cdef Py_ssize_t i
    cdef double total = 0
    for i in range(n_coefs):
        total += fabs(<double> coefs[i])
    return total


cdef inline void add_l1_gradient(
    double l1, const floating* coefs, floating* coef_grads, Py_ssize_t n_coefs
) noexcept nogil:
    cdef Py_ssize_t i
    cdef floating factor = <floating> l1
    for i in range(n_coefs):
        coef_grads[i] += factor if coefs[i] > 0 else -factor if coefs[i] < 0 else 0
