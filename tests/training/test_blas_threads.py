"""The number of BLAS's threads after a fit is the one before it, wherever Ctrl-C comes.

An interrupt is raised at each bytecode, one after the other, that a fit executes where the number
is set: in fastbp's own functions and in threadpoolctl.
"""

import threading

import numpy as np
import pytest
import threadpoolctl
from interrupts import Interrupter, count_steps
from problems import CUT_SHORT, make_regression, small

from fastbp import BackpropRegressor, threads
from fastbp.training import lbfgs, levenberg_marquardt

pytestmark = [
    CUT_SHORT,
    pytest.mark.filterwarnings("ignore:Training interrupted by user"),
]

TRACED = ("fastbp/threads.py", "/threadpoolctl.py")
BEFORE = 2  # threads; a fit that is limited has 1


def numbers():
    return [one["num_threads"] for one in threads._blas().info()]


@pytest.fixture(autouse=True)
def _two_threads():
    threads._blas()  # BLAS is looked for once, not at each bytecode
    # Threadpoolctl (3.7 or newer) counts the limits in force: interrupts between any two of
    # its bytecodes, which signals do not come between, may leave the number too high.
    ownership = getattr(threadpoolctl, "CONTROLLING_THREAD_OWNERSHIP", None)
    n_limits = getattr(ownership, "count", 0)
    with threadpoolctl.threadpool_limits(BEFORE, "blas"):
        yield
        if ownership is not None:
            ownership.count = n_limits + 1


def assert_restored_after_any_interrupt(function, every=1):
    n_steps = count_steps(TRACED, function, bytecodes=True)
    assert n_steps > 100
    for step in range(1, n_steps + 1, every):
        Interrupter(TRACED, step, bytecodes=True).run(function)
        assert set(numbers()) == {BEFORE}, step


@pytest.mark.slow
def test_each_bytecode():
    seen = []

    def function():
        seen[:] = numbers()
        return 7

    assert threads.call_with_blas_threads(1, function) == 7
    assert set(seen) == {1}
    assert_restored_after_any_interrupt(lambda: threads.call_with_blas_threads(1, function))


@pytest.mark.grid(covering="test_each_bytecode")
def test_a_second_interrupt():
    """Ctrl-C while the work is done, and again during any step of restoring the numbers.

    What comes before the work is in test_each_bytecode.
    """

    counter, n_before = Interrupter(TRACED, bytecodes=True), []

    def interrupted():
        n_before.append(counter.n_steps)
        raise KeyboardInterrupt

    assert counter.run(lambda: threads.call_with_blas_threads(1, interrupted))
    assert 100 < n_before[0] < counter.n_steps - 100
    for step in range(n_before[0] + 1, counter.n_steps + 1):
        interrupter = Interrupter(TRACED, step, bytecodes=True)
        interrupter.run(lambda: threads.call_with_blas_threads(1, interrupted))
        assert set(numbers()) == {BEFORE}, step


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["lbfgs", "levenberg_marquardt"])
def test_fits(solver):
    X, y = make_regression()
    module = {"lbfgs": lbfgs, "levenberg_marquardt": levenberg_marquardt}[solver]
    seen = []
    estimator = small(BackpropRegressor, solver=solver, max_iter=2)
    before = vars(estimator).copy()

    def fit():
        vars(estimator).clear()
        vars(estimator).update(before)
        estimator.fit(X, y)
        seen.append(estimator.n_iter_)

    assert_restored_after_any_interrupt(fit, every=11)
    assert module.call_with_blas_threads is threads.call_with_blas_threads
    assert max(seen) == 2


def test_an_interrupted_fit_is_whole_or_not_there():
    X, y = make_regression()
    for step in range(1, 2000, 41):
        estimator = small(BackpropRegressor, solver="lbfgs", max_iter=2)
        interrupter = Interrupter(TRACED, step, bytecodes=True)
        if interrupter.run(lambda: estimator.fit(X, y)):  # noqa: B023
            assert vars(estimator) == estimator.get_params()
        else:
            assert np.isfinite(estimator.predict(X)).all()


def test_an_error_restores_too():
    def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        threads.call_with_blas_threads(1, fail)
    assert set(numbers()) == {BEFORE}


def test_never_more_than_cores(monkeypatch):
    monkeypatch.setattr(threads, "n_cores", lambda: 1)
    assert set(threads.call_with_blas_threads(8, numbers)) == {1}


@pytest.mark.parametrize(("least_work", "expected"), [(np.inf, 1), (0, BEFORE)])
def test_small_products_have_one_thread_whatever_is_asked_for(monkeypatch, least_work, expected):
    monkeypatch.setattr(levenberg_marquardt, "LEAST_THREADED_WORK", least_work)
    monkeypatch.setattr(threads, "n_cores", lambda: BEFORE)
    seen = []

    def scoring(*_):
        seen.extend(numbers())
        return 0.0

    X, y = make_regression()
    params = dict(solver="levenberg_marquardt", early_stopping=True, n_threads=BEFORE)
    small(BackpropRegressor, scoring=scoring, **params).fit(X, y)
    assert set(seen) == {expected}


def test_none_changes_nothing():
    assert set(threads.call_with_blas_threads(None, numbers)) == {BEFORE}


def test_other_threads_than_the_main_one_change_nothing():
    """And can limit BLAS themselves once a fit of the main thread is over."""
    seen = []
    threads.call_with_blas_threads(1, list)

    def work():
        seen.append(threads.call_with_blas_threads(1, numbers))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert set(seen[0]) == {BEFORE}
