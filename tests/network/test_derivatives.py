"""Derivatives of a Network beside those of its objective: Jacobians, by inputs, by samples."""

import copy

import numpy as np
import pytest
from own_losses import LogCosh
from problems import CUT_SHORT, N_FEATURES, N_SAMPLES, make_features, make_regression, small
from scipy import sparse
from sklearn.metrics import r2_score

from fastbp import BackpropRegressor, Network

pytestmark = CUT_SHORT


def forward_differences(function, at, step=1e-6):
    """Central differences of an array-valued function by each entry of `at`: a new last axis."""
    columns = []
    for j in range(at.size):
        moved = at.copy()
        moved.flat[j] += step
        above = function(moved)
        moved.flat[j] -= 2 * step
        columns.append((above - function(moved)) / (2 * step))
    return np.stack(columns, axis=-1)


NETWORKS = {
    "softmax": dict(output_activation="softmax", loss="log_loss", label_smoothing=0.1),
    "logistic": dict(output_activation="logistic", loss="squared_error", loss_scale=3.0),
    "exp": dict(output_activation="exp", loss="gamma"),
    "increasing": dict(output_activation="increasing", loss="quantile", quantile=[0.1, 0.5, 0.8]),
    "linear": dict(loss="huber", huber_delta=0.7, reduction="sum", l2=0.3, l1=0.1),
    "own": dict(output_activation="softmax", loss=LogCosh(), fit_intercept=False),
}
EVERY_NETWORK = pytest.mark.parametrize("name", NETWORKS)
N_ROWS = 9


def make_network(name, **params):
    """Two hidden layers, and rows with many zeros, as a CSR matrix has them."""
    params = dict(activation=["tanh", "gelu"], random_state=0) | NETWORKS[name] | params
    net = Network([N_FEATURES, 5, 4, 3], **params)
    X = np.where(make_features(N_ROWS, seed=1) > 0.2, make_features(N_ROWS, seed=2), 0.0)
    y = np.abs(make_features(N_ROWS, seed=3)[:, :3]) % 1 + 0.01
    if name == "softmax":
        y = np.arange(N_ROWS) % 3
    return net, X, y


def by_params(net, function):
    """Differences by the parameters of a function of a network."""

    def moved(params):
        twin = copy.deepcopy(net)
        twin.params[...] = params
        return function(twin)

    return forward_differences(moved, net.params.copy())


def by_inputs(function, X):
    """Differences of function(X), row by row, by that row's inputs."""

    def moved(step):
        return function(X + step)

    return forward_differences(moved, np.zeros(X.shape[1]))


@EVERY_NETWORK
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix], ids=["dense", "CSR"])
def test_jacobians_are_differences_of_the_outputs(name, container):
    net, X, _ = make_network(name)
    expected = by_params(net, lambda twin: twin.forward(X))
    assert expected.shape == (N_ROWS, 3, net.n_params)
    np.testing.assert_allclose(net.jacobian(container(X)), expected, atol=1e-8)
    expected = by_inputs(net.forward, X)
    assert expected.shape == (N_ROWS, 3, N_FEATURES)
    np.testing.assert_allclose(net.input_jacobian(container(X)), expected, atol=1e-8)


def losses_of_rows(net, X, y):
    """loss_scale * sum_k l of each row, without penalties."""
    return np.array([net.loss(X[i : i + 1], y[i : i + 1]) for i in range(len(X))]) - penalty(net)


def penalty(net):
    return sum(net.l2 * np.sum(coef**2) + net.l1 * np.abs(coef).sum() for coef in net.coefs)


@EVERY_NETWORK
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix], ids=["dense", "CSR"])
def test_gradients_of_rows_are_differences_of_their_losses(name, container):
    net, X, y = make_network(name)
    expected = by_params(net, lambda twin: losses_of_rows(twin, X, y))
    np.testing.assert_allclose(net.per_sample_gradients(container(X), y), expected, atol=1e-7)
    norms = net.per_sample_gradient_norms(container(X), y)
    np.testing.assert_allclose(norms, np.linalg.norm(expected, axis=1), atol=1e-6)
    expected = by_inputs(lambda moved: losses_of_rows(net, moved, y), X)
    np.testing.assert_allclose(net.input_gradient(container(X), y), expected, atol=1e-7)


@EVERY_NETWORK
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix], ids=["dense", "CSR"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_norms_are_those_of_the_gradients(name, container, fit_intercept):
    net, X, y = make_network(name, fit_intercept=fit_intercept)
    gradients = net.per_sample_gradients(container(X), y)
    norms = net.per_sample_gradient_norms(container(X), y)
    assert norms.dtype == np.float64
    np.testing.assert_allclose(norms, np.linalg.norm(gradients, axis=1), rtol=1e-12)


@EVERY_NETWORK
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix], ids=["dense", "CSR"])
def test_derivatives_in_float32_are_those_of_float64(name, container):
    double, X, y = make_network(name)
    single, _, _ = make_network(name, dtype="float32")
    double.params[...] = single.params
    X = X.astype(np.float32)
    for method, arguments in [
        ("jacobian", ()),
        ("input_jacobian", ()),
        ("input_gradient", (y,)),
        ("per_sample_gradients", (y,)),
        ("per_sample_gradient_norms", (y,)),
    ]:
        ours = getattr(single, method)(container(X), *arguments)
        expected = getattr(double, method)(X, *arguments)
        assert ours.dtype == (np.float64 if method.endswith("norms") else np.float32)
        assert ours.shape == expected.shape
        np.testing.assert_allclose(ours, expected, rtol=2e-4, atol=2e-5 * np.abs(expected).max())


@EVERY_NETWORK
def test_chain_rules_join_the_derivatives(name):
    """The same for any number of rows; and by the chain rule from outputs to loss."""
    net, X, y = make_network(name)
    many = np.tile(X, (700, 1))
    np.testing.assert_allclose(
        net.jacobian(many).reshape(700, N_ROWS, 3, -1), np.tile(net.jacobian(X), (700, 1, 1, 1)),
        rtol=1e-9, atol=1e-12,
    )  # fmt: skip
    targets = np.tile(y, 700) if y.ndim == 1 else np.tile(y, (700, 1))
    np.testing.assert_allclose(
        net.input_gradient(many, targets), np.tile(net.input_gradient(X, y), (700, 1)),
        rtol=1e-9, atol=1e-12,
    )  # fmt: skip
    np.testing.assert_allclose(
        net.per_sample_gradient_norms(many, targets),
        np.tile(net.per_sample_gradient_norms(X, y), 700),
        rtol=1e-9,
    )
    if name == "own":
        outputs = net.forward(X)
        by_outputs = np.tanh(outputs - y)[:, :, np.newaxis]
        expected = (by_outputs * net.input_jacobian(X)).sum(axis=1)
        np.testing.assert_allclose(net.input_gradient(X, y), expected, atol=1e-12)
        expected = (by_outputs * net.jacobian(X)).sum(axis=1)
        np.testing.assert_allclose(net.per_sample_gradients(X, y), expected, atol=1e-12)


def test_derivatives_check_their_arguments():
    net, X, y = make_network("linear")
    for call in (net.jacobian, net.input_jacobian):
        with pytest.raises(ValueError, match="X has 3 features, but this Network has 4 inputs"):
            call(X[:, :3])
        with pytest.raises(ValueError, match="NaN"):
            call(np.where(X == 0, np.nan, X))
    for call in (net.input_gradient, net.per_sample_gradient_norms):
        with pytest.raises(ValueError, match="y has shape"):
            call(X, y[:, :2])
        with pytest.raises(ValueError, match="X has 3 features"):
            call(X[:, :3], y)


def test_an_estimators_network_explains_its_predictions():
    """A linear one: the derivative by the inputs is the product of its weights, for every row."""
    X, y = make_regression()
    linear = small(BackpropRegressor, activation="identity", max_iter=200).fit(X, y)
    slope = linear.coefs_[0] @ linear.coefs_[1] @ linear.coefs_[2]
    found = linear.network_.input_jacobian(X)
    np.testing.assert_allclose(found[:, 0], np.tile(slope.T, (N_SAMPLES, 1)), atol=1e-12)
    plane = X @ slope.ravel()
    assert r2_score(linear.predict(X) - linear.predict(X).mean(), plane - plane.mean()) > 1 - 1e-9
