"""Denormal numbers: flushed to zero in training, and not in the user's Python (simd/fpstate.h).

Each function returns the thread's control word of before, which restore_denormals takes.
"""

cdef extern from "simd/fpstate.h" nogil:
    unsigned long long flush_denormals() noexcept
    unsigned long long stop_flushing() noexcept
    void restore_denormals(unsigned long long before) noexcept
