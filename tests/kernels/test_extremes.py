"""Pre-activations that are very large, zero or not finite, in the compiled core."""

import itertools

import numpy as np
import pytest
from agreement import TOLERANCE
from internals import ACTIVATIONS, DTYPES, PAIRS
from reference import (
    ReferenceNetwork,
)

import fastbp


def extreme_pre_activations(output, loss, dtype):
    """0, +-40 and +-1000; where exp(z) or y/p would overflow, only smaller values."""
    values = [-40.0, -1.0, 0.0, 1.0, 40.0]
    if loss != "gamma":
        values.append(-1e3)
    if output != "exp" and (output, loss) != ("softmax", "gamma"):
        values.append(1e3)
    return np.array(values, dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_extreme_outputs_have_a_finite_stable_loss(build, dtype):
    for pair in PAIRS:
        assert_finite_and_stable(dtype, *pair)


def assert_finite_and_stable(dtype, output, loss):
    """With weights of 1 the input is the pre-activation; the intercept's gradient is its delta."""
    n_outputs = 2 if output == "softmax" or loss == "gaussian" else 1
    net = fastbp.Network([n_outputs, n_outputs], output_activation=output, loss=loss, dtype=dtype)
    net.coefs[0][:] = np.eye(n_outputs)
    net.intercepts[0][:] = 0
    twin = ReferenceNetwork.like(net)

    values = extreme_pre_activations(output, loss, dtype)
    z = np.array(list(itertools.product(values, repeat=n_outputs)), dtype=dtype)
    zero = 0.001 if loss == "gamma" else 0.0
    for targets in ([zero, 1.0], [1.0, zero], [0.25, 0.5]):
        y = np.tile(np.array(targets[: twin.n_targets], dtype=dtype), (len(z), 1))
        expected_deltas = twin.per_sample_gradients(z.astype(float), y.astype(float))
        deltas = net.per_sample_gradients(z, y)
        tolerance = TOLERANCE[dtype]
        what = f"{output}, {loss}"
        np.testing.assert_allclose(
            deltas, expected_deltas, rtol=tolerance, atol=tolerance, err_msg=what
        )
        # log(1+e^z) - y z keeps the relative precision even of a loss of e^-40.
        atol = 0 if (output, loss) == ("logistic", "log_loss") and y[0, 0] in (0, 1) else tolerance
        expected_losses = twin.sample_losses(z.astype(float), y.astype(float))
        losses = [net.loss(z[i : i + 1], y[i : i + 1]) for i in range(len(z))]
        assert np.isfinite(losses).all(), what
        np.testing.assert_allclose(losses, expected_losses, rtol=tolerance, atol=atol, err_msg=what)


@pytest.mark.parametrize("dtype", DTYPES)
def test_extreme_hidden_units(build, dtype):
    for activation in ACTIVATIONS:
        assert_units_agree(dtype, activation)


def assert_units_agree(dtype, activation):
    """With weights of 1 the input is the pre-activation of every hidden unit."""
    z = np.array([[-1e3, -40, -20, -1e-3, 0, 1e-3, 20, 40, 1e3]], dtype=dtype).T
    y = -np.ones_like(z)  # so that an error reaches the unit at the kink too
    tolerance = TOLERANCE[dtype]
    for n_units in (1, 5, 17):
        net = fastbp.Network([1, n_units, 1], activation=activation, dtype=dtype)
        net.params[:] = 1
        for intercept in net.intercepts:
            intercept[:] = 0
        twin = ReferenceNetwork.like(net)
        # Relative to each value, even where the activation is as small as s(-40).
        _, (_, hidden, output) = twin.propagate(z)
        np.testing.assert_allclose(
            net.activations(z)[1], hidden, rtol=tolerance, atol=1e-30, err_msg=activation
        )
        # The derivatives are not: s (1 - s) rounds to 0 where s rounds to 1.
        expected = twin.per_sample_gradients(z.astype(float), y.astype(float))
        scale = np.abs(expected) + (np.abs(output) + 1) * np.maximum(1, np.abs(z))
        error = np.abs(net.per_sample_gradients(z, y) - expected)
        assert (error <= tolerance * scale).all(), (activation, n_units, error.max())


@pytest.mark.parametrize("n_units", [1, 2, 7, 16, 33])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_derivative_of_relu_at_zero_is_zero(build, dtype, n_units):
    net = fastbp.Network([2, n_units, 1], activation="relu", dtype=dtype)
    net.params[:] = 1
    net.intercepts[0][:] = 0
    gradient = net.loss_gradient(np.array([[1.0, -1.0]], dtype=dtype), np.zeros((1, 1), dtype))
    np.testing.assert_array_equal(gradient.coefs[0], 0)
    np.testing.assert_array_equal(gradient.intercepts[0], 0)
    assert gradient.intercepts[1][0] == 1


def test_non_finite_pre_activations_are_not_hidden(build):
    """The loss of a network that overflowed is NaN, not a plausible number."""
    for output, loss in PAIRS:
        net = fastbp.Network([2, 4, 2], activation="identity", output_activation=output, loss=loss)
        net.params[:] = np.nan
        n_targets = ReferenceNetwork.like(net).n_targets
        assert np.isnan(net.loss(np.ones((3, 2)), np.ones((3, n_targets)))), (output, loss)
        assert np.isnan(net.forward(np.ones((3, 2)))).all(), (output, loss)
