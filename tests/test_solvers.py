"""Solvers and what steers them, through the estimators: rprop, learning rates, max_time.

The rates that schedules.py computes are tested in test_schedules.py; here, that they are the ones
applied. test_levenberg_marquardt.py tests that solver itself.
"""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from tasks import ESTIMATORS, STOCHASTIC, assert_equal_networks, assert_same_state, public_state

from fastbp import BackpropClassifier, BackpropRegressor
from fastbp.training import monitor

# Runs are cut short on purpose; the tests of that warning ask for it.
cut_short = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N, N_FEATURES = 40, 4


def features(n=N, seed=0):
    return np.random.default_rng(seed).normal(size=(n, N_FEATURES))


def real():
    X = features()
    return X, np.sin(2 * X[:, 0]) + 0.5 * X[:, 1] + 0.3 * features(seed=1)[:, 0]


def classes():
    X = features()
    return X, (X[:, :3] + 0.5 * features(seed=1)[:, :3]).argmax(axis=1)


def task(cls):
    return classes() if cls is BackpropClassifier else real()


def first_call(cls, y):
    return {"classes": np.unique(y)} if cls is BackpropClassifier else {}


def small(cls, **params):
    defaults = dict(hidden_layer_sizes=(7,), activation="tanh", max_iter=10, random_state=0)
    defaults |= dict(learning_rate_init=0.05, alpha=0.2, tol=0.0, n_iter_no_change=np.inf)
    return cls(**(defaults | params))


# --- rprop ---


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


@cut_short
@ESTIMATORS
@pytest.mark.parametrize("first_size", [0.05, 1e-3])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.6])
def test_rprop_is_irprop_minus(cls, first_size, l1_ratio):
    X, y = task(cls)
    fitted = small(
        cls, solver="rprop", learning_rate_init=first_size, l1_ratio=l1_ratio, max_iter=30
    ).fit(X, y)
    network = clone(fitted).initialize(X, y).network_
    n_grown, n_shrunk = rprop_by_hand(network, X, y, first_size, 30)
    np.testing.assert_allclose(fitted.network_.params, network.params, atol=1e-9)
    assert n_grown > 100 and n_shrunk > 40
    assert fitted.loss_curve_[-1] < fitted.loss_curve_[0]


@cut_short
@pytest.mark.parametrize(("first_size", "step"), [(1e-9, 1e-6), (0.3, 0.3), (1e3, 50.0)])
def test_the_first_step_of_rprop_is_within_its_bounds(first_size, step):
    """... and has the same size for each parameter that has a gradient."""
    X, y = real()
    estimator = small(BackpropRegressor, solver="rprop", learning_rate_init=first_size, max_iter=1)
    start = clone(estimator).initialize(X, y).network_
    moved = estimator.fit(X, y).network_.params - start.params
    np.testing.assert_allclose(moved, -step * np.sign(start.loss_gradient(X, y).flat), rtol=1e-8)


@cut_short
@pytest.mark.parametrize("sign", [1, -1])
def test_the_steps_of_rprop_grow_to_50_and_shrink_to_a_millionth(sign):
    X = np.ones((5, 1))
    far = small(
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


@cut_short
@ESTIMATORS
def test_rprop_knows_no_batches_and_no_order(cls):
    X, y = task(cls)
    plain = small(cls, solver="rprop").fit(X, y)
    assert_equal_networks(plain, small(cls, solver="rprop").fit(X, y))
    for params in (
        dict(batch_size=7),
        dict(batch_size=10 * N),
        dict(shuffle=False),
        dict(momentum=0.1, nesterovs_momentum=False, beta_1=0.1),
        dict(learning_rate="cosine", warmup_epochs=3),
        dict(learning_rate=lambda epoch: pytest.fail("rprop has no schedule")),
    ):
        assert_equal_networks(plain, small(cls, solver="rprop", **params).fit(X, y))
    assert plain.t_ == N * plain.n_iter_ == 10 * N


@cut_short
@ESTIMATORS
def test_rprop_with_weights_threads_and_sparse_samples(cls):
    X, y = task(cls)
    w = np.random.default_rng(3).integers(0, 3, N)
    weighted = small(cls, solver="rprop").fit(X, y, sample_weight=w)
    # a weight of two is a sample that is there twice
    repeated = small(cls, solver="rprop").fit(np.repeat(X, w, axis=0), np.repeat(y, w))
    np.testing.assert_allclose(weighted.network_.params, repeated.network_.params, atol=1e-9)
    in_csr = small(cls, solver="rprop").fit(sparse.csr_matrix(X), y, sample_weight=w)
    np.testing.assert_allclose(weighted.network_.params, in_csr.network_.params, atol=1e-9)
    by_two = small(cls, solver="rprop", n_threads=2).fit(X, y, sample_weight=w)
    np.testing.assert_allclose(weighted.network_.params, by_two.network_.params, atol=1e-9)


@cut_short
@ESTIMATORS
def test_rprop_starts_afresh_with_each_fit(cls):
    """Warm start keeps the weights; the sizes of the steps are learning_rate_init again."""
    X, y = task(cls)
    first = small(cls, solver="rprop", max_iter=6).fit(X, y)
    again = small(cls, solver="rprop", max_iter=6, warm_start=True).fit(X, y).fit(X, y)
    network = clone(first).initialize(X, y).network_
    for _ in range(2):
        rprop_by_hand(network, X, y, 0.05, 6)
    np.testing.assert_allclose(again.network_.params, network.params, atol=1e-9)
    assert len(again.loss_curve_) == 12 and again.n_iter_ == 6


@ESTIMATORS
def test_rprop_stops_by_tol(cls):
    X, y = task(cls)
    fitted = small(cls, solver="rprop", tol=1e-3, n_iter_no_change=4, max_iter=2000).fit(X, y)
    assert 10 < fitted.n_iter_ < 2000
    best, without = np.inf, 0
    for n_epochs, loss in enumerate(fitted.loss_curve_, start=1):
        without = without + 1 if loss > best - 1e-3 else 0
        best = min(best, loss)
        assert (without > 4) == (n_epochs == fitted.n_iter_)


@ESTIMATORS
@pytest.mark.parametrize("solver", ["rprop", "lbfgs", "levenberg_marquardt"])
def test_partial_fit_is_for_sgd_and_adam(cls, solver):
    estimator = small(cls, solver=solver)
    assert not hasattr(estimator, "partial_fit")
    with pytest.raises(AttributeError, match="partial_fit") as error:
        estimator.partial_fit(*task(cls))
    assert f"{solver} is not stochastic" in str(error.value.__cause__)


# --- learning rates: those of plain gradient descent, one step an epoch ---


def descent(cls, **params):
    """The step of an epoch is the rate times the gradient of all samples."""
    defaults = dict(solver="sgd", momentum=0.0, alpha=0.0, batch_size=N, shuffle=False)
    return small(cls, **(defaults | params))


def applied_rates(estimator, X, y, n_epochs):
    """The rate of each call of partial_fit: the step divided by the gradient before it."""
    estimator.initialize(X, y)
    rates = []
    for _ in range(n_epochs):
        before = estimator.network_.params.copy()
        gradient = estimator.network_.loss_gradient(X, y).flat
        step = before - estimator.partial_fit(X, y).network_.params
        rates.append(step @ gradient / (gradient @ gradient))
        np.testing.assert_allclose(step, rates[-1] * gradient, atol=1e-12)
    return np.array(rates)


def half_cosine(fraction):
    return (1 + np.cos(np.pi * fraction)) / 2


EPOCHS = np.arange(10)
# learning_rate_init is 0.05
SCHEDULES = {
    "constant": ({}, np.full(10, 0.05)),
    "invscaling": (dict(power_t=0.25), 0.05 * np.r_[1, (N * EPOCHS[1:] + 1.0) ** -0.25]),
    "cosine": ({}, 0.05 * half_cosine(EPOCHS / 10)),
    "one_cycle": (
        {},
        # up in steps 0, 1, 2 = 0.3 * 10 - 1, down to step 9
        np.r_[
            0.05 + (0.05 / 25 - 0.05) * half_cosine(EPOCHS[:3] / 2),
            0.05 / 25e4 + (0.05 - 0.05 / 25e4) * half_cosine((EPOCHS[3:] - 2) / 7),
        ],
    ),
    "exponential": (dict(decay_rate=0.8), 0.05 * 0.8**EPOCHS),
    "callable": (dict(learning_rate=lambda epoch: 0.04 / (epoch + 2)), 0.04 / (EPOCHS + 2)),
}


@cut_short
@ESTIMATORS
@pytest.mark.parametrize("warmup_epochs", [0, 4, 2.5])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_give_the_rates_that_are_applied(cls, schedule, warmup_epochs):
    X, y = task(cls)
    params, expected = SCHEDULES[schedule]
    params = dict(learning_rate=schedule, warmup_epochs=warmup_epochs) | params
    if warmup_epochs:
        expected = expected * np.minimum(1, (EPOCHS + 1) / warmup_epochs)
    stepwise = descent(cls, **params)
    # the weights, of order one, are rounded to 1e-16, and so are the rates found from them
    applied = applied_rates(stepwise, X, y, 10)
    np.testing.assert_allclose(applied, expected, rtol=1e-9, atol=2e-15)
    # and fit does the same, in one go
    assert_equal_networks(descent(cls, **params).fit(X, y), stepwise)


@cut_short
def test_the_adaptive_rate_falls_when_nothing_improves():
    """The first epoch improves whatever tol is; from then on each third epoch divides by 5."""
    X, y = real()
    params = dict(learning_rate="adaptive", tol=1e9, n_iter_no_change=2)
    expected = 0.05 / 5.0 ** np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
    stepwise = descent(BackpropRegressor, **params)
    np.testing.assert_allclose(applied_rates(stepwise, X, y, 10), expected, rtol=1e-9)
    whole = descent(BackpropRegressor, **params).fit(X, y)
    assert_equal_networks(whole, stepwise)
    warmed = descent(BackpropRegressor, warmup_epochs=5, **params)
    expected = expected * np.minimum(1, (EPOCHS + 1) / 5)
    np.testing.assert_allclose(applied_rates(warmed, X, y, 10), expected, rtol=1e-9)


@cut_short
def test_past_max_iter_the_rates_stay_at_their_end():
    """partial_fit is not counted: it goes on for as long as the user likes."""
    X, y = real()
    last = 0.05 / 25e4
    rates = applied_rates(descent(BackpropRegressor, learning_rate="one_cycle"), X, y, 13)
    np.testing.assert_allclose(rates[9:], last, rtol=1e-6)
    estimator = descent(BackpropRegressor, learning_rate="cosine").fit(X, y)
    before = estimator.network_.params.copy()
    np.testing.assert_array_equal(estimator.partial_fit(X, y).network_.params, before)


@cut_short
@ESTIMATORS
@STOCHASTIC
@pytest.mark.parametrize("schedule", ["cosine", "one_cycle", "warm-up"])
def test_rates_change_from_batch_to_batch(cls, solver, schedule):
    """Four batches an epoch: each step has the rate of its own number."""
    X, y = task(cls)
    t, steps = np.arange(8), 8
    if schedule == "cosine":
        rates = 0.05 * half_cosine(t / steps)
    elif schedule == "one_cycle":
        top = 0.3 * steps - 1
        rising = 0.05 + (0.05 / 25 - 0.05) * half_cosine(t / top)
        falling = 0.05 / 25e4 + (0.05 - 0.05 / 25e4) * half_cosine((t - top) / (steps - 1 - top))
        rates = np.where(t <= top, rising, falling)
    else:
        rates = 0.05 * np.minimum(1, (t + 1) / (1.5 * 4))
    params = dict(warmup_epochs=1.5) if schedule == "warm-up" else dict(learning_rate=schedule)
    fitted = descent(cls, solver=solver, batch_size=10, max_iter=2, **params).fit(X, y)
    network = clone(fitted).initialize(X, y).network_
    m = v = 0.0
    for t, rate in enumerate(rates, start=1):
        rows = np.arange(10) + (t - 1) % 4 * 10
        g = network.loss_gradient(X[rows], y[rows]).flat
        if solver == "adam":
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            root = (np.sqrt(v) + 1e-8) / np.sqrt(1 - 0.999**t)
            network.params -= rate * m / (1 - 0.9**t) / root
        else:
            network.params -= rate * g
    np.testing.assert_allclose(fitted.network_.params, network.params, atol=1e-10)


@cut_short
@ESTIMATORS
def test_the_schedules_of_scikit_learn_are_for_sgd(cls):
    X, y = task(cls)
    plain = small(cls, solver="adam").fit(X, y)
    for learning_rate in ("invscaling", "adaptive"):
        assert_equal_networks(plain, small(cls, learning_rate=learning_rate).fit(X, y))


@cut_short
@ESTIMATORS
@STOCHASTIC
def test_a_callable_is_called_with_the_number_of_each_epoch(cls, solver):
    X, y = task(cls)
    epochs = []

    def learning_rate(epoch):
        epochs.append(epoch)
        return 0.01

    estimator = small(cls, solver=solver, learning_rate=learning_rate, batch_size=8)
    estimator.fit(X, y)
    assert epochs == [*range(10)] and all(type(epoch) is int for epoch in epochs)
    # the optimizer starts anew, and so does the schedule, with each fit ...
    estimator.set_params(warm_start=True).fit(X, y)
    assert epochs == 2 * [*range(10)]
    # ... and goes on with each partial_fit
    for _ in range(3):
        estimator.partial_fit(X, y)
    assert epochs[20:] == [10, 11, 12]
    constant = small(cls, solver=solver, learning_rate_init=0.01, batch_size=8).fit(X, y)
    assert_equal_networks(constant, clone(estimator).set_params(warm_start=False).fit(X, y))


@ESTIMATORS
@STOCHASTIC
@pytest.mark.parametrize(
    ("returned", "error"),
    [(0.0, ValueError), (-1, ValueError), (np.nan, ValueError), (np.inf, ValueError)]
    + [(None, TypeError), ("0.1", TypeError), (True, TypeError), ([0.1], TypeError)],
)
def test_what_a_callable_returns_is_checked(cls, solver, returned, error):
    """Also in a later epoch; the estimator is then as it was before."""
    X, y = task(cls)

    def learning_rate(epoch):
        return 0.01 if epoch < 3 else returned

    estimator = small(cls, solver=solver, learning_rate=learning_rate)
    with pytest.raises(error, match="^learning_rate returned .* for epoch 3; it must return a "):
        estimator.fit(X, y)
    assert vars(estimator) == estimator.get_params()
    for _ in range(3):
        estimator.partial_fit(X, y, **first_call(cls, y))
    before = public_state(estimator)
    with pytest.raises(error, match="for epoch 3"):
        estimator.partial_fit(X, y)
    assert_same_state(before, public_state(estimator))
    with pytest.raises(error, match="for epoch 3"):
        estimator.set_params(warm_start=True).fit(X, y)
    assert_same_state(before, public_state(estimator.set_params(warm_start=False)))


def test_an_error_of_a_callable_is_the_users():
    X, y = real()
    estimator = small(BackpropRegressor, learning_rate=lambda epoch: 1 / (epoch - 2))
    with pytest.raises(ValueError, match="returned -0.5 for epoch 0"):
        estimator.fit(X, y)
    estimator.set_params(learning_rate=lambda epoch: [0.1, 0.2][epoch])
    with pytest.raises(IndexError):
        estimator.fit(X, y)
    assert vars(estimator) == estimator.get_params()


@pytest.mark.parametrize(
    "params",
    [
        dict(learning_rate="linear"),
        dict(learning_rate=0.1),
        dict(decay_rate=0.0),
        dict(decay_rate=1.1),
        dict(warmup_epochs=-1),
        dict(solver="rmsprop"),
    ],
)
def test_settings_that_cannot_be(params):
    (name,) = params
    with pytest.raises(ValueError, match=f"'{name}' parameter of BackpropRegressor must be"):
        small(BackpropRegressor, **params).fit(*real())


# --- max_time ---


@pytest.fixture
def clock(monkeypatch):
    """Time as the monitor sees it: a second goes by each time that it looks."""
    seconds = iter(range(10**9))
    monkeypatch.setattr(monitor, "time", SimpleNamespace(monotonic=lambda: next(seconds)))


EVERY_SOLVER = pytest.mark.parametrize(
    "solver", ["sgd", "adam", "rprop", "lbfgs", "levenberg_marquardt"]
)


def timed(cls, **params):
    if params.get("solver") == "levenberg_marquardt":
        params = dict(loss="squared_error") | params
    return small(cls, **params)


@pytest.mark.usefixtures("clock")
@ESTIMATORS
@EVERY_SOLVER
def test_max_time_ends_training(cls, solver):
    """After the epoch in which it passes: 2.5 seconds after the beginning, the third second."""
    X, y = task(cls)
    estimator = timed(cls, solver=solver, max_time=2.5)
    words = "^Training stopped after max_time=2.5 seconds, in iteration 3"
    with pytest.warns(ConvergenceWarning, match=words) as caught:
        estimator.fit(X, y)
    assert len(caught) == 1
    assert estimator.n_iter_ == len(estimator.loss_curve_) == 3
    with pytest.warns(ConvergenceWarning):
        shorter = timed(cls, solver=solver, max_iter=3).fit(X, y)
    assert_equal_networks(estimator, shorter)
    assert estimator.loss_ == shorter.loss_


@cut_short
@pytest.mark.usefixtures("clock")
@ESTIMATORS
@EVERY_SOLVER
def test_time_enough_changes_nothing(cls, solver):
    X, y = task(cls)
    plain = timed(cls, solver=solver).fit(X, y)
    assert_equal_networks(plain, timed(cls, solver=solver, max_time=1e6).fit(X, y))


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("solver", ["adam", "levenberg_marquardt"])
def test_max_time_restores_the_best_weights(solver):
    X, y = real()
    scores = iter([1, 2, 5, 3, 2, 1, 0, 0, 0])
    params = dict(solver=solver, early_stopping=True, scoring=lambda *_: next(scores))
    estimator = timed(BackpropRegressor, max_time=6, **params)
    with pytest.warns(ConvergenceWarning, match="max_time=6 seconds, in iteration 6"):
        estimator.fit(X, y, X_val=X, y_val=y)
    assert estimator.validation_scores_ == [1, 2, 5, 3, 2, 1]
    with pytest.warns(ConvergenceWarning):
        best = timed(BackpropRegressor, solver=solver, max_iter=3).fit(X, y)
    assert_equal_networks(estimator, best)


@pytest.mark.usefixtures("clock")
@ESTIMATORS
def test_training_goes_on_after_max_time(cls):
    """The time is that of each fit."""
    X, y = task(cls)
    estimator = timed(cls, solver="rprop", max_time=2, warm_start=True)
    for n_fits in (1, 2, 3):
        with pytest.warns(ConvergenceWarning, match="in iteration 2;"):
            estimator.fit(X, y)
        assert len(estimator.loss_curve_) == 2 * n_fits


@pytest.mark.parametrize("max_time", [0, -1, "1", np.nan])
def test_max_time_is_positive(max_time):
    with pytest.raises(ValueError, match="'max_time' parameter of BackpropRegressor must be"):
        small(BackpropRegressor, max_time=max_time).fit(*real())


# --- levenberg_marquardt, as an estimator's solver ---


class OwnSquaredError:
    def loss(self, y, outputs):
        return ((outputs - y) ** 2).sum(axis=1) / 2

    def gradient(self, y, outputs):
        return outputs - y


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "poisson", "quantile", "own"])
def test_levenberg_marquardt_needs_squares(loss):
    X, y = real()
    estimator = small(
        BackpropRegressor, solver="levenberg_marquardt",
        loss=OwnSquaredError() if loss == "own" else loss,
    )  # fmt: skip
    with pytest.raises(ValueError, match="'levenberg_marquardt' .* needs loss='squared_error'"):
        estimator.fit(X, np.abs(y))
    assert vars(estimator) == estimator.get_params()


def test_levenberg_marquardt_is_not_the_classifiers_default_loss():
    X, y = classes()
    estimator = small(BackpropClassifier, solver="levenberg_marquardt")
    with pytest.raises(ValueError, match="needs loss='squared_error' .* got loss='log_loss'"):
        estimator.fit(X, y)
    assert vars(estimator) == estimator.get_params()
    squares = clone(estimator).set_params(loss="squared_error", tol=1e-2)
    squares.fit(X, y)
    assert squares.out_activation_ == "softmax"
    assert squares.score(X, y) > 0.9


@cut_short
def test_levenberg_marquardt_has_no_l1():
    X, y = real()
    estimator = small(BackpropRegressor, solver="levenberg_marquardt", l1_ratio=0.5)
    with pytest.raises(ValueError, match="l1_ratio=0, got .* l1_ratio=0.5"):
        estimator.fit(X, y)
    # without a penalty its kind does not matter
    assert estimator.set_params(alpha=0.0).fit(X, y).network_.l1 == 0


@pytest.mark.parametrize("method", ["fit", "initialize"])
def test_levenberg_marquardt_refuses_large_networks_by_their_memory(method):
    X, y = real()
    estimator = small(
        BackpropRegressor, solver="levenberg_marquardt", hidden_layer_sizes=(200, 200)
    )
    # (4 + 1) 200 + 201 200 + 201 parameters: two matrices of 12.8 GiB, and a block of samples
    words = r"the 41401 parameters of this network would take 25\.[5-9]* GiB of memory, more than 2"
    with pytest.raises(ValueError, match=words):
        getattr(estimator, method)(X, y)
    assert vars(estimator) == estimator.get_params()


@ESTIMATORS
def test_levenberg_marquardt_fits_in_float64_whatever_the_type(cls):
    X, y = task(cls)
    X = X.astype(np.float32).astype(np.float64)
    # Rounding enters a solver of many steps: the minimum is what is compared
    params = dict(solver="levenberg_marquardt", tol=1e-5, max_iter=500, alpha=2.0)
    double = timed(cls, **params).fit(X, y)
    single = timed(cls, **params).fit(X.astype(np.float32), y)
    assert (double.network_.dtype, single.network_.dtype) == (np.float64, np.float32)
    assert single.loss_ == pytest.approx(double.loss_, rel=1e-4)
    predict = "predict_proba" if cls is BackpropClassifier else "predict"
    one, other = getattr(double, predict)(X), getattr(single, predict)(X.astype(np.float32))
    assert other.dtype == np.float32
    np.testing.assert_allclose(one, other, atol=0.01)


@ESTIMATORS
def test_levenberg_marquardt_says_when_it_has_not_converged(cls):
    X, y = task(cls)
    short = timed(cls, solver="levenberg_marquardt", max_iter=2)
    words = r"levenberg_marquardt failed to converge after 2 iteration\(s\).* Increase max_iter=2"
    with pytest.warns(ConvergenceWarning, match=words):
        short.fit(X, y)
    assert short.n_iter_ == len(short.loss_curve_) == 2


@cut_short
def test_every_solver_begins_at_the_same_weights_and_goes_down():
    X, y = real()
    start = small(BackpropRegressor).initialize(X, y).network_.loss(X, y)
    for solver in ("sgd", "adam", "rprop", "lbfgs", "levenberg_marquardt"):
        fitted = small(BackpropRegressor, solver=solver, max_iter=30).fit(X, y)
        assert fitted.loss_curve_[-1] < fitted.loss_curve_[0] <= start * (1 + 1e-9)
        if solver in ("lbfgs", "levenberg_marquardt"):
            assert fitted.loss_ == pytest.approx(fitted.network_.loss(X, y), rel=1e-12)
        else:
            # an epoch's loss is that of the weights before its step
            assert fitted.loss_curve_[0] == pytest.approx(start, rel=1e-12)
