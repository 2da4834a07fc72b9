"""What all solvers share: max_time, and what each of them refuses."""

from types import SimpleNamespace

import numpy as np
import pytest
from internals import SOLVER_RECORDS, monitor
from own_losses import SquaredError
from problems import (
    CUT_SHORT,
    ESTIMATORS,
    EVERY_SOLVER,
    assert_equal_networks,
    make_classes,
    make_regression,
    make_task,
    unending,
)
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from fastbp import BackpropClassifier, BackpropRegressor


@ESTIMATORS
@pytest.mark.parametrize("solver", ["rprop", "lbfgs", "levenberg_marquardt"])
def test_partial_fit_is_for_sgd_and_adam(cls, solver):
    estimator = unending(cls, solver=solver)
    assert not hasattr(estimator, "partial_fit")
    with pytest.raises(AttributeError, match="partial_fit") as error:
        estimator.partial_fit(*make_task(cls))
    assert f"{solver} is not stochastic" in str(error.value.__cause__)


@pytest.mark.parametrize(
    "params",
    [
        dict(learning_rate="linear"),
        dict(learning_rate=0.1),
        dict(decay_rate=0.0),
        dict(decay_rate=1.1),
        dict(warmup_epochs=-1),
        dict(solver="newton"),
    ],
)
def test_settings_that_cannot_be(params):
    (name,) = params
    with pytest.raises(ValueError, match=f"'{name}' parameter of BackpropRegressor must be"):
        unending(BackpropRegressor, **params).fit(*make_regression())


# --- max_time ---


@pytest.fixture
def clock(monkeypatch):
    """Time as the monitor sees it: one second later at each look."""
    seconds = iter(range(10**9))
    monkeypatch.setattr(monitor, "time", SimpleNamespace(monotonic=lambda: next(seconds)))


def timed(cls, **params):
    if params.get("solver") == "levenberg_marquardt":
        params = dict(loss="squared_error") | params
    return unending(cls, **params)


@pytest.mark.usefixtures("clock")
@ESTIMATORS
@EVERY_SOLVER
def test_max_time_ends_training(cls, solver):
    """It ends after the epoch in which the time is over: here the third."""
    X, y = make_task(cls)
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


@CUT_SHORT
@pytest.mark.usefixtures("clock")
@ESTIMATORS
@EVERY_SOLVER
def test_time_enough_changes_nothing(cls, solver):
    X, y = make_task(cls)
    plain = timed(cls, solver=solver).fit(X, y)
    assert_equal_networks(plain, timed(cls, solver=solver, max_time=1e6).fit(X, y))


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("solver", ["adam", "levenberg_marquardt"])
def test_max_time_restores_the_best_weights(solver):
    X, y = make_regression()
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
    """The time is counted from the start of each fit."""
    X, y = make_task(cls)
    estimator = timed(cls, solver="rprop", max_time=2, warm_start=True)
    for n_fits in (1, 2, 3):
        with pytest.warns(ConvergenceWarning, match="in iteration 2;"):
            estimator.fit(X, y)
        assert len(estimator.loss_curve_) == 2 * n_fits


@pytest.mark.parametrize("max_time", [0, -1, "1", np.nan])
def test_max_time_is_positive(max_time):
    with pytest.raises(ValueError, match="'max_time' parameter of BackpropRegressor must be"):
        unending(BackpropRegressor, max_time=max_time).fit(*make_regression())


# --- levenberg_marquardt, as an estimator's solver ---


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "poisson", "quantile", "own"])
def test_levenberg_marquardt_needs_squares(loss):
    X, y = make_regression()
    estimator = unending(
        BackpropRegressor, solver="levenberg_marquardt",
        loss=SquaredError() if loss == "own" else loss,
    )  # fmt: skip
    with pytest.raises(ValueError, match="'levenberg_marquardt' .* needs loss='squared_error'"):
        estimator.fit(X, np.abs(y))
    assert vars(estimator) == estimator.get_params()


def test_levenberg_marquardt_is_not_the_classifiers_default_loss():
    X, y = make_classes()
    loss = BackpropClassifier().loss
    estimator = unending(BackpropClassifier, solver="levenberg_marquardt", loss=loss)
    with pytest.raises(ValueError, match="needs loss='squared_error' .* got loss='log_loss'"):
        estimator.fit(X, y)
    assert vars(estimator) == estimator.get_params()
    squares = clone(estimator).set_params(loss="squared_error", tol=1e-2, max_iter=100)
    squares.fit(X, y)
    assert squares.out_activation_ == "softmax"
    assert squares.score(X, y) > 0.9


@CUT_SHORT
def test_levenberg_marquardt_has_no_l1():
    X, y = make_regression()
    estimator = unending(BackpropRegressor, solver="levenberg_marquardt", l1_ratio=0.5)
    with pytest.raises(ValueError, match="l1_ratio=0, got .* l1_ratio=0.5"):
        estimator.fit(X, y)
    # without a penalty l1_ratio does not matter
    assert estimator.set_params(alpha=0.0).fit(X, y).network_.l1 == 0


@pytest.mark.parametrize("method", ["fit", "initialize"])
def test_levenberg_marquardt_refuses_large_networks_by_their_memory(method):
    X, y = make_regression()
    estimator = unending(
        BackpropRegressor, solver="levenberg_marquardt", hidden_layer_sizes=(200, 200)
    )
    # (4 + 1) 200 + 201 200 + 201 parameters: two matrices of 12.8 GiB, and a block of samples
    words = r"the 41401 parameters of this network would take 25\.[5-9]* GiB of memory, more than 2"
    with pytest.raises(ValueError, match=words):
        getattr(estimator, method)(X, y)
    assert vars(estimator) == estimator.get_params()


@ESTIMATORS
def test_levenberg_marquardt_fits_in_float64_whatever_the_type(cls):
    X, y = make_task(cls)
    X = X.astype(np.float32).astype(np.float64)
    # Rounding changes the path of a solver with many steps: compare the minimum
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
    X, y = make_task(cls)
    short = timed(cls, solver="levenberg_marquardt", max_iter=2)
    words = r"levenberg_marquardt failed to converge after 2 iteration\(s\).* Increase max_iter=2"
    with pytest.warns(ConvergenceWarning, match=words):
        short.fit(X, y)
    assert short.n_iter_ == len(short.loss_curve_) == 2


@CUT_SHORT
def test_every_solver_begins_at_the_same_weights_and_goes_down():
    X, y = make_regression()
    start = unending(BackpropRegressor).initialize(X, y).network_.loss(X, y)
    for solver, record in SOLVER_RECORDS.items():
        fitted = unending(BackpropRegressor, solver=solver, max_iter=30).fit(X, y)
        assert fitted.loss_curve_[-1] < fitted.loss_curve_[0] <= start * (1 + 1e-9)
        if record.is_full_batch:
            assert fitted.loss_ == pytest.approx(fitted.network_.loss(X, y), rel=1e-12)
        else:
            # an epoch's loss is that of the weights before its step
            assert fitted.loss_curve_[0] == pytest.approx(start, rel=1e-12)
