"""The three matrix products of backpropagation, dense and CSR.

Takes row-major matrices; rows is the number of samples. X, Z, D and E have a stride, which is the
length of a row with its padding. Returns

    compute_affine        Z = 1 b' + X @ W    X (rows, fan_in), W (fan_in, fan_out), b (fan_out,)
    compute_coef_grads    G (+)= X' @ D       D (rows, fan_out), G (fan_in, fan_out)
    take_deltas_back      E = D @ W'          E (rows, fan_in)

and the sums of D's columns. Sample i, input unit j and output unit k of a layer. Only the first
layer knows sparse inputs. Its rows are named by `order` (NULL: as they stand). This file stands
between the network and the arithmetic: simd/gemm.h does the dense products.
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
    void add_rows_f64(
        Py_ssize_t m, Py_ssize_t n, const double* a, Py_ssize_t a_row, bint accumulate,
        double* sums) noexcept
    void add_rows_f32(
        Py_ssize_t m, Py_ssize_t n, const float* a, Py_ssize_t a_row, bint accumulate,
        float* sums) noexcept


cdef inline void compute_affine(
    const floating* x, Py_ssize_t x_stride, const floating* coef, const floating* intercept,
    floating* z, Py_ssize_t z_stride, Py_ssize_t rows, Py_ssize_t fan_in, Py_ssize_t fan_out,
    bint relu, Py_ssize_t whole, bint padded
) noexcept nogil:
    """z = Z, or relu(Z); intercept NULL: no b.

    whole: rows of the product that these are a part of. padded: whether z may be written to the
    end of the last row's last vector.
    """
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


cdef inline void compute_coef_grads(
    const floating* x, Py_ssize_t x_stride, const floating* deltas, Py_ssize_t deltas_stride,
    floating* coef_grads, Py_ssize_t rows, Py_ssize_t fan_in, Py_ssize_t fan_out, bint accumulate,
    Py_ssize_t whole
) noexcept nogil:
    """coef_grads (+)= X' @ D, or fan_in rows of it, which has `whole`."""
    cdef Product p
    memset(&p, 0, sizeof(p))
    p.m, p.n, p.depth, p.whole_m = fan_in, fan_out, rows, whole
    p.a, p.a_row, p.a_depth = x, 1, x_stride
    p.b, p.b_depth, p.b_col = deltas, deltas_stride, 1
    p.b_padded = deltas_stride > fan_out or fan_out * sizeof(floating) % VECTOR_BYTES == 0
    p.c, p.ldc, p.accumulate = coef_grads, fan_out, accumulate
    if floating is float:
        multiply_f32(&p)
    else:
        multiply_f64(&p)


cdef inline void take_deltas_back(
    const floating* deltas, Py_ssize_t deltas_stride, const floating* coef, floating* deltas_below,
    Py_ssize_t below_stride, const floating* positive, Py_ssize_t rows, Py_ssize_t fan_in,
    Py_ssize_t fan_out, Py_ssize_t whole
) noexcept nogil:
    """deltas_below = E, or some of its `whole` rows.

    0 where `positive` (rows, fan_in), unless NULL, is not > 0.
    """
    cdef Product p
    memset(&p, 0, sizeof(p))
    p.m, p.n, p.depth, p.whole_m = rows, fan_in, fan_out, whole
    p.a, p.a_row, p.a_depth = deltas, deltas_stride, 1
    p.b, p.b_depth, p.b_col = coef, 1, fan_out
    p.c, p.ldc, p.c_padded = deltas_below, below_stride, True
    p.positive = positive
    if floating is float:
        multiply_f32(&p)
    else:
        multiply_f64(&p)


cdef inline void compute_intercept_grads(
    const floating* deltas, Py_ssize_t stride, floating* intercept_grads, Py_ssize_t rows,
    Py_ssize_t fan_out, bint accumulate
) noexcept nogil:
    """intercept_grads (+)= D' @ 1."""
    if floating is float:
        add_rows_f32(rows, fan_out, deltas, stride, accumulate, intercept_grads)
    else:
        add_rows_f64(rows, fan_out, deltas, stride, accumulate, intercept_grads)


cdef inline floating masked_entry(
    floating value, const Dropout* dropout, Py_ssize_t position, Py_ssize_t column
) noexcept nogil:
    """The value under the mask that a dense row would have there."""
    return value * mask[floating](
        row_of_masks(dropout, 0, position), column, threshold_of(dropout.inputs),
        <floating> (1 / (1 - dropout.inputs)))


cdef inline void compute_affine_csr(
    const Inputs* inputs, const Py_ssize_t* order, Py_ssize_t first, const floating* coef,
    const floating* intercept, floating* z, Py_ssize_t z_stride, Py_ssize_t rows,
    Py_ssize_t fan_out, const Dropout* dropout
) noexcept nogil:
    """z = Z, each row of it the sum of the rows of W that the row of X names."""
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


cdef inline void compute_coef_grads_csr(
    const Inputs* inputs, const Py_ssize_t* order, Py_ssize_t first, const floating* deltas,
    Py_ssize_t deltas_stride, floating* coef_grads, Py_ssize_t rows, Py_ssize_t fan_out,
    Py_ssize_t k_start, Py_ssize_t k_stop, bint accumulate, const Dropout* dropout
) noexcept nogil:
    """Columns [k_start, k_stop) of coef_grads (+)= X' @ D.

    Only the rows of it that X has entries for.
    """
    cdef const floating* data = <const floating*> inputs.data
    cdef const floating* deltas_row
    cdef floating* grads_row
    cdef floating value
    cdef Py_ssize_t i, k, row, entry, width = k_stop - k_start
    deltas += k_start
    coef_grads += k_start
    if not accumulate and width == fan_out:
        memset(coef_grads, 0, inputs.n_features * fan_out * sizeof(floating))
    elif not accumulate:
        for row in range(inputs.n_features):
            memset(coef_grads + row * fan_out, 0, width * sizeof(floating))
    for i in range(rows):
        row = order[first + i] if order != NULL else first + i
        deltas_row = deltas + i * deltas_stride
        for entry in range(inputs.row_starts[row], inputs.row_starts[row + 1]):
            value = data[entry]
            if dropout != NULL and dropout.inputs > 0:
                value = masked_entry(value, dropout, first + i, inputs.columns[entry])
            grads_row = coef_grads + <Py_ssize_t> inputs.columns[entry] * fan_out
            for k in range(width):
                grads_row[k] += value * deltas_row[k]
