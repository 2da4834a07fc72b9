"""Ctrl-C during compiled work: from time to time, pending signals are handled.

Only the caller's thread may do so, since it takes the GIL.
"""

cdef extern from "Python.h":
    int PyErr_CheckSignals() noexcept

cdef extern from "<time.h>" nogil:
    cdef struct timespec:
        long long tv_sec
        long tv_nsec
    int TIME_UTC
    int timespec_get(timespec*, int) noexcept

cdef enum:
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
    return PyErr_CheckSignals()


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
