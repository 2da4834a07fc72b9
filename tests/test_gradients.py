"""Every gradient against numeric differences: ours in check_gradient, and an independent one here.

relu has no derivative at its kink, so its data are redrawn until no hidden pre-activation lies
within KINK_MARGIN of it: far more than a difference step can move one. The bound stays as it is.
"""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import (
    ReferenceNetwork,
    random_inputs,
    random_params,
    random_targets,
    redraw_near_kinks,
)
from scipy import sparse

import fastbp
from fastbp._kernels import core

REFUSED_PAIRS = {("identity", "log_loss"), ("exp", "log_loss"), ("identity", "poisson")}
PAIRS = [pair for pair in itertools.product(core.OUTPUTS, core.LOSSES) if pair not in REFUSED_PAIRS]
DEPTHS = range(4)
BOUND = 1e-6
KINK_MARGIN = 0.01
DIFFERENCE_STEP = 1e-4


def random_problem(rng, activation, output, loss, depth, *, fit_intercept=True, density=1.0):
    """A small network in float64 with random sizes, objective, parameters and data."""
    layer_sizes = rng.integers(1, 6, size=depth + 2)
    layer_sizes[-1] += output == "softmax"  # the softmax of one unit is constant
    net = fastbp.Network(
        layer_sizes.tolist(),
        activation=activation,
        output_activation=output,
        loss=loss,
        loss_scale=rng.uniform(0.5, 2),
        reduction=rng.choice(["mean", "sum"]),
        l2=rng.choice([0.0, 0.01, 1.0]),
        fit_intercept=fit_intercept,
    )
    net.params[:] = random_params(rng, ReferenceNetwork.like(net))

    def draw(n_rows):
        return random_inputs(rng, n_rows, net.layer_sizes[0], density=density)

    n_samples = int(rng.integers(1, 12))
    twin = ReferenceNetwork.like(net)
    X = redraw_near_kinks(twin, draw(n_samples), KINK_MARGIN, draw)
    y = random_targets(rng, n_samples, net.layer_sizes[-1], output, loss)
    return net, X, y, rng.uniform(0.1, 3, size=n_samples)


def numeric_gradient(net, X, y, sample_weight):
    """Five-point differences of net.loss: error of order step**4, unlike check_gradient's."""
    gradient = np.empty(net.n_params)
    for i, value in enumerate(net.params.copy()):
        losses = []
        for offset in (-2, -1, 1, 2):
            net.params[i] = value + offset * DIFFERENCE_STEP
            losses.append(net.loss(X, y, sample_weight))
        net.params[i] = value
        gradient[i] = np.dot(losses, [1, -8, 8, -1]) / (12 * DIFFERENCE_STEP)
    return gradient


# 4 activations x 9 pairs x 4 depths x 2 x 2 x 2 = 1152 networks.
@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize("activation", core.ACTIVATIONS)
def test_check_gradient_passes(activation, pair, depth):
    seed = [list(core.ACTIVATIONS).index(activation), PAIRS.index(pair), depth]
    rng = np.random.default_rng(seed)
    for fit_intercept, weighted, is_sparse in itertools.product((True, False), repeat=3):
        density = 0.5 if is_sparse else 1.0
        net, X, y, weights = random_problem(
            rng, activation, *pair, depth, fit_intercept=fit_intercept, density=density
        )
        X = sparse.csr_matrix(X) if is_sparse else X
        params = net.params.copy()
        report = fastbp.check_gradient(net, X, y, weights if weighted else None)
        what = f"{net!r}, weighted={weighted}, sparse={is_sparse}, {len(y)} rows\n{report}"
        assert report.worst <= BOUND, what
        assert report.passed, what
        np.testing.assert_array_equal(net.params, params)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize("activation", core.ACTIVATIONS)
def test_gradient_equals_independent_differences(activation, pair, depth):
    rng = np.random.default_rng(depth)
    net, X, y, weights = random_problem(rng, activation, *pair, depth)
    gradient = net.loss_gradient(X, y, weights).flat
    error = np.max(np.abs(numeric_gradient(net, X, y, weights) - gradient))
    assert error <= 1e-8 * max(1, np.max(np.abs(gradient))), repr(net)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    st.lists(st.integers(1, 40), min_size=2, max_size=5),
    st.integers(1, 70),
    st.sampled_from(list(core.ACTIVATIONS)),
    st.sampled_from(PAIRS),
    st.booleans(),
)
def test_per_sample_gradients_add_up(layer_sizes, n_samples, activation, pair, fit_intercept):
    """J's gradient is the weighted mean of the rows' gradients, plus the penalty's 2 l2 W."""
    output, loss = pair
    rng = np.random.default_rng(n_samples)
    arguments = dict(activation=activation, output_activation=output, loss=loss)
    arguments |= dict(loss_scale=1.7, l2=0.3, fit_intercept=fit_intercept, random_state=0)
    net = fastbp.Network(layer_sizes, **arguments)
    X = random_inputs(rng, n_samples, layer_sizes[0])
    y = random_targets(rng, n_samples, layer_sizes[-1], output, loss)
    weights = rng.uniform(0.1, 3, size=n_samples)

    expected = np.average(net.per_sample_gradients(X, y), axis=0, weights=weights)
    n_coefs = sum(coef.size for coef in net.coefs)
    expected[:n_coefs] += 2 * 0.3 * net.params[:n_coefs]
    actual = net.loss_gradient(X, y, weights).flat
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def small_network(**arguments):
    net = fastbp.Network([3, 4, 5, 2], activation="tanh", random_state=0, **arguments)
    rng = np.random.default_rng(0)
    return net, rng.normal(size=(7, 3)), rng.normal(size=(7, 2))


def perturb(monkeypatch, part, layer, relative_error):
    """Make Network.loss_gradient wrong in one component of the coefs or intercepts of a layer."""
    loss_gradient = fastbp.Network.loss_gradient

    def wrong_loss_gradient(self, *args, **kwargs):
        gradient = loss_gradient(self, *args, **kwargs)
        gradients = getattr(gradient, part)[layer]
        largest = np.argmax(np.abs(gradients))
        gradients.ravel()[largest] *= 1 + relative_error
        return gradient

    monkeypatch.setattr(fastbp.Network, "loss_gradient", wrong_loss_gradient)


@pytest.mark.parametrize("relative_error", [-1.0, -2.0, 1e-4, 3e-5])
@pytest.mark.parametrize("layer", range(3))
@pytest.mark.parametrize("part", ["coefs", "intercepts"])
def test_check_gradient_finds_a_wrong_component(monkeypatch, part, layer, relative_error):
    """A forgotten term, a wrong sign, a slightly wrong factor; the report says in which layer."""
    net, X, y = small_network()
    assert fastbp.check_gradient(net, X, y).passed
    perturb(monkeypatch, part, layer, relative_error)
    report = fastbp.check_gradient(net, X, y)
    assert not report.passed
    assert report.worst > BOUND
    wrong = [check for check in report.layers if check.relative_error > BOUND]
    assert [check.name for check in wrong] == [f"{part}[{layer}]"]
    # Entry and values of the wrong component, so that a reader can go and look.
    right = getattr(net.loss_gradient(X, y), part)[layer][wrong[0].index]
    assert wrong[0].analytic == right  # net.loss_gradient is still the wrong one
    assert wrong[0].numeric * (1 + relative_error) == pytest.approx(wrong[0].analytic, rel=1e-6)
    marked = [line for line in str(report).splitlines() if "wrong" in line]
    assert len(marked) == 1 and f"{part}[{layer}]" in marked[0]
    assert "FAILED" in str(report)


def test_check_gradient_obeys_rtol(monkeypatch):
    net, X, y = small_network()
    perturb(monkeypatch, "coefs", 0, 1e-4)
    assert not fastbp.check_gradient(net, X, y, rtol=1e-6).passed
    assert fastbp.check_gradient(net, X, y, rtol=1e-2).passed


def test_check_gradient_lists_every_layer():
    for fit_intercept in (True, False):
        net, X, y = small_network(fit_intercept=fit_intercept)
        report = fastbp.check_gradient(net, X, y)
        expected = [f"coefs[{layer}]" for layer in range(3)]
        expected += [f"intercepts[{layer}]" for layer in range(3 if fit_intercept else 0)]
        assert [check.name for check in report.layers] == expected
        assert all(name in str(report) for name in expected)
        assert "passed" in str(report)
        assert report.worst == max(check.relative_error for check in report.layers)


def test_check_gradient_refuses_float32():
    net, X, y = small_network(dtype="float32")
    with pytest.raises(ValueError, match="float64"):
        fastbp.check_gradient(net, X, y)


def test_a_network_at_its_minimum_passes():
    """There the gradient is smaller than the rounding of a difference quotient."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 3))
    y = X[:, 0] + rng.normal(size=50)
    net = fastbp.Network([3, 1], random_state=0)
    net.params = np.append(*np.split(np.linalg.lstsq(np.c_[X, np.ones(50)], y, rcond=None)[0], [3]))
    assert np.abs(net.loss_gradient(X, y).flat).max() < 1e-12
    assert fastbp.check_gradient(net, X, y).passed
