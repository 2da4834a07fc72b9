"""How many threads a run gets, beside other threads and processes, and on machines of any size."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import joblib
import numpy as np
import pytest
from internals import LEAST_CALL, LEAST_STEP, OPTIMIZERS, allowed, choose_n_threads, core, threads
from problems import CUT_SHORT, assert_same_bits
from separate import CAN_FORK, in_forked_child, run
from sklearn.datasets import make_regression
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_limits  # scikit-learn needs it: it is always there

from fastbp import BackpropRegressor

pytestmark = CUT_SHORT

# The number of threads that is worthwhile for much_work.
WORTHWHILE = 5


def much_work():
    """Data and layers for which several threads are worthwhile, on a machine of any size."""
    X, y = make_regression(6000, 20, noise=5.0, random_state=0)
    hidden = (150,)
    n_params = sum(a * b for a, b in pairwise((20, *hidden, 1))) + 151
    chosen = choose_n_threads(None, 6.0 * n_params * 200, 6.0 * n_params * 3000)
    assert chosen == min(WORTHWHILE, threads.allowed())
    return X, y / y.std(), hidden


@pytest.fixture(params=[1, 2, 4, 8, 16, 64], ids="{} cores".format)
def cores(request, monkeypatch):
    """Code in this process sees a machine with so many cores."""
    n_cores = request.param
    monkeypatch.setattr(threads, "_openmp_effective_n_threads", lambda: n_cores)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(n_cores)), raising=False)
    return n_cores


@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)])
def test_a_search_by_several_jobs(backend):
    """They agree to the bit, though each fit has fewer threads there than alone."""
    X, y, hidden = much_work()
    grid = {"alpha": [1e-3, 100.0], "learning_rate_init": [1e-3, 1e-2]}
    estimator = BackpropRegressor(hidden, max_iter=3, random_state=0)

    def search(n_jobs):
        searched = GridSearchCV(estimator, grid, cv=2, n_jobs=n_jobs, error_score="raise")
        return searched.fit(X, y)

    alone = search(1)
    with joblib.parallel_backend(backend, n_jobs=2):
        together = search(2)
    assert together.best_params_ == alone.best_params_
    for result in "mean_test_score", "split0_test_score", "split1_test_score":
        np.testing.assert_array_equal(together.cv_results_[result], alone.cv_results_[result])
    # the workers share the processors
    shares = joblib.Parallel(n_jobs=2, backend=backend)(joblib.delayed(allowed)() for _ in "12")
    assert sum(shares) <= max(allowed(), 2)


MUCH = 1e15


@pytest.mark.parametrize("flops", [0.0, 1e3, MUCH])
@pytest.mark.parametrize("n_threads", [1, 2, 7, 1000, 2**64])
def test_a_number_is_taken_as_it_is_up_to_the_largest_team(monkeypatch, n_threads, flops):
    monkeypatch.setattr(threads, "allowed", lambda: 1)
    assert choose_n_threads(n_threads, flops, flops) == min(n_threads, core.MAX_THREADS)


@pytest.mark.parametrize(
    ("step", "call", "expected"),
    [
        (0.0, 0.0, 1),
        (1e3, 1e3, 1),
        (MUCH, 1e3, 1),  # many small calls
        (1e3, MUCH, 1),  # one call of many small steps
        (LEAST_STEP, MUCH, 1),
        (2 * LEAST_STEP - 1, MUCH, 1),
        (2 * LEAST_STEP, MUCH, 2),
        (3 * LEAST_STEP, MUCH, 3),
        (MUCH, 2 * LEAST_CALL - 1, 1),
        (MUCH, 2 * LEAST_CALL, 2),
        (MUCH, 3 * LEAST_CALL, 3),
        (3 * LEAST_STEP, 2 * LEAST_CALL, 2),
        (MUCH, MUCH, 4),
    ],
)
def test_as_many_as_pay_and_are_allowed(monkeypatch, step, call, expected):
    monkeypatch.setattr(threads, "allowed", lambda: 4)
    assert choose_n_threads(None, step, call) == expected


def test_none_without_limit_is_what_is_allowed():
    assert choose_n_threads(None, MUCH, MUCH) == allowed() >= 1


@pytest.mark.parametrize("solver", [*OPTIMIZERS, "lbfgs"])
def test_estimators_take_the_number_chosen(monkeypatch, solver):
    monkeypatch.setattr(threads, "allowed", lambda: 2)
    X, y, hidden = much_work()

    def fitted(rows, n_threads=None):
        params = {"solver": solver, "max_iter": 2, "random_state": 0}
        estimator = BackpropRegressor(hidden, n_threads=n_threads, **params)
        return estimator.fit(X[:rows], y[:rows])

    assert_same_bits(fitted(6000), fitted(6000, 2))
    assert_same_bits(fitted(50), fitted(50, 1))


@pytest.mark.parametrize(("solver", "worthwhile"), [("adam", WORTHWHILE), ("lbfgs", 11)])
def test_these_tests_do_not_depend_on_the_number_of_cores(cores, solver, worthwhile):
    """Estimators only take another number of threads."""
    X, y, hidden = much_work()
    params = {"solver": solver, "max_iter": 2, "random_state": 0}
    chosen, given = (
        BackpropRegressor(hidden, n_threads=n_threads, **params).fit(X, y)
        for n_threads in (None, min(worthwhile, cores))
    )
    assert_same_bits(chosen, given)


@pytest.mark.parametrize(
    ("by_scikit_learn", "affinity", "expected"),
    [(8, {0, 1, 2}, 3), (2, {0, 1, 2}, 2), (8, {5}, 1), (8, None, 8), (9, None, 8), (1, None, 1)],
)
def test_allowed_is_the_least_of_all_limits(monkeypatch, by_scikit_learn, affinity, expected):
    """Affinity is read at each call. None: a system without it, where all cores count, here 8."""
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(threads, "_openmp_effective_n_threads", lambda: by_scikit_learn)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: affinity, raising=False)
    if affinity is None:
        monkeypatch.delattr(os, "sched_getaffinity")
    assert allowed() == expected


def test_one_outside_the_main_thread(monkeypatch):
    monkeypatch.setattr(threads, "_openmp_effective_n_threads", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert threading.current_thread() is threading.main_thread()
    assert (allowed(), choose_n_threads(None, MUCH, MUCH)) == (8, 8)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(allowed).result() == 1
        assert pool.submit(choose_n_threads, None, MUCH, MUCH).result() == 1
        assert pool.submit(choose_n_threads, 3, MUCH, MUCH).result() == 3
    assert allowed() == 8


@pytest.mark.parametrize("user_api", [None, "openmp"])
def test_limits_of_threadpoolctl(user_api):
    before = allowed()
    with threadpool_limits(1, user_api=user_api):
        assert allowed() == 1
        assert choose_n_threads(None, MUCH, MUCH) == 1
    assert allowed() == before


def set_affinity(cpus):
    """On systems without affinity this imitates its two functions."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cpus)
    else:
        os.sched_getaffinity = lambda pid: cpus


@CAN_FORK
def test_affinity():
    """Even if it changes after scikit-learn has counted the processors."""
    cpus = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {0}

    def confined():
        before = allowed()
        set_affinity({min(cpus)})
        alone = allowed(), choose_n_threads(None, MUCH, MUCH)
        set_affinity(cpus)
        return before, alone, allowed()

    before, alone, after = in_forked_child(confined)
    assert alone == (1, 1)
    assert before == after == allowed()


def test_the_control_over_blas_is_handed_back():
    """Threadpoolctl lets one Python thread limit BLAS at a time: not the main one for ever."""
    facts = run("""
        import threadpoolctl
        from fastbp import threads

        before = [one["num_threads"] for one in threads._blas().info()]
        threads.call_with_blas_threads(1, list)
        seen = []

        def work():
            with threadpoolctl.threadpool_limits(1, "blas"):
                seen.extend(one["num_threads"] for one in threads._blas().info())

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        after = [one["num_threads"] for one in threads._blas().info()]
        print(json.dumps(dict(seen=seen, restored=before == after)))
    """)
    assert set(facts["seen"]) == {1} and facts["restored"]
