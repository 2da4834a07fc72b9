"""The three matrix products of backpropagation, dense and CSR.

All matrices are row-major; rows is the number of samples.

    affine           Z = 1 b' + X @ W      X (rows, fan_in), W (fan_in, fan_out), b (fan_out,)
    coef_gradient    G (+)= X' @ D         D (rows, fan_out), G (fan_in, fan_out)
    delta_back       E = D @ W'            E (rows, fan_in)

Only the first layer knows sparse inputs. Its rows are named by `order` (NULL: as they stand).
This file is the seam between the network and the arithmetic: simd/gemm.h does the dense ones.
"""
from libc.string cimport memcpy, memset

from .types cimport Inputs, floating


cdef extern from "simd/gemm.h" nogil:
    void gemm_f64(
        Py_ssize_t m, Py_ssize_t n, Py_ssize_t depth,
        const double* a, Py_ssize_t a_row, Py_ssize_t a_depth,
        const double* b, Py_ssize_t b_depth, Py_ssize_t b_col,
        const double* start, double* c, Py_ssize_t ldc, int accumulate) noexcept
    void gemm_f32(
        Py_ssize_t m, Py_ssize_t n, Py_ssize_t depth,
        const float* a, Py_ssize_t a_row, Py_ssize_t a_depth,
        const float* b, Py_ssize_t b_depth, Py_ssize_t b_col,
        const float* start, float* c, Py_ssize_t ldc, int accumulate) noexcept


cdef inline void affine(
    const floating* x, const floating* coef, const floating* intercept, floating* z,
    Py_ssize_t rows, Py_ssize_t fan_in, Py_ssize_t fan_out
) noexcept nogil:
    # Z = 1 b' + X @ W; no intercept: b is NULL
    if floating is float:
        gemm_f32(rows, fan_out, fan_in, x, fan_in, 1, coef, fan_out, 1,
                 intercept, z, fan_out, 0)
    else:
        gemm_f64(rows, fan_out, fan_in, x, fan_in, 1, coef, fan_out, 1,
                 intercept, z, fan_out, 0)


cdef inline void coef_gradient(
    const floating* x, const floating* delta, floating* coef_grad,
    Py_ssize_t rows, Py_ssize_t fan_in, Py_ssize_t fan_out, bint accumulate
) noexcept nogil:
    # G (+)= X' @ D
    if floating is float:
        gemm_f32(fan_in, fan_out, rows, x, 1, fan_in, delta, fan_out, 1,
                 NULL, coef_grad, fan_out, accumulate)
    else:
        gemm_f64(fan_in, fan_out, rows, x, 1, fan_in, delta, fan_out, 1,
                 NULL, coef_grad, fan_out, accumulate)


cdef inline void delta_back(
    const floating* delta, const floating* coef, floating* delta_in,
    Py_ssize_t rows, Py_ssize_t fan_in, Py_ssize_t fan_out
) noexcept nogil:
    # E = D @ W'
    if floating is float:
        gemm_f32(rows, fan_in, fan_out, delta, fan_out, 1, coef, 1, fan_out,
                 NULL, delta_in, fan_in, 0)
    else:
        gemm_f64(rows, fan_in, fan_out, delta, fan_out, 1, coef, 1, fan_out,
                 NULL, delta_in, fan_in, 0)


cdef inline void intercept_gradient(
    const floating* delta, floating* intercept_grad, Py_ssize_t rows, Py_ssize_t fan_out,
    bint accumulate
) noexcept nogil:
    # g (+)= D' @ 1, four rows at a time: a store of g costs more than an addition
    cdef Py_ssize_t _, k, n_fours = rows // 4
    cdef const floating* row = delta
    if not accumulate:
        memset(intercept_grad, 0, fan_out * sizeof(floating))
    for _ in range(n_fours):
        for k in range(fan_out):
            intercept_grad[k] += (row[k] + row[fan_out + k]) + (
                row[2 * fan_out + k] + row[3 * fan_out + k])
        row += 4 * fan_out
    for _ in range(rows - 4 * n_fours):
        for k in range(fan_out):
            intercept_grad[k] += row[k]
        row += fan_out


cdef inline void affine_csr(
    const Inputs* inputs, const Py_ssize_t* order, Py_ssize_t first, const floating* coef,
    const floating* intercept, floating* z, Py_ssize_t rows, Py_ssize_t fan_out
) noexcept nogil:
    # Z = 1 b' + X @ W, a row of Z as the sum of the rows of W that the row of X names
    cdef const floating* data = <const floating*> inputs.data
    cdef const floating* coef_row
    cdef floating* z_row
    cdef floating value
    cdef Py_ssize_t i, k, row, entry
    for i in range(rows):
        row = order[first + i] if order != NULL else first + i
        z_row = z + i * fan_out
        if intercept != NULL:
            memcpy(z_row, intercept, fan_out * sizeof(floating))
        else:
            memset(z_row, 0, fan_out * sizeof(floating))
        for entry in range(inputs.row_starts[row], inputs.row_starts[row + 1]):
            value = data[entry]
            coef_row = coef + <Py_ssize_t> inputs.columns[entry] * fan_out
            for k in range(fan_out):
                z_row[k] += value * coef_row[k]


cdef inline void coef_gradient_csr(
    const Inputs* inputs, const Py_ssize_t* order, Py_ssize_t first, const floating* delta,
    floating* coef_grad, Py_ssize_t rows, Py_ssize_t fan_out, bint accumulate
) noexcept nogil:
    # G (+)= X' @ D, only the rows of G that X has entries for
    cdef const floating* data = <const floating*> inputs.data
    cdef const floating* delta_row
    cdef floating* grad_row
    cdef floating value
    cdef Py_ssize_t i, k, row, entry
    if not accumulate:
        memset(coef_grad, 0, inputs.n_features * fan_out * sizeof(floating))
    for i in range(rows):
        row = order[first + i] if order != NULL else first + i
        delta_row = delta + i * fan_out
        for entry in range(inputs.row_starts[row], inputs.row_starts[row + 1]):
            value = data[entry]
            grad_row = coef_grad + <Py_ssize_t> inputs.columns[entry] * fan_out
            for k in range(fan_out):
                grad_row[k] += value * delta_row[k]
