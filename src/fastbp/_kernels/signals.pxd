"""Ctrl-C during compiled work: from time to time, pending signals are handled.

Only the caller's thread may do so, since it takes the GIL. Work that takes longer than a signal
may wait is divided into pieces, between which it looks.
"""

from .denormals cimport restore_denormals, stop_flushing

cdef extern from "Python.h":
    int PyErr_CheckSignals() noexcept

cdef extern from "<time.h>" nogil:
    cdef struct timespec:
        long long tv_sec
        long tv_nsec
    int TIME_UTC
    int timespec_get(timespec*, int) noexcept

cdef enum:
    # Multiplications between two looks, at most: 1 to 20 ms, by build and dtype.
    PIECE_WORK = 30000000
    # The clock, which costs 25 ns to read, is read after so many multiplications. The GIL, which
    # another thread may hold, is taken every POLL_MILLISECONDS at most.
    POLL_WORK = 1000000
    POLL_MILLISECONDS = 20


cdef struct Poll:
    double work                 # multiplications since the clock was read
    double polled               # when signals were last handled, in seconds; 0: never


cdef inline double seconds() noexcept nogil:
    cdef timespec now
    timespec_get(&now, TIME_UTC)
    return <double> now.tv_sec + 1e-9 * <double> now.tv_nsec


cdef inline int check_signals() noexcept with gil:
    # A handler is the user's Python, for which denormal numbers are numbers.
    cdef unsigned long long before = stop_flushing()
    cdef int outcome = PyErr_CheckSignals()
    restore_denormals(before)
    return outcome


cdef inline Py_ssize_t pieces_of_work(double work) noexcept nogil:
    """Into how many pieces work is divided, so that none keeps a signal waiting."""
    return 1 + <Py_ssize_t> (work / PIECE_WORK)


cdef inline bint interrupted(Poll* poll, double work) noexcept nogil:
    """To be called after every `work` multiplications; True: a Python exception is set."""
    cdef double now
    poll.work += work
    if poll.work < POLL_WORK:
        return False
    poll.work = 0
    now = seconds()
    if poll.polled == 0 or now < poll.polled:
        poll.polled = now
    elif now - poll.polled > 1e-3 * POLL_MILLISECONDS:
        poll.polled = now
        return check_signals() < 0
    return False
