"""NumPy's legacy shuffle, compiled: it draws the same numbers and makes the same exchanges.

numpy.random.RandomState.shuffle goes from the last element down and exchanges each with one that
is drawn from those up to it. An index is drawn by masking random bits to the next power of two,
again and again until it is not above the bound. BitGenerator is NumPy's interface to its bit
generators (numpy/random/bitgen.h), which they hand out in a capsule.
"""
from libc.stdint cimport UINT32_MAX, uint32_t, uint64_t


cdef struct BitGenerator:
    void* state
    uint64_t (*next_uint64)(void* state) noexcept nogil
    uint32_t (*next_uint32)(void* state) noexcept nogil
    double (*next_double)(void* state) noexcept nogil
    uint64_t (*next_raw)(void* state) noexcept nogil


cdef inline uint64_t smear(uint64_t x) noexcept nogil:
    """All bits from the highest one down."""
    cdef int shift = 1
    while shift < 64:
        x |= x >> shift
        shift *= 2
    return x


cdef inline void shuffle_indices(
    Py_ssize_t* order, Py_ssize_t n, const BitGenerator* bits
) noexcept nogil:
    cdef uint64_t i = <uint64_t> n - 1, j, mask = smear(i)
    while i > 0:
        if i <= mask >> 1:
            mask >>= 1
        j = i + 1
        while j > i:
            if i <= UINT32_MAX:
                j = bits.next_uint32(bits.state) & mask
            else:
                j = bits.next_uint64(bits.state) & mask
        order[i], order[j] = order[j], order[i]
        i -= 1
