"""A data set, and a range of its rows as one block.

Takes the data set (Inputs), an order of its rows (NULL: as they stand) and a range of that
order; returns a Block whose matrices are contiguous. Rows that are contiguous already are not
copied. Class labels become one-hot rows. CSR inputs are not gathered: products.pxd finds their
rows by the order.
"""
from libc.string cimport memcpy, memset

from .types cimport floating


cdef struct Inputs:
    # All rows of one data set. X is dense, C-ordered, or CSR; targets are a dense matrix or
    # class labels. void pointers: float or double, as the parameters are.
    Py_ssize_t n_samples
    Py_ssize_t n_features
    Py_ssize_t n_targets
    const void* dense           # (n_samples, n_features); NULL: CSR
    const void* data            # CSR: values, their columns, and where each row starts
    const int* columns
    const Py_ssize_t* row_starts
    const void* targets         # (n_samples, n_targets); NULL: labels
    const Py_ssize_t* labels    # (n_samples,)
    const void* weights         # (n_samples,); NULL: ones


cdef struct Block:
    Py_ssize_t rows
    Py_ssize_t first            # of these rows in `order`
    Py_ssize_t start            # of these rows in the matrices of a workspace
    Py_ssize_t whole            # rows of the block that these are a part of
    const Py_ssize_t* order
    const void* dense           # (rows, n_features); NULL: CSR
    const void* targets         # (rows, n_targets)
    const void* weights         # (rows,)


cdef inline double sum_of_weights(
    const floating* weights, const Py_ssize_t* order, Py_ssize_t first, Py_ssize_t rows
) noexcept nogil:
    """The weights of rows order[first:first + rows]; NULL: ones."""
    cdef Py_ssize_t i
    cdef double total = 0
    if weights == NULL:
        return <double> rows
    if order == NULL:
        for i in range(first, first + rows):
            total += weights[i]
    else:
        for i in range(first, first + rows):
            total += weights[order[i]]
    return total


cdef inline const floating* gather_rows(
    const floating* matrix, Py_ssize_t width, const Py_ssize_t* order, Py_ssize_t first,
    Py_ssize_t rows, floating* buffer
) noexcept nogil:
    """Rows order[first:first + rows] of matrix (n, width), contiguous."""
    cdef Py_ssize_t i
    if order == NULL:
        return matrix + first * width
    if width == 1:
        for i in range(rows):
            buffer[i] = matrix[order[first + i]]
    else:
        for i in range(rows):
            memcpy(buffer + i * width, matrix + order[first + i] * width,
                   width * sizeof(floating))
    return buffer


cdef inline void one_hot_rows(
    const Py_ssize_t* labels, Py_ssize_t width, const Py_ssize_t* order, Py_ssize_t first,
    Py_ssize_t rows, floating* buffer
) noexcept nogil:
    cdef Py_ssize_t i, row
    memset(buffer, 0, rows * width * sizeof(floating))
    for i in range(rows):
        row = order[first + i] if order != NULL else first + i
        buffer[i * width + labels[row]] = 1


cdef inline Block gather_block(
    const Inputs* inputs, const Py_ssize_t* order, Py_ssize_t first, Py_ssize_t rows,
    floating* x_buffer, floating* target_buffer, floating* weight_buffer, const floating* ones
) noexcept nogil:
    cdef Block block
    block.rows = rows
    block.first = first
    block.start = 0
    block.whole = rows
    block.order = order
    block.dense = NULL
    if inputs.dense != NULL:
        block.dense = gather_rows(
            <const floating*> inputs.dense, inputs.n_features, order, first, rows, x_buffer)
    block.targets = NULL
    if inputs.targets != NULL:
        block.targets = gather_rows(
            <const floating*> inputs.targets, inputs.n_targets, order, first, rows,
            target_buffer)
    elif inputs.labels != NULL:
        one_hot_rows(inputs.labels, inputs.n_targets, order, first, rows, target_buffer)
        block.targets = target_buffer
    block.weights = ones
    if inputs.weights != NULL:
        block.weights = gather_rows(
            <const floating*> inputs.weights, 1, order, first, rows, weight_buffer)
    return block
