"""The three matrix products of backpropagation, dense and CSR.

All matrices are row-major; rows is the number of samples. X, Z, D and E have a stride, which is
the length of a row with its padding.

    affine           Z = 1 b' + X @ W      X (rows, fan_in), W (fan_in, fan_out), b (fan_out,)
    coef_gradient    G (+)= X' @ D         D (rows, fan_out), G (fan_in, fan_out)
    delta_back       E = D @ W'            E (rows, fan_in)

Only the first layer knows sparse inputs. Its rows are named by `order` (NULL: as they stand).
This file is the seam between the network and the arithmetic: simd/gemm.h does the dense ones.
"""
from libc.string cimport memcpy, memset

from .dropout cimport Dropout, mask, row_of_masks, threshold_of
from .inputs cimport Inputs
from .types cimport floating


cdef extern from "simd/gemm.h" nogil:
    enum: VECTOR_BYTES
    ctypedef struct Product:
        Py_ssize_t m
        Py_ssize_t n
        Py_ssize_t depth
        Py_ssize_t whole_m
        const void* a
        Py_ssize_t a_row
        Py_ssize_t a_depth
        const void* b
        Py_ssize_t b_depth
        Py_ssize_t b_col
        bint b_padded
        const void* start
        bint accumulate
        void* c
        Py_ssize_t ldc
        bint c_padded
        bint relu
        const void* positive
    void multiply_f64(const Product*) noexcept
    void multiply_f32(const Product*) noexcept


cdef inline void affine(
    const floating* x, Py_ssize_t x_stride, const floating* coef, const floating* intercept,
    floating* z, Py_ssize_t z_stride, Py_ssize_t rows, Py_ssize_t fan_in, Py_ssize_t fan_out,
    bint relu, Py_ssize_t whole, bint padded
) noexcept nogil:
    # Z = 1 b' + X @ W, or relu(Z); no intercept: b is NULL. whole: rows of the product that this
    # is a part of; padded: whether z may be written to the end of the last row's last vector.
    cdef Product p
    memset(&p, 0, sizeof(p))
    p.m, p.n, p.depth, p.whole_m = rows, fan_out, fan_in, whole
    p.a, p.a_row, p.a_depth = x, x_stride, 1
    p.b, p.b_depth, p.b_col = coef, fan_out, 1
    p.start = intercept
    p.c, p.ldc, p.c_padded = z, z_stride, padded
    p.relu = relu
    if floating is float:
        multiply_f32(&p)
    else:
        multiply_f64(&p)


cdef inline void coef_gradient(
    const floating* x, Py_ssize_t x_stride, const floating* delta, Py_ssize_t delta_stride,
    floating* coef_grad, Py_ssize_t rows, Py_ssize_t fan_in, Py_ssize_t fan_out, bint accumulate,
    Py_ssize_t whole
) noexcept nogil:
    # G (+)= X' @ D, or fan_in rows of `whole` rows of it
    cdef Product p
    memset(&p, 0, sizeof(p))
    p.m, p.n, p.depth, p.whole_m = fan_in, fan_out, rows, whole
    p.a, p.a_row, p.a_depth = x, 1, x_stride
    p.b, p.b_depth, p.b_col = delta, delta_stride, 1
    p.b_padded = delta_stride > fan_out or fan_out * sizeof(floating) % VECTOR_BYTES == 0
    p.c, p.ldc, p.accumulate = coef_grad, fan_out, accumulate
    if floating is float:
        multiply_f32(&p)
    else:
        multiply_f64(&p)


cdef inline void delta_back(
    const floating* delta, Py_ssize_t delta_stride, const floating* coef, floating* delta_in,
    Py_ssize_t in_stride, const floating* positive, Py_ssize_t rows, Py_ssize_t fan_in,
    Py_ssize_t fan_out, Py_ssize_t whole
) noexcept nogil:
    # E = D @ W', 0 where `positive` (rows, fan_in), if given, is not > 0
    cdef Product p
    memset(&p, 0, sizeof(p))
    p.m, p.n, p.depth, p.whole_m = rows, fan_in, fan_out, whole
    p.a, p.a_row, p.a_depth = delta, delta_stride, 1
    p.b, p.b_depth, p.b_col = coef, 1, fan_out
    p.c, p.ldc, p.c_padded = delta_in, in_stride, True
    p.positive = positive
    if floating is float:
        multiply_f32(&p)
    else:
        multiply_f64(&p)


cdef inline void intercept_gradient(
    const floating* delta, Py_ssize_t stride, floating* intercept_grad, Py_ssize_t rows,
    Py_ssize_t fan_out, bint accumulate
) noexcept nogil:
    # g (+)= D' @ 1, four rows at a time: a store of g costs more than an addition
    cdef Py_ssize_t _, k, n_fours = rows // 4
    cdef const floating* row = delta
    if not accumulate:
        memset(intercept_grad, 0, fan_out * sizeof(floating))
    for _ in range(n_fours):
        for k in range(fan_out):
            intercept_grad[k] += (row[k] + row[stride + k]) + (
                row[2 * stride + k] + row[3 * stride + k])
        row += 4 * stride
    for _ in range(rows - 4 * n_fours):
        for k in range(fan_out):
            intercept_grad[k] += row[k]
        row += stride


cdef inline floating masked_entry(
    floating value, const Dropout* dropout, Py_ssize_t position, Py_ssize_t column
) noexcept nogil:
    """The value under the mask that a dense row would have there."""
    return value * mask[floating](
        row_of_masks(dropout, 0, position), column, threshold_of(dropout.inputs),
        <floating> (1 / (1 - dropout.inputs)))


cdef inline void affine_csr(
    const Inputs* inputs, const Py_ssize_t* order, Py_ssize_t first, const floating* coef,
    const floating* intercept, floating* z, Py_ssize_t z_stride, Py_ssize_t rows,
    Py_ssize_t fan_out, const Dropout* dropout
) noexcept nogil:
    # Z = 1 b' + X @ W, a row of Z as the sum of the rows of W that the row of X names
    cdef const floating* data = <const floating*> inputs.data
    cdef const floating* coef_row
    cdef floating* z_row
    cdef floating value
    cdef Py_ssize_t i, k, row, entry
    for i in range(rows):
        row = order[first + i] if order != NULL else first + i
        z_row = z + i * z_stride
        if intercept != NULL:
            memcpy(z_row, intercept, fan_out * sizeof(floating))
        else:
            memset(z_row, 0, fan_out * sizeof(floating))
        for entry in range(inputs.row_starts[row], inputs.row_starts[row + 1]):
            value = data[entry]
            if dropout != NULL and dropout.inputs > 0:
                value = masked_entry(value, dropout, first + i, inputs.columns[entry])
            coef_row = coef + <Py_ssize_t> inputs.columns[entry] * fan_out
            for k in range(fan_out):
                z_row[k] += value * coef_row[k]


cdef inline void coef_gradient_csr(
    const Inputs* inputs, const Py_ssize_t* order, Py_ssize_t first, const floating* delta,
    Py_ssize_t delta_stride, floating* coef_grad, Py_ssize_t rows, Py_ssize_t fan_out,
    Py_ssize_t k_start, Py_ssize_t k_stop, bint accumulate, const Dropout* dropout
) noexcept nogil:
    # Columns [k_start, k_stop) of G (+)= X' @ D, only the rows of G that X has entries for
    cdef const floating* data = <const floating*> inputs.data
    cdef const floating* delta_row
    cdef floating* grad_row
    cdef floating value
    cdef Py_ssize_t i, k, row, entry, width = k_stop - k_start
    delta += k_start
    coef_grad += k_start
    if not accumulate and width == fan_out:
        memset(coef_grad, 0, inputs.n_features * fan_out * sizeof(floating))
    elif not accumulate:
        for row in range(inputs.n_features):
            memset(coef_grad + row * fan_out, 0, width * sizeof(floating))
    for i in range(rows):
        row = order[first + i] if order != NULL else first + i
        delta_row = delta + i * delta_stride
        for entry in range(inputs.row_starts[row], inputs.row_starts[row + 1]):
            value = data[entry]
            if dropout != NULL and dropout.inputs > 0:
                value = masked_entry(value, dropout, first + i, inputs.columns[entry])
            grad_row = coef_grad + <Py_ssize_t> inputs.columns[entry] * fan_out
            for k in range(width):
                grad_row[k] += value * delta_row[k]
