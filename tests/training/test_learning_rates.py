"""The rates that schedules.py computes are the ones applied; test_schedules.py tests them."""

import numpy as np
import pytest
from problems import (
    CUT_SHORT,
    ESTIMATORS,
    N_SAMPLES,
    STOCHASTIC,
    assert_equal_networks,
    assert_same_state,
    first_call,
    make_regression,
    make_task,
    public_state,
    unending,
)
from sklearn.base import clone

from fastbp import BackpropRegressor


def descent(cls, **params):
    """The step of an epoch is the rate times the gradient of all samples."""
    defaults = dict(solver="sgd", momentum=0.0, alpha=0.0, batch_size=N_SAMPLES, shuffle=False)
    return unending(cls, **(defaults | params))


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
    "invscaling": (dict(power_t=0.25), 0.05 * np.r_[1, (N_SAMPLES * EPOCHS[1:] + 1.0) ** -0.25]),
    "cosine": ({}, 0.05 * half_cosine(EPOCHS / 10)),
    "one_cycle": (
        {},
        # up in steps 0, 1, 2 = 0.3 * 10 - 1, down to step 9
        np.r_[
            0.05 + (0.05 / 25 - 0.05) * half_cosine(EPOCHS[:3] / 2),
            0.05 / 25e4 + (0.05 - 0.05 / 25e4) * half_cosine((EPOCHS[3:] - 2) / 7),
        ],
    ),
    "coslog4": ({}, 0.025 * (1 - np.cos(2 * np.pi * np.log2(1 + 1.5 * (EPOCHS + 0.5))))),
    "exponential": (dict(decay_rate=0.8), 0.05 * 0.8**EPOCHS),
    "callable": (dict(learning_rate=lambda epoch: 0.04 / (epoch + 2)), 0.04 / (EPOCHS + 2)),
}


@CUT_SHORT
@ESTIMATORS
@pytest.mark.parametrize("warmup_epochs", [0, 4, 2.5])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_give_the_rates_that_are_applied(cls, schedule, warmup_epochs):
    X, y = make_task(cls)
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


@CUT_SHORT
def test_the_adaptive_rate_falls_when_nothing_improves():
    """The first epoch improves whatever tol is; from then on each third epoch divides by 5."""
    X, y = make_regression()
    params = dict(learning_rate="adaptive", tol=1e9, n_iter_no_change=2)
    expected = 0.05 / 5.0 ** np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
    stepwise = descent(BackpropRegressor, **params)
    np.testing.assert_allclose(applied_rates(stepwise, X, y, 10), expected, rtol=1e-9)
    whole = descent(BackpropRegressor, **params).fit(X, y)
    assert_equal_networks(whole, stepwise)
    warmed = descent(BackpropRegressor, warmup_epochs=5, **params)
    expected = expected * np.minimum(1, (EPOCHS + 1) / 5)
    np.testing.assert_allclose(applied_rates(warmed, X, y, 10), expected, rtol=1e-9)


@CUT_SHORT
def test_past_max_iter_the_rates_stay_at_their_end():
    """partial_fit can go on for as long as the user likes."""
    X, y = make_regression()
    last = 0.05 / 25e4
    rates = applied_rates(descent(BackpropRegressor, learning_rate="one_cycle"), X, y, 13)
    np.testing.assert_allclose(rates[9:], last, rtol=1e-6)
    estimator = descent(BackpropRegressor, learning_rate="cosine").fit(X, y)
    before = estimator.network_.params.copy()
    np.testing.assert_array_equal(estimator.partial_fit(X, y).network_.params, before)


@CUT_SHORT
@ESTIMATORS
@STOCHASTIC
@pytest.mark.parametrize("schedule", ["cosine", "one_cycle", "warm-up"])
def test_rates_change_from_batch_to_batch(cls, solver, schedule):
    """Four batches an epoch: each step has the rate of its own number."""
    X, y = make_task(cls)
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
    fitted = descent(cls, solver=solver, batch_size=N_SAMPLES // 4, max_iter=2, **params).fit(X, y)
    network = clone(fitted).initialize(X, y).network_
    m = v = 0.0
    for t, rate in enumerate(rates, start=1):
        rows = np.arange(12) + (t - 1) % 4 * 12
        g = network.loss_gradient(X[rows], y[rows]).flat
        if solver == "adam":
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            root = (np.sqrt(v) + 1e-8) / np.sqrt(1 - 0.999**t)
            network.params -= rate * m / (1 - 0.9**t) / root
        else:
            network.params -= rate * g
    np.testing.assert_allclose(fitted.network_.params, network.params, atol=1e-10)


@CUT_SHORT
@ESTIMATORS
def test_the_schedules_of_scikit_learn_are_for_sgd(cls):
    X, y = make_task(cls)
    plain = unending(cls, solver="adam").fit(X, y)
    for learning_rate in ("invscaling", "adaptive"):
        assert_equal_networks(plain, unending(cls, learning_rate=learning_rate).fit(X, y))


@CUT_SHORT
@ESTIMATORS
@STOCHASTIC
def test_a_callable_is_called_with_the_number_of_each_epoch(cls, solver):
    X, y = make_task(cls)
    epochs = []

    def learning_rate(epoch):
        epochs.append(epoch)
        return 0.01

    estimator = unending(cls, solver=solver, learning_rate=learning_rate, batch_size=16)
    estimator.fit(X, y)
    assert epochs == [*range(10)] and all(type(epoch) is int for epoch in epochs)
    # the optimizer starts anew, and so does the schedule, with each fit ...
    estimator.set_params(warm_start=True).fit(X, y)
    assert epochs == 2 * [*range(10)]
    # ... and goes on with each partial_fit
    for _ in range(3):
        estimator.partial_fit(X, y)
    assert epochs[20:] == [10, 11, 12]
    constant = unending(cls, solver=solver, learning_rate_init=0.01, batch_size=16).fit(X, y)
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
    X, y = make_task(cls)

    def learning_rate(epoch):
        return 0.01 if epoch < 3 else returned

    estimator = unending(cls, solver=solver, learning_rate=learning_rate)
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
    X, y = make_regression()
    estimator = unending(BackpropRegressor, learning_rate=lambda epoch: 1 / (epoch - 2))
    with pytest.raises(ValueError, match="returned -0.5 for epoch 0"):
        estimator.fit(X, y)
    estimator.set_params(learning_rate=lambda epoch: [0.1, 0.2][epoch])
    with pytest.raises(IndexError):
        estimator.fit(X, y)
    assert vars(estimator) == estimator.get_params()
