"""Networks beside the NumPy twin: random problems, and the comparison of all that both compute.

Each array is compared relative to its own largest element, each loss relative to its value.
"""

import numpy as np
import pytest
from reference import (
    ReferenceNetwork,
    random_inputs,
    random_params,
    redraw_near_kinks,
    targets_off_kinks,
)

import fastbp

TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
# In float32 a pre-activation that is nearer to 0 may land on the other side of relu's kink, and an
# output that is nearer to its target on the other side of the loss's.
KINK_MARGIN = {"float64": 1e-12, "float32": 3e-6}

# Relative to the largest parameter, after a few epochs.
TRAINED = {"float64": 1e-10, "float32": 1e-4}


def assert_close(actual, expected, dtype, what, *, least_scale=0.0):
    """Compare relative to the largest element of ``expected``, or to a larger scale."""
    assert actual.shape == expected.shape, what
    assert actual.dtype == np.dtype(dtype), what
    error = np.max(np.abs(actual - expected), initial=0.0)
    scale = np.max(np.abs(expected), initial=least_scale)
    assert error <= TOLERANCE[dtype] * scale, f"{what}: error {error:.2e} of scale {scale:.2e}"


def random_problem(rng, layer_sizes, n_samples, output, loss, *, dtype, density=1.0, **arguments):
    """A Network with random parameters, its twin, and data of the dtype, away from kinks."""
    net = fastbp.Network(layer_sizes, output_activation=output, loss=loss, dtype=dtype, **arguments)
    twin = ReferenceNetwork.like(net)
    net.params[:] = random_params(rng, twin)
    twin = ReferenceNetwork.like(net)

    def draw(n_rows):
        return random_inputs(rng, n_rows, layer_sizes[0], density=density).astype(dtype)

    X = redraw_near_kinks(twin, draw(n_samples), KINK_MARGIN[dtype], draw)
    y = targets_off_kinks(rng, twin, X, KINK_MARGIN[dtype]).astype(dtype)
    return net, twin, X, y


def random_weights(rng, n_samples, dtype):
    """Weights between 0 and 3, some of them 0, in the dtype; never all of them 0."""
    weights = rng.uniform(0, 3, size=n_samples) * (rng.random(n_samples) < 0.8)
    weights[0] = 1.5
    return weights.astype(dtype)


def assert_agrees(
    net, twin, X, y, sample_weight, what, *, dense_X=None, max_per_sample_entries=200_000
):
    """Every function of the network against the twin's."""
    dtype = np.dtype(net.dtype).name
    dense_X = X if dense_X is None else dense_X
    X64, y64 = dense_X.astype(np.float64), y.astype(np.float64)
    w64 = None if sample_weight is None else sample_weight.astype(np.float64)

    expected_activations = twin.propagate(X64)[1]
    assert_close(net.forward(X), expected_activations[-1], dtype, f"forward, {what}")
    activations = net.activations(X)
    assert len(activations) == len(expected_activations), what
    for layer, expected in enumerate(expected_activations[1:], start=1):
        assert_close(activations[layer], expected, dtype, f"activations[{layer}], {what}")

    expected_loss, expected_gradient = twin.loss_gradient(X64, y64, w64)
    gradient = net.loss_gradient(X, y, sample_weight)
    for loss in net.loss(X, y, sample_weight), gradient.loss:
        assert loss == pytest.approx(expected_loss, rel=TOLERANCE[dtype], abs=0), what
    coefs, intercepts = twin.unpack(expected_gradient)
    scales = scales_of_sums_over_rows(twin, X64, y64, w64)
    for layer, expected in enumerate(coefs):
        actual, scale = gradient.coefs[layer], scales[layer][0]
        assert_close(actual, expected, dtype, f"coef_grads[{layer}], {what}", least_scale=scale)
    assert len(gradient.intercepts) == len(intercepts), what
    for layer, expected in enumerate(intercepts):
        actual, scale = gradient.intercepts[layer], scales[layer][1]
        assert_close(
            actual, expected, dtype, f"intercept_grads[{layer}], {what}", least_scale=scale
        )
    if net.front:
        expected = vars(twin.unpack_front(expected_gradient)).values()
        for actual, part in zip(gradient.front_params.values(), expected, strict=False):
            assert_close(actual, part, dtype, f"front, {what}")
    assert_close(gradient.flat, expected_gradient, dtype, f"flat gradient, {what}")

    if X.shape[0] * net.n_params <= max_per_sample_entries:
        assert_samples_agree(net, twin, X, y, X64, y64, what)
    if X.shape[0] * net.n_params * net.layer_sizes[-1] <= max_per_sample_entries:
        assert_outputs_agree(net, twin, X, X64, what)


def scales_of_sums_over_rows(twin, X64, y64, w64):
    """The least scale to compare each layer's gradient by: (coefs, intercepts).

    Derivatives of the absolute error and its like are of one size, with either sign, so that of a
    sum of them nothing but rounding may be left. The scale is that of the sum without signs.
    """
    if twin.loss_name not in ("absolute_error", "quantile"):
        return [(0.0, 0.0)] * (len(twin.layer_sizes) - 1)
    activations, deltas = twin.backpropagate_loss(X64, y64, twin.sample_factors(len(X64), w64))
    return [
        (np.max(np.abs(a).T @ np.abs(delta)), np.max(np.abs(delta).sum(axis=0)))
        for a, delta in zip(activations[:-1], deltas, strict=True)
    ]


def scale_by_inputs(twin, deltas):
    """The same for derivatives by inputs, which may be few, whatever the loss is."""
    coefs, _ = twin.unpack(twin.params)
    return np.max(np.abs(deltas[0]) @ np.abs(coefs[0]).T)


def assert_samples_agree(net, twin, X, y, X64, y64, what):
    """The network's derivatives of the loss of each sample against the twin's."""
    dtype = np.dtype(net.dtype).name
    # The twin's per_sample_gradients, per_sample_gradient_norms and input_gradient, from one pass.
    activations, deltas = twin.backpropagate_loss(X64, y64, np.full(len(X64), twin.loss_scale))
    expected = twin.by_params(X64, activations, deltas)
    assert_close(net.per_sample_gradients(X, y), expected, dtype, f"per sample, {what}")
    norms = net.per_sample_gradient_norms(X, y)
    assert norms.dtype == np.float64, what
    expected = np.linalg.norm(expected, axis=1)
    assert_close(norms.astype(dtype), expected, dtype, f"norms per sample, {what}")
    actual, expected = net.input_gradient(X, y), twin.by_inputs(X64, deltas)
    scale = scale_by_inputs(twin, deltas)
    assert_close(actual, expected, dtype, f"by inputs, {what}", least_scale=scale)


def assert_outputs_agree(net, twin, X, X64, what):
    """The network's derivatives of its outputs against the twin's."""
    dtype = np.dtype(net.dtype).name
    # The twin's jacobian and input_jacobian, from one pass for each output.
    passes = [twin.backpropagate_output(X64, k) for k in range(twin.layer_sizes[-1])]
    expected = np.stack([twin.by_params(X64, *one) for one in passes], axis=1)
    assert_close(net.jacobian(X), expected, dtype, f"jacobian, {what}")
    expected = np.stack([twin.by_inputs(X64, deltas) for _, deltas in passes], axis=1)
    scale = max(scale_by_inputs(twin, deltas) for _, deltas in passes)
    assert_close(
        net.input_jacobian(X), expected, dtype, f"input jacobian, {what}", least_scale=scale
    )
