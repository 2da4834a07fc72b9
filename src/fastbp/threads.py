"""How many threads a run gets: what the user asks for, or as many as are worthwhile and allowed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import cache
from typing import TypeVar

from sklearn.utils._openmp_helpers import _openmp_effective_n_threads

from . import _kernels

# Multiplications and additions of one optimizer step, and of one compiled call, per thread,
# below which another thread costs more than it saves (docs/performance.md).
LEAST_STEP = 0.7e6
LEAST_CALL = 10e6

Result = TypeVar("Result")


def choose_n_threads(n_threads: int | None, step_flops: float, call_flops: float) -> int:
    """The number of threads for steps, and compiled calls, of so many operations.

    An int is taken as it is, up to the most that a team can have. None: as many as are worthwhile,
    within what the process may use.
    """
    if n_threads is not None:
        return min(n_threads, _kernels.core.MAX_THREADS)
    worthwhile = int(min(step_flops // LEAST_STEP, call_flops // LEAST_CALL))
    return max(1, min(worthwhile, allowed())) if worthwhile > 1 else 1


def call_with_blas_threads(n_threads: int | None, function: Callable[[], Result]) -> Result:
    """Call a function while NumPy's and SciPy's BLAS have so many threads; None: as many as before.

    They are never more than cores. BLAS's threads spin while they wait, and so take the time of
    those that they wait for: with more threads than cores, or with small shares on busy cores,
    small fits have been a hundred times slower. The limit is that of the process, so only the main
    thread sets it: two threads that each restore what they found could leave it set.

    Ctrl-C may come between any two steps of this. Where it comes before the with-block is entered,
    or while it is left, threadpoolctl leaves the limit set. So the numbers are noted before that,
    and restored once more where the block was not left in peace.
    """
    if n_threads is None or threading.current_thread() is not threading.main_thread():
        return function()
    n_threads = min(n_threads, n_cores())
    libraries = [(library, library.get_num_threads()) for library in _blas().lib_controllers]
    is_restored = False
    try:
        with _blas().limit(limits=n_threads):
            result = function()
        is_restored = True
        return result
    finally:
        if not is_restored:
            _restore(libraries)


def _restore(libraries):
    for library, n_threads in libraries:
        if library.get_num_threads() != n_threads:
            library.set_num_threads(n_threads)
    # Without a limit this does nothing but hand the control over BLAS's threads back, which
    # threadpoolctl gives to the first Python thread that sets their number.
    with _blas().limit(limits=None):
        pass


@cache
def _blas():
    # scikit-learn depends on threadpoolctl
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


def allowed() -> int:
    """Threads that a computation may use here: cores, affinity, and the limits set by others.

    scikit-learn's number respects cgroups, OMP_NUM_THREADS (which joblib sets in its worker
    processes) and threadpoolctl. Outside the main thread it is 1: there, others are likely to
    be at work beside us, as in joblib's threading backend.
    """
    if threading.current_thread() is not threading.main_thread():
        return 1
    return min(_openmp_effective_n_threads(), n_cores())


def n_cores():
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
