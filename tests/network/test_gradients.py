"""Every gradient against numeric differences: ours in check_gradient, and an independent one here.

By the parameters: the objective, for every activation with every pair of output and loss, at every
depth, dense and sparse, with random penalties, label smoothing, quantiles, and activations that
differ between layers; and the outputs (jacobian). By the inputs: each row's loss and outputs.

Where the first or second derivative jumps (relu and its like at 0, absolute_error and quantile at
p = y, huber at |p - y| = delta, |w| at 0), differences say nothing, so data and targets are redrawn
until none is within KINK_MARGIN of it: far more than a difference step can move one. The bound
stays as it is.
"""

import itertools

import numpy as np
import pytest
from covering import covering
from hypothesis import given, settings
from hypothesis import strategies as st
from internals import ACTIVATIONS, OUTPUTS, PAIRS, n_targets
from own_losses import CoupledLogCosh
from problems import GRADIENT_BOUND
from reference import (
    KinksEverywhereError,
    ReferenceNetwork,
    random_inputs,
    random_params,
    random_targets,
    redraw_near_kinks,
    targets_off_kinks,
)
from scipy import sparse

import fastbp

DEPTHS = range(4)
KINK_MARGIN = 0.01
DIFFERENCE_STEP = 1e-4


def random_objective(rng, output, loss, n_outputs):
    """Arguments of a Network that change its objective, those that the pair allows."""
    arguments = dict(
        loss_scale=rng.uniform(0.5, 2),
        reduction=str(rng.choice(["mean", "sum"])),
        l2=float(rng.choice([0.0, 0.01, 1.0])),
        l1=float(rng.choice([0.0, 0.0, 0.3])),
    )
    if loss in ("log_loss", "squared_error") and output in ("logistic", "softmax"):
        arguments["label_smoothing"] = float(rng.choice([0.0, 0.1, 0.7]))
    if loss == "huber":
        arguments["huber_delta"] = rng.uniform(0.2, 2)
    if loss == "quantile":
        several = np.sort(rng.uniform(0.05, 0.95, size=n_outputs)).tolist()
        arguments["quantile"] = several if rng.random() < 0.5 else several[0]
    return arguments


def random_activations(rng, activation, depth):
    """The activation in every hidden layer, or in one layer with random others beside it."""
    if depth < 2 or rng.random() < 0.7:
        return activation
    names = [str(name) for name in rng.choice(ACTIVATIONS, size=depth)]
    names[rng.integers(depth)] = activation
    return names


def random_problem(rng, activation, output, loss, depth, *, fit_intercept=True, density=1.0):
    """A small network in float64 with random sizes, objective, parameters and data."""
    layer_sizes = rng.integers(1, 6, size=depth + 2)
    # the softmax of one unit is constant, and a log variance needs a mean
    layer_sizes[-1] += output == "softmax" or loss == "gaussian"
    net = fastbp.Network(
        layer_sizes.tolist(),
        activation=random_activations(rng, activation, depth),
        output_activation=output,
        loss=loss,
        fit_intercept=fit_intercept,
        **random_objective(rng, output, loss, int(layer_sizes[-1])),
    )

    def draw(n_rows):
        return random_inputs(rng, n_rows, net.layer_sizes[0], density=density)

    n_samples = int(rng.integers(1, 12))
    for _ in range(20):
        net.params[:] = random_params(rng, ReferenceNetwork.like(net))
        twin = ReferenceNetwork.like(net)
        try:
            X = redraw_near_kinks(twin, draw(n_samples), KINK_MARGIN, draw)
            y = targets_off_kinks(rng, twin, X, KINK_MARGIN)
        except KinksEverywhereError:
            continue
        return net, X, y, rng.uniform(0.1, 3, size=n_samples)
    raise AssertionError(f"no parameters that keep {net!r} off its kinks")


def numeric_derivatives(function, values, *args):
    """Five-point differences of function(*args) by each of the values, along the last axis.

    Their error is of order step**4, unlike check_gradient's. The function sees the values, which
    are changed in place and put back.
    """
    derivatives = []
    for i, value in enumerate(values.copy()):
        points = []
        for offset in (-2, -1, 1, 2):
            values[i] = value + offset * DIFFERENCE_STEP
            points.append(function(*args))
        values[i] = value
        weighted = np.tensordot([1, -8, 8, -1], points, axes=1)
        derivatives.append(weighted / (12 * DIFFERENCE_STEP))
    return np.stack(derivatives, axis=-1)


def assert_equals_differences(actual, numeric, what):
    assert actual.shape == numeric.shape, what
    error = np.max(np.abs(numeric - actual))
    assert error <= 1e-8 * max(1, np.max(np.abs(actual))), what


FACTORS = dict(
    activation=ACTIVATIONS,
    pair=PAIRS,
    depth=DEPTHS,
    fit_intercept=[True, False],
    weighted=[True, False],
    is_sparse=[True, False],
)
FACTORS_OF_OUTPUTS = dict(
    activation=ACTIVATIONS, output=OUTPUTS, depth=DEPTHS, fit_intercept=[True, False]
)


def problems(factors, activation):
    """A covering subset, or the cases of an activation in a stronger one; each with a problem."""
    cases = covering(1 if activation is None else 2, **factors)
    rng = np.random.default_rng(0 if activation is None else ACTIVATIONS.index(activation))
    for case in cases:
        if activation in (None, case["activation"]):
            output, loss = case["pair"] if "pair" in case else (case["output"], "squared_error")
            arguments = {"density": 0.5 if case.get("is_sparse") else 1.0}
            arguments["fit_intercept"] = case["fit_intercept"]
            yield (
                case,
                random_problem(rng, case["activation"], output, loss, case["depth"], **arguments),
            )


# None: every value of each factor. An activation: every two values, of which one is this.
EVERY_ACTIVATION = pytest.mark.parametrize(
    "activation", [None, *(pytest.param(name, marks=pytest.mark.grid) for name in ACTIVATIONS)]
)


def test_check_gradient_passes():
    """At every value of the factors; the gradients of every two are compared below."""
    for case, (net, X, y, weights) in problems(FACTORS, None):
        X = sparse.csr_matrix(X) if case["is_sparse"] else X
        params = net.params.copy()
        report = fastbp.check_gradient(net, X, y, weights if case["weighted"] else None)
        what = f"{net!r}, {case}, {len(y)} rows\n{report}"
        assert report.worst <= GRADIENT_BOUND, what
        assert report.passed, what
        np.testing.assert_array_equal(net.params, params)


@EVERY_ACTIVATION
def test_gradient_equals_independent_differences(activation):
    for _, (net, X, y, weights) in problems(FACTORS, activation):
        gradient = net.loss_gradient(X, y, weights).flat
        numeric = numeric_derivatives(net.loss, net.params, X, y, weights)
        assert_equals_differences(gradient, numeric, repr(net))


@EVERY_ACTIVATION
def test_input_gradient_equals_independent_differences(activation):
    for _, (net, X, y, _) in problems(FACTORS, activation):
        gradient = net.input_gradient(X, y)
        for i, row in enumerate(X):
            # One row's J is its own loss plus a constant, whichever the reduction.
            numeric = numeric_derivatives(net.loss, row, X[i : i + 1], y[i : i + 1])
            assert_equals_differences(gradient[i], numeric, f"row {i}, {net!r}")


@EVERY_ACTIVATION
def test_jacobians_equal_independent_differences(activation):
    for _, (net, X, _, _) in problems(FACTORS_OF_OUTPUTS, activation):
        numeric = numeric_derivatives(net.forward, net.params, X)
        assert_equals_differences(net.jacobian(X), numeric, repr(net))
        jacobian = net.input_jacobian(X)
        for i, row in enumerate(X):
            numeric = numeric_derivatives(net.forward, row, X[i : i + 1])[0]
            assert_equals_differences(jacobian[i], numeric, f"row {i}, {net!r}")


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("output", OUTPUTS)
def test_a_users_loss_equals_differences(output, depth):
    rng = np.random.default_rng(depth)
    for fit_intercept, is_sparse in itertools.product((True, False), repeat=2):
        net, X, y, weights = random_problem(
            rng, "gelu", output, CoupledLogCosh(), depth, fit_intercept=fit_intercept
        )
        inputs = sparse.csr_matrix(X) if is_sparse else X
        report = fastbp.check_gradient(net, inputs, y, weights)
        assert report.worst <= GRADIENT_BOUND, f"{net!r}\n{report}"
        gradient = net.loss_gradient(inputs, y, weights).flat
        numeric = numeric_derivatives(net.loss, net.params, inputs, y, weights)
        assert_equals_differences(gradient, numeric, repr(net))
        expected = ReferenceNetwork.like(net).input_gradient(X, y)
        np.testing.assert_allclose(net.input_gradient(inputs, y), expected, atol=1e-12)


@settings(deadline=None, derandomize=True, max_examples=150)
@given(
    st.lists(st.integers(1, 40), min_size=2, max_size=5),
    st.integers(1, 70),
    st.sampled_from(ACTIVATIONS),
    st.sampled_from(PAIRS),
    st.booleans(),
)
def test_per_sample_gradients_add_up(layer_sizes, n_samples, activation, pair, fit_intercept):
    """J's gradient is the weighted mean of the rows' gradients, plus 2 l2 W + l1 sign(W).

    And per_sample_gradient_norms are the norms of those rows.
    """
    output, loss = pair
    rng = np.random.default_rng(n_samples)
    arguments = dict(activation=activation, output_activation=output, loss=loss)
    arguments |= dict(loss_scale=1.7, l2=0.3, l1=0.2, fit_intercept=fit_intercept, random_state=0)
    net = fastbp.Network(layer_sizes, **arguments)
    X = random_inputs(rng, n_samples, layer_sizes[0])
    y = random_targets(rng, n_samples, n_targets(net), output, loss)
    weights = rng.uniform(0.1, 3, size=n_samples)

    rows = net.per_sample_gradients(X, y)
    expected = np.average(rows, axis=0, weights=weights)
    n_coefs = sum(coef.size for coef in net.coefs)
    coefs = net.params[:n_coefs]
    expected[:n_coefs] += 2 * 0.3 * coefs + 0.2 * np.sign(coefs)
    actual = net.loss_gradient(X, y, weights).flat
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12 * np.abs(expected).max())

    norms, expected = net.per_sample_gradient_norms(X, y), np.linalg.norm(rows, axis=1)
    assert norms.shape == expected.shape
    np.testing.assert_allclose(norms, expected, rtol=1e-12, atol=1e-15)


def test_sparse_rows_with_repeated_and_unsorted_columns():
    """SciPy adds up the values of a repeated column; so must every gradient."""
    net = fastbp.Network([4, 6, 3], activation="tanh", random_state=0)
    starts, columns = [0, 3, 3, 5], [2, 0, 2, 3, 1]
    X = sparse.csr_matrix(([1.0, 2.0, -3.0, 0.5, 1.5], columns, starts), shape=(3, 4))
    dense, y = X.toarray(), np.random.default_rng(0).normal(size=(3, 3))
    assert dense[0].tolist() == [2.0, 0.0, -2.0, 0.0]
    for function in net.per_sample_gradients, net.per_sample_gradient_norms, net.input_gradient:
        np.testing.assert_allclose(function(X, y), function(dense, y), rtol=1e-12, atol=1e-15)
    for function in net.jacobian, net.input_jacobian:
        np.testing.assert_allclose(function(X), function(dense), rtol=1e-12, atol=1e-15)
