"""Checks of arrays: whether they are finite, and whether they are as long as what uses them."""
from fastbp._kernels.types cimport floating


cdef bint are_finite(const floating* x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef bint found = False
    for i in range(n):
        # x - x is 0 only for finite x; no branch, so that the loop becomes vector code
        found |= x[i] - x[i] != 0
    return not found


def all_finite(const floating[::1] array not None):
    """Whether no element is NaN or infinite."""
    cdef bint finite = True
    if array.shape[0] > 0:
        with nogil:
            finite = are_finite(&array[0], array.shape[0])
    return finite


cdef int check_size(Py_ssize_t size, Py_ssize_t expected) except -1:
    if size != expected:
        raise ValueError(f"an array of {size} elements where {expected} are needed")
    return 0


cdef void* vector_of(object array, Py_ssize_t size, size_t item_size, bint written) except NULL:
    """Where a contiguous vector of floating point numbers lies."""
    cdef const float[::1] singles
    cdef const double[::1] doubles
    if written and not array.flags.writeable:
        raise ValueError("a read-only array where results are written")
    if item_size == sizeof(float):
        singles = array
        check_size(singles.shape[0], size)
        return <void*> &singles[0]
    doubles = array
    check_size(doubles.shape[0], size)
    return <void*> &doubles[0]
