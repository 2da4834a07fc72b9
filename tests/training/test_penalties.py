"""Weight decay, the l1 penalty and clipped gradients.

Steps are compared with loops written out here over Network.loss_gradient, which is tested against
the NumPy twin and finite differences (network/test_gradients.py).
"""

import copy

import numpy as np
import pytest
from problems import (
    CUT_SHORT,
    ESTIMATORS,
    N_SAMPLES,
    STOCHASTIC,
    assert_equal_networks,
    make_regression,
    make_task,
    plain_sgd,
    steady,
)
from reference import ReferenceNetwork
from sklearn.base import clone

from fastbp import BackpropClassifier, BackpropRegressor, Network

pytestmark = CUT_SHORT


def n_coefs(network):
    return sum(coef.size for coef in network.coefs)


# --- weight decay ---


def trained_by_hand(estimator, X, y, rates):
    """The parameters after one epoch per row of rates, by the equations of SGD and AdamW.

    Batches of 16 with the penalty alpha / (2 * 16); the gradient is the network's own.
    """
    start = clone(estimator).initialize(X, y).network_
    params, m, v, t = start.params.copy(), 0.0, 0.0, 0
    network = Network(
        start.layer_sizes, activation=start.activation, l2=estimator.alpha / 32,
        output_activation=start.output_activation, loss=start.loss_name,
    )  # fmt: skip
    decays = np.arange(len(params)) < n_coefs(network)
    for rates_of_epoch in rates:
        for first, rate in zip(range(0, N_SAMPLES, 16), rates_of_epoch, strict=True):
            network.params[...] = params
            g = network.loss_gradient(X[first : first + 16], y[first : first + 16]).flat
            params -= rate * estimator.weight_decay * params * decays
            t += 1
            if estimator.solver == "adam":
                m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
                corrected = m / (1 - 0.9**t)
                # epsilon beside the uncorrected root, as scikit-learn has it
                root = (np.sqrt(v) + 1e-8) / np.sqrt(1 - 0.999**t)
                params -= rate * corrected / root
            else:
                m = 0.9 * m - rate * g
                params += 0.9 * m - rate * g
    return params


@ESTIMATORS
@STOCHASTIC
@pytest.mark.parametrize("learning_rate", ["constant", "cosine"])
def test_weight_decay_is_decoupled(cls, solver, learning_rate):
    """The rate of each step is also that of its decay; intercepts do not decay."""
    X, y = make_task(cls)
    estimator = steady(
        cls, solver=solver, weight_decay=2.5, learning_rate=learning_rate, max_iter=4
    )
    rates = np.full((4, 3), 0.02)
    if learning_rate == "cosine":
        rates *= (1 + np.cos(np.pi * np.arange(12).reshape(4, 3) / 12)) / 2
    expected = trained_by_hand(estimator, X, y, rates)
    np.testing.assert_allclose(estimator.fit(X, y).network_.params, expected, atol=1e-10)
    without = clone(estimator).set_params(weight_decay=0.0).fit(X, y)
    assert not np.allclose(without.network_.params, expected, atol=1e-3)


@STOCHASTIC
@pytest.mark.parametrize("n_threads", [2, 3])
def test_weight_decay_by_several_threads(solver, n_threads):
    X, y = make_regression()
    params = dict(solver=solver, weight_decay=2.5, hidden_layer_sizes=(33, 9))
    one, more = (steady(BackpropRegressor, n_threads=n, **params) for n in (1, n_threads))
    one.fit(X, y), more.fit(X, y)
    np.testing.assert_array_equal(one.network_.params, more.network_.params)


def test_weight_decay_is_not_in_the_loss():
    X, y = make_regression()
    with_decay, without = (steady(BackpropRegressor, weight_decay=w).fit(X, y) for w in (2.5, 0.0))
    first = clone(without).set_params(batch_size=N_SAMPLES, max_iter=1)
    assert first.fit(X, y).loss_ == clone(first).set_params(weight_decay=2.5).fit(X, y).loss_
    assert with_decay.network_.l2 == without.network_.l2
    assert np.linalg.norm(with_decay.coefs_[0]) < np.linalg.norm(without.coefs_[0])


def test_a_decay_that_would_turn_weights_around_is_refused():
    X, y = make_regression()
    estimator = steady(BackpropRegressor, weight_decay=50.0, learning_rate_init=0.02)
    with pytest.raises(ValueError, match=r"weight_decay=50 times the learning rate 0.02 is 1"):
        estimator.fit(X, y)
    assert vars(estimator) == estimator.get_params()


# --- l1 ---


def violation_of_minimum(estimator, X, y):
    """How far the estimator is from the conditions of a minimum of f + l1 sum |W|."""
    network = copy.deepcopy(estimator.network_)
    smooth = Network(
        network.layer_sizes, activation=network.activation, l2=network.l2,
        output_activation=network.output_activation, loss=network.loss_name,
    )  # fmt: skip
    smooth.params[...] = network.params
    g = smooth.loss_gradient(X, y).flat
    w, of_coefs = network.params[: n_coefs(network)], g[: n_coefs(network)]
    at_zero = np.maximum(np.abs(of_coefs) - network.l1, 0)
    elsewhere = np.abs(of_coefs + network.l1 * np.sign(w))
    return max(np.where(w == 0, at_zero, elsewhere).max(), np.abs(g[n_coefs(network) :]).max())


@ESTIMATORS
@pytest.mark.parametrize("hidden_layer_sizes", [(), (6,)])
@pytest.mark.parametrize("l1_ratio", [0.3, 1.0])
def test_lbfgs_ends_at_exact_zeros_and_a_minimum(cls, hidden_layer_sizes, l1_ratio):
    X, y = make_task(cls)
    fitted = steady(
        cls, solver="lbfgs", hidden_layer_sizes=hidden_layer_sizes, l1_ratio=l1_ratio,
        alpha=1.5 if hidden_layer_sizes else 6 / l1_ratio, max_iter=10_000, tol=1e-8,
    ).fit(X, y)  # fmt: skip
    coefs = np.concatenate([coef.ravel() for coef in fitted.coefs_])
    assert 0 < np.count_nonzero(coefs == 0) < len(coefs)
    # |f'| is about l1, 0.01 and more, wherever a weight is not zero
    assert fitted.network_.l1 > 0.009
    assert violation_of_minimum(fitted, X, y) < 1e-4


@ESTIMATORS
@pytest.mark.parametrize("solver", ["sgd", "adam", "rprop", "lbfgs"])
def test_the_loss_is_the_objective_written_out(cls, solver):
    X, y = make_task(cls)
    w = np.random.default_rng(4).uniform(0.2, 2, N_SAMPLES)
    alpha, r, n = 3.0, 0.4, w.sum()

    def objective(network):
        squares = sum(np.sum(coef**2) for coef in network.coefs)
        sizes = sum(np.sum(np.abs(coef)) for coef in network.coefs)
        penalty = alpha / (2 * n) * (1 - r) * squares + alpha / n * r * sizes
        outputs = ReferenceNetwork.like(network).forward(X)
        if cls is BackpropClassifier:
            return -np.average(np.log(outputs[np.arange(N_SAMPLES), y]), weights=w) + penalty
        return np.average((outputs[:, 0] - y) ** 2, weights=w) / 2 + penalty

    params = dict(solver=solver, alpha=alpha, l1_ratio=r, batch_size=N_SAMPLES, tol=0.0)
    estimators = {n: steady(cls, max_iter=n, **params) for n in (0, 1, 4)}
    start = estimators.pop(0).set_params(max_iter=1).initialize(X, y)
    fitted = {n: estimator.fit(X, y, sample_weight=w) for n, estimator in estimators.items()}
    for one in fitted.values():
        assert one.network_.loss(X, y, w) == pytest.approx(objective(one.network_), rel=1e-10)
    if solver == "lbfgs":
        assert fitted[4].loss_ == pytest.approx(objective(fitted[4].network_), rel=1e-10)
    else:
        # an epoch's loss is that of the weights before its step
        assert fitted[1].loss_ == pytest.approx(objective(start.network_), rel=1e-10)
        assert fitted[4].loss_curve_[1] == pytest.approx(objective(fitted[1].network_), rel=1e-10)


def test_l1_ratio_0_is_the_l2_penalty_and_alpha_0_none():
    X, y = make_regression()
    for solver in ("adam", "lbfgs"):
        plain = steady(BackpropRegressor, solver=solver).fit(X, y)
        assert_equal_networks(plain, steady(BackpropRegressor, solver=solver, l1_ratio=0).fit(X, y))
        none = [steady(BackpropRegressor, solver=solver, alpha=0.0, l1_ratio=r) for r in (0.0, 0.7)]
        assert_equal_networks(*(one.fit(X, y) for one in none))


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_a_weight_of_zero_has_no_l1_gradient(solver):
    """d|w|/dw is 0 at 0, here in the step of a network that is zero everywhere."""
    X, y = make_regression()
    params = dict(solver=solver, alpha=5.0, max_iter=1, batch_size=N_SAMPLES, activation="identity")
    with_l1 = steady(BackpropRegressor, l1_ratio=1.0, warm_start=True, **params)
    zeros = with_l1.initialize(X, y).network_
    zeros.params[...] = 0
    with_l1.fit(X, y)
    assert np.count_nonzero(with_l1.network_.params[:-1]) == 0
    assert with_l1.network_.params[-1] != 0


# --- max_grad_norm ---


@ESTIMATORS
@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_clipped_step_has_the_largest_length_that_is_allowed(cls, n_threads):
    """Along the gradient, penalties included; a step that is not longer stays as it is."""
    X, y = make_task(cls)
    rate, penalties = 0.05, dict(alpha=20.0, l1_ratio=0.3)
    params = dict(learning_rate_init=rate, n_threads=n_threads, **penalties)
    start = plain_sgd(cls, **params).initialize(X, y)
    gradient = start.network_.loss_gradient(X, y).flat
    norm = np.linalg.norm(gradient)
    whole = plain_sgd(cls, **params).fit(X, y)
    np.testing.assert_allclose(
        whole.network_.params - start.network_.params, -rate * gradient, atol=1e-14
    )
    for factor in (0.01, 0.5, 0.99):
        clipped = plain_sgd(cls, max_grad_norm=factor * norm, **params).fit(X, y)
        step = clipped.network_.params - start.network_.params
        assert np.linalg.norm(step) == pytest.approx(rate * factor * norm, rel=1e-10)
        np.testing.assert_allclose(step, -rate * factor * gradient, atol=1e-14)
        # the loss is that of the gradient before
        assert clipped.loss_ == whole.loss_
    for factor in (1.001, 1e6):
        untouched = plain_sgd(cls, max_grad_norm=factor * norm, **params).fit(X, y)
        assert_equal_networks(untouched, whole)


@ESTIMATORS
@STOCHASTIC
def test_each_batch_is_clipped_on_its_own(cls, solver):
    """A bound above every batch's gradient changes nothing."""
    X, y = make_task(cls)
    # the penalty of a third of the samples is three times as strong
    start = steady(cls, alpha=0.003).initialize(X, y).network_
    norms = [
        np.linalg.norm(start.loss_gradient(X[first : first + 16], y[first : first + 16]).flat)
        for first in (0, 16, 32)
    ]
    params = dict(solver=solver, alpha=0.001, learning_rate_init=1e-6, max_iter=1)
    plain, above, below = (
        steady(cls, max_grad_norm=bound, **params).fit(X, y)
        for bound in (None, 1.01 * max(norms), 0.99 * max(norms))
    )
    assert_equal_networks(plain, above)
    assert not np.array_equal(plain.network_.params, below.network_.params)


def test_rprop_sees_signs_only():
    X, y = make_regression()
    plain = steady(BackpropRegressor, solver="rprop", max_iter=30).fit(X, y)
    clipped = steady(BackpropRegressor, solver="rprop", max_iter=30, max_grad_norm=1e-3).fit(X, y)
    assert_equal_networks(plain, clipped)


@pytest.mark.parametrize("bound", [0, -1.0, np.nan, "1"])
def test_max_grad_norm_is_positive(bound):
    with pytest.raises(ValueError, match="'max_grad_norm' parameter .* must be"):
        steady(BackpropRegressor, max_grad_norm=bound).fit(*make_regression())


@pytest.mark.parametrize(
    "name", ["dropout", "input_dropout", "weight_decay", "l1_ratio", "max_grad_norm"]
)
def test_each_parameter_reaches_the_training(name):
    """In both estimators, through set_params and clone."""
    value = {"weight_decay": 3.0, "l1_ratio": 0.5, "max_grad_norm": 0.01}.get(name, 0.4)
    for cls in (BackpropClassifier, BackpropRegressor):
        X, y = make_task(cls)
        estimator = clone(steady(cls, solver="sgd").set_params(**{name: value}))
        assert estimator.get_params()[name] == value
        plain = steady(cls, solver="sgd").fit(X, y)
        assert not np.allclose(estimator.fit(X, y).network_.params, plain.network_.params)


# --- decay that would turn the weights around


@ESTIMATORS
@pytest.mark.parametrize("learning_rate", ["constant", lambda epoch: 0.01])
def test_weight_decay_beyond_the_learning_rate_is_refused(cls, learning_rate):
    X, y = make_task(cls)
    params = dict(learning_rate=learning_rate, learning_rate_init=0.01)
    estimator = steady(cls, weight_decay=101.0, **params)
    with pytest.raises(ValueError, match=r"weight_decay=101 times the learning rate 0.01 is 1.01"):
        estimator.fit(X, y)
    assert not hasattr(estimator, "network_")
    steady(cls, weight_decay=99.0, **params).fit(X, y)
    # allowed where it has no effect
    steady(cls, solver="lbfgs", weight_decay=101.0, learning_rate_init=0.01).fit(X, y)
