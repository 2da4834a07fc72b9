"""How many threads work on the next blocks: found by trying, as the run goes on.

What a helper is worth depends on the step, the processor and what else the machine is doing, and
no rule knows all three. So the seconds a row are measured over short windows, in which the
number of threads is constant. Now and then a window is spent on half or twice as many threads;
the faster number stays. As long as no other number wins, trials become rarer, down to one window
in MOST_PATIENCE. The number has no effect on any result.

A run begins with one thread: a short one gains little from helpers, and beside busy processes it
would lose by them.
"""

cdef enum:
    LEAST_PATIENCE = 4          # windows
    MOST_PATIENCE = 64
    WINDOW = 4000               # microseconds, at least
    LEAST_COUNTS = 8            # of a window
    SMOOTHING = 4               # the last window counts for one in so many


cdef struct CrewSize:
    int most                    # threads
    int n_threads               # of the window at hand
    int settled                 # the fastest number so far
    double pace                 # seconds a row with that number
    double rows                 # of the window
    double seconds
    int counts                  # calls of count_rows
    int wait                    # windows until the next trial
    int patience                # windows between two trials
    bint downwards              # the next trial


cdef inline CrewSize begin_crew_size(int most) noexcept nogil:
    cdef CrewSize size
    size.most, size.n_threads, size.settled = most, 1, 1
    size.pace = size.rows = size.seconds = 0
    size.counts = 0
    size.wait, size.patience = 1, LEAST_PATIENCE
    size.downwards = False
    return size


cdef inline int number_to_try(CrewSize* size) noexcept nogil:
    if size.settled == 1:
        size.downwards = False
    elif size.settled == size.most:
        size.downwards = True
    return size.settled // 2 if size.downwards else min(2 * size.settled, size.most)


cdef inline void end_trial(CrewSize* size, double pace) noexcept nogil:
    if pace < size.pace:
        size.settled, size.pace = size.n_threads, pace
        size.patience = max(size.patience // 4, <int> LEAST_PATIENCE)
        size.wait = 1
    else:
        size.n_threads = size.settled
        size.patience = min(2 * size.patience, <int> MOST_PATIENCE)
        size.wait = size.patience
        size.downwards = not size.downwards


cdef inline void end_window(CrewSize* size) noexcept nogil:
    cdef double pace = size.seconds / size.rows
    if size.n_threads != size.settled:
        end_trial(size, pace)
    else:
        size.pace = pace if size.pace == 0 else size.pace + (pace - size.pace) / SMOOTHING
        size.wait -= 1
        if size.wait == 0:
            size.n_threads = number_to_try(size)
    size.rows = size.seconds = 0
    size.counts = 0


cdef inline void count_rows(CrewSize* size, double rows, double seconds) noexcept nogil:
    """So many rows have taken so many seconds; chooses size.n_threads for the next ones."""
    size.rows += rows
    size.seconds += seconds
    size.counts += 1
    if size.seconds >= 1e-6 * WINDOW and size.counts > LEAST_COUNTS and size.rows > 0:
        end_window(size)
