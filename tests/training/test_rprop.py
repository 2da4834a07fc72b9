"""Rprop, step by step."""

import numpy as np
import pytest
from problems import (
    CUT_SHORT,
    ESTIMATORS,
    N_SAMPLES,
    assert_equal_networks,
    make_regression,
    make_task,
    unending,
)
from scipy import sparse
from sklearn.base import clone

from fastbp import BackpropRegressor


def rprop_by_hand(network, X, y, first_size, n_epochs):
    """iRprop-, parameter by parameter, along network.loss_gradient; moves network.params.

    Returns how many sizes have grown, and how many have shrunk.
    """
    n, n_grown, n_shrunk = network.n_params, 0, 0
    sizes, previous = [first_size] * n, [0.0] * n
    for _ in range(n_epochs):
        gradient = network.loss_gradient(X, y).flat
        for j in range(n):
            g = gradient[j]
            if g * previous[j] > 0:
                sizes[j] *= 1.2
                n_grown += 1
            elif g * previous[j] < 0:
                sizes[j] *= 0.5
                g = 0.0
                n_shrunk += 1
            sizes[j] = min(max(sizes[j], 1e-6), 50.0)
            network.params[j] -= sizes[j] * np.sign(g)
            previous[j] = g
    return n_grown, n_shrunk


@CUT_SHORT
@ESTIMATORS
@pytest.mark.parametrize("first_size", [0.05, 1e-3])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.6])
def test_rprop_is_irprop_minus(cls, first_size, l1_ratio):
    X, y = make_task(cls)
    fitted = unending(
        cls, solver="rprop", learning_rate_init=first_size, l1_ratio=l1_ratio, max_iter=30
    ).fit(X, y)
    network = clone(fitted).initialize(X, y).network_
    n_grown, n_shrunk = rprop_by_hand(network, X, y, first_size, 30)
    np.testing.assert_allclose(fitted.network_.params, network.params, atol=1e-9)
    assert n_grown > 100 and n_shrunk > 40
    assert fitted.loss_curve_[-1] < fitted.loss_curve_[0]


@CUT_SHORT
@pytest.mark.parametrize(("first_size", "step"), [(1e-9, 1e-6), (0.3, 0.3), (1e3, 50.0)])
def test_the_first_step_of_rprop_is_within_its_bounds(first_size, step):
    """It has the same size for each parameter that has a gradient."""
    X, y = make_regression()
    estimator = unending(
        BackpropRegressor, solver="rprop", learning_rate_init=first_size, max_iter=1
    )
    start = clone(estimator).initialize(X, y).network_
    moved = estimator.fit(X, y).network_.params - start.params
    np.testing.assert_allclose(moved, -step * np.sign(start.loss_gradient(X, y).flat), rtol=1e-8)


@CUT_SHORT
@pytest.mark.parametrize("sign", [1, -1])
def test_the_steps_of_rprop_grow_to_50_and_shrink_to_a_millionth(sign):
    X = np.ones((5, 1))
    far = unending(
        BackpropRegressor, hidden_layer_sizes=(), solver="rprop", alpha=0.0, fit_intercept=False,
        learning_rate_init=20.0, max_iter=100, loss="absolute_error",
    )  # fmt: skip
    far.fit(X, np.full(5, sign * 1e9))
    # 20, 24, 28.8, 34.56, 41.472, 49.7664, then 50 for ever
    start = clone(far).initialize(X, np.ones(5)).network_.params[0]
    steps = [20 * 1.2**k for k in range(6)] + [50.0] * 94
    assert far.network_.params[0] - start == pytest.approx(sign * sum(steps), rel=1e-12)
    near = clone(far).set_params(max_iter=400).fit(X, np.full(5, 0.25))
    assert near.predict(X)[0] == pytest.approx(0.25, abs=2e-6)


@CUT_SHORT
@ESTIMATORS
def test_rprop_knows_no_batches_and_no_order(cls):
    X, y = make_task(cls)
    plain = unending(cls, solver="rprop").fit(X, y)
    assert_equal_networks(plain, unending(cls, solver="rprop").fit(X, y))
    for params in (
        dict(batch_size=7),
        dict(batch_size=10 * N_SAMPLES),
        dict(shuffle=False),
        dict(momentum=0.1, nesterovs_momentum=False, beta_1=0.1),
        dict(learning_rate="cosine", warmup_epochs=3),
        dict(learning_rate=lambda epoch: pytest.fail("rprop has no schedule")),
    ):
        assert_equal_networks(plain, unending(cls, solver="rprop", **params).fit(X, y))
    assert plain.t_ == N_SAMPLES * plain.n_iter_ == 10 * N_SAMPLES


@CUT_SHORT
@ESTIMATORS
def test_rprop_with_weights_threads_and_sparse_samples(cls):
    X, y = make_task(cls)
    w = np.random.default_rng(3).integers(0, 3, N_SAMPLES)
    weighted = unending(cls, solver="rprop").fit(X, y, sample_weight=w)
    # a sample of weight two is the same as two samples
    repeated = unending(cls, solver="rprop").fit(np.repeat(X, w, axis=0), np.repeat(y, w))
    np.testing.assert_allclose(weighted.network_.params, repeated.network_.params, atol=1e-9)
    in_csr = unending(cls, solver="rprop").fit(sparse.csr_matrix(X), y, sample_weight=w)
    np.testing.assert_allclose(weighted.network_.params, in_csr.network_.params, atol=1e-9)
    by_two = unending(cls, solver="rprop", n_threads=2).fit(X, y, sample_weight=w)
    np.testing.assert_array_equal(weighted.network_.params, by_two.network_.params)


@CUT_SHORT
@ESTIMATORS
def test_rprop_starts_afresh_with_each_fit(cls):
    """Warm start keeps the weights; the sizes of the steps are learning_rate_init again."""
    X, y = make_task(cls)
    first = unending(cls, solver="rprop", max_iter=6).fit(X, y)
    again = unending(cls, solver="rprop", max_iter=6, warm_start=True).fit(X, y).fit(X, y)
    network = clone(first).initialize(X, y).network_
    for _ in range(2):
        rprop_by_hand(network, X, y, 0.05, 6)
    np.testing.assert_allclose(again.network_.params, network.params, atol=1e-9)
    assert len(again.loss_curve_) == 12 and again.n_iter_ == 6


@ESTIMATORS
def test_rprop_stops_by_tol(cls):
    X, y = make_task(cls)
    fitted = unending(cls, solver="rprop", tol=1e-3, n_iter_no_change=4, max_iter=2000).fit(X, y)
    assert 10 < fitted.n_iter_ < 2000
    best, without = np.inf, 0
    for n_epochs, loss in enumerate(fitted.loss_curve_, start=1):
        without = without + 1 if loss > best - 1e-3 else 0
        best = min(best, loss)
        assert (without > 4) == (n_epochs == fitted.n_iter_)
