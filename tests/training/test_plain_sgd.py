"""Plain SGD, which takes a short way through the core, is w -= rate * gradient."""

import numpy as np
import pytest
from agreement import TRAINED, random_weights
from covering import grid
from internals import BUILDS, DTYPES
from problems import CUT_SHORT
from scipy import sparse

from fastbp import BackpropClassifier, BackpropRegressor, Network

pytestmark = CUT_SHORT

CONTAINERS = pytest.mark.parametrize(
    "container", [np.asarray, sparse.csr_matrix], ids=["dense", "csr"]
)


PLAIN = {"solver": "sgd", "momentum": 0.0, "alpha": 0.0, "shuffle": False}


def descend(net, X, y, weights, rate, batch_size, n_epochs):
    """w -= rate * gradient, batch after batch; the loss of each epoch."""
    losses = []
    for _ in range(n_epochs):
        total = 0.0
        for start in range(0, X.shape[0], batch_size):
            rows = slice(start, start + batch_size)
            if weights is not None and not weights[rows].any():
                continue
            gradient = net.loss_gradient(
                X[rows], y[rows], None if weights is None else weights[rows]
            )
            net.params -= rate * gradient.flat
            total += gradient.loss * X[rows].shape[0]
        losses.append(total / X.shape[0])
    return losses


def assert_trained_alike(params, losses, expected_params, expected_losses, dtype):
    error = np.max(np.abs(params - expected_params))
    assert error <= TRAINED[dtype] * np.max(np.abs(expected_params))
    np.testing.assert_allclose(losses, expected_losses, rtol=TRAINED[dtype])


@grid(
    build=BUILDS,
    cls=[BackpropClassifier, BackpropRegressor],
    dtype=DTYPES,
    batch_size=[1, 2, 7, 200],
    container=[np.asarray, sparse.csr_matrix],
)
def test_plain_sgd_is_gradient_descent(build, cls, dtype, batch_size, container):
    rng = np.random.default_rng(batch_size)
    n_samples = 210 if batch_size == 200 else 63  # the last batches of 200 and 2 are smaller
    X = rng.normal(size=(n_samples, 6)).astype(dtype)
    y = X[:, :3].argmax(axis=1) if cls is BackpropClassifier else np.sin(X[:, :3])
    some_zero = random_weights(rng, n_samples, dtype)
    some_zero[42:49] = 0  # whole batches of the small ones
    output, loss = ("softmax", "log_loss") if cls is BackpropClassifier else (
        "identity", "squared_error"
    )  # fmt: skip
    # a negligible momentum or penalty, or a second thread, forces the general way
    for activation, weights, fit_intercept, general in [
        ("relu", None, True, {"momentum": 1e-300}),
        ("tanh", some_zero, True, {"momentum": 1e-300, "nesterovs_momentum": False}),
        ("logistic", some_zero, False, {"alpha": 5e-324}),
        ("identity", None, False, {"n_threads": 2}),
    ]:
        net = Network(
            [6, 9, 5, 3],
            activation=activation,
            output_activation=output,
            loss=loss,
            fit_intercept=fit_intercept,
            dtype=dtype,
            random_state=0,
        )
        losses = descend(net, X, y, weights, 0.02, batch_size, 1)
        params = {
            "hidden_layer_sizes": (9, 5),
            "activation": activation,
            "fit_intercept": fit_intercept,
            "batch_size": batch_size,
            "learning_rate_init": 0.02,
            "random_state": 0,
            "max_iter": 1,
            **PLAIN,
        }
        plain = cls(**params).fit(container(X), y, weights)
        assert_trained_alike(plain.network_.params, plain.loss_curve_, net.params, losses, dtype)
        other = cls(**{**params, **general}).fit(container(X), y, weights)
        assert_trained_alike(
            plain.network_.params,
            plain.loss_curve_,
            other.network_.params,
            other.loss_curve_,
            dtype,
        )


@CONTAINERS
@pytest.mark.parametrize("batch_size", [255, 256, 257, 600])
@pytest.mark.parametrize("dtype", DTYPES)
def test_plain_sgd_around_the_size_of_a_block(build, dtype, batch_size, container):
    """Blocks of this network have 256 rows: a batch of two blocks is still one step."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 5)).astype(dtype)
    y = np.sin(X[:, :2])
    net = Network([5, 300, 2], activation="tanh", dtype=dtype, random_state=0)
    losses = descend(net, X, y, None, 0.02, batch_size, 2)
    plain = BackpropRegressor(
        (300,),
        activation="tanh",
        batch_size=batch_size,
        learning_rate_init=0.02,
        random_state=0,
        max_iter=2,
        **PLAIN,
    ).fit(container(X), y)
    assert_trained_alike(plain.network_.params, plain.loss_curve_, net.params, losses, dtype)
