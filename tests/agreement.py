"""Networks beside the NumPy twin: random problems, and the comparison of all that both compute.

Each array is compared relative to its own largest element, each loss relative to its value.
"""

import itertools
from functools import cached_property

import numpy as np
from internals import BEST_BUILD, DTYPES, in_build
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
    error = np.abs(actual - expected).max(initial=0.0)
    scale = np.abs(expected).max(initial=least_scale)
    assert error <= TOLERANCE[dtype] * scale, f"{what}: error {error:.2e} of scale {scale:.2e}"


def random_problem(rng, layer_sizes, n_samples, output, loss, *, dtype, density=1.0, **arguments):
    """A Network with random parameters, its twin, and data of the dtype, away from kinks.

    Of float32, it is a problem for both types: all its numbers are in float64, too.
    """
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


class Expected:
    """What the twin computes for data, in float64: each answer once, however many ask for it.

    Networks of both types, in all builds, with dense and sparse inputs, can be compared with the
    same answers, as long as their parameters and the data are numbers of float32.
    """

    def __init__(self, twin, X, y):
        self.twin, self.X, self.y = twin, X.astype(np.float64), y.astype(np.float64)
        self._objectives = {}

    def objective(self, sample_weight):
        """J, its gradient, and the least scale to compare each layer's gradient by.

        Derivatives of the absolute error and its like are of one size, with either sign, so that of
        a sum of them nothing but rounding may be left. The scale is that of the sum without signs:
        (coefs, intercepts) of each layer.
        """
        key = None if sample_weight is None else sample_weight.astype(np.float64).tobytes()
        if key not in self._objectives:
            twin, X, y = self.twin, self.X, self.y
            w = None if sample_weight is None else sample_weight.astype(np.float64)
            scales = [(0.0, 0.0)] * (len(twin.layer_sizes) - 1)
            if twin.loss_name in ("absolute_error", "quantile"):
                activations, deltas = twin.backpropagate_loss(X, y, twin.sample_factors(len(X), w))
                scales = [
                    (np.max(np.abs(a).T @ np.abs(delta)), np.max(np.abs(delta).sum(axis=0)))
                    for a, delta in zip(activations[:-1], deltas, strict=True)
                ]
            self._objectives[key] = *twin.loss_gradient(X, y, w), scales
        return self._objectives[key]

    @cached_property
    def activations(self):
        return self.twin.propagate(self.X)[1]

    @cached_property
    def of_samples(self):
        """per_sample_gradients, their norms, input_gradient and the least scale of the last."""
        twin, X = self.twin, self.X
        # From one pass.
        factors = np.full(len(X), twin.loss_scale)
        activations, deltas = twin.backpropagate_loss(X, self.y, factors)
        by_params = twin.by_params(X, activations, deltas)
        norms = np.linalg.norm(by_params, axis=1)
        return by_params, norms, twin.by_inputs(X, deltas), self._scale_by_inputs(deltas)

    @cached_property
    def of_outputs(self):
        """jacobian, input_jacobian and the least scale of the latter."""
        twin, X = self.twin, self.X
        # From one pass for each output.
        passes = [twin.backpropagate_output(X, k) for k in range(twin.layer_sizes[-1])]
        jacobian = np.stack([twin.by_params(X, *one) for one in passes], axis=1)
        by_inputs = np.stack([twin.by_inputs(X, deltas) for _, deltas in passes], axis=1)
        return jacobian, by_inputs, max(self._scale_by_inputs(deltas) for _, deltas in passes)

    def _scale_by_inputs(self, deltas):
        """Derivatives by the inputs may be sums that cancel, whatever the loss is."""
        coefs, _ = self.twin.unpack(self.twin.params)
        return np.max(np.abs(deltas[0]) @ np.abs(coefs[0]).T)


def assert_agrees(net, expected, X, y, sample_weight, what, *, max_entries=200_000):
    """Every function of the network against the twin's answers."""
    assert_functions_agree(net, expected, X, y, what, max_entries=max_entries)
    assert_objectives_agree(net, expected, X, y, sample_weight, what)


def assert_all_agree(net, twin, X, y, weights, *, builds=(BEST_BUILD,), inputs=None, **how):
    """A problem of float32, in both types and several builds: they share the twin's answers."""
    expected = Expected(twin, X, y)
    for build, dtype in itertools.product(builds, DTYPES):
        with in_build(build):
            typed = net.copy(dtype=dtype)
            some = None if weights is None else weights.astype(dtype)
            typed_inputs = (X if inputs is None else inputs).astype(dtype)
            what = f"{typed!r}, {len(X)} rows, sparse={inputs is not None}, {build}"
            assert_agrees(typed, expected, typed_inputs, y.astype(dtype), some, what, **how)


def assert_objectives_agree(net, expected, X, y, sample_weight, what):
    """J and its gradient."""
    dtype, twin = np.dtype(net.dtype).name, expected.twin
    expected_loss, expected_gradient, scales = expected.objective(sample_weight)
    gradient = net.loss_gradient(X, y, sample_weight)
    for loss in net.loss(X, y, sample_weight), gradient.loss:
        assert abs(loss - expected_loss) <= TOLERANCE[dtype] * abs(expected_loss), what
    coefs, intercepts = twin.unpack(expected_gradient)
    for layer, part in enumerate(coefs):
        actual, scale = gradient.coefs[layer], scales[layer][0]
        assert_close(actual, part, dtype, f"coef_grads[{layer}], {what}", least_scale=scale)
    assert len(gradient.intercepts) == len(intercepts), what
    for layer, part in enumerate(intercepts):
        actual, scale = gradient.intercepts[layer], scales[layer][1]
        assert_close(actual, part, dtype, f"intercept_grads[{layer}], {what}", least_scale=scale)
    if net.front:
        parts = vars(twin.unpack_front(expected_gradient)).values()
        for actual, part in zip(gradient.front_params.values(), parts, strict=False):
            assert_close(actual, part, dtype, f"front, {what}")
    assert_close(gradient.flat, expected_gradient, dtype, f"flat gradient, {what}")


def assert_functions_agree(net, expected, X, y, what, *, max_entries=200_000):
    """Outputs and activations; derivatives of samples and outputs, if they are not too many."""
    dtype = np.dtype(net.dtype).name
    assert_close(net.forward(X), expected.activations[-1], dtype, f"forward, {what}")
    activations = net.activations(X)
    assert len(activations) == len(expected.activations), what
    for layer, part in enumerate(expected.activations[1:], start=1):
        assert_close(activations[layer], part, dtype, f"activations[{layer}], {what}")

    n_entries = X.shape[0] * net.n_params
    if n_entries <= max_entries:
        by_params, norms, by_inputs, scale = expected.of_samples
        assert_close(net.per_sample_gradients(X, y), by_params, dtype, f"per sample, {what}")
        actual = net.per_sample_gradient_norms(X, y)
        assert actual.dtype == np.float64, what
        assert_close(actual.astype(dtype), norms, dtype, f"norms per sample, {what}")
        actual = net.input_gradient(X, y)
        assert_close(actual, by_inputs, dtype, f"by inputs, {what}", least_scale=scale)
    if n_entries * net.layer_sizes[-1] <= max_entries:
        jacobian, by_inputs, scale = expected.of_outputs
        assert_close(net.jacobian(X), jacobian, dtype, f"jacobian, {what}")
        actual = net.input_jacobian(X)
        assert_close(actual, by_inputs, dtype, f"input jacobian, {what}", least_scale=scale)
