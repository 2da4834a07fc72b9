"""Ctrl-C during compiled work: pending signals are let through now and then.

Only the thread that entered the compiled code may ask, since asking takes the GIL.
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
    # Reading the clock costs 25 ns: only after that many multiplications. Taking the GIL may
    # mean waiting for another thread, so not more often than every POLL_MILLISECONDS.
    POLL_WORK = 1000000
    POLL_MILLISECONDS = 20


cdef struct Poll:
    double work                 # multiplications since the clock was read
    double polled               # when signals were last let through, in seconds; 0: never


cdef inline double seconds() noexcept nogil:
    cdef timespec now
    timespec_get(&now, TIME_UTC)
    return <double> now.tv_sec + 1e-9 * <double> now.tv_nsec


cdef inline int check_signals() noexcept with gil:
    return PyErr_CheckSignals()


cdef inline bint interrupted(Poll* poll, double work) noexcept nogil:
    """After `work` more multiplications; True: a Python exception has been set."""
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
