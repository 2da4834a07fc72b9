"""The NumPy twin's own oracles: finite differences, and scikit-learn's training."""

import itertools
import warnings

import numpy as np
import pytest
from covering import covering
from internals import ACTIVATIONS
from reference import (
    OBJECTIVES,
    SGD,
    Adam,
    ReferenceNetwork,
    random_params,
    redraw_near_kinks,
    targets_off_kinks,
    train,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils import shuffle

FACTORS = dict(pair=OBJECTIVES, activation=ACTIVATIONS, fit_intercept=[True, False])


@pytest.mark.grid(covering="test_the_twin_against_finite_differences")
@pytest.mark.parametrize("pair", OBJECTIVES, ids="-".join)
def test_every_two_parts_of_the_twin_against_finite_differences(pair):
    assert_equals_differences(case for case in covering(**FACTORS) if case["pair"] == pair)


@pytest.mark.parametrize("pair", OBJECTIVES, ids="-".join)
def test_the_twin_against_finite_differences(pair):
    assert_equals_differences(case for case in covering(1, **FACTORS) if case["pair"] == pair)


def assert_equals_differences(cases):
    rng = np.random.default_rng(1)
    layer_sizes = (3, 5, 2, 4)
    for case in cases:
        activation, fit_intercept, pair = (
            case[name] for name in ("activation", "fit_intercept", "pair")
        )
        n_params = 15 + 10 + 8 + (5 + 2 + 4 if fit_intercept else 0)
        arguments = dict(reduction="sum", l2=0.1, loss_scale=1.3, fit_intercept=fit_intercept)
        twin = ReferenceNetwork(layer_sizes, np.empty(n_params), activation, *pair, **arguments)
        twin.params = random_params(rng, twin)
        X = redraw_near_kinks(
            twin, rng.normal(size=(6, 3)), 1e-2, lambda n: rng.normal(size=(n, 3))
        )
        y, w = targets_off_kinks(rng, twin, X, 1e-2), rng.random(6)
        _, gradient = twin.loss_gradient(X, y, w)
        numeric = np.array([fourth_order_difference(twin, i, X, y, w) for i in range(n_params)])
        np.testing.assert_allclose(numeric, gradient, rtol=0, atol=1e-9 * np.abs(gradient).max())


def fourth_order_difference(twin, i, X, y, w, step=1e-4):
    value, losses = twin.params[i], {}
    for offset in (-2, -1, 1, 2):
        twin.params[i] = value + offset * step
        losses[offset] = twin.loss(X, y, w)
    twin.params[i] = value
    return (8 * (losses[1] - losses[-1]) - (losses[2] - losses[-2])) / (12 * step)


@pytest.mark.parametrize("solver", ["nesterov", "momentum", "adam", "invscaling"])
@pytest.mark.parametrize("kind", ["regressor", "binary", "multiclass"])
def test_the_twin_trains_as_scikit_learn(kind, solver):
    rng = np.random.default_rng(2)
    X = rng.normal(size=(50, 4))
    y = {"regressor": X[:, 0] - X[:, 1], "binary": X[:, 0] > 0}.get(kind, rng.integers(3, size=50))
    estimator_class = MLPRegressor if kind == "regressor" else MLPClassifier
    arguments = dict(hidden_layer_sizes=(6, 5), batch_size=16, alpha=0.1, random_state=7)
    arguments |= dict(learning_rate_init=0.01, activation="tanh", max_iter=8)
    optimizer, schedule = Adam(0.01), None
    if solver != "adam":
        arguments |= dict(solver="sgd", nesterovs_momentum=solver != "momentum")
        optimizer = SGD(0.01, nesterov=solver != "momentum")
    if solver == "invscaling":
        arguments |= dict(learning_rate="invscaling")
        schedule = lambda rows_seen: 0.01 / np.sqrt(rows_seen + 1)  # noqa: E731
    estimator = estimator_class(**arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(X, y)

    # Start where scikit-learn started: it draws the weights layer by layer, then each shuffle.
    random_state = np.random.RandomState(7)
    layer_sizes = (4, 6, 5, 3 if kind == "multiclass" else 1)
    output = {"regressor": "identity", "binary": "logistic"}.get(kind, "softmax")
    loss = "squared_error" if kind == "regressor" else "log_loss"
    parts = [
        random_state.uniform(-bound, bound, shape)
        for fan_in, fan_out in itertools.pairwise(layer_sizes)
        for bound in [np.sqrt(6 / (fan_in + fan_out))]
        for shape in [(fan_in, fan_out), fan_out]
    ]
    params = np.concatenate([part.ravel() for part in parts[::2] + parts[1::2]])
    twin = ReferenceNetwork(layer_sizes, params, "tanh", output, loss)
    targets = np.eye(3)[y] if kind == "multiclass" else np.reshape(y, (-1, 1)).astype(float)
    row_orders, order = [], np.arange(50)
    for _ in range(8):
        order = shuffle(order, random_state=random_state)
        row_orders.append(order)
    losses = train(twin, optimizer, X, targets, row_orders, 16, alpha=0.1, schedule=schedule)

    expected = np.concatenate([part.ravel() for part in estimator.coefs_ + estimator.intercepts_])
    np.testing.assert_allclose(twin.params, expected, rtol=0, atol=1e-10)
    np.testing.assert_allclose(losses, estimator.loss_curve_, rtol=1e-10)
