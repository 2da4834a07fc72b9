"""Dropout: its masks one by one, and training with them.

The masks are read off a network whose gradient consists of nothing else.
"""

import copy
import pickle

import numpy as np
import pytest
from problems import (
    CUT_SHORT,
    ESTIMATORS,
    N_FEATURES,
    N_SAMPLES,
    STOCHASTIC,
    assert_equal_networks,
    first_call,
    make_features,
    make_regression,
    make_task,
    plain_sgd,
    steady,
)
from reference import ReferenceNetwork
from scipy import sparse
from sklearn.base import clone

from fastbp import BackpropClassifier, BackpropRegressor

pytestmark = CUT_SHORT


# --- dropout: its masks, one by one ---
# Units of activation 1 go to one output per sample, by weights of 0; the loss |p - y| of y = 1 for
# the sample's own output, and 0 = p for the others, has the derivative -1 and 0. The gradient of
# the weight of unit j and output i is then -m_ij / n, and a step of plain SGD stores it there.


def masks_of_hidden_units(rate, n_samples=8, n_units=2500, **params):
    """(n_samples, n_units): the factors that one step's units were multiplied by."""
    estimator = plain_sgd(
        BackpropRegressor, hidden_layer_sizes=(n_units,), activation="identity",
        loss="absolute_error", fit_intercept=False, dropout=rate, **params,
    )  # fmt: skip
    X, y = np.ones((n_samples, 1)), np.eye(n_samples)
    weights = [np.ones((1, n_units)), np.zeros((n_units, n_samples))]
    estimator.initialize(X, y, coefs=weights).partial_fit(X, y)
    np.testing.assert_array_equal(estimator.coefs_[0], weights[0])
    return n_samples * estimator.coefs_[1].T


def masks_of_inputs(rate, n_samples=8, n_features=2500, container=np.asarray, **params):
    estimator = plain_sgd(
        BackpropRegressor, hidden_layer_sizes=(), loss="absolute_error", fit_intercept=False,
        input_dropout=rate, **params,
    )  # fmt: skip
    X, y = container(np.ones((n_samples, n_features))), np.eye(n_samples)
    estimator.initialize(X, y, coefs=[np.zeros((n_features, n_samples))]).partial_fit(X, y)
    return n_samples * estimator.coefs_[0].T


MASKS = pytest.mark.parametrize("masks", [masks_of_hidden_units, masks_of_inputs])


@MASKS
@pytest.mark.parametrize("rate", [0.02, 0.3, 0.5, 0.9])
def test_units_are_dropped_at_the_rate_and_the_others_scaled(masks, rate):
    factors = masks(rate)
    assert factors.shape == (8, 2500)
    kept = factors != 0
    np.testing.assert_allclose(factors[kept], 1 / (1 - rate), rtol=1e-12)
    # five standard deviations of a binomial share: of all, of a sample's units, of a unit's samples
    deviation = np.sqrt(rate * (1 - rate))
    assert abs(1 - kept.mean() - rate) < 5 * deviation / np.sqrt(kept.size)
    assert np.abs(1 - kept.mean(axis=1) - rate).max() < 5 * deviation / np.sqrt(2500)
    # pairs of samples are independent: a correlation has the deviation 1 / sqrt(n)
    correlations = np.corrcoef(kept)[np.triu_indices(8, 1)]
    assert np.abs(correlations).max() < 5 / np.sqrt(2500)
    # and so are neighbouring units
    neighbours = np.corrcoef(kept[:, :-1].ravel(), kept[:, 1:].ravel())[0, 1]
    assert abs(neighbours) < 5 / np.sqrt(kept.size)


@MASKS
def test_masks_come_from_the_random_state_alone(masks):
    """Nothing else here is random: the weights are given, the samples in order."""
    np.testing.assert_array_equal(masks(0.4), masks(0.4))
    other = masks(0.4, random_state=1)
    both_kept = np.corrcoef(masks(0.4).ravel() != 0, other.ravel() != 0)[0, 1]
    assert abs(both_kept) < 5 / np.sqrt(other.size)


@MASKS
@pytest.mark.parametrize("n_threads", [2, 3])
def test_masks_do_not_depend_on_the_number_of_threads(masks, n_threads):
    np.testing.assert_array_equal(masks(0.4, n_threads=1), masks(0.4, n_threads=n_threads))


def test_masks_of_sparse_inputs_are_those_of_dense_ones():
    dense = masks_of_inputs(0.4)
    np.testing.assert_array_equal(dense, masks_of_inputs(0.4, container=sparse.csr_matrix))


def test_masks_change_with_each_step_and_layer():
    """The derivative of this loss is always -y."""

    class Constant:
        def loss(self, y, outputs):
            return -np.sum(y * outputs, axis=1)

        def gradient(self, y, outputs):
            return -y

    n_units, n_samples, rate = 1000, 4, 0.3
    estimator = plain_sgd(
        BackpropRegressor, hidden_layer_sizes=(n_units,), activation="identity", loss=Constant(),
        fit_intercept=False, dropout=rate, input_dropout=rate,
    )  # fmt: skip
    X, y = np.ones((n_samples, n_units)), np.eye(n_samples)
    # unit j has the j-th input alone
    estimator.initialize(X, y, coefs=[np.eye(n_units), np.zeros((n_units, n_samples))])
    seen = []
    for _ in range(4):
        before = estimator.coefs_[1].copy()
        # the weights of the inputs are put back: only what the last layer learns is read
        estimator.coefs_[0][...] = np.eye(n_units)
        estimator.partial_fit(X, y)
        seen.append(n_samples * (estimator.coefs_[1] - before).T)
    kept = np.abs(np.array(seen)) > 0.5
    # a unit must be kept by the masks of both layers; if they were one mask: 1 - rate
    share = (1 - rate) ** 2
    assert abs(kept.mean() - share) < 5 * np.sqrt(share * (1 - share) / kept.size)
    correlations = np.corrcoef(kept.reshape(4, -1))[np.triu_indices(4, 1)]
    assert np.abs(correlations).max() < 5 / np.sqrt(kept[0].size)


# --- dropout: training ---

BOTH = dict(dropout=0.3, input_dropout=0.2)


@ESTIMATORS
@STOCHASTIC
def test_no_dropout_is_none(cls, solver):
    X, y = make_task(cls)
    params = dict(solver=solver, shuffle=True)
    zero = steady(cls, dropout=0, input_dropout=0, **params).fit(X, y)
    assert_equal_networks(zero, steady(cls, **params).fit(X, y))
    # a rate below 2^-32 drops nothing either, but scales by 1 + 1e-11
    params["shuffle"] = False
    plain = steady(cls, **params).fit(X, y)
    tiny = steady(cls, dropout=1e-11, input_dropout=1e-11, **params).fit(X, y)
    assert not np.array_equal(tiny.network_.params, plain.network_.params)
    np.testing.assert_allclose(tiny.network_.params, plain.network_.params, atol=1e-7)
    np.testing.assert_allclose(tiny.loss_curve_, plain.loss_curve_, rtol=1e-8)


@ESTIMATORS
@STOCHASTIC
@pytest.mark.parametrize("dropout", [dict(dropout=0.3), dict(input_dropout=0.3), BOTH])
def test_a_seed_is_a_run(cls, solver, dropout):
    X, y = make_task(cls)
    params = dict(solver=solver, shuffle=True, **dropout)
    one = steady(cls, **params).fit(X, y)
    assert_equal_networks(one, steady(cls, **params).fit(X, y))
    assert not np.allclose(
        one.network_.params, steady(cls, solver=solver).fit(X, y).network_.params
    )
    # from the same weights, in the same order: only the masks differ
    seeds = [steady(cls, **params, random_state=seed).set_params(shuffle=False) for seed in (0, 1)]
    start = steady(cls).initialize(X, y).network_
    for estimator in seeds:
        estimator.initialize(X, y, coefs=start.coefs, intercepts=start.intercepts)
        estimator.set_params(warm_start=True).fit(X, y)
    assert not np.allclose(seeds[0].network_.params, seeds[1].network_.params)


@ESTIMATORS
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix], ids=["dense", "CSR"])
def test_threads_agree(cls, dtype, container):
    X, y = make_task(cls)
    X = container(X.astype(dtype))
    one, two = (steady(cls, n_threads=n, **BOTH).fit(X, y) for n in (1, 2))
    assert_equal_networks(one, two)


@ESTIMATORS
@STOCHASTIC
def test_sparse_and_dense_inputs_are_one_run(cls, solver):
    X, y = make_task(cls)
    X = np.where(make_features(seed=3) > 0.3, X, 0.0)
    dense = steady(cls, solver=solver, **BOTH).fit(X, y)
    csr = steady(cls, solver=solver, **BOTH).fit(sparse.csr_matrix(X), y)
    np.testing.assert_allclose(dense.network_.params, csr.network_.params, atol=1e-10)
    np.testing.assert_allclose(dense.loss_curve_, csr.loss_curve_, rtol=1e-10)


@ESTIMATORS
@STOCHASTIC
def test_a_pickled_estimator_goes_on_exactly(cls, solver):
    X, y = make_task(cls)
    whole = steady(cls, solver=solver, shuffle=True, **BOTH)
    in_parts = clone(whole)
    for n_calls in range(6):
        whole.partial_fit(X, y, **first_call(cls, y))
        in_parts.partial_fit(X, y, **first_call(cls, y))
        if n_calls % 2:
            in_parts = pickle.loads(pickle.dumps(in_parts))
    assert_equal_networks(whole, in_parts)
    assert whole.loss_curve_ == in_parts.loss_curve_


@ESTIMATORS
def test_partial_fit_is_one_epoch_of_fit(cls):
    X, y = make_task(cls)
    whole = steady(cls, max_iter=5, tol=0.0, **BOTH).fit(X, y)
    stepwise = steady(cls, **BOTH)
    for _ in range(5):
        stepwise.partial_fit(X, y, **first_call(cls, y))
    assert_equal_networks(whole, stepwise)


@ESTIMATORS
def test_dropout_may_begin_and_end_between_calls(cls):
    """Masks are drawn in calls with a rate, and only there."""
    X, y = make_task(cls)
    estimator, plain = steady(cls), steady(cls)
    for one in (estimator, plain):
        one.partial_fit(X, y, **first_call(cls, y))
    estimator.set_params(**BOTH).partial_fit(X, y)
    assert not np.allclose(estimator.network_.params, plain.partial_fit(X, y).network_.params)
    # without masks a step depends on weights and moments alone
    twin = copy.deepcopy(estimator).set_params(dropout=0.0, input_dropout=0.0, random_state=9)
    estimator.set_params(dropout=0.0, input_dropout=0.0).partial_fit(X, y)
    assert_equal_networks(estimator, twin.partial_fit(X, y))


@ESTIMATORS
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_predictions_and_measures_are_those_of_the_whole_network(cls, solver):
    """predict, transform and the validation samples use all units."""
    X, y = make_task(cls)
    fitted = steady(cls, solver=solver, dropout=0.5, input_dropout=0.5, alpha=0.0)
    fitted.fit(X, y, X_val=X[:20], y_val=y[:20])
    twin = ReferenceNetwork.like(fitted.network_)
    _, activations = twin.propagate(X)
    outputs = fitted.predict_proba(X) if cls is BackpropClassifier else fitted.predict(X)[:, None]
    np.testing.assert_allclose(outputs, activations[-1], rtol=1e-10)
    np.testing.assert_allclose(fitted.transform(X), activations[-2], rtol=1e-10)
    targets = np.eye(3)[y] if cls is BackpropClassifier else y[:, None]
    expected = twin.loss(X[:20], targets[:20])
    assert fitted.validation_loss_curve_[-1] == pytest.approx(expected, rel=1e-10)
    assert fitted.validation_scores_[-1] == pytest.approx(fitted.score(X[:20], y[:20]))
    # the training loss is that of the thinned network
    assert not np.isclose(
        fitted.loss_curve_[0], steady(cls, solver=solver).fit(X, y).loss_curve_[0]
    )


@pytest.mark.parametrize(
    ("dropout", "input_dropout"),
    [(0.4, 0.3), *(pytest.param(*one, marks=pytest.mark.grid) for one in [(0.4, 0.0), (0.0, 0.3)])],
)
def test_the_mean_over_masks_is_the_whole_network(dropout, input_dropout):
    """The outputs of a linear network: the gradient of its last intercept is their mean.

    In 500 runs of one step from the same weights; the variance is computed, too.
    """
    X, y = make_regression()
    n_units, n_runs = 8, 500
    whole = plain_sgd(BackpropRegressor, activation="identity", hidden_layer_sizes=(n_units,))
    whole.initialize(X, y)
    rng = np.random.default_rng(0)
    first, last = rng.normal(size=(N_FEATURES, n_units)), rng.normal(size=(n_units, 1))
    steps = []
    for seed in range(n_runs):
        estimator = copy.copy(whole).set_params(
            random_state=seed, dropout=dropout, input_dropout=input_dropout
        )
        estimator.initialize(X, y, coefs=[first, last], intercepts=[np.zeros(n_units), [0.0]])
        steps.append(-estimator.partial_fit(X, y).intercepts_[-1][0])
    expected = np.mean(X @ first @ last - y[:, np.newaxis])
    # Var m = r / (1 - r); of a mean of independent rows, the mean over its number
    of_hidden, of_inputs = dropout / (1 - dropout), input_dropout / (1 - input_dropout)
    hidden_squares = (X @ first) ** 2 + of_inputs * X**2 @ first**2
    of_rows = of_inputs * X**2 @ (first @ last) ** 2 + of_hidden * hidden_squares @ last**2
    deviation = np.sqrt(of_rows.mean() / N_SAMPLES)
    assert abs(np.mean(steps) - expected) < 4 * deviation / np.sqrt(n_runs)
    # that of a standard deviation is 1 / sqrt(2 n) of itself
    assert abs(np.std(steps) / deviation - 1) < 4 / np.sqrt(2 * n_runs)


@pytest.mark.parametrize("solver", ["rprop", "lbfgs", "levenberg_marquardt"])
def test_the_other_solvers_have_no_dropout(solver):
    X, y = make_regression()
    plain = steady(BackpropRegressor, solver=solver).fit(X, y)
    assert_equal_networks(plain, steady(BackpropRegressor, solver=solver, **BOTH).fit(X, y))


@pytest.mark.parametrize("name", ["dropout", "input_dropout"])
@pytest.mark.parametrize("rate", [1.0, -0.1, np.nan, "0.1"])
def test_rates_of_dropout_are_in_0_1(name, rate):
    with pytest.raises(ValueError, match=f"'{name}' parameter .* must be"):
        steady(BackpropRegressor, **{name: rate}).fit(*make_regression())
