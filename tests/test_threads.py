"""Teams of threads: another number of them is another rounding, and nothing else.

The same number gives the same bits from run to run. How many there are, unless it is said, is
chosen from the work at hand and from what the process may use.
"""

import multiprocessing
import os
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import joblib
import numpy as np
import pytest
from gate import ESTIMATORS
from reference import SGD, Adam, ReferenceNetwork, Rprop, train
from scipy import sparse
from sklearn.datasets import make_regression
from sklearn.model_selection import GridSearchCV
from test_interrupt import assert_usable, run
from test_kernels import DTYPES, PAIRS, assert_close, random_problem, random_weights
from threadpoolctl import threadpool_limits  # scikit-learn needs it: it is always there

from fastbp import BackpropClassifier, BackpropRegressor, _kernels
from fastbp._kernels import core
from fastbp.training import threads
from fastbp.training.threads import LEAST_CALL, LEAST_STEP, allowed, choose_n_threads

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SOLVERS = pytest.mark.parametrize("solver", core.OPTIMIZERS)
# Rounding, after a few epochs.
TRAINED = {"float64": 1e-10, "float32": 1e-4}
CAN_FORK = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this system"
)
HANGS = 60  # seconds, for what takes a fraction of one


def assert_trained_alike(ours, theirs, dtype="float64"):
    """Parameters relative to the largest, curves relative to each value."""
    expected = theirs.network_.params
    assert ours.network_.params.dtype == expected.dtype == dtype
    error = np.max(np.abs(ours.network_.params - expected))
    assert error <= TRAINED[dtype] * np.max(np.abs(expected))
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=TRAINED[dtype])
    assert (ours.n_iter_, ours.t_) == (theirs.n_iter_, theirs.t_)
    if theirs.validation_scores_ is not None:
        for curve in "validation_scores_", "validation_loss_curve_":
            np.testing.assert_allclose(
                getattr(ours, curve), getattr(theirs, curve), rtol=TRAINED[dtype]
            )


def assert_same_bits(one, other):
    assert np.array_equal(one.network_.params, other.network_.params)
    assert one.loss_curve_ == other.loss_curve_
    assert one.validation_scores_ == other.validation_scores_
    assert one.validation_loss_curve_ == other.validation_loss_curve_


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


@pytest.mark.parametrize("batch_size", BATCH_SIZES)
@SOLVERS
@ESTIMATORS
def test_the_number_of_threads_is_rounding_only(cls, solver, batch_size):
    X, y = make_data(cls)
    weights = make_weights(len(X))
    activations = list(core.ACTIVATIONS)
    for index, (dtype, container, weighted, params) in enumerate(RUNS):
        number = index + len(RUNS) * BATCH_SIZES.index(batch_size)
        activation = activations[number % len(activations)]
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
            team = fitted(n_threads)
            assert_trained_alike(team, alone, dtype)
            assert_same_bits(fitted(n_threads), team)


@ESTIMATORS
def test_partial_fit(cls):
    """A team for each call, and the optimizer's moments go on."""
    X, y = make_data(cls)
    first_call = {"classes": np.unique(y)} if cls is BackpropClassifier else {}

    def trained(n_threads):
        estimator = cls((9,), batch_size=13, random_state=0, n_threads=n_threads)
        for _ in range(3):
            estimator.partial_fit(X, y, **first_call)
        return estimator

    assert_trained_alike(trained(2), trained(1))
    assert_same_bits(trained(2), trained(2))


@ESTIMATORS
def test_lbfgs(cls):
    X, y = make_data(cls, 400)

    def fitted(n_threads):
        params = {"activation": "tanh", "solver": "lbfgs", "max_iter": 20, "random_state": 0}
        return cls((9, 5), n_threads=n_threads, **params).fit(X, y)

    alone, team = fitted(1), fitted(2)
    scale = np.max(np.abs(alone.network_.params))
    np.testing.assert_allclose(
        team.network_.params, alone.network_.params, rtol=0, atol=1e-6 * scale
    )
    np.testing.assert_allclose(team.loss_curve_, alone.loss_curve_, rtol=1e-6)
    assert_same_bits(fitted(2), team)


# The Trainer itself, against the twin: (layer sizes, rows, rows a batch, threads).
TEAMS = [
    ((6, 9, 5, 2), 53, 13, (1, 2, 3, 5)),
    ((6, 9, 5, 2), 3, 3, (5, 8)),  # more threads than rows
    ((4, 3), 10, 4, (2, 3)),  # parameters for less than one thread's slice
    ((9, 200, 2), 1600, 1600, (1, 2, 3)),  # shares of several blocks, which have 256 rows or more
]


@pytest.mark.parametrize("team", TEAMS, ids=str)
@SOLVERS
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_trainer_agrees_with_the_twin(build, dtype, solver, team):
    layer_sizes, n_samples, batch_size, teams = team
    rng = np.random.default_rng(n_samples)
    net, _, X, y = random_problem(
        rng, layer_sizes, n_samples, "logistic", "log_loss", dtype=dtype, activation="tanh"
    )
    start = net.params.copy()
    orders = [rng.permutation(n_samples) for _ in range(2)]
    weights = random_weights(rng, n_samples, dtype)
    for order in orders:
        weights[order[-batch_size // 2 :]] += 0.5  # no batch without weight: the twin has no mean
    twin = ReferenceNetwork.like(net)
    optimizer = {"sgd": SGD(0.05), "adam": Adam(0.01), "rprop": Rprop(0.01)}[solver]
    learning_rate = 0.05 if solver == "sgd" else 0.01
    arguments = [array.astype(np.float64) for array in (X, y)]
    losses = train(
        twin, optimizer, *arguments, orders, batch_size, alpha=0.3, sample_weight=weights
    )

    for n_threads in teams:
        net.params = start
        trainer = _kernels.core.Trainer(
            net._plan,
            net.params,
            np.zeros(core.N_MOMENTS[solver] * net.n_params, dtype=dtype),
            np.empty_like(net.params),
            net._samples(X, y, weights),
            optimizer=core.OPTIMIZERS[solver],
            learning_rate=learning_rate,
            momentum=0.9,
            nesterov=True,
            beta_1=0.9,
            beta_2=0.999,
            epsilon=1e-8,
            n_steps=0,
            batch_size=batch_size,
            alpha=0.3,
            n_threads=n_threads,
        )
        found = [trainer.train_epoch(order) for order in orders]
        assert trainer.n_steps == 2 * -(-n_samples // batch_size)
        error = np.max(np.abs(net.params - twin.params))
        assert error <= TRAINED[dtype] * np.max(np.abs(twin.params)), n_threads
        np.testing.assert_allclose(found, losses, rtol=TRAINED[dtype])


# --- the loss and its gradient --------------------------------------------------------------------


def assert_evaluates(net, twin, X, y, weights, teams, *, dense_X=None):
    """The loss and gradient of every team against the twin's, and the same bits twice."""
    dtype = np.dtype(net.dtype).name
    dense_X = X if dense_X is None else dense_X
    w64 = None if weights is None else weights.astype(np.float64)
    loss, gradient = twin.loss_gradient(dense_X.astype(np.float64), y.astype(np.float64), w64)
    samples = net._samples(X, y, weights)
    for n_threads in teams:
        what = f"{n_threads} threads, {net!r}"
        evaluator = _kernels.core.Evaluator(net._plan, samples, net.l2, n_threads=n_threads)
        grads = np.full((2, net.n_params), np.nan, dtype=dtype)
        losses = [evaluator.evaluate(net.params, grad) for grad in grads]
        losses += [evaluator.evaluate(net.params)]
        loss_only = _kernels.core.Evaluator(
            net._plan, samples, net.l2, gradient=False, n_threads=n_threads
        )
        losses += [loss_only.evaluate(net.params)]
        assert len(set(losses)) == 1, what
        assert losses[0] == pytest.approx(loss, rel=1e-12 if dtype == "float64" else 1e-5), what
        assert_close(grads[0], gradient, dtype, what)
        np.testing.assert_array_equal(*grads)


@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients_of_every_objective(build, dtype):
    rng = np.random.default_rng(0)
    activations = list(core.ACTIVATIONS)
    for index, pair in enumerate(PAIRS):
        net, twin, X, y = random_problem(
            rng,
            (11, 17, 9, 3),
            37,
            *pair,
            dtype=dtype,
            density=0.3 if index % 2 else 1.0,
            activation=activations[index % len(activations)],
            fit_intercept=index % 3 > 0,
            reduction="sum" if index % 5 == 0 else "mean",
            l2=[0.0, 0.01, 1.0][index % 3],
        )
        weights = random_weights(rng, len(X), dtype) if index % 4 else None
        inputs = sparse.csr_matrix(X) if index % 2 else X
        assert_evaluates(net, twin, inputs, y, weights, (1, 2, 5), dense_X=X)


@pytest.mark.parametrize("n_samples", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients_by_more_threads_than_rows(build, dtype, n_samples):
    rng = np.random.default_rng(n_samples)
    net, twin, X, y = random_problem(
        rng, (3, 8, 2), n_samples, "softmax", "log_loss", dtype=dtype, activation="relu", l2=0.1
    )
    assert_evaluates(net, twin, X, y, random_weights(rng, n_samples, dtype), (n_samples + 1, 7))


@pytest.mark.parametrize("is_sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients_of_several_blocks_a_thread(build, dtype, is_sparse):
    rng = np.random.default_rng(0)
    net, twin, X, y = random_problem(
        rng,
        (9, 200, 2),
        1600,
        "identity",
        "squared_error",
        dtype=dtype,
        density=0.2 if is_sparse else 1.0,
        activation="logistic",
    )
    inputs = sparse.csr_matrix(X) if is_sparse else X
    weights = random_weights(rng, len(X), dtype)
    assert_evaluates(net, twin, inputs, y, weights, (1, 2, 3), dense_X=X)


# --- any number that can be asked for -------------------------------------------------------------


@pytest.mark.parametrize("n_threads", [core.MAX_THREADS + 1, 10**6, 2**31 - 1])
def test_no_more_threads_than_there_can_be(n_threads):
    rng = np.random.default_rng(0)
    n_samples = core.MAX_THREADS + 44
    net, twin, X, y = random_problem(
        rng, (3, 2), n_samples, "identity", "squared_error", dtype="float64"
    )
    assert_evaluates(net, twin, X, y, None, [n_threads])


@pytest.mark.parametrize("n_threads", [10**6, 2**31, 10**12, 2**64], ids=str)
@pytest.mark.parametrize("solver", [*core.OPTIMIZERS, "lbfgs"])
@ESTIMATORS
def test_any_number_may_be_asked_for(cls, solver, n_threads):
    """A batch of 3 rows has work for three of them."""
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


def in_forked_child(function):
    """What a function returns in a child of this process, which must not hang."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=lambda: sender.send(function()))
    with warnings.catch_warnings():
        # Python 3.12 knows of threads of other libraries, which the child does without.
        warnings.filterwarnings("ignore", ".*multi-threaded, use of fork", DeprecationWarning)
        child.start()
    sender.close()
    try:
        assert receiver.poll(HANGS), "the child hangs"
        return receiver.recv()
    finally:
        child.kill()
        child.join()


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
@pytest.mark.parametrize("solver", [*core.OPTIMIZERS, "lbfgs"])
@ESTIMATORS
def test_threads_that_cannot_be_had(cls, solver):
    """Memory for the stacks of some threads only: an error, and no thread is left behind."""
    X, y = make_data(cls, core.MAX_THREADS)
    params = {"solver": solver, "max_iter": 2, "batch_size": len(X), "random_state": 0}
    expected = cls((4,), n_threads=1, **params).fit(X, y).network_.params

    def attempt():
        import resource

        # Forking ended BLAS's threads, and limits, which lbfgs sets, start them again for good.
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
        left = len(os.listdir("/proc/self/task")) - n_before
        unfitted = vars(estimator) == before
        afterwards = estimator.set_params(n_threads=1).fit(X, y).network_.params
        return message, unfitted, left, afterwards

    message, unfitted, left, afterwards = in_forked_child(attempt)
    assert message == f"{core.MAX_THREADS - 1} more threads cannot be started; set n_threads=1"
    assert unfitted
    assert left == 0
    np.testing.assert_array_equal(afterwards, expected)


# --- runs that end otherwise ----------------------------------------------------------------------


@SOLVERS
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
    """Its first steps are 50 then, the largest that there are."""
    X, y = make_data(cls)

    def fitted(n_threads, **params):
        params = {"activation": "identity", "max_iter": 3, "random_state": 0, **params}
        return cls((9,), solver="rprop", n_threads=n_threads, **params).fit(X, y)

    alone = fitted(1, learning_rate_init=1e200)
    assert_same_bits(alone, fitted(1, learning_rate_init=50.0))
    assert_trained_alike(fitted(2, learning_rate_init=1e200), alone)
    start = cls((9,), activation="identity", random_state=0).initialize(X, y).network_.params
    first = fitted(1, learning_rate_init=1e200, max_iter=1).network_.params
    np.testing.assert_allclose(np.abs(first - start), 50, rtol=1e-12)
    assert np.abs(alone.network_.params - start).max() <= 150
    assert np.isfinite(alone.loss_curve_).all()


def test_interrupts_and_the_limit_of_openmp(monkeypatch):
    """As in test_interrupt.py, in one process, which goes on using teams after each interrupt.

    OMP_NUM_THREADS, which is read when a process starts, limits only what is not said.
    """
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    endless, giant, allowed_there = run("""
        import contextlib, io
        from fastbp.training.threads import allowed

        def both(lines):
            return [json.loads(line) for line in lines.getvalue().splitlines()]

        rng = np.random.default_rng(0)
        X = rng.standard_normal((500, 10))
        y = (X[:, 0] > 0).astype(int)
        endless = io.StringIO()
        for cls, solver in [(BackpropClassifier, "adam"), (BackpropRegressor, "sgd")]:
            estimator = cls(
                (20,), solver=solver, tol=0.0, n_iter_no_change=np.inf, max_iter=ENDLESS,
                learning_rate_init=1e-5, random_state=0, n_threads=2,
            )
            messages = interrupted(lambda: estimator.fit(X, y), 0.4)
            with contextlib.redirect_stdout(endless):
                facts(estimator, X, y, messages=messages)

        X = rng.standard_normal((2500, 40))
        y = np.sin(X[:, 0])
        network = Network([40, 400, 400, 1], random_state=0)
        giant = io.StringIO()
        for solver in ("adam", "lbfgs"):
            estimator = BackpropRegressor(
                (400, 400), solver=solver, batch_size=len(y), max_iter=1, max_fun=1,
                random_state=0, n_threads=2,
            )
            duration = seconds(lambda: estimator.fit(X, y))
            messages = interrupted(lambda: estimator.fit(X, y), duration / 4)
            same = bool((estimator.network_.params == network.params).all())
            with contextlib.redirect_stdout(giant):
                facts(estimator, X, y, messages=messages, same=same)
        print(json.dumps([both(endless), both(giant), allowed()]))
    """)
    assert allowed_there == 1
    assert len(endless) == len(giant) == 2
    for facts in endless:
        assert_usable(facts)
        assert 0 < facts["n_iter"] < 10**9
        assert facts["n_losses"] == facts["n_iter"]
        assert facts["t"] == 500 * facts["n_iter"]
    for facts in giant:
        assert_usable(facts)
        assert facts["same"]
        assert facts["n_iter"] == facts["t"] == 0


# --- beside other threads and processes -----------------------------------------------------------


@CAN_FORK
@pytest.mark.parametrize("solver", [*core.OPTIMIZERS, "lbfgs"])
@ESTIMATORS
def test_fork(cls, solver):
    """Teams live for one call: a child finds nothing to wait for in vain."""
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
    cases = [(solver, seed) for solver in (*core.OPTIMIZERS, "lbfgs") for seed in range(3)]

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


# As many threads as are worthwhile for much_work, on a machine that has them.
WORTHWHILE = 5


def much_work():
    """Data, and layers, for which several threads are worthwhile, however many there are here."""
    X, y = make_regression(6000, 20, noise=5.0, random_state=0)
    hidden = (150,)
    n_params = sum(a * b for a, b in pairwise((20, *hidden, 1))) + 151
    chosen = choose_n_threads(None, 6.0 * n_params * 200, 6.0 * n_params * 3000)
    assert chosen == min(WORTHWHILE, threads.allowed())
    return X, y / y.std(), hidden


@pytest.fixture(params=[1, 2, 4, 8, 16, 64], ids="{} cores".format)
def cores(request, monkeypatch):
    """A machine that has so many cores, to what asks in this process."""
    n_cores = request.param
    monkeypatch.setattr(threads, "_openmp_effective_n_threads", lambda: n_cores)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(n_cores)), raising=False)
    return n_cores


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_a_search_by_several_jobs(backend):
    """They agree to rounding, as there each fit has fewer threads than alone."""
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
        np.testing.assert_allclose(
            together.cv_results_[result], alone.cv_results_[result], rtol=1e-8
        )
    # workers share the processors out among themselves
    shares = joblib.Parallel(n_jobs=2, backend=backend)(joblib.delayed(allowed)() for _ in "12")
    assert sum(shares) <= max(allowed(), 2)


# --- how many, if nobody says ---------------------------------------------------------------------

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


@pytest.mark.parametrize("solver", [*core.OPTIMIZERS, "lbfgs"])
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
    """Nor do estimators, but for the number of threads that they take."""
    X, y, hidden = much_work()
    params = {"solver": solver, "max_iter": 2, "random_state": 0}
    chosen, given = (
        BackpropRegressor(hidden, n_threads=n_threads, **params).fit(X, y)
        for n_threads in (None, min(worthwhile, cores))
    )
    assert_same_bits(chosen, given)


@pytest.mark.parametrize(
    ("by_scikit_learn", "affinity", "expected"),
    [(8, {0, 1, 2}, 3), (2, {0, 1, 2}, 2), (8, {5}, 1), (8, None, 8), (1, None, 1)],
)
def test_allowed_is_the_least_of_all_limits(monkeypatch, by_scikit_learn, affinity, expected):
    """Affinity is asked for at each call; None: a system that knows no affinity."""
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
    """Where the system has none, its two functions are made up."""
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
