"""Blocks of rows that have nothing to do with one another: outputs, gradients of single samples.

Takes a BlockRun; calls its function for each block of rows. A piece of the one phase is a block,
and each thread has a Workspace of its own. The function divides its block into parts of part_rows,
after each of which it asks whether the work is stopped.
"""
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from .inputs cimport Inputs
from .signals cimport PIECE_WORK, Poll, interrupted
from .sizes cimport NetworkSizes
from .team cimport MAX_TEAM, UNIT, Crew, dismiss_crew, hire_crew, raise_flag, read_flag, run_phase
from .workspace cimport Workspace, allocate, release


cdef struct BlockRun:
    const NetworkSizes* net
    const Inputs* inputs
    const void* params
    size_t item_size
    bint backward               # workspaces for gradients, too
    double row_work             # multiplications a row, of a part
    void (*work)(void* task, const Workspace*, Py_ssize_t start, Py_ssize_t rows) noexcept nogil
    void* task
    const int* failed           # beside Ctrl-C: whether the work has; NULL: it cannot
    int n_threads
    Workspace own               # the caller's
    Workspace* others           # (n_threads - 1,)
    Poll poll
    int stop


cdef inline int begin_blocks(BlockRun* run, int n_threads) noexcept nogil:
    """Workspaces for as many threads as there are blocks, n_threads at most; -1: no memory."""
    cdef Py_ssize_t n = run.inputs.n_samples
    cdef int t
    run.others, run.failed, run.stop, run.n_threads = NULL, NULL, 0, 1
    memset(&run.poll, 0, sizeof(Poll))
    if allocate(&run.own, run.net, n, run.item_size, False, run.backward) < 0:
        return -1
    n_threads = min(n_threads, (n + run.own.block_rows - 1) // run.own.block_rows, <int> MAX_TEAM)
    if n_threads > 1:
        run.others = <Workspace*> calloc(n_threads - 1, sizeof(Workspace))
    if run.others != NULL:
        for t in range(n_threads - 1):
            if allocate(&run.others[t], run.net, n, run.item_size, False, run.backward) < 0:
                break
            run.n_threads += 1
    return 0


cdef inline void end_blocks(BlockRun* run) noexcept nogil:
    cdef int t
    release(&run.own)
    for t in range(run.n_threads - 1):
        release(&run.others[t])
    free(run.others)
    run.others, run.n_threads = NULL, 1


cdef inline Py_ssize_t part_rows(const BlockRun* run) noexcept nogil:
    """Rows of a block that are worked on between two looks for Ctrl-C."""
    return max(<Py_ssize_t> (PIECE_WORK / (run.row_work * UNIT)), <Py_ssize_t> 1) * UNIT


cdef inline bint stopped(BlockRun* run, const Workspace* ws, double work) noexcept nogil:
    """To be called after so many multiplications; True: the rest need not be done.

    ws tells the caller's thread, which looks for Ctrl-C, from the others.
    """
    if ws == &run.own and interrupted(&run.poll, work):
        raise_flag(&run.stop)
    if run.failed != NULL and run.failed[0]:
        raise_flag(&run.stop)
    return read_flag(&run.stop)


cdef inline void work_on_block(void* context, int member, Py_ssize_t piece) noexcept nogil:
    cdef BlockRun* run = <BlockRun*> context
    cdef const Workspace* ws = &run.own if member == 0 else &run.others[member - 1]
    cdef Py_ssize_t start = piece * ws.block_rows
    cdef Py_ssize_t rows = min(ws.block_rows, run.inputs.n_samples - start)
    if read_flag(&run.stop):
        return
    run.work(run.task, ws, start, rows)


cdef inline bint run_blocks(BlockRun* run) noexcept nogil:
    """All blocks; True: an exception is set, or the work has failed."""
    cdef Py_ssize_t blocks = (run.inputs.n_samples + run.own.block_rows - 1) // run.own.block_rows
    cdef int started
    cdef Crew* crew = NULL
    if run.n_threads > 1:
        crew = hire_crew(run.n_threads - 1, &started)
    run_phase(crew, blocks, work_on_block, run)
    dismiss_crew(crew)
    return run.stop
