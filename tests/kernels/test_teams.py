"""The compiled training and gradients by teams of threads, against the NumPy twin."""

import numpy as np
import pytest
from agreement import TRAINED, assert_close, random_problem, random_weights
from covering import grid
from internals import ACTIVATIONS, BUILDS, DTYPES, OPTIMIZERS, PAIRS, core, evaluator, trainer
from problems import CUT_SHORT
from reference import TWIN_OPTIMIZERS, ReferenceNetwork, train
from scipy import sparse

pytestmark = CUT_SHORT

# The Trainer itself, against the twin: (layer sizes, rows, rows a batch, threads).
TEAMS = [
    ((6, 9, 5, 2), 53, 13, (1, 2, 3, 5)),
    ((6, 9, 5, 2), 3, 3, (5, 8)),  # more threads than rows
    ((4, 3), 10, 4, (2, 3)),  # parameters for less than one thread's slice
    ((9, 200, 2), 1600, 1600, (1, 2, 3)),  # shares of several blocks, which have 256 rows or more
]


@grid(build=BUILDS, dtype=DTYPES, solver=OPTIMIZERS, team=TEAMS)
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
        weights[order[-batch_size // 2 :]] += (
            0.5  # every batch has weight: the twin has no mean of nothing
        )
    twin = ReferenceNetwork.like(net)
    learning_rate = 0.05 if solver == "sgd" else 0.003
    optimizer = TWIN_OPTIMIZERS[solver](learning_rate)
    arguments = [array.astype(np.float64) for array in (X, y)]
    losses = train(
        twin, optimizer, *arguments, orders, batch_size, alpha=0.3, sample_weight=weights
    )

    for n_threads in teams:
        net.params = start
        arguments = dict(optimizer=solver, learning_rate=learning_rate, batch_size=batch_size)
        epochs = trainer(net, X, y, weights, **arguments, alpha=0.3, n_threads=n_threads)
        found = [epochs.train_epoch(order) for order in orders]
        assert epochs.n_steps == 2 * -(-n_samples // batch_size)
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
    for n_threads in teams:
        what = f"{n_threads} threads, {net!r}"
        both = evaluator(net, X, y, weights, n_threads=n_threads)
        grads = np.full((2, net.n_params), np.nan, dtype=dtype)
        losses = [both.evaluate(net.params, grad) for grad in grads]
        losses += [both.evaluate(net.params)]
        loss_only = evaluator(net, X, y, weights, gradient=False, n_threads=n_threads)
        losses += [loss_only.evaluate(net.params)]
        assert len(set(losses)) == 1, what
        assert losses[0] == pytest.approx(loss, rel=1e-12 if dtype == "float64" else 1e-5), what
        assert_close(grads[0], gradient, dtype, what)
        np.testing.assert_array_equal(*grads)


@grid(1, build=BUILDS, dtype=DTYPES)
def test_gradients_of_every_objective(build, dtype):
    rng = np.random.default_rng(0)
    for index, pair in enumerate(PAIRS):
        net, twin, X, y = random_problem(
            rng,
            (11, 17, 9, 3),
            37,
            *pair,
            dtype=dtype,
            density=0.3 if index % 2 else 1.0,
            activation=ACTIVATIONS[index % len(ACTIVATIONS)],
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


@grid(build=BUILDS, dtype=DTYPES, is_sparse=[False, True])
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


@pytest.mark.slow
@pytest.mark.parametrize("n_threads", [core.MAX_THREADS + 1, 10**6, 2**31 - 1])
def test_no_more_threads_than_there_can_be(n_threads):
    rng = np.random.default_rng(0)
    n_samples = core.MAX_THREADS + 44
    net, twin, X, y = random_problem(
        rng, (3, 2), n_samples, "identity", "squared_error", dtype="float64"
    )
    assert_evaluates(net, twin, X, y, None, [n_threads])
