"""Dropout: units set to zero at random in training, the others scaled to make up for it.

    a_ij <- a_ij m_ij,  m_ij = 0 with probability rate, else 1 / (1 - rate)

(Srivastava et al., "Dropout", JMLR 15 (2014), in the inverted form: predictions need no scaling.)
A mask is a hash (simd/mix.h) of the seed, the number of the optimizer step, the layer, the row's
position in the epoch and the unit. So nothing is stored, a run that goes on has the masks of one
that never stopped, and the number of threads does not matter.
"""
from libc.stdint cimport uint32_t, uint64_t

from .types cimport floating

cdef extern from "simd/mix.h" nogil:
    uint64_t mix64(uint64_t x) noexcept
    uint32_t mix32(uint32_t seed, uint32_t index) noexcept


cdef struct Dropout:
    double hidden               # rates, in [0, 1)
    double inputs
    uint64_t seed
    uint64_t step               # seed and number of the step, mixed


cdef inline void begin_masks(Dropout* dropout, double n_steps) noexcept nogil:
    """The masks of the step after n_steps steps."""
    dropout.step = mix64(dropout.seed ^ mix64(<uint64_t> n_steps))


cdef inline uint32_t row_of_masks(
    const Dropout* dropout, Py_ssize_t layer, Py_ssize_t position
) noexcept nogil:
    return <uint32_t> mix64(
        dropout.step ^ mix64((<uint64_t> layer << 48) ^ <uint64_t> position))


cdef inline uint32_t threshold_of(double rate) noexcept nogil:
    return <uint32_t> (rate * 4294967296.0)


cdef inline floating mask(
    uint32_t row, Py_ssize_t unit, uint32_t threshold, floating scale
) noexcept nogil:
    return scale if mix32(row, <uint32_t> unit) >= threshold else 0


cdef inline void drop(
    const Dropout* dropout, double rate, Py_ssize_t layer, Py_ssize_t first, floating* a,
    floating* slope, Py_ssize_t rows, Py_ssize_t stride, Py_ssize_t width
) noexcept nogil:
    """Multiplies the rows of a, and of slope unless it is NULL, by their masks."""
    cdef Py_ssize_t i, j
    cdef uint32_t row, threshold = threshold_of(rate)
    cdef floating scale = <floating> (1 / (1 - rate)), factor
    for i in range(rows):
        row = row_of_masks(dropout, layer, first + i)
        if slope == NULL:
            for j in range(width):
                a[i * stride + j] *= mask(row, j, threshold, scale)
        else:
            for j in range(width):
                factor = mask(row, j, threshold, scale)
                a[i * stride + j] *= factor
                slope[i * stride + j] *= factor
