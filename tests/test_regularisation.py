"""Dropout, weight decay, l1, clipped gradients, class weights and smoothed labels, in estimators.

Steps are compared with loops written out here over ``Network.loss_gradient``, which the NumPy
twin and finite differences vouch for (test_gradients.py). The masks of dropout are read off a
network whose gradient is made of nothing else.
"""

import copy
import pickle

import numpy as np
import pytest
from reference import ReferenceNetwork
from scipy import sparse
from scipy.special import expit, log_softmax
from sklearn.base import clone
from sklearn.utils.class_weight import compute_sample_weight
from tasks import (
    ESTIMATORS,
    STOCHASTIC,
    assert_equal_networks,
    assert_same_state,
    make_task,
    public_state,
)

from fastbp import BackpropClassifier, BackpropRegressor, Network

# Few epochs everywhere; that training would go on is no news.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N, N_FEATURES = 48, 5


def features(n=N, seed=0):
    return np.random.default_rng(seed).normal(size=(n, N_FEATURES))


def real():
    X = features()
    return X, np.sin(2 * X[:, 0]) + 0.5 * X[:, 1] + 0.3 * features(seed=1)[:, 0]


def classes(n_classes=3):
    X = features()
    return X, (X[:, :n_classes] + 0.5 * features(seed=1)[:, :n_classes]).argmax(axis=1)


def task(cls):
    return classes() if cls is BackpropClassifier else real()


def first_call(cls, y):
    return {"classes": np.unique(y)} if cls is BackpropClassifier else {}


def small(cls, **params):
    """Batches of equal size, in the order of the samples."""
    defaults = dict(hidden_layer_sizes=(8, 7), activation="tanh", max_iter=5, random_state=0)
    defaults |= dict(batch_size=16, learning_rate_init=0.02, alpha=0.5, shuffle=False)
    return cls(**(defaults | params))


def plain_sgd(cls, **params):
    """One step of rate 1 along the gradient of all samples, and nothing else."""
    defaults = dict(
        solver="sgd", momentum=0.0, learning_rate_init=1.0, alpha=0.0, batch_size="auto"
    )
    return small(cls, **(defaults | dict(max_iter=1) | params))


def n_coefs(network):
    return sum(coef.size for coef in network.coefs)


# --- dropout: its masks, one by one ---
# Units of activation 1 go to one output per sample, by weights of 0; the loss |p - y| of y = 1 for
# the sample's own output, and 0 = p for the others, has the derivative -1 and 0. The gradient of
# the weight of unit j and output i is then -m_ij / n, and a step of plain SGD writes it down.


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
    """The derivative of this loss is -y whatever the prediction, for ever."""

    class Constant:
        def loss(self, y, outputs):
            return -np.sum(y * outputs, axis=1)

        def gradient(self, y, outputs):
            return -y

    n_units, n_samples, rate = 2500, 4, 0.3
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
    # the masks of both layers have to let a unit pass; were they one mask, it would be 1 - rate
    share = (1 - rate) ** 2
    assert abs(kept.mean() - share) < 5 * np.sqrt(share * (1 - share) / kept.size)
    correlations = np.corrcoef(kept.reshape(4, -1))[np.triu_indices(4, 1)]
    assert np.abs(correlations).max() < 5 / np.sqrt(kept[0].size)


# --- dropout: training ---

BOTH = dict(dropout=0.3, input_dropout=0.2)


@ESTIMATORS
@STOCHASTIC
def test_no_dropout_is_none(cls, solver):
    X, y = task(cls)
    params = dict(solver=solver, shuffle=True)
    zero = small(cls, dropout=0, input_dropout=0, **params).fit(X, y)
    assert_equal_networks(zero, small(cls, **params).fit(X, y))
    # ... which a rate of one unit in 2^32, rounded to none, is too, but for a factor of 1 - 1e-11
    params["shuffle"] = False
    plain = small(cls, **params).fit(X, y)
    tiny = small(cls, dropout=1e-11, input_dropout=1e-11, **params).fit(X, y)
    assert not np.array_equal(tiny.network_.params, plain.network_.params)
    np.testing.assert_allclose(tiny.network_.params, plain.network_.params, atol=1e-7)
    np.testing.assert_allclose(tiny.loss_curve_, plain.loss_curve_, rtol=1e-8)


@ESTIMATORS
@STOCHASTIC
@pytest.mark.parametrize("dropout", [dict(dropout=0.3), dict(input_dropout=0.3), BOTH])
def test_a_seed_is_a_run(cls, solver, dropout):
    X, y = task(cls)
    params = dict(solver=solver, shuffle=True, **dropout)
    one = small(cls, **params).fit(X, y)
    assert_equal_networks(one, small(cls, **params).fit(X, y))
    assert not np.allclose(one.network_.params, small(cls, solver=solver).fit(X, y).network_.params)
    # from the same weights, in the same order: only the masks differ
    seeds = [small(cls, **params, random_state=seed).set_params(shuffle=False) for seed in (0, 1)]
    start = small(cls).initialize(X, y).network_
    for estimator in seeds:
        estimator.initialize(X, y, coefs=start.coefs, intercepts=start.intercepts)
        estimator.set_params(warm_start=True).fit(X, y)
    assert not np.allclose(seeds[0].network_.params, seeds[1].network_.params)


@ESTIMATORS
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix], ids=["dense", "CSR"])
def test_threads_agree_to_rounding(cls, dtype, container):
    X, y = task(cls)
    X = container(X.astype(dtype))
    one, two = (small(cls, n_threads=n, **BOTH).fit(X, y) for n in (1, 2))
    bound = 1e-9 if dtype == np.float64 else 5e-4
    np.testing.assert_allclose(one.network_.params, two.network_.params, atol=bound)
    assert_equal_networks(two, small(cls, n_threads=2, **BOTH).fit(X, y))


@ESTIMATORS
@STOCHASTIC
def test_sparse_and_dense_inputs_are_one_run(cls, solver):
    X, y = task(cls)
    X = np.where(features(seed=3) > 0.3, X, 0.0)
    dense = small(cls, solver=solver, **BOTH).fit(X, y)
    csr = small(cls, solver=solver, **BOTH).fit(sparse.csr_matrix(X), y)
    np.testing.assert_allclose(dense.network_.params, csr.network_.params, atol=1e-10)
    np.testing.assert_allclose(dense.loss_curve_, csr.loss_curve_, rtol=1e-10)


@ESTIMATORS
@STOCHASTIC
def test_a_pickled_estimator_goes_on_exactly(cls, solver):
    X, y = task(cls)
    whole = small(cls, solver=solver, shuffle=True, **BOTH)
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
    X, y = task(cls)
    whole = small(cls, max_iter=5, tol=0.0, **BOTH).fit(X, y)
    stepwise = small(cls, **BOTH)
    for _ in range(5):
        stepwise.partial_fit(X, y, **first_call(cls, y))
    assert_equal_networks(whole, stepwise)


@ESTIMATORS
def test_dropout_may_begin_and_end_between_calls(cls):
    """The masks begin with the first call that has a rate, and one without has none."""
    X, y = task(cls)
    estimator, plain = small(cls), small(cls)
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
    """predict, transform, the validation samples: no unit is ever left out."""
    X, y = task(cls)
    fitted = small(cls, solver=solver, dropout=0.5, input_dropout=0.5, alpha=0.0)
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
    assert not np.isclose(fitted.loss_curve_[0], small(cls, solver=solver).fit(X, y).loss_curve_[0])


@pytest.mark.parametrize(("dropout", "input_dropout"), [(0.4, 0.0), (0.0, 0.3), (0.4, 0.3)])
def test_the_mean_over_masks_is_the_whole_network(dropout, input_dropout):
    """Of the outputs of a linear network, which the gradient of its last intercept is the mean of.

    In 500 runs of one step from the same weights; the variance is computed, too.
    """
    X, y = real()
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
    deviation = np.sqrt(of_rows.mean() / N)
    assert abs(np.mean(steps) - expected) < 4 * deviation / np.sqrt(n_runs)
    # that of a standard deviation is 1 / sqrt(2 n) of itself
    assert abs(np.std(steps) / deviation - 1) < 4 / np.sqrt(2 * n_runs)


@pytest.mark.parametrize("solver", ["rprop", "lbfgs", "levenberg_marquardt"])
def test_the_other_solvers_have_no_dropout(solver):
    X, y = real()
    plain = small(BackpropRegressor, solver=solver).fit(X, y)
    assert_equal_networks(plain, small(BackpropRegressor, solver=solver, **BOTH).fit(X, y))


@pytest.mark.parametrize("name", ["dropout", "input_dropout"])
@pytest.mark.parametrize("rate", [1.0, -0.1, np.nan, "0.1"])
def test_rates_of_dropout_are_in_0_1(name, rate):
    with pytest.raises(ValueError, match=f"'{name}' parameter .* must be"):
        small(BackpropRegressor, **{name: rate}).fit(*real())


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
        for first, rate in zip(range(0, N, 16), rates_of_epoch, strict=True):
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
    X, y = task(cls)
    estimator = small(cls, solver=solver, weight_decay=2.5, learning_rate=learning_rate, max_iter=4)
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
    X, y = real()
    params = dict(solver=solver, weight_decay=2.5, hidden_layer_sizes=(33, 9))
    one, more = (small(BackpropRegressor, n_threads=n, **params) for n in (1, n_threads))
    one.fit(X, y), more.fit(X, y)
    np.testing.assert_allclose(one.network_.params, more.network_.params, atol=1e-10)


def test_weight_decay_is_not_in_the_loss():
    X, y = real()
    with_decay, without = (small(BackpropRegressor, weight_decay=w).fit(X, y) for w in (2.5, 0.0))
    first = clone(without).set_params(batch_size=N, max_iter=1)
    assert first.fit(X, y).loss_ == clone(first).set_params(weight_decay=2.5).fit(X, y).loss_
    assert with_decay.network_.l2 == without.network_.l2
    assert np.linalg.norm(with_decay.coefs_[0]) < np.linalg.norm(without.coefs_[0])


def test_a_decay_that_would_turn_weights_around_is_refused():
    X, y = real()
    estimator = small(BackpropRegressor, weight_decay=50.0, learning_rate_init=0.02)
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
    X, y = task(cls)
    fitted = small(
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
    X, y = task(cls)
    w = np.random.default_rng(4).uniform(0.2, 2, N)
    alpha, r, n = 3.0, 0.4, w.sum()

    def objective(network):
        squares = sum(np.sum(coef**2) for coef in network.coefs)
        sizes = sum(np.sum(np.abs(coef)) for coef in network.coefs)
        penalty = alpha / (2 * n) * (1 - r) * squares + alpha / n * r * sizes
        outputs = ReferenceNetwork.like(network).forward(X)
        if cls is BackpropClassifier:
            return -np.average(np.log(outputs[np.arange(N), y]), weights=w) + penalty
        return np.average((outputs[:, 0] - y) ** 2, weights=w) / 2 + penalty

    params = dict(solver=solver, alpha=alpha, l1_ratio=r, batch_size=N, tol=0.0)
    estimators = {n: small(cls, max_iter=n, **params) for n in (0, 1, 4)}
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
    X, y = real()
    for solver in ("adam", "lbfgs"):
        plain = small(BackpropRegressor, solver=solver).fit(X, y)
        assert_equal_networks(plain, small(BackpropRegressor, solver=solver, l1_ratio=0).fit(X, y))
        none = [small(BackpropRegressor, solver=solver, alpha=0.0, l1_ratio=r) for r in (0.0, 0.7)]
        assert_equal_networks(*(one.fit(X, y) for one in none))


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_a_weight_of_zero_has_no_l1_gradient(solver):
    """d|w|/dw is 0 at 0, for the step of a network that is zero everywhere."""
    X, y = real()
    params = dict(solver=solver, alpha=5.0, max_iter=1, batch_size=N, activation="identity")
    with_l1 = small(BackpropRegressor, l1_ratio=1.0, warm_start=True, **params)
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
    X, y = task(cls)
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
    """A rise of the bound changes nothing once no batch's gradient is that long."""
    X, y = task(cls)
    # the penalty of a third of the samples is three times as strong
    start = small(cls, alpha=0.003).initialize(X, y).network_
    norms = [
        np.linalg.norm(start.loss_gradient(X[first : first + 16], y[first : first + 16]).flat)
        for first in (0, 16, 32)
    ]
    params = dict(solver=solver, alpha=0.001, learning_rate_init=1e-6, max_iter=1)
    plain, above, below = (
        small(cls, max_grad_norm=bound, **params).fit(X, y)
        for bound in (None, 1.01 * max(norms), 0.99 * max(norms))
    )
    assert_equal_networks(plain, above)
    assert not np.array_equal(plain.network_.params, below.network_.params)


def test_rprop_sees_signs_only():
    X, y = real()
    plain = small(BackpropRegressor, solver="rprop", max_iter=30).fit(X, y)
    clipped = small(BackpropRegressor, solver="rprop", max_iter=30, max_grad_norm=1e-3).fit(X, y)
    assert_equal_networks(plain, clipped)


@pytest.mark.parametrize("bound", [0, -1.0, np.nan, "1"])
def test_max_grad_norm_is_positive(bound):
    with pytest.raises(ValueError, match="'max_grad_norm' parameter .* must be"):
        small(BackpropRegressor, max_grad_norm=bound).fit(*real())


# --- class weights; what a single column of classes gives is in test_oracles.py ---


def labels():
    X = features()
    return X, (X[:, :3] + 0.5 * features(seed=1)[:, :3] > [0.0, 0.4, 0.9]).astype(int)


LABEL_WEIGHTS = [{0: 1.0, 1: 3.0}, {0: 0.5, 1: 2.0}, {0: 1.0, 1: 4.0}]


@pytest.mark.parametrize("class_weight", ["balanced", LABEL_WEIGHTS], ids=["balanced", "dicts"])
@pytest.mark.parametrize("target_type", [np.asarray, sparse.csr_matrix], ids=["dense", "sparse"])
@pytest.mark.parametrize("weighted", [False, True])
def test_weights_of_labels_are_multiplied(class_weight, target_type, weighted):
    """A sample's weight is the product over its labels, as in scikit-learn."""
    X, Y = labels()
    w = np.random.default_rng(4).uniform(0.2, 2, N) if weighted else np.ones(N)
    by_class = small(BackpropClassifier, class_weight=class_weight)
    by_class.fit(X, target_type(Y), sample_weight=w if weighted else None)
    factors = compute_sample_weight(class_weight, Y)
    assert len(np.unique(factors.round(9))) > 4
    by_sample = small(BackpropClassifier).fit(X, Y, sample_weight=w * factors)
    np.testing.assert_allclose(by_class.network_.params, by_sample.network_.params, atol=1e-12)


@pytest.mark.parametrize("class_weight", [LABEL_WEIGHTS, [{1: 3.0}, {0: 2.0}, {0: 1.0, 1: 4.0}]])
def test_weights_of_labels_in_partial_fit(class_weight):
    """Chunk by chunk, also where a label is the same for all samples of one."""
    X, Y = labels()
    by_class = small(BackpropClassifier, class_weight=class_weight, batch_size="auto")
    by_sample = small(BackpropClassifier, batch_size="auto")
    order = np.lexsort(Y.T)
    chunks = np.split(order, 4)
    assert any(len(np.unique(Y[rows, k])) == 1 for rows in chunks for k in range(3))
    for rows in chunks:
        factors = np.ones(len(rows))
        for k, weights in enumerate(class_weight):
            factors *= [weights.get(label, 1.0) for label in Y[rows, k]]
        by_class.partial_fit(X[rows], Y[rows])
        by_sample.partial_fit(X[rows], Y[rows], sample_weight=factors)
        np.testing.assert_allclose(by_class.network_.params, by_sample.network_.params, atol=1e-12)


def test_partial_fit_refuses_balanced_class_weights():
    X, y = classes()
    estimator = small(BackpropClassifier, class_weight="balanced")
    with pytest.raises(ValueError, match=r"class_weight='balanced' .* partial_fit, .* Give a dict"):
        estimator.partial_fit(X, y, classes=[0, 1, 2])
    assert vars(estimator) == estimator.get_params()
    estimator.fit(X, y)
    before = public_state(estimator)
    with pytest.raises(ValueError, match="compute_class_weight"):
        estimator.partial_fit(X, y)
    assert_same_state(before, public_state(estimator))


@pytest.mark.parametrize(
    ("class_weight", "words"),
    [
        ({0: 1.0, 7: 3.0}, r"The classes, \[1, 2\], are not in class_weight"),
        ({0: -1.0}, "Negative values in data passed to `sample_weight times class_weight`"),
        ({0: np.nan}, "sample_weight times class_weight contains NaN"),
        ({0: 0.0, 1: 0.0, 2: 0.0}, "sample_weight times class_weight is zero for every sample"),
        ([{0: 1.0, 1: 2.0}] * 3, "for one class per sample a dict or 'balanced'"),
        ("rare", "'class_weight' parameter"),
    ],
)
def test_class_weights_that_cannot_be(class_weight, words):
    X, y = classes()
    estimator = small(BackpropClassifier, class_weight=class_weight)
    with pytest.raises(ValueError, match=words):
        estimator.fit(X, y)
    assert vars(estimator) == estimator.get_params()


@pytest.mark.parametrize(
    ("class_weight", "words"),
    [
        ({0: 1.0, 1: 2.0}, "for multi-label targets a list of dicts"),
        ([{0: 1.0, 1: 2.0}] * 2, "class_weight lists 2 dicts for 3 labels"),
    ],
)
def test_label_weights_that_cannot_be(class_weight, words):
    X, Y = labels()
    estimator = small(BackpropClassifier, class_weight=class_weight)
    with pytest.raises(ValueError, match=words):
        estimator.fit(X, Y)
    assert vars(estimator) == estimator.get_params()


def test_a_class_that_is_not_named_counts_once_and_one_of_weight_zero_not_at_all():
    X, y = classes()
    some = small(BackpropClassifier, class_weight={1: 3.0}).fit(X, y)
    every = small(BackpropClassifier, class_weight={0: 1.0, 1: 3.0, 2: 1.0}).fit(X, y)
    assert_equal_networks(some, every)
    params = dict(solver="lbfgs", hidden_layer_sizes=(), alpha=1.0, max_iter=1000)
    without = small(BackpropClassifier, class_weight={2: 0.0}, **params).fit(X, y)
    moved = np.where((y == 2)[:, np.newaxis], 100 * X, X)
    assert_equal_networks(without, clone(without).fit(moved, y))


# --- label smoothing ---


@pytest.mark.parametrize("kind", ["two classes", "three classes", "labels", "one against the rest"])
@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
def test_smoothed_labels_are_the_objective_written_out(kind, loss):
    e, alpha = 0.3, 2.0
    X, y = labels() if kind == "labels" else classes(2 if kind == "two classes" else 3)
    output = "logistic" if kind == "one against the rest" else "auto"
    fitted = small(
        BackpropClassifier, label_smoothing=e, loss=loss, alpha=alpha, output_activation=output,
        solver="adam", batch_size=N, max_iter=3,
    ).fit(X, y)  # fmt: skip
    _, activations = ReferenceNetwork.like(fitted.network_).propagate(X)
    z = activations[-2] @ fitted.coefs_[-1] + fitted.intercepts_[-1]
    targets = y if kind == "labels" else np.eye(3)[y]
    if kind == "two classes":
        targets = y[:, np.newaxis]
    n_classes = 3 if kind == "three classes" else 2
    smooth = np.where(targets == 1, 1 - e + e / n_classes, e / n_classes)
    if kind == "three classes":
        log_p, log_rest = log_softmax(z, axis=1), 0
        np.testing.assert_allclose(smooth.sum(axis=1), 1)
    else:
        log_p, log_rest = np.log(expit(z)), np.log(expit(-z))
    if loss == "squared_error":
        losses = (np.exp(log_p) - smooth) ** 2 / 2
    else:
        losses = -smooth * log_p - (1 - smooth) * log_rest
    squares = sum(np.sum(coef**2) for coef in fitted.coefs_)
    expected = losses.sum(axis=1).mean() + alpha / (2 * N) * squares
    labels_or_matrix = y if kind == "three classes" else targets
    assert fitted.network_.loss(X, labels_or_matrix) == pytest.approx(expected, rel=1e-10)
    one_more = clone(fitted).set_params(max_iter=4).fit(X, y)
    assert one_more.loss_ == pytest.approx(expected, rel=1e-10)


def test_no_smoothing_is_none_and_smoothing_makes_modest():
    X, y = classes()
    params = dict(solver="lbfgs", max_iter=500, alpha=0.01)
    plain = small(BackpropClassifier, **params).fit(X, y)
    assert_equal_networks(plain, small(BackpropClassifier, label_smoothing=0, **params).fit(X, y))
    smooth = small(BackpropClassifier, label_smoothing=0.3, **params).fit(X, y)
    assert plain.predict_proba(X).max(axis=1).mean() > 0.95
    assert smooth.predict_proba(X).max(axis=1).mean() == pytest.approx(1 - 0.3 + 0.1, abs=0.03)


class Absolute:
    def loss(self, y, outputs):
        return np.abs(outputs - y).sum(axis=1)

    def gradient(self, y, outputs):
        return np.sign(outputs - y)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        (dict(label_smoothing=1.0), "'label_smoothing' parameter"),
        (dict(label_smoothing=-0.1), "'label_smoothing' parameter"),
        (
            dict(label_smoothing=0.1, output_activation="identity", loss="squared_error"),
            r"label_smoothing=0.1 needs .* got .*output_activation='identity'; set",
        ),
        (dict(label_smoothing=0.1, loss=Absolute()), "label_smoothing=0.1 needs loss='log_loss'"),
    ],
)
def test_smoothing_that_cannot_be(params, words):
    X, y = classes()
    estimator = small(BackpropClassifier, **params)
    with pytest.raises(ValueError, match=words):
        estimator.fit(X, y)
    assert vars(estimator) == estimator.get_params()


@pytest.mark.parametrize(
    "name", ["dropout", "input_dropout", "weight_decay", "l1_ratio", "max_grad_norm"]
)
def test_each_parameter_reaches_the_training(name):
    """Of both estimators, through set_params and clone."""
    value = {"weight_decay": 3.0, "l1_ratio": 0.5, "max_grad_norm": 0.01}.get(name, 0.4)
    for cls in (BackpropClassifier, BackpropRegressor):
        X, y = task(cls)
        estimator = clone(small(cls, solver="sgd").set_params(**{name: value}))
        assert estimator.get_params()[name] == value
        plain = small(cls, solver="sgd").fit(X, y)
        assert not np.allclose(estimator.fit(X, y).network_.params, plain.network_.params)


# --- decay that would turn the weights around


@ESTIMATORS
@pytest.mark.parametrize("learning_rate", ["constant", lambda epoch: 0.01])
def test_weight_decay_beyond_the_learning_rate_is_refused(cls, learning_rate):
    X, y = make_task(cls)
    params = dict(learning_rate=learning_rate, learning_rate_init=0.01)
    estimator = small(cls, weight_decay=101.0, **params)
    with pytest.raises(ValueError, match=r"weight_decay=101 times the learning rate 0.01 is 1.01"):
        estimator.fit(X, y)
    assert not hasattr(estimator, "network_")
    small(cls, weight_decay=99.0, **params).fit(X, y)
    # of no effect, and so of no harm
    small(cls, solver="lbfgs", weight_decay=101.0, learning_rate_init=0.01).fit(X, y)
