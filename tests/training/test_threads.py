"""Teams of threads: their number has no effect on any result.

kernels/test_bits_of_teams.py compares many more cases, with threads that are late.
"""

import os
import sys
import textwrap
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from covering import grid
from internals import ACTIVATIONS, OPTIMIZERS, core, threads
from problems import CUT_SHORT, ESTIMATORS, EVERY_OPTIMIZER, assert_same_bits
from scipy import sparse
from separate import CAN_FORK, assert_usable, in_forked_child, run_all
from threadpoolctl import threadpool_limits  # scikit-learn needs it: it is always there

from fastbp import BackpropClassifier, BackpropRegressor

pytestmark = CUT_SHORT


def make_data(cls, n_samples=53):
    """Three classes, or two outputs."""
    rng = np.random.default_rng(n_samples)
    X = rng.normal(size=(n_samples, 6)) * (rng.random((n_samples, 6)) < 0.7)
    y = X[:, :3].argmax(axis=1) if cls is BackpropClassifier else np.sin(X[:, :2])
    return X, y


def make_weights(n_samples):
    """Many zeros: shares of a batch, and whole small batches, without weight."""
    rng = np.random.default_rng(1)
    return rng.uniform(0.5, 2, n_samples) * (rng.random(n_samples) < 0.6)


# --- training -------------------------------------------------------------------------------------

# 53 samples, or the 47 that early stopping leaves: fewer rows than threads, shares that differ by
# a row, a last batch with fewer rows than threads, one batch.
BATCH_SIZES = [1, 2, 13, 46, "auto"]
RUNS = [
    ("float64", np.asarray, False, {}),
    ("float64", sparse.csr_matrix, True, {}),
    ("float32", np.asarray, True, {"early_stopping": True}),
    ("float32", sparse.csr_matrix, False, {"fit_intercept": False}),
    ("float64", np.asarray, True, {"early_stopping": True, "learning_rate_init": 0.03}),
    ("float64", np.asarray, False, {"momentum": 0.0, "alpha": 0.0}),
    ("float64", np.asarray, True, {"dropout": 0.3, "input_dropout": 0.2, "max_grad_norm": 0.1}),
    ("float32", sparse.csr_matrix, False, {"alpha": 0.1, "l1_ratio": 0.5, "weight_decay": 0.1}),
]


@grid(1, cls=[BackpropClassifier, BackpropRegressor], solver=OPTIMIZERS, batch_size=BATCH_SIZES)
def test_the_number_of_threads_has_no_effect(cls, solver, batch_size):
    X, y = make_data(cls)
    weights = make_weights(len(X))
    for index, (dtype, container, weighted, params) in enumerate(RUNS):
        number = index + len(RUNS) * BATCH_SIZES.index(batch_size)
        activation = ACTIVATIONS[number % len(ACTIVATIONS)]
        estimator = cls(
            (9, 5),
            activation=activation,
            solver=solver,
            batch_size=batch_size,
            max_iter=2,
            random_state=0,
            **{"learning_rate_init": 0.01, **params},
        )
        arguments = container(X.astype(dtype)), y, weights if weighted else None

        def fitted(n_threads, estimator=estimator, arguments=arguments):
            return cls(**{**estimator.get_params(), "n_threads": n_threads}).fit(*arguments)

        alone = fitted(1)
        for n_threads in 2, 3, 5:
            assert_same_bits(fitted(n_threads), alone)


@ESTIMATORS
def test_partial_fit(cls):
    """There is a team for each call; the optimizer's moments are kept."""
    X, y = make_data(cls)
    first_call = {"classes": np.unique(y)} if cls is BackpropClassifier else {}

    def trained(n_threads):
        estimator = cls((9,), batch_size=13, random_state=0, n_threads=n_threads)
        for _ in range(3):
            estimator.partial_fit(X, y, **first_call)
        return estimator

    assert_same_bits(trained(2), trained(1))


@ESTIMATORS
def test_lbfgs(cls):
    X, y = make_data(cls, 400)

    def fitted(n_threads):
        params = {"activation": "tanh", "solver": "lbfgs", "max_iter": 20, "random_state": 0}
        return cls((9, 5), n_threads=n_threads, **params).fit(X, y)

    assert_same_bits(fitted(2), fitted(1))


@pytest.mark.parametrize("n_threads", [10**6, 2**31, 10**12, 2**64], ids=str)
@pytest.mark.parametrize("solver", [*OPTIMIZERS, "lbfgs"])
@ESTIMATORS
def test_any_number_may_be_asked_for(cls, solver, n_threads):
    """A batch of 3 rows has work for three threads."""
    X, y = make_data(cls, 3)
    params = {"solver": solver, "max_iter": 2, "random_state": 0}
    assert_same_bits(
        cls((4,), n_threads=n_threads, **params).fit(X, y),
        cls((4,), n_threads=3, **params).fit(X, y),
    )


@pytest.mark.parametrize("n_threads", [np.int64(2), np.uint8(2)], ids=repr)
@ESTIMATORS
def test_integers_of_other_types(cls, n_threads):
    X, y = make_data(cls)
    params = {"batch_size": 13, "max_iter": 2, "random_state": 0}
    assert_same_bits(
        cls((4,), n_threads=n_threads, **params).fit(X, y),
        cls((4,), n_threads=2, **params).fit(X, y),
    )


@pytest.mark.parametrize("n_threads", [0, -1, 1.5, 2.0, np.nan, "two"], ids=repr)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@ESTIMATORS
def test_bad_numbers_of_threads(cls, method, n_threads):
    estimator = cls((4,), n_threads=n_threads)
    before = vars(estimator).copy()
    with pytest.raises(ValueError, match="'n_threads' parameter of Backprop"):
        getattr(estimator, method)(*make_data(cls))
    assert vars(estimator) == before


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
@pytest.mark.parametrize("solver", [*OPTIMIZERS, "lbfgs"])
@ESTIMATORS
def test_threads_that_cannot_be_had(cls, solver):
    """With memory for the stacks of some threads only: an error, and no thread remains."""
    X, y = make_data(cls, core.MAX_THREADS)
    params = {"solver": solver, "max_iter": 2, "batch_size": len(X), "random_state": 0}
    expected = cls((4,), n_threads=1, **params).fit(X, y).network_.params

    def attempt():
        import resource

        # Forking ended BLAS's threads; the limit that lbfgs sets would start them again.
        with threadpool_limits(1, user_api="blas"):
            pass
        estimator = cls((4,), n_threads=core.MAX_THREADS, **params)
        before, n_before = vars(estimator).copy(), len(os.listdir("/proc/self/task"))
        with open("/proc/self/statm") as file:
            in_use = int(file.read().split()[0]) * resource.getpagesize()
        limits = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (in_use + 2**26, limits[1]))
        message = "no error"
        try:
            estimator.fit(X, y)
        except RuntimeError as error:
            message = str(error)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, limits)
        soon = time.monotonic() + 30  # nobody waits for the threads: they end by themselves
        while (left := len(os.listdir("/proc/self/task")) - n_before) and time.monotonic() < soon:
            time.sleep(0.01)
        unfitted = vars(estimator) == before
        afterwards = estimator.set_params(n_threads=1).fit(X, y).network_.params
        return message, unfitted, left, afterwards

    message, unfitted, left, afterwards = in_forked_child(attempt)
    assert message == f"{core.MAX_THREADS - 1} more threads cannot be started; set n_threads=1"
    assert unfitted
    assert left == 0
    np.testing.assert_array_equal(afterwards, expected)


# --- runs that end early ----------------------------------------------------------------------


@EVERY_OPTIMIZER
@ESTIMATORS
def test_divergence(cls, solver):
    X, y = make_data(cls)
    if solver == "rprop":  # whose steps are bounded, whatever the rate: see below
        X *= 1e308 / np.abs(X).max()

    def message(n_threads):
        params = {"solver": solver, "learning_rate_init": 1e200, "random_state": 0}
        estimator = cls((9,), activation="identity", n_threads=n_threads, **params)
        before = vars(estimator).copy()
        with pytest.raises(ValueError, match="non-finite") as caught:
            estimator.fit(X, y)
        assert vars(estimator) == before
        return str(caught.value)

    assert message(2) == message(1)


@ESTIMATORS
def test_no_rate_carries_rprop_away(cls):
    """Its first steps are then 50, the largest possible."""
    X, y = make_data(cls)

    def fitted(n_threads, **params):
        params = {"activation": "identity", "max_iter": 3, "random_state": 0, **params}
        return cls((9,), solver="rprop", n_threads=n_threads, **params).fit(X, y)

    alone = fitted(1, learning_rate_init=1e200)
    assert_same_bits(alone, fitted(1, learning_rate_init=50.0))
    assert_same_bits(fitted(2, learning_rate_init=1e200), alone)
    start = cls((9,), activation="identity", random_state=0).initialize(X, y).network_.params
    first = fitted(1, learning_rate_init=1e200, max_iter=1).network_.params
    np.testing.assert_allclose(np.abs(first - start), 50, rtol=1e-12)
    assert np.abs(alone.network_.params - start).max() <= 150
    assert np.isfinite(alone.loss_curve_).all()


@pytest.mark.slow
def test_interrupts_and_the_limit_of_openmp(monkeypatch):
    """As in test_interrupt.py, in one process, which goes on using teams after each interrupt.

    Also with threads that are late (a seed of core.set_delays): a member of a team that began a
    batch after the interrupt once waited for the others forever.
    OMP_NUM_THREADS, which is read when a process starts, limits only n_threads=None.
    """
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    endless = """
        _kernels.core.set_delays({delays})
        rng = np.random.default_rng(0)
        X = rng.standard_normal((500, 10))
        y = (X[:, 0] > 0).astype(int)
        estimator = {cls}(
            (20,), solver="{solver}", tol=0.0, n_iter_no_change=np.inf, max_iter=ENDLESS,
            learning_rate_init=1e-5, random_state=0, n_threads=2,
        )
        messages = interrupted(lambda: estimator.fit(X, y), 0.05, trained())
        facts(estimator, X, y, messages=messages, allowed=allowed())
    """
    giant = """
        _kernels.core.set_delays({delays})
        X = np.random.default_rng(0).standard_normal((2000, 40))
        y = np.sin(X[:, 0])
        network = Network([40, 600, 600, 1], random_state=0)
        estimator = {cls}(
            (600, 600), solver="{solver}", batch_size=len(y), max_iter=1, max_fun=1,
            random_state=0, n_threads=2,
        )
        messages = interrupted(lambda: estimator.fit(X, y), 0, begun("{solver}"))
        same = bool((estimator.network_.params == network.params).all())
        facts(estimator, X, y, messages=messages, allowed=allowed(), same=same)
    """
    classifier, regressor = "BackpropClassifier", "BackpropRegressor"
    cases = [
        (script, dict(delays=delays, cls=cls, solver=solver))
        for delays in (0, 5)
        for script, cls, solver in [
            (endless, classifier, "adam"),
            (endless, regressor, "sgd"),
            (giant, regressor, "adam"),
            (giant, regressor, "lbfgs"),
        ]
    ]
    imports = f"from {threads.__name__} import allowed\nfrom fastbp import _kernels\n"
    scripts = [textwrap.dedent(script).format(**case) for script, case in cases]
    results = run_all([imports, *scripts], fresh=True)
    for (script, case), facts in zip(cases, results, strict=True):
        assert_usable(facts)
        assert facts["allowed"] == 1
        if script is endless:
            assert 0 < facts["n_iter"] < 10**9, case
            assert facts["n_losses"] == facts["n_iter"], case
            assert facts["t"] == 500 * facts["n_iter"], case
        else:
            assert facts["same"], case
            assert facts["n_iter"] == facts["t"] == 0, case


# --- beside other threads and processes -----------------------------------------------------------


@CAN_FORK
@pytest.mark.parametrize("solver", [*OPTIMIZERS, "lbfgs"])
@ESTIMATORS
def test_fork(cls, solver):
    """A team lives for one call: a child never waits for threads that it does not have."""
    X, y = make_data(cls)

    def fitted_params():
        estimator = cls((9,), solver=solver, batch_size=13, max_iter=3, random_state=0, n_threads=2)
        return estimator.fit(X, y).network_.params

    before = fitted_params()
    np.testing.assert_array_equal(in_forked_child(fitted_params), before)
    np.testing.assert_array_equal(in_forked_child(lambda: in_forked_child(fitted_params)), before)
    np.testing.assert_array_equal(fitted_params(), before)


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@ESTIMATORS
def test_fits_in_several_threads_at_once(cls, n_threads):
    X, y = make_data(cls)
    cases = [(solver, seed) for solver in (*OPTIMIZERS, "lbfgs") for seed in range(3)]

    def fitted(case):
        solver, seed = case
        params = {"solver": solver, "random_state": seed, "max_iter": 3, "batch_size": 26}
        return cls((9,), n_threads=n_threads, **params).fit(X, y)

    with warnings.catch_warnings():  # here, as contexts of warnings are not safe in threads
        warnings.simplefilter("ignore")
        alone = [fitted(case) for case in cases]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(fitted, cases))
    for one, other in zip(together, alone, strict=True):
        assert_same_bits(one, other)
