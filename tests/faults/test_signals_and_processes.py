"""Signals, forks, spawned processes and many threads, in the midst of fits: no hang, no crash."""

import multiprocessing
import operator
import os
import signal
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
from problems import (
    CUT_SHORT,
    EVERY_SOLVER,
    assert_same_bits,
    assert_same_state,
    make_task,
    public_state,
    small,
)
from separate import CAN_FORK, HANGS, in_forked_child, run
from sklearn.base import clone
from torture import shares, times

from fastbp import BackpropClassifier, BackpropRegressor, Network

pytestmark = [CUT_SHORT, pytest.mark.faults]


class LateError(Exception):
    """What a signal handler raises.

    NumPy swallows any Exception at one place in array_equal, which SciPy's L-BFGS calls: one of
    some 500 signals. So a signal is sent again after half a second.
    """


AGAIN = 0.5


def raise_late(*_):
    raise LateError


# --- handlers that raise --------------------------------------------------------------------------


@CAN_FORK
@EVERY_SOLVER
@pytest.mark.parametrize("seed", shares(times(4, 100), 4))
def test_handlers_that_raise(solver, seed):
    """Not Ctrl-C: the fit ends with the handler's exception, and the estimator is as it was.

    A solver that comes to its end is started again: the estimator may also be that of a whole fit.
    """
    X, y = make_task(BackpropRegressor)
    long = {"max_iter": 10**9, "random_state": 1}
    if solver != "levenberg_marquardt":  # whose damping grows without end
        long |= {"tol": 0.0, "n_iter_no_change": np.inf, "max_fun": 10**9}

    def attempt():
        warnings.simplefilter("ignore")
        estimator = small(BackpropRegressor, solver=solver).fit(X, y)
        alone = small(BackpropRegressor, solver=solver).fit(X, y)
        signal.signal(signal.SIGALRM, raise_late)
        n_raised = 0
        for after in np.random.default_rng(seed).uniform(0.0001, 0.02, 4):
            estimator.set_params(**long)
            before = public_state(estimator)
            try:
                signal.setitimer(signal.ITIMER_REAL, after, AGAIN)
                while True:
                    estimator.fit(X, y)
            except LateError:
                n_raised += 1
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            if (estimator.network_.params != before["network_"]).any():
                before = public_state(clone(estimator).fit(X, y))
            assert_same_state(before, public_state(estimator))
            estimator.set_params(**alone.get_params()).fit(X, y)
            assert_same_bits(estimator, alone)
        return n_raised

    assert in_forked_child(attempt) == 4


@CAN_FORK
def test_a_handler_that_raises_in_a_method_of_a_network():
    """The call ends with the exception; the next one computes the same as ever."""

    def attempt():
        rng = np.random.default_rng(0)
        X, Y = rng.normal(size=(2000, 50)), rng.normal(size=(2000, 10))
        net = Network([50, 100, 10], random_state=0)
        expected = net.loss_gradient(X[:50], Y[:50]).flat.copy()
        signal.signal(signal.SIGALRM, raise_late)
        calls = [
            lambda: net.forward(X),
            lambda: net.loss_gradient(X, Y),
            lambda: net.jacobian(X[:20]),
        ]
        n_raised = 0
        for call in calls:
            for after in np.random.default_rng(1).uniform(0.0005, 0.05, times(4, 100)):
                try:
                    signal.setitimer(signal.ITIMER_REAL, after, AGAIN)
                    while True:
                        call()
                except LateError:
                    n_raised += 1
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
                assert (net.loss_gradient(X[:50], Y[:50]).flat == expected).all()
        return n_raised

    assert in_forked_child(attempt) == 3 * times(4, 100)


# --- processes ------------------------------------------------------------------------------------


@CAN_FORK
def test_forks_while_threads_fit():
    """A child has none of the threads, and fits as if there had been none."""
    X, y = make_task(BackpropRegressor)
    warnings.simplefilter("ignore")  # for all threads
    params = {"n_threads": 2, "max_iter": 3}
    alone = small(BackpropRegressor, **params).fit(X, y).network_.params
    ended = threading.Event()

    def fit_on_and_on():
        while not ended.is_set():
            small(BackpropRegressor, **params).fit(X, y)

    def fit_once():
        return small(BackpropRegressor, **params).fit(X, y).network_.params

    with ThreadPoolExecutor(3) as pool:
        fits = [pool.submit(fit_on_and_on) for _ in range(3)]
        try:
            for _ in range(times(10, 500)):
                np.testing.assert_array_equal(in_forked_child(fit_once), alone)
        finally:
            ended.set()
        for fit in fits:
            fit.result(HANGS)


def fitted_params(estimator, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(X, y).network_.params


SPAWN = """
    import importlib
    import multiprocessing
    import multiprocessing.forkserver

    # this process is no parent of a server that another test has started
    importlib.reload(multiprocessing.forkserver)

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), rng.normal(size=40)
    warnings.simplefilter("ignore")
    estimator = BackpropRegressor((4,), max_iter=3, random_state=0, n_threads=2)
    alone = estimator.fit(X, y).network_.params
    context = multiprocessing.get_context("{method}")
    with context.Pool(1) as pool:
        fits = [pool.apply_async(estimator.fit, (X, y)) for _ in range(4)]
        params = [fit.get({hangs}).network_.params for fit in fits]
    same = all(bool((one == alone).all()) for one in params)
    print(json.dumps(dict(same=same)))
"""


@pytest.mark.parametrize("method", sorted({*multiprocessing.get_all_start_methods()} - {"fork"}))
def test_spawned_processes(method):
    """By every method but fork, which is tried above."""
    assert run(SPAWN.format(method=method, hangs=HANGS)) == {"same": True}


def test_worker_processes_of_joblib():
    """Its own kind, loky, in use again after each call."""
    X, y = make_task(BackpropRegressor)
    estimator = small(BackpropRegressor, n_threads=2)
    alone = fitted_params(estimator, X, y)
    for _ in range(times(1, 20)):
        with joblib.parallel_backend("loky", n_jobs=2):
            fits = joblib.Parallel()(
                joblib.delayed(operator.methodcaller("fit", X, y))(estimator) for _ in range(4)
            )
        for fit in fits:
            np.testing.assert_array_equal(fit.network_.params, alone)


# --- threads --------------------------------------------------------------------------------------

N_THREADS, N_FITS = 64, times(5, 100)


def test_64_threads():
    """Each fits estimators of its own, with teams; they end with the bits of one alone."""
    cases = [
        (cls, {"solver": solver, "n_threads": n_threads, "max_iter": 2})
        for cls in (BackpropClassifier, BackpropRegressor)
        for solver in ("adam", "sgd", "lbfgs", "rprop")
        for n_threads in (1, 3)
    ]
    warnings.simplefilter("ignore")  # for all threads
    data = {cls: make_task(cls) for cls, _ in cases}
    alone = [small(cls, **params).fit(*data[cls]) for cls, params in cases]
    start = threading.Barrier(N_THREADS)

    def work(number):
        start.wait(HANGS)
        for turn in range(N_FITS):
            case = (number + turn) % len(cases)
            cls, params = cases[case]
            assert_same_bits(small(cls, **params).fit(*data[cls]), alone[case])
        return True

    with ThreadPoolExecutor(N_THREADS) as pool:
        assert all(pool.map(work, range(N_THREADS)))


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads as Linux does")
def test_no_thread_remains():
    X, y = make_task(BackpropRegressor)
    small(BackpropRegressor, n_threads=8).fit(X, y)

    def count():
        return len(os.listdir("/proc/self/task"))

    n_before = count()
    for _ in range(times(50, 1000)):
        small(BackpropRegressor, n_threads=8, max_iter=1).fit(X, y)
    soon = time.monotonic() + HANGS  # nobody waits for the threads: they end by themselves
    while count() > n_before and time.monotonic() < soon:
        time.sleep(0.01)
    assert count() <= n_before
